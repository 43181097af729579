//! Removes from a model's text what cannot be spoken, however the stream splits it.
//!
//! Models that are asked for speech sometimes write markup, and some write tool calls into the text
//! beside the call itself. Removed are control and invisible characters; Markdown and tags (`**`,
//! `# `, `<b>`, the address of a link); whole elements with thoughts or tool calls
//! (`<think>…</think>`); JSON objects; and commands written as functions, such as
//! `transfer({"number": "+15005550006"})`. Everything else passes unchanged.
//!
//! Text is held back only as long as it depends on what follows: a `*`, a word that may turn out to
//! be a command, an open brace.

mod machinery;

use std::borrow::Cow;

use self::machinery::{bracket, function, link, object};

/// Filters a model's text, from which `[[…]]` has been removed already.
#[derive(Debug, Clone, Default)]
pub(crate) struct Speakable {
    /// Text that is not decided yet.
    held: String,
    /// The character before `held`, as it was written.
    before: Option<char>,
    /// The current line contains something other than spaces.
    mid_line: bool,
    /// A `*` or a `_` has opened an emphasis.
    starred: bool,
    underlined: bool,
    /// The silent element that has not ended yet.
    within: Option<&'static str>,
}

/// What to do with the start of the held text.
enum Step {
    /// This many bytes are spoken.
    Pass(usize),
    /// This many bytes are removed, and replaced by this text.
    Silent(usize, &'static str),
    /// Of this many bytes, the first and the last are removed.
    Bare(usize),
    /// It depends on what follows.
    Wait,
}

/// Elements that are removed with their content.
const SILENT: [&str; 16] = [
    "think",
    "thinking",
    "thought",
    "reasoning",
    "tool",
    "tool_call",
    "tool_calls",
    "tool_code",
    "tool_use",
    "function",
    "function_call",
    "function_calls",
    "invoke",
    "parameter",
    "script",
    "style",
];

/// Elements that separate words.
const PARTING: [&str; 12] =
    ["br", "p", "li", "ul", "ol", "tr", "td", "th", "hr", "div", "break", "s"];

/// The longest tag, link and object, in bytes. Anything longer is treated as text.
const LONGEST_TAG: usize = 200;
const LONGEST_LINK: usize = 500;
const LONGEST_OBJECT: usize = 4000;

impl Speakable {
    /// Takes the next part of the stream, and returns what can be spoken by now.
    pub(crate) fn push(&mut self, text: &str) -> String {
        self.held.push_str(text);
        self.take(false)
    }

    /// Whether the stream is within a silent element, such as a thought.
    pub(crate) fn is_thought(&self) -> bool {
        self.within.is_some()
    }

    /// Decides the held text, because the stream ends or a command follows. Returns what can be
    /// spoken of it.
    pub(crate) fn flush(&mut self) -> String {
        self.take(true)
    }

    fn take(&mut self, end: bool) -> String {
        let held = std::mem::take(&mut self.held);
        let (mut spoken, mut rest) = (String::with_capacity(held.len()), held.as_str());
        while let Some(first) = rest.chars().next() {
            let (bytes, words) = match self.step(rest, first, end) {
                Step::Pass(bytes) => (bytes, None),
                Step::Silent(bytes, instead) => (bytes, Some(instead)),
                Step::Bare(bytes) => (bytes, Some(&rest[1..bytes - 1])),
                Step::Wait if end => (first.len_utf8(), Some("")),
                Step::Wait => break,
            };
            let (taken, after) = rest.split_at(bytes);
            spoken.push_str(words.unwrap_or(taken));
            self.pass_by(taken);
            rest = after;
        }
        rest.clone_into(&mut self.held);
        spoken
    }

    fn pass_by(&mut self, taken: &str) {
        self.before = taken.chars().next_back().or(self.before);
        for c in taken.chars() {
            if is_line_end(c) {
                self.mid_line = false;
            } else if !c.is_whitespace() {
                self.mid_line = true;
            }
        }
    }

