//! What of a model's text can be spoken, in any split over the stream.
//!
//! A model that was asked for speech still writes as for a page now and then, and some write the
//! call of a tool into the text beside the call itself. Kept from the line: control and invisible
//! characters; Markdown and tags (`**`, `# `, `<b>`, the address of a link); whole elements that hold
//! thoughts or tool calls (`<think>…</think>`); objects in braces; and the commands as functions,
//! such as `transfer({"number": "+15005550006"})`. Everything else passes as it is.
//!
//! Text is held back only while what follows decides about it: a `*`, a word that may turn out to
//! be a command, an open brace.

use std::borrow::Cow;

/// Takes a model's text, without its `[[…]]`, and gives what of it is for the ear.
#[derive(Debug, Clone, Default)]
pub(crate) struct Speakable {
    /// What is not decided yet.
    held: String,
    /// The character before it, as it was written.
    before: Option<char>,
    /// A line that has begun has nothing but spaces so far.
    mid_line: bool,
    /// A `*` or a `_` has opened an emphasis.
    starred: bool,
    underlined: bool,
    /// The element that is silent to its end.
    within: Option<&'static str>,
}

/// What becomes of the beginning of what is held.
enum Step {
    /// So many bytes pass.
    Pass(usize),
    /// So many bytes are silent; this is said in their place.
    Silent(usize, &'static str),
    /// What follows decides.
    Wait,
}

/// The commands as functions, with what some models write in front of them.
const PREFIXES: [&str; 3] = ["", "functions.", "default_api."];
const NAMES: [&str; 5] = ["press", "transfer", "end_call", "request_user", "do_not_call"];

/// Elements of which nothing is for the ear.
const SILENT: [&str; 9] = [
    "think",
    "thinking",
    "thought",
    "reasoning",
    "tool_call",
    "tool_calls",
    "function_call",
    "function_calls",
    "tool_code",
];

/// Elements that part words.
const PARTING: [&str; 12] =
    ["br", "p", "li", "ul", "ol", "tr", "td", "th", "hr", "div", "break", "s"];

/// The longest tag, link, and object, in bytes. What is longer is none.
const LONGEST_TAG: usize = 200;
const LONGEST_LINK: usize = 500;
const LONGEST_OBJECT: usize = 4000;

impl Speakable {
    /// Takes the next stretch of text and returns what can be spoken by now.
    pub(crate) fn push(&mut self, text: &str) -> String {
        self.held.push_str(text);
        self.take(false)
    }

    /// Whether what comes now is thought, and not for the caller.
    pub(crate) fn is_thought(&self) -> bool {
        self.within.is_some()
    }

    /// No more text follows what is held, or something stands between the two.
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
                function(rest, end).unwrap_or(Step::Pass(1))
            }
            c => Step::Pass(c.len_utf8()),
        }
    }

    /// Within a silent element: all is silent up to and with its closing tag.
    fn element(&mut self, rest: &str, name: &str) -> Step {
        let lower = rest.to_ascii_lowercase();
        let closing = format!("</{name}");
        let Some(at) = lower.find(&closing) else {
            // Its beginning may be there already.
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
        match within.find(['<', '>', '\n']).map(|at| (at + 1, &within[at..=at])) {
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
            // The text ends within: a tag if it looks like one.
            None if end && (within.contains('=') || !within.contains(char::is_whitespace)) => {
                Step::Silent(rest.len(), "")
            }
            None if end => Step::Pass(1),
            None => Step::Wait,
        }
    }

    /// One `*` is the key unless it stands at the edge of a word.
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

    /// One `_` within a word belongs to it.
    fn underline(&mut self, rest: &str, end: bool) -> Step {
        let (before, open) = (self.before, self.underlined);
        let mut now_open = open;
        let step = run(rest, '_', end, |bytes, next| {
            let in_word = before.is_some_and(char::is_alphanumeric)
                && next.is_some_and(char::is_alphanumeric);
            if bytes == 1 && in_word && !open {
                return Step::Pass(1);
            }
            if bytes == 1 && !in_word {
                now_open = !open && next.is_some_and(char::is_alphanumeric);
            }
            Step::Silent(bytes, "")
        });
        self.underlined = now_open;
        step
    }
}

/// Whether a voice would say anything: dots, dashes and pictures alone are silence.
pub(crate) fn is_audible(text: &str) -> bool {
    text.contains(char::is_alphanumeric)
}

