//! Tool calls written as text, JSON objects, and addresses of links.

use super::{LONGEST_LINK, LONGEST_OBJECT, LONGEST_TAG, Step, first_bytes, is_line_end};

/// What some models write before the name of a command.
const PREFIXES: [&str; 3] = ["", "functions.", "default_api."];
const NAMES: [&str; 5] = ["press", "transfer", "end_call", "request_user", "do_not_call"];

/// A JSON object, or a template variable that was not filled in.
pub(super) fn object(rest: &str, end: bool) -> Step {
    let inside = rest[1..].trim_start();
    let Some(second) = inside.chars().next() else { return Step::Wait };
    let limit = if matches!(second, '"' | '{' | '}' | '[') { LONGEST_OBJECT } else { LONGEST_TAG };
    match closing(rest, limit, end) {
        Some(bytes) => Step::Silent(bytes, ""),
        None if limit == LONGEST_TAG && (end || rest.len() > limit) => Step::Silent(1, ""),
        None => Step::Wait,
    }
}

/// The length up to the bracket that closes the first one. An object, or arguments, that are not
/// closed within the limit, or before the text ends, extend to there.
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

/// A link, of which the text is spoken, or a command in single brackets.
pub(super) fn bracket(rest: &str, end: bool) -> Step {
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

/// The address of a link, from `](` on. `None` if it is not one.
pub(super) fn link(rest: &str, end: bool) -> Option<Step> {
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

enum Named {
    /// The text begins with the name of a command, which has this many bytes.
    Whole(usize),
    /// The text may be the beginning of a name.
    Begun,
    Not,
}

fn named(text: &str) -> Named {
    let begins = |word: &&str| {
        let (word, text) = (word.as_bytes().first(), text.as_bytes().first());
        word.zip(text).is_some_and(|(word, text)| word.eq_ignore_ascii_case(text))
    };
    // Most words of a reply are decided by their first letter.
    if !text.is_empty() && !PREFIXES.iter().chain(&NAMES).any(begins) {
        return Named::Not;
    }
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

/// A command written as a function. `None` if it is an ordinary word.
pub(super) fn function(rest: &str, end: bool) -> Option<Step> {
    let name = match named(rest) {
        Named::Whole(name) => name,
        Named::Begun => return (!end).then_some(Step::Wait),
        Named::Not => return None,
    };
    // Names with `_` or `.` are never ordinary words.
    let unsaid = rest[..name].contains(['_', '.']);
    let after = &rest[name..];
    let gap = after.len() - after.trim_start_matches([' ', ':']).len();
    let arguments = &after[gap..];
    match arguments.chars().next() {
        None if !end => Some(Step::Wait),
        Some('{') => Some(arguments_of(rest, name + gap, end)),
        Some('(') if gap == 0 || unsaid => {
            let inside = arguments[1..].trim_start();
            match inside.chars().next() {
                None if !end => Some(Step::Wait),
                None => Some(Step::Silent(rest.len(), "")),
                Some(c) if unsaid || c.is_ascii_digit() || "{\"'+*#)".contains(c) => {
                    Some(arguments_of(rest, name, end))
                }
                Some(_) => {
                    const FIELDS: [&str; 2] = ["digits", "number"];
                    if FIELDS.iter().any(|field| inside.starts_with(field)) {
                        Some(arguments_of(rest, name, end))
                    } else if !end && FIELDS.iter().any(|field| field.starts_with(inside)) {
                        Some(Step::Wait)
                    } else {
                        None
                    }
                }
            }
        }
        // Its argument, such as a question to a supervisor, is removed to the end of the line.
        Some(_) if unsaid && after.trim_start_matches(' ').starts_with(':') => {
            let within = first_bytes(rest, LONGEST_LINK);
            match within.find(is_line_end) {
                Some(at) => Some(Step::Silent(at, "")),
                None if end || rest.len() > LONGEST_LINK => Some(Step::Silent(within.len(), "")),
                None => Some(Step::Wait),
            }
        }
        Some(_) | None if unsaid => Some(Step::Silent(name, "")),
        Some(_) | None => None,
    }
}

/// The name and its arguments, which begin at byte `at`, or after spaces there.
fn arguments_of(rest: &str, at: usize, end: bool) -> Step {
    let arguments = rest[at..].trim_start_matches([' ', ':']);
    let at = rest.len() - arguments.len();
    closing(arguments, LONGEST_OBJECT, end).map_or(Step::Wait, |n| Step::Silent(at + n, ""))
}