    fn step(&mut self, rest: &str, first: char, end: bool) -> Step {
        if let Some(name) = self.within {
            return self.element(rest, name);
        }
        let after_word = self.before.is_some_and(|c| c.is_alphanumeric() || c == '_');
        match first {
            '\u{1b}' => escape(rest, end),
            c if is_line_end(c) || c == '\t' => Step::Silent(c.len_utf8(), " "),
            c if is_inaudible(c) => Step::Silent(c.len_utf8(), ""),
            '<' => self.tag(rest, end),
            '{' => object(rest, end),
            '[' => bracket(rest, end),
            ']' => link(rest, end).unwrap_or(Step::Pass(1)),
            '*' => self.star(rest, end),
            '_' => self.underline(rest, end),
            '`' => fence(rest, end),
            '~' => {
                run(
                    rest,
                    '~',
                    end,
                    |bytes, _| {
                        if bytes > 1 { Step::Silent(bytes, "") } else { Step::Pass(1) }
                    },
                )
            }
            '#' if !self.mid_line => run(rest, '#', end, |bytes, next| match next {
                Some(' ') if bytes <= 6 => Step::Silent(bytes + 1, ""),
                _ => Step::Pass(bytes),
            }),
            '-' | '+' | '•' | '>' if !self.mid_line => run(rest, first, end, |bytes, next| {
                if next == Some(' ') && bytes == first.len_utf8() {
                    Step::Silent(bytes + 1, "")
                } else {
                    Step::Pass(bytes)
                }
            }),
            '|' => Step::Silent(1, " "),
            '&' => entity(rest, end),
            c if c.is_ascii_alphabetic() && !after_word => {
                function(rest, end).unwrap_or_else(|| rest_of_word(rest))
            }
            c if c.is_ascii_alphanumeric() => rest_of_word(rest),
            c => Step::Pass(c.len_utf8()),
        }
    }

    /// Within a silent element: removes everything up to its closing tag.
    fn element(&mut self, rest: &str, name: &str) -> Step {
        let lower = rest.to_ascii_lowercase();
        let closing = format!("</{name}");
        let Some(at) = lower.find(&closing) else {
            // Part of the closing tag may have come already.
            let open = lower.rfind('<').filter(|at| closing.starts_with(&lower[*at..]));
            return match open {
                Some(0) => Step::Wait,
                Some(at) => Step::Silent(at, ""),
                None => Step::Silent(rest.len(), ""),
            };
        };
        match rest[at..].find('>') {
            Some(close) => {
                self.within = None;
                Step::Silent(at + close + 1, "")
            }
            None if at > 0 => Step::Silent(at, ""),
            None => Step::Wait,
        }
    }

    fn tag(&mut self, rest: &str, end: bool) -> Step {
        let Some(second) = rest[1..].chars().next() else { return Step::Wait };
        if !second.is_ascii_alphabetic() && !matches!(second, '/' | '!' | '?' | '|') {
            return Step::Pass(1);
        }
        let within = first_bytes(&rest[1..], LONGEST_TAG);
        let closes = within.find(['<', '>', '\n']);
        if second.is_ascii_alphabetic() && is_comparison(within, closes) {
            return Step::Pass(1);
        }
        match closes.map(|at| (at + 1, &within[at..=at])) {
            Some((close, ">")) if is_address(&rest[1..close]) => Step::Bare(close + 1),
            Some((close, ">")) => {
                let inside = &rest[1..close];
                let name = inside.trim_start_matches('/');
                let name = name.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next();
                let name = name.unwrap_or_default().to_ascii_lowercase();
                if !inside.starts_with('/') && !inside.ends_with('/') {
                    self.within = SILENT.into_iter().find(|silent| *silent == name);
                }
                let parts = PARTING.contains(&name.as_str());
                Step::Silent(close + 1, if parts { " " } else { "" })
            }
            Some(_) => Step::Pass(1),
            None if rest.len() > LONGEST_TAG => Step::Pass(1),
            // The text ends within it: treated as a tag if it looks like one.
            None if end && (within.contains('=') || within.chars().all(is_of_name)) => {
                Step::Silent(rest.len(), "")
            }
            None if end => Step::Pass(1),
            None => Step::Wait,
        }
    }

