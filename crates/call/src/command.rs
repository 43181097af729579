//! Commands in the model's text, such as `[[press:1]]`, `[[transfer:+15005550006]]`, `[[end_call]]`
//! and `[[request_user:May I?]]`, however the stream splits them.
//!
//! No character between `[[` and `]]` is ever text. Only what may still become a command is held
//! back: a `[` until the next character is known, and everything after `[[`.

use crate::dialing::PhoneNumber;
use crate::event::CommandName;
use crate::ids::Digits;

/// Why a command is rejected that the same reply has given before.
pub(crate) const REPEATED: &str =
    "the same command was given before in this reply, and counts once";

/// A command of the model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Press keys.
    Press(Digits),
    /// Transfer the call; without a number, to the agent's fallback.
    Transfer(Option<PhoneNumber>),
    /// Hang up.
    EndCall,
    /// Ask the supervisor.
    RequestUser(String),
    /// Never call this person again.
    DoNotCall,
}

impl Command {
    /// The command's name.
    #[must_use]
    pub fn name(&self) -> CommandName {
        match self {
            Self::Press(_) => CommandName::Press,
            Self::Transfer(_) => CommandName::Transfer,
            Self::EndCall => CommandName::EndCall,
            Self::RequestUser(_) => CommandName::RequestUser,
            Self::DoNotCall => CommandName::DoNotCall,
        }
    }

    /// The command's value as text.
    #[must_use]
    pub fn value(&self) -> String {
        match self {
            Self::Press(digits) => digits.to_string(),
            Self::Transfer(number) => number.as_ref().map(ToString::to_string).unwrap_or_default(),
            Self::EndCall | Self::DoNotCall => String::new(),
            Self::RequestUser(question) => question.clone(),
        }
    }

    /// Reads a command from its name and value.
    pub(crate) fn read(name: &str, value: &str) -> Result<Self, Malformed> {
        let fail = |reason: &'static str| Malformed {
            command: clipped(name),
            value: clipped(value),
            reason,
        };
        let value = value.trim();
        match name.trim() {
            "press" => Digits::parse(value)
                .map(Self::Press)
                .map_err(|_| fail("press takes 1 to 64 of 0-9 * # w")),
            "transfer" if value.is_empty() => Ok(Self::Transfer(None)),
            "transfer" => PhoneNumber::parse(value)
                .map(|number| Self::Transfer(Some(number)))
                .map_err(|_| fail("transfer takes an E.164 number such as +15005550006")),
            "end_call" if value.is_empty() => Ok(Self::EndCall),
            "end_call" => Err(fail("end_call takes no value")),
            "do_not_call" if value.is_empty() => Ok(Self::DoNotCall),
            "do_not_call" => Err(fail("do_not_call takes no value")),
            "request_user" if value.is_empty() => Err(fail("request_user takes a question")),
            "request_user" => Ok(Self::RequestUser(clipped(value))),
            _ => Err(fail("unknown command")),
        }
    }

    /// Reads a command from a tool call, which has the same names and its value as a JSON argument.
    pub(crate) fn from_tool(name: &str, arguments: &str) -> Result<Self, Malformed> {
        let fail = |reason| Malformed { command: clipped(name), value: clipped(arguments), reason };
        let arguments = if arguments.trim().is_empty() { "{}" } else { arguments };
        let Ok(serde_json::Value::Object(fields)) = serde_json::from_str(arguments) else {
            return Err(fail("the arguments are not a JSON object"));
        };
        let field = match name {
            "press" => "digits",
            "transfer" => "number",
            "request_user" => "prompt",
            "end_call" => return Ok(Self::EndCall),
            "do_not_call" => return Ok(Self::DoNotCall),
            _ => return Err(fail("unknown tool")),
        };
        let value = match fields.get(field) {
            None | Some(serde_json::Value::Null) => String::new(),
            Some(serde_json::Value::String(text)) => text.clone(),
            Some(serde_json::Value::Number(number)) => number.to_string(),
            Some(_) => return Err(fail("the argument is not a string")),
        };
        Self::read(name, &value)
    }
}

/// Content of `[[…]]`, or a tool call, that is not a valid command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed {
    /// The name as it was written.
    pub command: String,
    /// The rest as it was written.
    pub value: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

/// A part of the model's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// Text to speak.
    Text(String),
    /// A command to carry out.
    Command(Command),
    /// An invalid command to reject.
    Malformed(Malformed),
}

/// Separates commands from text in a stream.
#[derive(Debug, Clone, Default)]
pub struct Scanner {
    state: State,
}

#[derive(Debug, Clone, Default)]
enum State {
    #[default]
    Text,
    /// One `[` is held back.
    Bracket,
    /// After `[[`: the content so far, including a last `]`.
    Command(String),
}

/// The longest value that is kept, in characters; the rest is dropped, never spoken.
const LONGEST: usize = 1000;

impl Scanner {
    /// Whether nothing is held back and `text` cannot contain a command, so that it may be spoken
    /// without [`Scanner::push`].
    #[must_use]
    pub fn passes(&self, text: &str) -> bool {
        matches!(self.state, State::Text) && !text.contains('[')
    }

