//! The limits and timings of a call, and what it must know of its agent.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::dialing::Transfers;
use crate::event::{CommandName, Transport};
use crate::model::Traits;
use crate::usage::Prices;

/// Limits and timings of a call. The defaults suit the telephone.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// How long a call may ring or be set up before its line comes up. Default 60 s. A shorter
    /// limit loses people who are slow to answer.
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
    /// How much longer than estimated an utterance may take before it counts as heard. Default 3 s.
    pub playback_slack: Duration,
    /// How long the caller may be silent before each nudge, and then before the goodbye. Default 15
    /// s.
    pub silence: Duration,
    /// How many nudges before the goodbye. Default 1.
    pub nudges: u32,
    /// How long after an interruption without words the agent resumes. Default 2.5 s.
    pub false_interrupt: Duration,
    /// How long after the last key a sequence of keys is complete. Default 2 s; `#` completes it at
    /// once.
    pub digits_pause: Duration,
    /// How long the carrier may report that the caller speaks, without a word recognised, before
    /// that is ignored. Default 20 s.
    pub voice_limit: Duration,
    /// How long a partial result may wait for the final one before it counts as final. Default 8 s.
    pub words_limit: Duration,
    /// How long a supervisor may take to answer a question. Default 60 s.
    pub question_limit: Duration,
    /// How long a supervisor may take to approve a reply. Default 60 s.
    pub approval_limit: Duration,
    /// What happens to a held reply that nobody decided in time. Default: ask again.
    pub approval_timeout: ApprovalTimeout,
    /// How long the supervisor who holds a takeover may be unseen before the others are alarmed.
    /// Default 20 s; reloading the page takes a few seconds.
    pub takeover_unattended: Duration,
    /// How long the supervisor who holds a takeover may be unseen before the model speaks again.
    /// Default 60 s.
    pub takeover_abandoned: Duration,
    /// How often a caller on hold hears the hold phrase. Default 20 s.
    pub hold_phrase: Duration,
    /// How long a lost line may take to come back. Default 30 s.
    pub reconnect: Duration,
    /// How often a line may be lost and come back in one call. Default 5.
    pub line_losses: u32,
    /// How long a call that is to be handed over to another node waits for a pause in the
    /// conversation. Default 8 s.
    pub hand_over: Duration,
    /// How long the target of a transfer may ring. Default 30 s.
    pub ring: Duration,
    /// How long the goodbye may take to be heard; a long one is given more. Default 12 s.
    pub farewell: Duration,
    /// The longest call. Default 1 h.
    pub max_call: Duration,
    /// How often in a row the model may speak without the caller having said anything, for example
    /// after a rejected command. Default 3.
    pub self_turns: u32,
    /// What tokens and minutes cost.
    pub prices: Prices,
    /// The estimated cost of a call, in US dollars, at which the model is told to bring it to an
    /// end. Default 0: no limit.
    pub soft_cost: f64,
    /// The estimated cost of a call, in US dollars, at which it is ended with a goodbye. Default 0:
    /// no limit.
    pub hard_cost: f64,
}

impl Policy {
    /// The longest that a transferred call can last: the target rings, then speaks.
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

/// What happens to a held reply that nobody decided in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ApprovalTimeout {
    /// It is sent.
    Send,
    /// The caller hears the hold phrase, and the supervisors are asked again.
    AskAgain,
}

/// The agent that holds a call, as far as the call must know it.
#[derive(Debug, Clone, PartialEq)]
pub struct Agent {
    /// Its id, such as `assistant`.
    pub id: String,
    /// What it says first; `None` lets the model, or the caller, begin.
    pub greeting: Option<String>,
    /// Whether the caller can interrupt the greeting.
    pub greeting_interruptible: bool,
    /// In an outbound call: how long the greeting waits for the callee to speak first. `None`
    /// greets at once.
    pub opens_after: Option<Duration>,
    /// The commands it may use.
    pub commands: BTreeSet<CommandName>,
    /// The numbers that it may transfer to.
    pub transfers: Transfers,
    /// Which replies need a supervisor's approval.
    pub approval: Approval,
    /// Phrases for moments in which the model cannot speak.
    pub phrases: Phrases,
    /// The scenario of an outbound call, such as `survey`.
    pub scenario: Option<String>,
    /// The values of the scenario's variables.
    pub variables: BTreeMap<String, String>,
    /// The agent whose voice and language it uses, if it has none of its own.
    pub companion: Option<String>,
    /// The words that disclose that the caller is a machine. Until the called person has heard
    /// them, the model is told to say them.
    pub disclosure: Option<String>,
    /// The message left on an answering machine; `None` hangs up.
    pub voicemail: Option<String>,
    /// How its calls' words or sound travel, for the record.
    pub transport: Option<Transport>,
    /// The name of its model, for the record.
    pub model: Option<String>,
    /// What its model can do.
    pub traits: Traits,
    /// On a line that carries sound: how long the caller must speak before what is played is cut
    /// off. Zero cuts at once.
    pub interrupt_after: Duration,
}

impl Agent {
    /// An agent with every command of an inbound call, no greeting, and no transfer targets.
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
            transport: None,
            model: None,
            traits: Traits::Text,
            interrupt_after: Duration::ZERO,
        }
    }
}

/// Which replies need a supervisor's approval.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Approval {
    /// None.
    Never,
    /// Every reply.
    Always,
    /// Those that match any of the rules.
    When(ApprovalRules),
}

/// Rules for the replies that need approval.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ApprovalRules {
    /// The first replies of a call, this many.
    pub first: u32,
    /// Replies that contain a command.
    pub commands: bool,
    /// Replies that contain any of these, regardless of case.
    pub words: Vec<String>,
}

/// Phrases for moments in which the model cannot speak.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Phrases {
    /// The model is slow.
    pub filler: String,
    /// The caller is silent.
    pub nudge: String,
    /// The caller stays silent.
    pub silence_goodbye: String,
    /// A supervisor was asked.
    pub hold: String,
    /// The supervisor takes long.
    pub still_holding: String,
    /// The model failed, and the call is transferred.
    pub apology_transfer: String,
    /// The model failed, and the call ends.
    pub apology_goodbye: String,
    /// The longest call is reached.
    pub time_goodbye: String,
    /// The spending limit is reached.
    pub cost_goodbye: String,
    /// The line was lost and is back.
    pub back_again: String,
    /// The model gave no words, or a content filter stopped it.
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
