//! What a caller does, written as lines of text: scripts in files, and what people type.

use std::time::Duration;

use phony_simulator::callers::{Action, OnTimeout, Step, When};

/// How far into the agent's speech a scripted interruption comes.
const INTO_SPEECH_MS: u64 = 1_500;
/// The text of a sound without words.
pub(super) const SOUND: &str = "[noise]";

/// The syntax of the lines, for help and for errors.
pub(super) const HELP: &str = "a line is said once the agent has finished; /press 1# presses keys, \
                               /interrupt [WORDS] talks over the agent, /wait 2s is silent, \
                               /hangup hangs up";

/// What one line of text asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Entry {
    Say(String),
    Press(String),
    /// Talks over the agent, with words or only a sound.
    Interrupt(String),
    Wait(Duration),
    /// Answers the agent's question in the supervisor's place.
    Answer(String),
    HangUp,
}

impl Entry {
    /// Reads a line; nothing if it is empty or a comment.
    pub(super) fn read(text: &str) -> Result<Option<Self>, String> {
        let text = text.trim();
        if text.is_empty() || text.starts_with("# ") || text == "#" {
            return Ok(None);
        }
        let Some(command) = text.strip_prefix('/') else {
            return Ok(Some(Self::Say(text.to_owned())));
        };
        let (name, rest) = command.split_once(char::is_whitespace).unwrap_or((command, ""));
        let rest = rest.trim();
        Ok(Some(match name {
            "press" if is_keys(rest) => Self::Press(rest.to_owned()),
            "press" => return Err(format!("`{rest}` are no keys: use 0-9, *, # and w to wait")),
            "interrupt" if rest.is_empty() => Self::Interrupt(SOUND.to_owned()),
            "interrupt" => Self::Interrupt(rest.to_owned()),
            "answer" if rest.is_empty() => return Err("write /answer and the answer".to_owned()),
            "answer" => Self::Answer(rest.to_owned()),
            "wait" => Self::Wait(duration(rest)?),
            "hangup" | "hang-up" => Self::HangUp,
            _ => return Err(format!("there is no command /{name}: {HELP}")),
        }))
    }

    fn step(self) -> Step {
        let quiet = When::AgentFinished { quiet_ms: 500 };
        match self {
            Self::Say(text) => Step::reply(&text),
            Self::Press(digits) => Step::new(quiet, Action::Press { digits }),
            Self::Interrupt(text) => {
                Step::new(When::AgentSpeaking { ms: INTO_SPEECH_MS }, Action::say(&text))
            }
            Self::Wait(time) => {
                let ms = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
                Step::new(When::Silence { ms }, Action::Wait)
                    .with_timeout(ms + 30_000, OnTimeout::Proceed)
            }
            // An answer was refused when the script was read.
            Self::Answer(_) | Self::HangUp => Step::hang_up(),
        }
    }
}

/// The steps of a script; the caller hangs up at the end in any case.
pub(super) fn steps(text: &str) -> Result<Vec<Step>, String> {
    let mut steps = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = Entry::read(line).map_err(|problem| format!("line {number}: {problem}"))?;
        if matches!(line, Some(Entry::Answer(_))) {
            return Err(format!("line {number}: a caller cannot answer for the supervisor"));
        }
        steps.extend(line.map(Entry::step));
    }
    if steps.last().is_none_or(|step| step.action != Action::HangUp) {
        steps.push(Step::hang_up());
    }
    Ok(steps)
}

/// A length of time: `250ms`, `2s`, `1m`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is no time: use 250ms, 2s or 1m");
    let unit = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(unit);
    let number: f64 = number.parse().map_err(|_| wrong())?;
    let seconds = match unit {
        "ms" => number / 1000.0,
        "s" => number,
        "m" => number * 60.0,
        _ => return Err(wrong()),
    };
    Duration::try_from_secs_f64(seconds)
        .ok()
        .filter(|time| *time <= Duration::from_hours(24))
        .ok_or_else(wrong)
}

fn is_keys(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_digit() || matches!(c, '*' | '#' | 'w'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_words_or_a_command() {
        assert_eq!(Entry::read("  hi there "), Ok(Some(Entry::Say("hi there".into()))));
        assert_eq!(Entry::read("/press 1#"), Ok(Some(Entry::Press("1#".into()))));
        assert_eq!(Entry::read("/interrupt no"), Ok(Some(Entry::Interrupt("no".into()))));
        assert_eq!(Entry::read("/interrupt"), Ok(Some(Entry::Interrupt(SOUND.into()))));
        assert_eq!(Entry::read("/wait 1.5s"), Ok(Some(Entry::Wait(Duration::from_millis(1500)))));
        assert_eq!(Entry::read("/hangup"), Ok(Some(Entry::HangUp)));
        assert_eq!(Entry::read("# a comment"), Ok(None));
        assert_eq!(Entry::read(""), Ok(None));
    }

    #[test]
    fn a_wrong_line_says_what_is_right() {
        assert!(Entry::read("/press x").unwrap_err().contains("0-9"));
        assert!(Entry::read("/dance").unwrap_err().contains("/hangup"));
        assert!(Entry::read("/wait long").unwrap_err().contains("2s"));
        assert!(steps("hi\n/wait x").unwrap_err().starts_with("line 2"));
        assert!(steps("/answer yes").unwrap_err().contains("supervisor"));
    }

    #[test]
    fn a_script_ends_by_hanging_up() {
        let read = steps("hi\n\n# note\n/press 1").unwrap();
        assert_eq!(read.len(), 3);
        assert_eq!(read[2].action, Action::HangUp);
        assert_eq!(steps("hi\n/hangup").unwrap().len(), 2);
    }
}