/// The text without what no voice can say and no line may be given: control and invisible
/// characters. Words that stood on two lines stand on one.
pub(crate) fn without_controls(text: &str) -> Cow<'_, str> {
    let is_bad = |c: char| is_inaudible(c) || is_line_end(c) || c == '\t';
    if !text.contains(is_bad) {
        return Cow::Borrowed(text);
    }
    let kept = text.chars().filter_map(|c| match c {
        c if is_line_end(c) || c == '\t' => Some(' '),
        c if is_inaudible(c) => None,
        c => Some(c),
    });
    Cow::Owned(kept.collect())
}

/// The text without characters that could hide a command from whoever looks for it. What decides
/// about the words, such as ends of lines, stays.
pub(crate) fn without_invisible(text: &str) -> Cow<'_, str> {
    let is_bad = |c: char| is_inaudible(c) && !is_line_end(c) && !matches!(c, '\t' | '\u{1b}');
    if !text.contains(is_bad) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().filter(|c| !is_bad(*c)).collect())
}

fn is_line_end(c: char) -> bool {
    matches!(c, '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// Control characters, invisible marks, what stands for something that could not be read, and
/// characters that mean nothing outside one program. Joiners within words are no such marks.
fn is_inaudible(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}'
            | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
            | '\u{fff9}'..='\u{ffff}' | '\u{fdd0}'..='\u{fdef}' | '\u{e000}'..='\u{f8ff}'
            | '\u{e0000}'..='\u{e00ff}' | '\u{e01f0}'..='\u{10ffff}')
        || u32::from(c) & 0xfffe == 0xfffe
}

/// So many of the first bytes, at a boundary of characters.
fn first_bytes(text: &str, most: usize) -> &str {
    &text[..text.floor_char_boundary(most)]
}

/// Decides about a run of one character by its length in bytes and by what follows it.
fn run(rest: &str, of: char, end: bool, decide: impl FnOnce(usize, Option<char>) -> Step) -> Step {
    let after = rest.trim_start_matches(of);
    match after.chars().next() {
        None if !end => Step::Wait,
        next => decide(rest.len() - after.len(), next),
    }
}

/// A sequence for a terminal, such as the one that makes text bold.
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

/// An object of JSON, or a name in braces that should have been filled in.
fn object(rest: &str, end: bool) -> Step {
    let inside = rest[1..].trim_start();
    let Some(second) = inside.chars().next() else { return Step::Wait };
    let limit = if matches!(second, '"' | '{' | '}' | '[') { LONGEST_OBJECT } else { LONGEST_TAG };
    match closing(rest, limit, end) {
        Some(bytes) => Step::Silent(bytes, ""),
        None if limit == LONGEST_TAG && (end || rest.len() > limit) => Step::Silent(1, ""),
        None => Step::Wait,
    }
}

/// How many bytes it takes to close the bracket that the text begins with. What is not closed
/// within the limit, or before the text ends, goes that far, if it is an object or arguments.
fn closing(rest: &str, limit: usize, end: bool) -> Option<usize> {
    let within = first_bytes(rest, limit);
    let (mut depth, mut quoted, mut escaped) = (0_u32, false, false);
    for (at, c) in within.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '{' | '(' if !quoted => depth += 1,
            '}' | ')' if !quoted => {
                depth -= 1;
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
    }
    (limit == LONGEST_OBJECT && (end || rest.len() > limit)).then_some(within.len())
}

/// A link whose words are spoken, or a command in single brackets.
fn bracket(rest: &str, end: bool) -> Step {
    let inside = &rest[1..];
    match named(inside) {
        Named::Whole(name) => {
            let after = inside[name..].trim_start();
            let unsaid = inside[..name].contains(['_', '.']);
            return match after.chars().next() {
                Some(c) if unsaid || c.is_ascii_digit() || "]:({+*#\"".contains(c) => {
                    match first_bytes(rest, LONGEST_OBJECT).find(']') {
                        Some(at) => Step::Silent(at + 1, ""),
                        None if end || rest.len() > LONGEST_OBJECT => {
                            Step::Silent(first_bytes(rest, LONGEST_OBJECT).len(), "")
                        }
                        None => Step::Wait,
                    }
                }
                None if !end => Step::Wait,
                Some(_) | None => Step::Pass(1),
            };
        }
        Named::Begun if !end => return Step::Wait,
        Named::Begun | Named::Not => {}
    }
    let within = first_bytes(inside, LONGEST_TAG);
    match within.find(['[', ']', '\n', '.', '?', '!']) {
        Some(at) if within[at..].starts_with(']') => match link(&inside[at..], end) {
            Some(Step::Wait) => Step::Wait,
            Some(_) => Step::Silent(1, ""),
            None => Step::Pass(1),
        },
        None if !end && inside.len() <= LONGEST_TAG => Step::Wait,
        Some(_) | None => Step::Pass(1),
    }
}

