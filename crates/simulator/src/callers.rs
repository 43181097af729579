//! The people at the other end of the line.
//!
//! A caller is a script of steps, a conversation recorded between people, or somebody live. All
//! of them hear the agent and answer in their own time: a step says *when*, seen from the
//! conversation, and *what*. Times are in milliseconds of the call; the phone network's speed
//! factor makes them shorter.

pub mod recorded;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc;

pub use self::recorded::{RecordedCall, RecordedTurn, recorded_calls};

/// How long a caller waits for a step's moment before `on_timeout` applies.
pub const DEFAULT_TIMEOUT_MS: u64 = 30_000;
/// Events that a live caller may leave unread before further ones are dropped.
const LIVE_QUEUE: usize = 256;

/// Who is on the line.
#[derive(Debug, Clone)]
pub enum Caller {
    /// Follows a list of steps and then stays on the line in silence.
    Script(Vec<Step>),
    /// Speaks one side of a conversation recorded between people, with its own timing.
    Recorded(RecordedCall),
    /// Somebody outside: a person at a terminal, another program, another call.
    Live(LiveCaller),
}

/// One thing that a scripted caller does.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// When, seen from the conversation.
    pub when: When,
    /// What.
    pub action: Action,
    /// Longest wait for `when`, in milliseconds from the end of the step before.
    pub timeout_ms: u64,
    /// What happens when the wait was in vain.
    pub on_timeout: OnTimeout,
}

/// When a step is due. «The step before» ends when its words have been said.
#[derive(Debug, Clone, PartialEq)]
pub enum When {
    /// So long after the step before; the first step counts from the answer.
    After {
        /// Milliseconds.
        ms: u64,
    },
    /// At a time since the call was answered.
    At {
        /// Milliseconds.
        ms: u64,
    },
    /// Once the agent has said something since the step before, has nothing left to say, and has
    /// been quiet for so long.
    AgentFinished {
        /// Milliseconds.
        quiet_ms: u64,
    },
    /// Once nobody has spoken for so long, whether the agent has said something or not.
    Silence {
        /// Milliseconds.
        ms: u64,
    },
    /// In the middle of the agent's speech: after so many characters since the step before.
    AgentSaid {
        /// Characters, at the voice's pace.
        chars: usize,
    },
    /// In the middle of the agent's speech: so long after it began.
    AgentSpeaking {
        /// Milliseconds.
        ms: u64,
    },
    /// In the middle of the agent's speech: after this part of what it has to say, where it has
    /// at least `least_chars` to say. If it ends sooner, at its end.
    AgentPart {
        /// 0 to 1.
        part: f64,
        /// Characters that the agent is expected to say at least, while its reply still grows.
        least_chars: usize,
    },
    /// Once the agent has said this, in any case of letters, since the step before.
    Hears {
        /// The words.
        text: String,
    },
}

/// What a step does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Says something.
    Say {
        /// The words; marks such as `[noise]` are sounds that no recogniser makes words of.
        text: String,
        /// How long it takes, in milliseconds; by the number of characters if absent.
        for_ms: Option<u64>,
    },
    /// Presses keys, four a second.
    Press {
        /// `0`–`9`, `*`, `#`; `w` waits half a second.
        digits: String,
    },
    /// Does nothing: the step is a condition for the next one.
    Wait,
    /// Hangs up.
    HangUp,
}

/// What a caller does who has waited long enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnTimeout {
    /// Does it all the same.
    Proceed,
    /// Hangs up.
    HangUp,
}

impl Step {
    /// A step with the usual patience, after which the caller hangs up.
    #[must_use]
    pub fn new(when: When, action: Action) -> Self {
        Self { when, action, timeout_ms: DEFAULT_TIMEOUT_MS, on_timeout: OnTimeout::HangUp }
    }

    /// Says it once the agent has finished.
    #[must_use]
    pub fn reply(text: &str) -> Self {
        Self::new(When::AgentFinished { quiet_ms: 500 }, Action::say(text))
    }

    /// Talks over the agent after so many characters of its speech.
    #[must_use]
    pub fn interrupt(chars: usize, text: &str) -> Self {
        Self::new(When::AgentSaid { chars }, Action::say(text))
    }

