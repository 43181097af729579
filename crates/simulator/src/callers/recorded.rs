//! Conversations recorded between people, replayed to an agent with their own timing.

use serde::Deserialize;

use super::script::{Action, OnTimeout, Step, When, spoken_words};

/// The bundled conversations, one JSON object a line; `data/README.md` names their source.
const CALLS: &str = include_str!("../../data/phone_calls.jsonl");
/// How long a recorded caller waits for a silent agent.
const TIMEOUT_MS: u64 = 12_000;
/// How long both must be silent at the end before a recorded caller hangs up.
const GOODBYE_MS: u64 = 2_000;

/// A telephone conversation between two people.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct RecordedCall {
    /// Its name in the corpus.
    pub id: String,
    /// What was said, in chronological order.
    pub turns: Vec<RecordedTurn>,
}

/// One stretch of speech.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct RecordedTurn {
    /// Who spoke.
    pub who: Who,
    /// When it began, in milliseconds since the start of the conversation.
    pub at_ms: u64,
    /// How long it lasted, in milliseconds.
    pub for_ms: u64,
    /// The words, with marks such as `[noise]` and `<unk>`.
    pub text: String,
}

/// A party of the conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Who {
    /// The one who called.
    Caller,
    /// The one who answered.
    Agent,
}

/// The bundled conversations.
#[must_use]
pub fn recorded_calls() -> Vec<RecordedCall> {
    let lines = CALLS.lines().filter(|line| !line.trim().is_empty());
    lines.filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// The recorded agent's latest speech: consecutive turns count as one.
#[derive(Debug, Clone, Copy)]
struct AgentTurn {
    from_ms: u64,
    until_ms: u64,
    chars: usize,
}

impl RecordedCall {
    /// Every word of the caller in order, without marks.
    #[must_use]
    pub fn caller_words(&self) -> String {
        let said = self.turns.iter().filter(|turn| turn.who == Who::Caller);
        let words: Vec<_> = said.map(|turn| spoken_words(&turn.text)).collect();
        spoken_words(&words.join(" "))
    }

    /// The caller's side as steps. The agent under test speaks in its own time, so a turn starts as
    /// long after the end of the agent's speech as it did in the recording. A turn that began
    /// during the agent's speech begins at the same fraction of it, and consecutive turns of the
    /// caller keep the pause between them.
    #[must_use]
    pub fn steps(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        let mut agent: Option<AgentTurn> = None;
        let mut caller_until_ms: Option<u64> = None;
        for turn in &self.turns {
            let until_ms = turn.at_ms + turn.for_ms;
            match turn.who {
                Who::Agent => {
                    agent = Some(extend(agent, turn, caller_until_ms.is_some()));
                    caller_until_ms = None;
                }
                Who::Caller => {
                    let when = when(turn, agent, caller_until_ms);
                    let action = Action::Say { text: turn.text.clone(), for_ms: Some(turn.for_ms) };
                    steps
                        .push(Step::new(when, action).with_timeout(TIMEOUT_MS, OnTimeout::Proceed));
                    caller_until_ms = Some(until_ms);
                }
            }
        }
        let end = Step::new(When::Silence { ms: GOODBYE_MS }, Action::HangUp);
        steps.push(end.with_timeout(2 * TIMEOUT_MS, OnTimeout::HangUp));
        steps
    }
}

/// Joins consecutive turns of the agent, as a reply is one turn.
fn extend(before: Option<AgentTurn>, turn: &RecordedTurn, caller_spoke: bool) -> AgentTurn {
    let chars = turn.text.chars().count();
    let until_ms = turn.at_ms + turn.for_ms;
    match before {
        Some(agent) if !caller_spoke => {
            AgentTurn { from_ms: agent.from_ms, until_ms, chars: agent.chars + 1 + chars }
        }
        Some(_) | None => AgentTurn { from_ms: turn.at_ms, until_ms, chars },
    }
}

fn when(turn: &RecordedTurn, agent: Option<AgentTurn>, caller_until_ms: Option<u64>) -> When {
    if let Some(before_ms) = caller_until_ms {
        return When::After { ms: turn.at_ms.saturating_sub(before_ms) };
    }
    let Some(agent) = agent else { return When::After { ms: turn.at_ms } };
    if turn.at_ms >= agent.until_ms {
        return When::AgentFinished { quiet_ms: turn.at_ms - agent.until_ms };
    }
    let part = ratio(turn.at_ms.saturating_sub(agent.from_ms), agent.until_ms - agent.from_ms);
    When::AgentPart { part, least_chars: agent.chars }
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds of one call")]
fn ratio(part: u64, whole: u64) -> f64 {
    part as f64 / whole.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turn(who: Who, at_ms: u64, for_ms: u64, text: &str) -> RecordedTurn {
        RecordedTurn { who, at_ms, for_ms, text: text.to_owned() }
    }

    fn call(turns: Vec<RecordedTurn>) -> RecordedCall {
        RecordedCall { id: "test".to_owned(), turns }
    }

    #[test]
    fn all_bundled_conversations_are_read() {
        let calls = recorded_calls();
        assert_eq!(calls.len(), 18);
        assert!(calls.iter().all(|call| !call.caller_words().is_empty()));
        let lines = CALLS.lines().count();
        assert_eq!(lines, calls.len());
    }

    #[test]
    fn every_turn_of_the_caller_is_a_step_and_the_last_step_hangs_up() {
        for call in recorded_calls() {
            let steps = call.steps();
            let turns = call.turns.iter().filter(|turn| turn.who == Who::Caller).count();
            assert_eq!(steps.len(), turns + 1);
            assert_eq!(steps.last().map(|step| step.action.clone()), Some(Action::HangUp));
        }
    }

    #[test]
    fn a_turn_keeps_its_pause_after_the_agents_turn() {
        let steps = call(vec![
            turn(Who::Agent, 0, 1000, "hello"),
            turn(Who::Agent, 1200, 800, "how can i help"),
            turn(Who::Caller, 2700, 300, "hi"),
            turn(Who::Caller, 3400, 300, "i lost my card"),
        ])
        .steps();
        assert_eq!(steps[0].when, When::AgentFinished { quiet_ms: 700 });
        assert_eq!(steps[1].when, When::After { ms: 400 });
    }

    #[test]
    fn a_turn_during_the_agents_speech_interrupts_at_the_same_fraction() {
        let steps = call(vec![
            turn(Who::Agent, 1000, 1000, "hello hello"),
            turn(Who::Agent, 2000, 1000, "how can i help"),
            turn(Who::Caller, 2500, 300, "hi"),
        ])
        .steps();
        assert_eq!(steps[0].when, When::AgentPart { part: 0.75, least_chars: 26 });
    }
}
