//! The limits and timings of a call, and the agent that holds it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::dialing::Transfers;
use crate::event::CommandName;
use crate::model::Prices;

/// Limits and timings. All are durations or counts; the defaults suit a telephone.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// How long a call may ring or be set up before its line comes up. Default 60 s. Shorter
    /// loses callees who are slow to pick up.
    pub connect: Duration,
    /// How long the model may think before the caller hears a filler. Default 2.5 s.
    pub filler_after: Duration,
    /// How long the model may be silent, before or within a reply, before that reply counts as
    /// failed. Default 8 s; reasoning models at high effort need more.
    pub answer_limit: Duration,
    /// How often a reply that failed is asked for again. Default 1.
    pub retries: u32,
    /// How often a reply is asked for again because the connection was lost. Default 4.
    pub reconnects: u32,
    /// How long to wait before asking a busy model again; doubled each time. Default 1 s.
    pub busy_pause: Duration,
    /// How fast the carrier speaks, for when it does not say what it has played. Default 15
    /// characters a second.
    pub chars_per_second: u32,
    /// How much longer than that speech may take before it counts as heard. Default 3 s.
    pub playback_slack: Duration,
    /// How long the caller may be silent before a nudge, and after it before the goodbye. Default
    /// 15 s.
    pub silence: Duration,
    /// How many nudges before the goodbye. Default 1.
    pub nudges: u32,
    /// How long after an interruption without words the agent goes on. Default 2.5 s.
    pub false_interrupt: Duration,
    /// How long after the last key a row of keys is complete. Default 2 s; `#` completes it at
    /// once.
    pub digits_pause: Duration,
    /// How long the line may say that the caller speaks, without a word understood, before that
    /// counts for nothing. Default 20 s.
    pub voice_limit: Duration,
    /// How long words of the caller that were understood in part may take to be understood whole
    /// before they count as they are. Default 8 s.
    pub words_limit: Duration,
    /// How long a supervisor may take to answer a question. Default 60 s.
    pub question_limit: Duration,
    /// How long a supervisor may take to agree to a reply. Default 60 s.
    pub approval_limit: Duration,
    /// What happens when nobody agreed in time. Default: ask again.
    pub approval_timeout: ApprovalTimeout,
    /// How long whoever holds a takeover may not be seen before the other supervisors are alarmed.
    /// Default 20 s; a page that is loaded again is gone for a few seconds.
    pub takeover_unattended: Duration,
    /// How long whoever holds a takeover may not be seen before the model speaks again. Default 60 s.
    pub takeover_abandoned: Duration,
    /// How often a caller who waits for a supervisor hears that we are still there. Default 20 s.
    pub hold_phrase: Duration,
    /// How long a lost line may take to come back. Default 30 s.
    pub reconnect: Duration,
    /// How often a line may be lost and found again in one call. Default 5.
    pub line_losses: u32,
    /// How long a call that is to be handed over to another node may go on until nobody speaks.
    /// Default 8 s.
    pub hand_over: Duration,
    /// How long a party that the call is dialled on to may ring. Default 30 s.
    pub ring: Duration,
    /// How long the last words may take to be heard, if they are few; more take longer. Default
    /// 12 s.
    pub farewell: Duration,
    /// The longest call. Default 1 h.
    pub max_call: Duration,
    /// How often in a row the model may speak again without the caller having said anything, as
    /// after a refused command. Default 3.
    pub self_turns: u32,
    /// What tokens and minutes cost.
    pub prices: Prices,
    /// The estimated cost of a call, in US dollars, at which the model is told to come to an end.
    /// Default 0: no limit.
    pub soft_cost: f64,
    /// The estimated cost of a call, in US dollars, at which it says goodbye. Default 0: no limit.
    pub hard_cost: f64,
}

impl Policy {
    /// The longest that a call can last once it is dialled on: the other party rings, then speaks.
    #[must_use]
    pub fn longest_transfer(&self) -> Duration {
        self.ring + self.max_call
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            connect: Duration::from_mins(1),
            filler_after: Duration::from_millis(2500),
            answer_limit: Duration::from_secs(8),
            retries: 1,
            reconnects: 4,
            busy_pause: Duration::from_secs(1),
            chars_per_second: 15,
            playback_slack: Duration::from_secs(3),
            silence: Duration::from_secs(15),
            nudges: 1,
            false_interrupt: Duration::from_millis(2500),
            digits_pause: Duration::from_secs(2),
            voice_limit: Duration::from_secs(20),
            words_limit: Duration::from_secs(8),
            question_limit: Duration::from_mins(1),
            approval_limit: Duration::from_mins(1),
            approval_timeout: ApprovalTimeout::AskAgain,
            takeover_unattended: Duration::from_secs(20),
            takeover_abandoned: Duration::from_mins(1),
            hold_phrase: Duration::from_secs(20),
            reconnect: Duration::from_secs(30),
            line_losses: 5,
            hand_over: Duration::from_secs(8),
            ring: Duration::from_secs(30),
            farewell: Duration::from_secs(12),
            max_call: Duration::from_hours(1),
            self_turns: 3,
            prices: Prices::default(),
            soft_cost: 0.0,
            hard_cost: 0.0,
        }
    }
}