    /// Hangs up once the agent has finished.
    #[must_use]
    pub fn hang_up() -> Self {
        Self::new(When::AgentFinished { quiet_ms: 500 }, Action::HangUp)
    }

    /// The same step with another patience.
    #[must_use]
    pub fn with_timeout(mut self, timeout_ms: u64, on_timeout: OnTimeout) -> Self {
        self.timeout_ms = timeout_ms;
        self.on_timeout = on_timeout;
        self
    }
}

impl Action {
    /// Says it at the usual pace.
    #[must_use]
    pub fn say(text: &str) -> Self {
        Self::Say { text: text.to_owned(), for_ms: None }
    }
}

/// The network's end of a live caller. It serves one call: the first that uses it.
#[derive(Debug, Clone)]
pub struct LiveCaller {
    channels: Arc<Mutex<Option<LiveChannels>>>,
}

/// What somebody live does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LiveAction {
    /// Says something; the time by the number of characters.
    Say(String),
    /// Says what was spoken elsewhere already, in a quarter of the time.
    Relay(String),
    /// Presses keys.
    Press(String),
    /// Hangs up.
    HangUp,
}

/// What somebody live hears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LiveEvent {
    /// The line is open.
    Answered,
    /// The agent began or stopped speaking.
    AgentSpeaking(bool),
    /// A clause has been heard to its end, or as far as it was spoken.
    Heard(String),
    /// Tones have been heard.
    Digits(String),
    /// The call is over.
    Ended,
}

/// The outer end of a live caller.
#[derive(Debug)]
pub struct LiveHandle {
    acts: mpsc::Sender<LiveAction>,
    events: mpsc::Receiver<LiveEvent>,
}

#[derive(Debug)]
pub(crate) struct LiveChannels {
    pub(crate) acts: mpsc::Receiver<LiveAction>,
    pub(crate) events: mpsc::Sender<LiveEvent>,
}

impl Caller {
    /// Somebody live, and the line to speak for them.
    #[must_use]
    pub fn live() -> (Self, LiveHandle) {
        let (act_tx, act_rx) = mpsc::channel(LIVE_QUEUE);
        let (event_tx, event_rx) = mpsc::channel(LIVE_QUEUE);
        let channels = LiveChannels { acts: act_rx, events: event_tx };
        let caller = LiveCaller { channels: Arc::new(Mutex::new(Some(channels))) };
        (Self::Live(caller), LiveHandle { acts: act_tx, events: event_rx })
    }

    /// Says nothing and stays on the line.
    #[must_use]
    pub fn silent() -> Self {
        Self::Script(Vec::new())
    }
}

impl LiveCaller {
    pub(crate) fn take(&self) -> Option<LiveChannels> {
        self.channels.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl LiveHandle {
    /// Does something on the line. `false` once the call is over.
    pub async fn act(&self, act: LiveAction) -> bool {
        self.acts.send(act).await.is_ok()
    }

    /// What is heard next; `None` once the call is over.
    pub async fn hear(&mut self) -> Option<LiveEvent> {
        self.events.recv().await
    }

    /// Both halves, for tasks that speak and listen at the same time.
    #[must_use]
    pub fn split(self) -> (mpsc::Sender<LiveAction>, mpsc::Receiver<LiveEvent>) {
        (self.acts, self.events)
    }
}

/// The conversation as a scripted caller perceives it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Observation<'a> {
    pub(crate) now_ms: u64,
    pub(crate) agent_sounding: bool,
    pub(crate) agent_sounding_since_ms: u64,
    /// Something is left for the agent to say.
    pub(crate) agent_pending: bool,
    pub(crate) agent_quiet_since_ms: u64,
    /// Characters spoken by the agent in the whole call.
    pub(crate) spoken: usize,
    /// Characters that the agent has been given to speak in the whole call, and whether its reply
    /// is complete.
    pub(crate) received: (usize, bool),
    /// What has been heard since the step before.
    pub(crate) heard: &'a str,
}

/// When a caller will do something, as far as can be known now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Due {
    At(u64),
    /// When the agent has spoken so many characters in the whole call; at the latest at a time.
    Spoken {
        chars: usize,
        latest_ms: u64,
    },
    Never,
}