    /// A single `*` is the telephone key, unless it is at the edge of a word.
    fn star(&mut self, rest: &str, end: bool) -> Step {
        let (before, mid_line, open) = (self.before, self.mid_line, self.starred);
        let mut now_open = open;
        let step = run(rest, '*', end, |bytes, next| {
            let after = before.is_none_or(|c| !c.is_alphanumeric());
            if bytes > 1 {
                Step::Silent(bytes, "")
            } else if !mid_line && next == Some(' ') {
                Step::Silent(2, "")
            } else if open && before.is_some_and(|c| !c.is_whitespace()) {
                now_open = false;
                Step::Silent(1, "")
            } else if after && next.is_some_and(char::is_alphabetic) {
                now_open = true;
                Step::Silent(1, "")
            } else {
                Step::Pass(1)
            }
        });
        self.starred = now_open;
        step
    }

    /// A single `_` within a word belongs to the word.
    fn underline(&mut self, rest: &str, end: bool) -> Step {
        let (before, open) = (self.before, self.underlined);
        let mut now_open = open;
        let step = run(rest, '_', end, |bytes, next| {
            let in_word = before.is_some_and(char::is_alphanumeric)
                && next.is_some_and(char::is_alphanumeric);
            if bytes == 1 && in_word {
                return Step::Pass(1);
            }
            if bytes == 1 {
                now_open = !open && next.is_some_and(char::is_alphanumeric);
            }
            Step::Silent(bytes, "")
        });
        self.underlined = now_open;
        step
    }
}

/// Whether a voice would say anything: punctuation and symbols alone are silence.
pub(crate) fn is_audible(text: &str) -> bool {
    text.contains(char::is_alphanumeric)
}

/// The text without control and invisible characters, which must not be sent to a line. Line ends
/// become spaces.
pub(crate) fn without_controls(text: &str) -> Cow<'_, str> {
    let is_bad = |c: char| is_inaudible(c) || is_line_end(c) || c == '\t';
    if is_printable_ascii(text) || !text.contains(is_bad) {
        return Cow::Borrowed(text);
    }
    let kept = text.chars().filter_map(|c| match c {
        c if is_line_end(c) || c == '\t' => Some(' '),
        c if is_inaudible(c) => None,
        c => Some(c),
    });
    Cow::Owned(kept.collect())
}

/// The text without characters that could hide a command from the scanner. Characters that the
/// filter needs, such as line ends, remain.
pub(crate) fn without_invisible(text: &str) -> Cow<'_, str> {
    let is_bad = |c: char| is_inaudible(c) && !is_line_end(c) && !matches!(c, '\t' | '\u{1b}');
    if is_printable_ascii(text) || !text.contains(is_bad) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().filter(|c| !is_bad(*c)).collect())
}

/// Whether the text is what most words are, for which no other question needs to be asked.
fn is_printable_ascii(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
}

fn is_line_end(c: char) -> bool {
    matches!(c, '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// Control characters, invisible marks, replacement characters, noncharacters and private-use
/// characters. Joiners within words are not among them.
fn is_inaudible(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}'
            | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
            | '\u{fff9}'..='\u{ffff}' | '\u{fdd0}'..='\u{fdef}' | '\u{e000}'..='\u{f8ff}'
            | '\u{e0000}'..='\u{e00ff}' | '\u{e01f0}'..='\u{10ffff}')
        || u32::from(c) & 0xfffe == 0xfffe
}

