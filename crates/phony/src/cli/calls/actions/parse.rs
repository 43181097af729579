//! The lines that a supervisor types while a call is shown.

use phony_call::CallSid;

use crate::cli::api::{named, short};

/// What a line asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Action {
    Answer(String),
    /// Sends the reply that waits, with this text in its place if there is one.
    Approve(Option<String>),
    End,
    Help,
    /// A line without a command: an answer, if there is a question.
    Plain(String),
    Press(String),
    Quit,
    Reject(Option<String>),
    Release,
    Say(String),
    TakeOver,
    Transfer(String),
    Whisper(String),
}

impl Action {
    /// Reads a line; nothing if it is empty.
    pub(super) fn read(line: &str) -> Result<Option<Self>, String> {
        let line = line.trim();
        if line.is_empty() {
            return Ok(None);
        }
        let Some(command) = line.strip_prefix('/') else {
            return Ok(Some(Self::Plain(line.to_owned())));
        };
        let (name, rest) = command.split_once(char::is_whitespace).unwrap_or((command, ""));
        let rest = rest.trim().to_owned();
        let some = |what: &str| {
            if rest.is_empty() {
                return Err(format!("/{name} needs {what}, as in `/{name} {}`", example(name)));
            }
            Ok(rest.clone())
        };
        let none = |action: Self| {
            if !rest.is_empty() {
                return Err(format!("/{name} stands alone; nothing was done"));
            }
            Ok(action)
        };
        let maybe = || Some(rest.clone()).filter(|rest| !rest.is_empty());
        Ok(Some(match name {
            "answer" => Self::Answer(some("the answer")?),
            "approve" => Self::Approve(maybe()),
            "end" => none(Self::End)?,
            "help" | "?" => Self::Help,
            "press" => Self::Press(some("keys")?),
            "quit" | "q" => none(Self::Quit)?,
            "reject" => Self::Reject(maybe()),
            "release" => none(Self::Release)?,
            "say" => Self::Say(some("words")?),
            "takeover" => none(Self::TakeOver)?,
            "transfer" => Self::Transfer(some("a number")?),
            "whisper" => Self::Whisper(some("words")?),
            _ => return Err(format!("there is no command /{name}; /help shows those there are")),
        }))
    }

    /// Whether it is about this command and not about a call.
    pub(super) fn is_local(&self) -> bool {
        matches!(self, Self::Help | Self::Quit)
    }
}

/// The live call that a line is for, and the rest of the line. An only call need not be named.
pub(super) fn addressed<'a>(
    line: &'a str,
    calls: &[CallSid],
) -> Result<(CallSid, &'a str), String> {
    let line = line.trim();
    let (first, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let one = match (named(first, calls).as_slice(), calls) {
        ([call], _) => return Ok(((*call).clone(), rest.trim())),
        (_, []) => return Err("no call is live; nothing was done".to_owned()),
        ([], [only]) => return Ok((only.clone(), line)),
        ([], _) => "put the end of the call's id in front".to_owned(),
        (_, _) => format!("several calls end in {first}; write more of the id"),
    };
    let all: Vec<_> = calls.iter().map(|call| short(call.as_str())).collect();
    let example = all.first().copied().unwrap_or_default();
    Err(format!("{one}, as in `{example} {line}`; live are {}", all.join(", ")))
}

fn example(name: &str) -> &'static str {
    match name {
        "press" => "12#",
        "transfer" => "+15005550006",
        "answer" => "Yes, until Friday.",
        "whisper" => "Offer an appointment tomorrow.",
        _ => "One moment, please.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_command_or_perhaps_an_answer() {
        let read = |line| Action::read(line).unwrap().unwrap();
        assert_eq!(read(" /say Hello  there "), Action::Say("Hello  there".into()));
        assert_eq!(read("/approve"), Action::Approve(None));
        assert_eq!(read("/approve Yes."), Action::Approve(Some("Yes.".into())));
        assert_eq!(read("/takeover"), Action::TakeOver);
        assert_eq!(read("yes, of course"), Action::Plain("yes, of course".into()));
        assert_eq!(Action::read("   "), Ok(None));
    }

    #[test]
    fn a_wrong_line_does_nothing_and_says_what_is_right() {
        assert!(Action::read("/say").unwrap_err().contains("/say One moment"));
        assert!(Action::read("/press ").unwrap_err().contains("12#"));
        assert!(Action::read("/end the call nicely").unwrap_err().contains("nothing was done"));
        assert!(Action::read("/sya hello").unwrap_err().contains("/help"));
    }

    #[test]
    fn among_several_calls_a_line_names_its_own() {
        let calls = ["CA00001a2b", "CA00003c4d"].map(|id| CallSid::parse(id).unwrap());
        let (call, rest) = addressed("3C4D  /say hi", &calls).unwrap();
        assert_eq!((call.as_str(), rest), ("CA00003c4d", "/say hi"));
        let problem = addressed("/say hi", &calls).unwrap_err();
        assert!(problem.contains("1a2b /say hi") && problem.contains("3c4d"), "{problem}");
        let (call, rest) = addressed("/say hi", &calls[..1]).unwrap();
        assert_eq!((call.as_str(), rest), ("CA00001a2b", "/say hi"));
        assert!(addressed("/say hi", &[]).unwrap_err().contains("no call is live"));
    }
}