/// What happens to a held reply when nobody agreed in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ApprovalTimeout {
    /// It is sent as it is.
    Send,
    /// The caller hears a hold line, and the supervisors are asked again.
    AskAgain,
}

/// Who holds the call: what the call itself must know of an agent.
#[derive(Debug, Clone, PartialEq)]
pub struct Agent {
    /// Its id, such as `assistant`.
    pub id: String,
    /// What it says first; `None` lets the model, or the caller, begin.
    pub greeting: Option<String>,
    /// Whether the caller can cut the greeting off.
    pub greeting_interruptible: bool,
    /// In a call of ours: how long the greeting waits for the callee's first words, where the
    /// callee is known to greet. `None` speaks at once.
    pub opens_after: Option<Duration>,
    /// The commands it may use.
    pub commands: BTreeSet<CommandName>,
    /// Where it may transfer to.
    pub transfers: Transfers,
    /// Which replies wait for a supervisor.
    pub approval: Approval,
    /// Words for moments in which the model cannot speak.
    pub phrases: Phrases,
    /// The errand of a call of ours, such as `survey`.
    pub scenario: Option<String>,
    /// What the errand's slots were filled with.
    pub variables: BTreeMap<String, String>,
    /// The agent whose voice and language it has, if it has none of its own.
    pub companion: Option<String>,
    /// The words by which our side says that it is a machine. Until the far side has heard them,
    /// the model is told to say them.
    pub disclosure: Option<String>,
    /// What a machine that answers is told after its tone; `None` hangs up on it.
    pub voicemail: Option<String>,
}

impl Agent {
    /// An agent with every command of a call, no greeting, and nobody to transfer to.
    #[must_use]
    pub fn new(id: &str) -> Self {
        Self {
            id: id.into(),
            greeting: None,
            greeting_interruptible: true,
            opens_after: None,
            commands: BTreeSet::from([
                CommandName::Press,
                CommandName::Transfer,
                CommandName::EndCall,
                CommandName::RequestUser,
            ]),
            transfers: Transfers::default(),
            approval: Approval::Never,
            phrases: Phrases::default(),
            scenario: None,
            variables: BTreeMap::new(),
            companion: None,
            disclosure: None,
            voicemail: None,
        }
    }
}

/// Which replies wait for a supervisor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Approval {
    /// None.
    Never,
    /// Every reply.
    Always,
    /// Those that any of the rules names.
    When(ApprovalRules),
}

/// Rules that name the replies which wait.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ApprovalRules {
    /// The first so many replies of a call.
    pub first: u32,
    /// Replies that contain a command.
    pub commands: bool,
    /// Replies that contain any of these, whatever their case.
    pub words: Vec<String>,
}

/// Words for moments in which the model cannot speak.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Phrases {
    /// The model is slow.
    pub filler: String,
    /// The caller is silent.
    pub nudge: String,
    /// The caller stays silent.
    pub silence_goodbye: String,
    /// A supervisor is asked.
    pub hold: String,
    /// The supervisor takes long.
    pub still_holding: String,
    /// The model failed, and the call is transferred.
    pub apology_transfer: String,
    /// The model failed, and the call ends.
    pub apology_goodbye: String,
    /// The longest call is reached.
    pub time_goodbye: String,
    /// The call has cost as much as it may.
    pub cost_goodbye: String,
    /// The line was lost and is back.
    pub back_again: String,
    /// The model gave no words, or was stopped by a filter.
    pub say_again: String,
    /// The server stops.
    pub shutdown_goodbye: String,
}

impl Default for Phrases {
    fn default() -> Self {
        Self {
            filler: "One moment, please.".into(),
            nudge: "Are you still there?".into(),
            silence_goodbye: "I can't hear you, so I will hang up now. Goodbye.".into(),
            hold: "One moment please, let me check that for you.".into(),
            still_holding: "Thank you for waiting, I am still checking.".into(),
            apology_transfer: "I am sorry, I have a technical problem. I will connect you to a \
                               colleague now."
                .into(),
            apology_goodbye: "I am sorry, I have a technical problem and cannot go on. Please \
                              call again a little later. Goodbye."
                .into(),
            time_goodbye: "I am sorry, our time is up. Thank you for the call. Goodbye.".into(),
            cost_goodbye: "I am sorry, I have to end this call here. Thank you for your time. \
                           Goodbye."
                .into(),
            back_again: "Sorry, I lost you for a second.".into(),
            say_again: "Sorry, could you say that again?".into(),
            shutdown_goodbye: "I am sorry, I have to end this call now. Please call again in a \
                               moment. Goodbye."
                .into(),
        }
    }
}