/// Passes the letters and digits up to the next other character, none of which is looked at for
/// itself.
fn rest_of_word(rest: &str) -> Step {
    Step::Pass(rest.bytes().take_while(u8::is_ascii_alphanumeric).count())
}

/// At most this many of the first bytes, ending at a character boundary.
fn first_bytes(text: &str, most: usize) -> &str {
    &text[..text.floor_char_boundary(most)]
}

/// Decides about a run of one character by its length in bytes and the character after it.
fn run(rest: &str, of: char, end: bool, decide: impl FnOnce(usize, Option<char>) -> Step) -> Step {
    let after = rest.trim_start_matches(of);
    match after.chars().next() {
        None if !end => Step::Wait,
        next => decide(rest.len() - after.len(), next),
    }
}

/// Whether a `<` is a comparison, as in «a < b and c > d», not a tag, whose first attribute would
/// contain `=`. Decided as soon as the first word is complete.
fn is_comparison(within: &str, closes: Option<usize>) -> bool {
    let inside = &within[..closes.unwrap_or(within.len())];
    let Some((_, behind)) = inside.split_once(char::is_whitespace) else { return false };
    let behind = behind.trim_start();
    let first = behind.split(char::is_whitespace).next().unwrap_or_default();
    let is_whole = closes.is_some() || first.len() < behind.len();
    is_whole && !first.is_empty() && !first.contains('=') && !first.starts_with('/')
}

/// Whether the content of `<…>` is an address, which is spoken as it is.
fn is_address(inside: &str) -> bool {
    let is_word = !inside.contains(|c: char| c.is_whitespace() || c == '"');
    is_word && (inside.contains('@') || inside.contains("://"))
}

/// Whether a tag's name, or what may precede it, can contain the character.
fn is_of_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_-/|!?".contains(c)
}

/// A terminal escape sequence, such as the one for bold text (ECMA-48, CSI).
fn escape(rest: &str, end: bool) -> Step {
    let Some(parameters) = rest.strip_prefix("\u{1b}[") else {
        return if rest.len() == 1 && !end { Step::Wait } else { Step::Silent(1, "") };
    };
    let short = first_bytes(parameters, 32);
    match short.find(|c: char| !matches!(c, '0'..='9' | ';' | '?')) {
        Some(at) if short[at..].starts_with(|c: char| c.is_ascii_alphabetic()) => {
            Step::Silent(2 + at + 1, "")
        }
        None if !end && parameters.len() <= 32 => Step::Wait,
        Some(_) | None => Step::Silent(1, ""),
    }
}

/// Backticks, and the name of a language after three of them.
fn fence(rest: &str, end: bool) -> Step {
    run(rest, '`', end, |bytes, _| {
        let after = &rest[bytes..];
        let language = after.trim_start_matches(|c: char| c.is_ascii_alphanumeric());
        match language.chars().next() {
            _ if bytes < 3 || after.len() - language.len() > 20 => Step::Silent(bytes, ""),
            Some('\n') => Step::Silent(rest.len() - language.len(), ""),
            None if !end => Step::Wait,
            Some(_) | None => Step::Silent(bytes, ""),
        }
    })
}

/// The most common HTML character references.
fn entity(rest: &str, end: bool) -> Step {
    const KNOWN: [(&str, &str); 8] = [
        ("&amp;", "&"),
        ("&quot;", "\""),
        ("&apos;", "'"),
        ("&#39;", "'"),
        ("&nbsp;", " "),
        ("&#160;", " "),
        ("&lt;", ""),
        ("&gt;", ""),
    ];
    if let Some((name, instead)) = KNOWN.iter().find(|(name, _)| rest.starts_with(name)) {
        return Step::Silent(name.len(), instead);
    }
    let begun = !end && KNOWN.iter().any(|(name, _)| name.starts_with(rest));
    if begun { Step::Wait } else { Step::Pass(1) }
}

#[cfg(test)]
mod tests;
