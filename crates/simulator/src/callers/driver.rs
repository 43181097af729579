//! Runs a caller's script: tells when its next step is due.

use std::collections::VecDeque;

use super::script::{Action, OnTimeout, Step, When};

/// What a scripted caller knows of the conversation.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Observation<'a> {
    pub(crate) now_ms: u64,
    pub(crate) agent_sounding: bool,
    pub(crate) agent_sounding_since_ms: u64,
    /// Whether the agent has something left to say.
    pub(crate) agent_pending: bool,
    pub(crate) agent_quiet_since_ms: u64,
    /// Characters that the agent has spoken in the whole call.
    pub(crate) spoken: usize,
    /// Characters that the agent has been given to speak in the whole call, and whether its current
    /// reply is complete.
    pub(crate) received: (usize, bool),
    /// What the caller has heard since the previous step; `None` where it understands no words.
    pub(crate) heard: Option<&'a str>,
}

/// When the next step is due, as far as is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Due {
    At(u64),
    /// Once the agent has spoken this many characters in the whole call, but no later than
    /// `latest_ms`.
    Spoken {
        chars: usize,
        latest_ms: u64,
    },
    Never,
}

/// Runs a script.
#[derive(Debug)]
pub(crate) struct Driver {
    steps: VecDeque<Step>,
    /// When the previous step ended, and how many characters the agent had spoken by then.
    base_ms: u64,
    base_spoken: usize,
    answered_ms: u64,
}

impl Driver {
    pub(crate) fn new(steps: Vec<Step>, answered_ms: u64) -> Self {
        Self { steps: steps.into(), base_ms: answered_ms, base_spoken: 0, answered_ms }
    }

    /// When the next step is due.
    pub(crate) fn due(&self, observation: &Observation<'_>) -> Due {
        let Some(step) = self.steps.front() else { return Due::Never };
        let latest_ms = self.base_ms.saturating_add(step.timeout_ms);
        let agent_spoke = observation.spoken > self.base_spoken;
        match &step.when {
            When::After { ms } => Due::At(self.base_ms + ms),
            When::At { ms } => Due::At(self.answered_ms + ms),
            When::AgentFinished { quiet_ms } if agent_spoke && !observation.agent_pending => {
                Due::At((observation.agent_quiet_since_ms + quiet_ms).min(latest_ms))
            }
            When::Silence { ms } if !observation.agent_pending => {
                Due::At((observation.agent_quiet_since_ms.max(self.base_ms) + ms).min(latest_ms))
            }
            When::AgentSpeaking { ms } if observation.agent_sounding => {
                let began_ms = observation.agent_sounding_since_ms.max(self.base_ms);
                Due::At((began_ms + ms).min(latest_ms))
            }
            When::AgentSaid { chars } => {
                Due::Spoken { chars: self.base_spoken + (*chars).max(1), latest_ms }
            }
            When::AgentPart { .. } if agent_spoke && !observation.agent_pending => {
                Due::At(observation.agent_quiet_since_ms.max(self.base_ms))
            }
            When::AgentPart { part, least_chars } => {
                let known = observation.received.0.saturating_sub(self.base_spoken);
                let all = if observation.received.1 { known } else { known.max(*least_chars) };
                let chars = self.base_spoken + share(*part, all).max(1);
                Due::Spoken { chars, latest_ms }
            }
            When::Hears { .. }
                if observation.heard.is_none() && agent_spoke && !observation.agent_pending =>
            {
                Due::At(observation.agent_quiet_since_ms.max(self.base_ms).min(latest_ms))
            }
            When::Hears { text }
                if observation
                    .heard
                    .is_some_and(|heard| heard.to_lowercase().contains(&text.to_lowercase())) =>
            {
                Due::At(observation.now_ms)
            }
            When::AgentFinished { .. }
            | When::Silence { .. }
            | When::AgentSpeaking { .. }
            | When::Hears { .. } => Due::At(latest_ms),
        }
    }

    /// Takes the step that is due: its action, or hanging up if it timed out.
    pub(crate) fn take(&mut self, now_ms: u64) -> Option<Action> {
        let step = self.steps.pop_front()?;
        let timed_out = step.on_timeout == OnTimeout::HangUp
            && now_ms >= self.base_ms.saturating_add(step.timeout_ms)
            && !matches!(step.when, When::After { .. } | When::At { .. });
        Some(if timed_out { Action::HangUp } else { step.action })
    }

    /// Notes that the step's action has been carried out.
    pub(crate) fn done(&mut self, now_ms: u64, spoken: usize) {
        self.base_ms = now_ms;
        self.base_spoken = spoken;
    }
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a part of one reply's length"
)]
fn share(part: f64, all: usize) -> usize {
    (part.clamp(0.0, 1.0) * all as f64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::callers::script::DEFAULT_TIMEOUT_MS;

    fn observation(now_ms: u64) -> Observation<'static> {
        Observation {
            now_ms,
            agent_sounding: false,
            agent_sounding_since_ms: 0,
            agent_pending: false,
            agent_quiet_since_ms: 0,
            spoken: 0,
            received: (0, true),
            heard: Some(""),
        }
    }

    #[test]
    fn a_reply_waits_until_the_agent_has_spoken_and_is_quiet() {
        let driver = Driver::new(vec![Step::reply("yes")], 0);
        assert_eq!(driver.due(&observation(100)), Due::At(DEFAULT_TIMEOUT_MS));
        let spoken = Observation { spoken: 5, agent_quiet_since_ms: 900, ..observation(1000) };
        assert_eq!(driver.due(&spoken), Due::At(1400));
        let speaks = Observation { agent_pending: true, agent_sounding: true, ..spoken };
        assert_eq!(driver.due(&speaks), Due::At(DEFAULT_TIMEOUT_MS));
    }

    #[test]
    fn without_words_any_speech_of_the_agent_is_what_the_caller_waits_to_hear() {
        let step = Step::new(When::Hears { text: "ten percent".to_owned() }, Action::Wait);
        let driver = Driver::new(vec![step], 0);
        let spoken = Observation { spoken: 5, agent_quiet_since_ms: 900, ..observation(1500) };
        assert_eq!(driver.due(&spoken), Due::At(DEFAULT_TIMEOUT_MS));
        let sound = Observation { heard: None, ..spoken };
        assert_eq!(driver.due(&sound), Due::At(900));
        let silence = Observation { heard: None, ..observation(1500) };
        assert_eq!(driver.due(&silence), Due::At(DEFAULT_TIMEOUT_MS));
    }

    #[test]
    fn a_caller_who_timed_out_hangs_up_or_goes_on() {
        let step = Step::reply("yes");
        let mut driver = Driver::new(vec![step.clone()], 0);
        assert_eq!(driver.take(DEFAULT_TIMEOUT_MS), Some(Action::HangUp));
        let go_on = step.with_timeout(DEFAULT_TIMEOUT_MS, OnTimeout::Proceed);
        let mut driver = Driver::new(vec![go_on], 0);
        assert_eq!(driver.take(DEFAULT_TIMEOUT_MS), Some(Action::say("yes")));
    }
}
