//! `.env` files.
//!
//! The syntax is what the dotenv packages of Node, Python and Ruby and Docker Compose agree on: one
//! `NAME=value` a line, with an optional `export`; `#` at the start of a value or after a space
//! begins a comment; quoted values may span lines. Variables in values are not expanded. A line
//! that cannot be parsed is an error, which does not quote the line, since it may contain a secret.

use std::fmt;

/// A line that cannot be parsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LineError {
    /// Counted from 1.
    pub(super) line: usize,
    problem: Problem,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Problem {
    NoAssignment,
    NoName,
    Unclosed(char),
    TextAfterQuote(char),
}

impl fmt::Display for LineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: ", self.line)?;
        match self.problem {
            Problem::NoAssignment => {
                f.write_str("is no assignment; write NAME=value, or # before a comment")
            }
            Problem::NoName => {
                f.write_str("has no name before the =; names are letters, digits and _")
            }
            Problem::Unclosed(quote) => write!(f, "the {quote} that opens the value is not closed"),
            Problem::TextAfterQuote(quote) => write!(
                f,
                "text follows the closing {quote}; a quote inside a value goes into quotes of the \
                 other kind"
            ),
        }
    }
}

/// The names and values in their order, or all lines that cannot be parsed.
pub(super) fn parse(text: &str) -> Result<Vec<(String, String)>, Vec<LineError>> {
    // Some editors write a byte-order mark before the first name.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut rest = Rest { text, line: 1 };
    let (mut pairs, mut errors) = (Vec::new(), Vec::new());
    while !rest.text.is_empty() {
        match rest.assignment() {
            Ok(pair) => pairs.extend(pair),
            Err(error) => errors.push(error),
        }
    }
    if errors.is_empty() { Ok(pairs) } else { Err(errors) }
}

/// The text that is still to be parsed, and the number of its first line.
struct Rest<'a> {
    text: &'a str,
    line: usize,
}

impl Rest<'_> {
    /// Parses one assignment, or skips a line without one.
    fn assignment(&mut self) -> Result<Option<(String, String)>, LineError> {
        let line = self.line;
        let error = |problem| LineError { line, problem };
        let length = self.text.find(['\n', '\r']).unwrap_or(self.text.len());
        let first = self.text[..length].trim();
        if first.is_empty() || first.starts_with('#') {
            self.skip_line();
            return Ok(None);
        }
        let Some((name, _)) = first.split_once('=') else {
            self.skip_line();
            return Err(error(Problem::NoAssignment));
        };
        let name = without_export(name.trim_end());
        if !is_name(name) {
            self.skip_line();
            let blank = name.is_empty();
            return Err(error(if blank { Problem::NoName } else { Problem::NoAssignment }));
        }
        let name = name.to_owned();
        let (_, value) = self.text.split_once('=').unwrap_or_default();
        let value = value.trim_start_matches([' ', '\t']);
        let Some(quote) = value.chars().next().filter(|c| matches!(c, '"' | '\'' | '`')) else {
            let (value, _) = value.split_once(['\n', '\r']).unwrap_or((value, ""));
            let value = without_comment(value).trim().to_owned();
            self.skip_line();
            return Ok(Some((name, value)));
        };
        let Some((value, after)) = quoted(&value[1..], quote) else {
            self.skip_line();
            return Err(error(Problem::Unclosed(quote)));
        };
        let behind = after.lines().next().unwrap_or_default().trim();
        self.skip_to(after);
        self.skip_line();
        if behind.is_empty() || behind.starts_with('#') {
            Ok(Some((name, value)))
        } else {
            Err(error(Problem::TextAfterQuote(quote)))
        }
    }

    /// Continues at `after`, a suffix of the text.
    fn skip_to(&mut self, after: &str) {
        let (read, rest) = self.text.split_at(self.text.len() - after.len());
        self.line += line_ends(read);
        self.text = rest;
    }

    fn skip_line(&mut self) {
        let end = self.text.find(['\n', '\r']).unwrap_or(self.text.len());
        let after = &self.text[end..];
        let after = after.strip_prefix("\r\n").unwrap_or_else(|| after.get(1..).unwrap_or(""));
        self.skip_to(after);
    }
}

/// Lines end with `\n`, `\r\n` or `\r`.
fn line_ends(text: &str) -> usize {
    text.matches('\n').count() + text.matches('\r').count() - text.matches("\r\n").count()
}

fn without_export(name: &str) -> &str {
    let rest = name.strip_prefix("export").filter(|rest| rest.starts_with([' ', '\t']));
    rest.map_or(name, str::trim_start)
}

fn is_name(name: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    !name.starts_with(|c: char| c.is_ascii_digit()) && !name.is_empty() && name.chars().all(word)
}

