//! What a caller does, written as lines: for scripts in files and for people who type.

use std::time::Duration;

use phony_simulator::callers::{Action, OnTimeout, Step, When};

/// How far into the agent's speech a scripted interruption falls.
const INTO_SPEECH_MS: u64 = 1_500;
/// A sound without words.
pub(super) const SOUND: &str = "[noise]";

/// What the lines may be, for help and for errors.
pub(super) const HELP: &str = "a line is said once the agent has finished; /press 1# presses keys, \
                               /interrupt [WORDS] talks over the agent, /wait 2s is silent, \
                               /hangup hangs up";

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Line {
    Say(String),
    Press(String),
    /// Talks over the agent; without words it is only a sound.
    Interrupt(String),
    Wait(Duration),
    /// Answers the agent's question, as its supervisor.
    Answer(String),
    HangUp,
}

impl Line {
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
            // Refused where scripts are read.
            Self::Answer(_) | Self::HangUp => Step::hang_up(),
        }
    }
}

/// A script: its steps, and a polite end if it has none of its own.
pub(super) fn script(text: &str) -> Result<Vec<Step>, String> {
    let mut steps = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = Line::read(line).map_err(|problem| format!("line {number}: {problem}"))?;
        if matches!(line, Some(Line::Answer(_))) {
            return Err(format!("line {number}: a caller cannot answer for the supervisor"));
        }
        steps.extend(line.map(Line::step));
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
        assert_eq!(Line::read("  hi there "), Ok(Some(Line::Say("hi there".into()))));
        assert_eq!(Line::read("/press 1#"), Ok(Some(Line::Press("1#".into()))));
        assert_eq!(Line::read("/interrupt no"), Ok(Some(Line::Interrupt("no".into()))));
        assert_eq!(Line::read("/interrupt"), Ok(Some(Line::Interrupt(SOUND.into()))));
        assert_eq!(Line::read("/wait 1.5s"), Ok(Some(Line::Wait(Duration::from_millis(1500)))));
        assert_eq!(Line::read("/hangup"), Ok(Some(Line::HangUp)));
        assert_eq!(Line::read("# a comment"), Ok(None));
        assert_eq!(Line::read(""), Ok(None));
    }

    #[test]
    fn a_wrong_line_says_what_is_right() {
        assert!(Line::read("/press x").unwrap_err().contains("0-9"));
        assert!(Line::read("/dance").unwrap_err().contains("/hangup"));
        assert!(Line::read("/wait long").unwrap_err().contains("2s"));
        assert!(script("hi\n/wait x").unwrap_err().starts_with("line 2"));
        assert!(script("/answer yes").unwrap_err().contains("supervisor"));
    }

    #[test]
    fn a_script_ends_by_hanging_up() {
        let steps = script("hi\n\n# note\n/press 1").unwrap();
        assert_eq!(steps.len(), 3);
        assert_eq!(steps[2].action, Action::HangUp);
        assert_eq!(script("hi\n/hangup").unwrap().len(), 2);
    }
}