/// From `](` on: the address of a link. `None` if it is none.
fn link(rest: &str, end: bool) -> Option<Step> {
    const BEGINNINGS: [&str; 7] = ["http", "www.", "mailto:", "tel:", "sms:", "/", "#"];
    let Some(address) = rest.strip_prefix("](") else {
        return (rest == "]" && !end).then_some(Step::Wait);
    };
    if !BEGINNINGS.iter().any(|beginning| address.starts_with(*beginning)) {
        let begun = BEGINNINGS.iter().any(|beginning| beginning.starts_with(address));
        return (begun && !end).then_some(Step::Wait);
    }
    let within = first_bytes(rest, LONGEST_LINK);
    Some(match within.find(')') {
        Some(at) => Step::Silent(at + 1, ""),
        None if end || rest.len() > LONGEST_LINK => Step::Silent(within.len(), ""),
        None => Step::Wait,
    })
}

/// Backticks; behind three of them, the name of a language.
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

/// The most common characters by name.
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

enum Named {
    /// The text begins with the name of a command, of so many bytes.
    Whole(usize),
    /// The text is the beginning of one.
    Begun,
    Not,
}

fn named(text: &str) -> Named {
    let lower = first_bytes(text, 32).to_ascii_lowercase();
    let mut begun = false;
    for prefix in PREFIXES {
        let Some(behind) = lower.strip_prefix(prefix) else {
            begun |= prefix.starts_with(&lower);
            continue;
        };
        for name in NAMES {
            match behind.strip_prefix(name) {
                Some(after) => match after.chars().next() {
                    Some(c) if c.is_alphanumeric() || c == '_' => {}
                    _ => return Named::Whole(prefix.len() + name.len()),
                },
                None => begun |= name.starts_with(behind),
            }
        }
    }
    if begun { Named::Begun } else { Named::Not }
}

/// A command as a function. `None` if it is a word like any other.
fn function(rest: &str, end: bool) -> Option<Step> {
    let name = match named(rest) {
        Named::Whole(name) => name,
        Named::Begun => return (!end).then_some(Step::Wait),
        Named::Not => return None,
    };
    // Some are names that nobody would say.
    let unsaid = rest[..name].contains(['_', '.']);
    let after = &rest[name..];
    let gap = after.len() - after.trim_start_matches([' ', ':']).len();
    let arguments = &after[gap..];
    match arguments.chars().next() {
        None if !end => Some(Step::Wait),
        Some('{') => arguments_of(rest, name + gap, end),
        Some('(') if gap == 0 || unsaid => {
            let inside = arguments[1..].trim_start();
            match inside.chars().next() {
                None if !end => Some(Step::Wait),
                None => Some(Step::Silent(rest.len(), "")),
                Some(c) if unsaid || c.is_ascii_digit() || "{\"'+*#)".contains(c) => {
                    arguments_of(rest, name, end)
                }
                Some(_) => {
                    const FIELDS: [&str; 2] = ["digits", "number"];
                    if FIELDS.iter().any(|field| inside.starts_with(field)) {
                        arguments_of(rest, name, end)
                    } else if !end && FIELDS.iter().any(|field| field.starts_with(inside)) {
                        Some(Step::Wait)
                    } else {
                        None
                    }
                }
            }
        }
        Some(_) | None if unsaid => Some(Step::Silent(name, "")),
        Some(_) | None => None,
    }
}

/// The name and its arguments, which begin `at` that byte or behind a space there.
fn arguments_of(rest: &str, at: usize, end: bool) -> Option<Step> {
    let arguments = rest[at..].trim_start_matches([' ', ':']);
    let at = rest.len() - arguments.len();
    Some(closing(arguments, LONGEST_OBJECT, end).map_or(Step::Wait, |n| Step::Silent(at + n, "")))
}

#[cfg(test)]
mod tests;