fn without_comment(value: &str) -> &str {
    let comment = value.char_indices().find(|&(at, c)| {
        c == '#' && value[..at].chars().next_back().is_none_or(char::is_whitespace)
    });
    comment.map_or(value, |(at, _)| &value[..at])
}

/// The value up to the closing quote, and the text behind it.
fn quoted(text: &str, quote: char) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            _ if c == quote => return Some((value, &text[at + 1..])),
            '\\' if quote == '"' => match chars.next()?.1 {
                'n' => value.push('\n'),
                'r' => value.push('\r'),
                't' => value.push('\t'),
                escaped @ ('"' | '\\' | '$' | '`') => value.push(escaped),
                other => value.extend(['\\', other]),
            },
            _ => value.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(String, String)> {
        parse(text).unwrap()
    }

    fn value(text: &str) -> String {
        let pairs = read(text);
        let [(_, value)] = pairs.as_slice() else { panic!("{pairs:?}") };
        value.clone()
    }

    fn problem(text: &str) -> String {
        let errors = parse(text).unwrap_err();
        let errors: Vec<_> = errors.iter().map(ToString::to_string).collect();
        errors.join("; ")
    }

    #[test]
    fn assignments_are_read_with_and_without_export() {
        let text =
            "# note\nexport A=1\nexport\tB=2\n  export \t C = 3\nexport=4\n\nD=\nE_1.x-y=5\r\nF=6";
        let wanted = [
            ("A", "1"),
            ("B", "2"),
            ("C", "3"),
            ("export", "4"),
            ("D", ""),
            ("E_1.x-y", "5"),
            ("F", "6"),
        ];
        let pairs = read(text);
        let pairs: Vec<_> = pairs.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        assert_eq!(pairs, wanted);
    }

    #[test]
    fn a_comment_is_never_part_of_a_value() {
        for text in ["A= #b", "A=#b", "A=\t# b", "A=   # b # c", "A="] {
            assert_eq!(value(text), "", "{text}");
        }
        assert_eq!(value("A=b # c"), "b");
        assert_eq!(value("A=b\t#c"), "b");
        assert_eq!(value("A=b#c"), "b#c");
        assert_eq!(value("A=\"b # c\" # d"), "b # c");
        assert_eq!(value("A='b #c'# d"), "b #c");
    }

    #[test]
    fn a_plain_value_is_taken_to_the_end_of_its_line() {
        assert_eq!(value("A= You're kind, \"aren't\" you?  "), "You're kind, \"aren't\" you?");
        assert_eq!(value("A=b=c==\n"), "b=c==");
        assert_eq!(value("A=pa$$word $HOME ${HOME} \\n"), "pa$$word $HOME ${HOME} \\n");
    }

    #[test]
    fn quoted_values_may_go_over_several_lines() {
        assert_eq!(value("A=\"one\ntwo\n\n  three\" # note\n"), "one\ntwo\n\n  three");
        assert_eq!(value("A='one\r\ntwo'"), "one\r\ntwo");
        assert_eq!(value("A=`it's \"both\"`"), "it's \"both\"");
        assert_eq!(value(r#"A="a\nb\t\"c\" \\ \$d \e""#), "a\nb\t\"c\" \\ $d \\e");
        assert_eq!(value(r"A='a\nb'"), r"a\nb");
        assert_eq!(read("A='1\n2'\nB=3").last().unwrap(), &("B".to_owned(), "3".to_owned()));
    }

    #[test]
    fn a_byte_order_mark_belongs_to_no_name() {
        assert_eq!(read("\u{feff}A=1"), [("A".to_owned(), "1".to_owned())]);
    }

    #[test]
    fn every_line_that_cannot_be_read_is_named_and_not_quoted() {
        let text = "A=1\nsecret: x\n\nB='x\ny'\nsecret\n=secret\nC=\"secret\nD='x' secret\n1A=x\nexport E\n";
        let problem = problem(text);
        for line in
            ["line 2: ", "line 6: ", "line 7: ", "line 8: ", "line 9: ", "line 10: ", "line 11: "]
        {
            assert!(problem.contains(line), "{line}{problem}");
        }
        for right in ["line 1: ", "line 3: ", "line 4: ", "line 5: "] {
            assert!(!problem.contains(right), "{right}{problem}");
        }
        assert!(!problem.contains("secret"), "{problem}");
    }

    #[test]
    fn any_text_is_read_or_refused() {
        for text in
            ["\u{feff}", "\r", "=\r\r\n", "A=\\", "A=\"\\", "\"", "A='", "é=ü", "A=ü#é # ö", "\0"]
        {
            let _ = parse(text);
        }
    }
}