/// Follows a script.
#[derive(Debug)]
pub(crate) struct Driver {
    steps: VecDeque<Step>,
    /// When the step before ended, and how much the agent had said by then.
    base_ms: u64,
    base_spoken: usize,
    answered_ms: u64,
}

impl Driver {
    pub(crate) fn new(caller: &Caller, answered_ms: u64) -> Self {
        let steps = match caller {
            Caller::Script(steps) => steps.clone(),
            Caller::Recorded(call) => call.steps(),
            Caller::Live(_) => Vec::new(),
        };
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
            When::Hears { text }
                if observation.heard.to_lowercase().contains(&text.to_lowercase()) =>
            {
                Due::At(observation.now_ms)
            }
            When::AgentFinished { .. }
            | When::Silence { .. }
            | When::AgentSpeaking { .. }
            | When::Hears { .. } => Due::At(latest_ms),
        }
    }

    /// Takes the step that is due.
    pub(crate) fn take(&mut self, now_ms: u64) -> Option<Action> {
        let step = self.steps.pop_front()?;
        let waited_in_vain = step.on_timeout == OnTimeout::HangUp
            && now_ms >= self.base_ms.saturating_add(step.timeout_ms)
            && !matches!(step.when, When::After { .. } | When::At { .. });
        Some(if waited_in_vain { Action::HangUp } else { step.action })
    }

    /// The step is over.
    pub(crate) fn done(&mut self, now_ms: u64, spoken: usize) {
        self.base_ms = now_ms;
        self.base_spoken = spoken;
    }
}

/// What a recogniser makes of it: marks taken out, blanks joined. Empty for noise.
#[must_use]
pub fn spoken_words(text: &str) -> String {
    let is_mark = |word: &&str| {
        (word.starts_with('[') && word.ends_with(']'))
            || (word.starts_with('<') && word.ends_with('>'))
    };
    text.split_whitespace().filter(|word| !is_mark(word)).collect::<Vec<_>>().join(" ")
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

    fn observation(now_ms: u64) -> Observation<'static> {
        Observation {
            now_ms,
            agent_sounding: false,
            agent_sounding_since_ms: 0,
            agent_pending: false,
            agent_quiet_since_ms: 0,
            spoken: 0,
            received: (0, true),
            heard: "",
        }
    }

    #[test]
    fn marks_are_not_words() {
        assert_eq!(spoken_words("[noise] hi my  name is <unk> linda"), "hi my name is linda");
        assert_eq!(spoken_words("[noise] <unk>"), "");
        assert_eq!(spoken_words(""), "");
    }

    #[test]
    fn a_reply_waits_until_the_agent_has_spoken_and_is_quiet() {
        let driver = Driver::new(&Caller::Script(vec![Step::reply("yes")]), 0);
        assert_eq!(driver.due(&observation(100)), Due::At(DEFAULT_TIMEOUT_MS));
        let spoken = Observation { spoken: 5, agent_quiet_since_ms: 900, ..observation(1000) };
        assert_eq!(driver.due(&spoken), Due::At(1400));
        let speaks = Observation { agent_pending: true, agent_sounding: true, ..spoken };
        assert_eq!(driver.due(&speaks), Due::At(DEFAULT_TIMEOUT_MS));
    }

    #[test]
    fn a_caller_who_waited_in_vain_hangs_up_or_goes_on() {
        let step = Step::reply("yes");
        let mut driver = Driver::new(&Caller::Script(vec![step.clone()]), 0);
        assert_eq!(driver.take(DEFAULT_TIMEOUT_MS), Some(Action::HangUp));
        let go_on = step.with_timeout(DEFAULT_TIMEOUT_MS, OnTimeout::Proceed);
        let mut driver = Driver::new(&Caller::Script(vec![go_on]), 0);
        assert_eq!(driver.take(DEFAULT_TIMEOUT_MS), Some(Action::say("yes")));
    }

    #[test]
    fn a_live_caller_serves_one_call() {
        let (caller, _line) = Caller::live();
        let Caller::Live(live) = caller else { panic!("not live") };
        assert!(live.take().is_some());
        assert!(live.take().is_none());
    }
}