    /// Takes the next part of the stream, and returns what is complete by now, in order.
    pub fn push(&mut self, text: &str) -> Vec<Piece> {
        let mut pieces = Vec::new();
        let mut spoken = String::new();
        for c in text.chars() {
            match &mut self.state {
                State::Text if c == '[' => self.state = State::Bracket,
                State::Text => spoken.push(c),
                State::Bracket if c == '[' => self.state = State::Command(String::new()),
                State::Bracket => {
                    spoken.push('[');
                    spoken.push(c);
                    self.state = State::Text;
                }
                State::Command(content) if c == ']' && content.ends_with(']') => {
                    content.pop();
                    flush(&mut spoken, &mut pieces);
                    pieces.push(read(content));
                    self.state = State::Text;
                }
                State::Command(content) => {
                    // Some content over the limit is kept, so that it is recognised as too long.
                    if content.len() > LONGEST + 64 && content.ends_with(']') {
                        content.pop();
                    }
                    if content.len() <= LONGEST + 64 || c == ']' {
                        content.push(c);
                    }
                }
            }
        }
        flush(&mut spoken, &mut pieces);
        pieces
    }

    /// Ends the stream: a `[` that was held back is text, an unfinished command is invalid.
    pub fn finish(&mut self) -> Option<Piece> {
        match std::mem::take(&mut self.state) {
            State::Text => None,
            State::Bracket => Some(Piece::Text("[".into())),
            State::Command(content) => {
                let (name, value) = split(&content);
                Some(Piece::Malformed(Malformed {
                    command: clipped(name),
                    value: clipped(value),
                    reason: "the text ended before ]]",
                }))
            }
        }
    }
}

fn flush(spoken: &mut String, pieces: &mut Vec<Piece>) {
    if !spoken.is_empty() {
        pieces.push(Piece::Text(std::mem::take(spoken)));
    }
}

fn read(content: &str) -> Piece {
    let (name, value) = split(content);
    match Command::read(name, value) {
        Ok(command) => Piece::Command(command),
        Err(malformed) => Piece::Malformed(malformed),
    }
}

fn split(content: &str) -> (&str, &str) {
    content.split_once(':').unwrap_or((content, ""))
}

fn clipped(text: &str) -> String {
    text.chars().take(LONGEST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(chunks: &[&str]) -> (String, Vec<Command>, usize) {
        crate::fuzzing::scan(chunks.iter().copied())
    }

    #[test]
    fn a_command_is_found_in_every_split() {
        let whole = "Press one. [[press:1#]] Done [now].";
        for at in whole.char_indices().map(|(at, _)| at) {
            let (text, commands, malformed) = scan(&[&whole[..at], &whole[at..]]);
            assert_eq!(text, "Press one.  Done [now].", "split at {at}");
            assert_eq!(commands, [Command::Press(Digits::parse("1#").unwrap())]);
            assert_eq!(malformed, 0);
        }
    }

    #[test]
    fn words_pass_while_nothing_is_held_back() {
        let mut scanner = Scanner::default();
        assert!(scanner.passes("words ]] and words"));
        assert!(!scanner.passes("words [now]"));
        for held in ["[", "[press:1", "]"] {
            scanner.push(held);
            assert!(!scanner.passes("words"), "{held}");
        }
        scanner.push("]");
        assert!(scanner.passes("words"));
    }

    #[test]
    fn a_lone_bracket_is_held_back_by_one_character_only() {
        let mut scanner = Scanner::default();
        assert_eq!(scanner.push("a ["), [Piece::Text("a ".into())]);
        assert_eq!(scanner.push("b"), [Piece::Text("[b".into())]);
        assert_eq!(scanner.push("]"), [Piece::Text("]".into())]);
    }

    #[test]
    fn what_is_no_command_is_neither_spoken_nor_done() {
        for text in ["[[dance]]", "[[press:abc]]", "[[transfer:911]]", "[[press:1", "[[", "[[]]"] {
            assert_eq!(scan(&[text]), (String::new(), vec![], 1), "{text}");
        }
    }

    #[test]
    fn the_four_are_read() {
        let (text, commands, malformed) = scan(&[
            "[[transfer]][[transfer:+1 500 555 0006]][[end_call]][[request_user:Is 5: fine?]]",
        ]);
        assert_eq!((text.as_str(), malformed), ("", 0));
        assert_eq!(
            commands,
            [
                Command::Transfer(None),
                Command::Transfer(Some(PhoneNumber::parse("+15005550006").unwrap())),
                Command::EndCall,
                Command::RequestUser("Is 5: fine?".into()),
            ]
        );
    }

    #[test]
    fn an_endless_command_keeps_no_more_than_its_limit() {
        let mut scanner = Scanner::default();
        for _ in 0..1000 {
            assert!(scanner.push("[[request_user:").len() <= 1);
            assert!(scanner.push(&"x".repeat(1000)).is_empty());
        }
        let pieces = scanner.push("]] after");
        assert!(
            matches!(&pieces[0], Piece::Command(Command::RequestUser(q)) if q.len() <= LONGEST)
        );
        assert_eq!(pieces[1], Piece::Text(" after".into()));
    }

    #[test]
    fn tools_are_the_same_four() {
        let read = |name, arguments| Command::from_tool(name, arguments).map_err(|m| m.reason);
        assert_eq!(read("end_call", ""), Ok(Command::EndCall));
        assert_eq!(read("end_call", r#"{"reason":"x"}"#), Ok(Command::EndCall));
        assert_eq!(read("transfer", "{}"), Ok(Command::Transfer(None)));
        assert_eq!(
            read("press", r#"{"digits":12}"#),
            Ok(Command::Press(Digits::parse("12").unwrap()))
        );
        assert_eq!(read("press", r#"{"digits":["#), Err("the arguments are not a JSON object"));
        assert_eq!(read("fly", "{}"), Err("unknown tool"));
    }
}
