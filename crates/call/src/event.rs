//! What the world is told of a call.
//!
//! Stored events are numbered without gaps; they alone are enough to rebuild the call, so
//! whatever the call must remember is in one of them. Live-only events have no number.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::{CallSid, SupervisorId, TurnId};
use crate::model::Usage;

/// One event, in the form in which it is stored and shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// What happened.
    #[serde(flatten)]
    pub body: EventBody,
    /// The call it happened in.
    #[serde(rename = "callSid")]
    pub call: CallSid,
    /// When, in UTC.
    #[serde(rename = "timestamp")]
    pub at: Timestamp,
    /// 1, 2, 3 … within the call; absent on events that are shown but not stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
}

impl Event {
    /// Whether the event is kept, or only shown to who is looking.
    #[must_use]
    pub fn is_stored(&self) -> bool {
        self.seq.is_some()
    }
}

/// The kinds of events. New kinds and new fields may be added; readers must skip what they do not
/// know.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum EventBody {
    /// The first event of every call.
    SessionStart {
        /// The calling party: a number, or an address such as `client:…`.
        from: String,
        /// The called party.
        to: String,
        /// Who called whom.
        direction: Direction,
        /// The agent's id.
        agent: String,
        /// The carrier's name.
        carrier: String,
        /// The errand of a call of ours.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        scenario: Option<String>,
        /// What its slots were filled with.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        variables: BTreeMap<String, String>,
        /// The agent whose voice and language whoever goes on the errand has.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        companion: Option<String>,
    },
    /// A call of ours has got further, in the carrier's words.
    Status {
        /// How far.
        status: Progress,
    },
    /// Who or what answered a call of ours.
    AnsweredBy {
        /// A person or a machine.
        who: Answerer,
        /// Why nothing is done about it, where it contradicts what is known of them.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        disregarded: Option<String>,
    },
    /// The far side has heard that it speaks with a machine.
    Disclosure {
        /// The words.
        text: String,
    },
    /// The carrier is asked to end the call, of which no line is left with us. The `session_end`
    /// follows when it has.
    HangingUp {
        /// Why the call ends.
        reason: EndReason,
        /// Who ends it.
        by: By,
    },
    /// The last event of every call.
    SessionEnd {
        /// Why it ended.
        reason: EndReason,
        /// From the first event to this one.
        duration_ms: u64,
    },
    /// The line is up for the first time: the caller can hear us.
    Connected,
    /// The server that had the call stops, and has left the line to whoever is asked next.
    HandedOver,
    /// The line was lost and is back.
    Resumed {
        /// How long it was gone.
        gap_ms: u64,
    },
    /// Words of the caller.
    Transcript {
        /// Always the caller.
        speaker: Speaker,
        /// The words.
        text: String,
        /// False while the utterance grows: shown, not stored.
        r#final: bool,
    },
    /// One finished utterance of our side, as the caller heard it.
    AssistantResponse {
        /// What was heard.
        text: String,
        /// The caller, a supervisor or a fault cut it off.
        interrupted: bool,
        /// Who chose the words.
        source: Source,
        /// The model's turn, if the model chose them.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        turn: Option<TurnId>,
        /// What the model wrote, where that differs from what was heard: with its commands, and
        /// with the words that were cut off.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        generated: Option<String>,
        /// Whether the text stands in the model's own memory just so.
        #[serde(default)]
        verbatim: bool,
    },
    /// How far the caller has heard an utterance that is still on the line, told whenever the carrier
    /// tells us, so that whoever goes on with the call repeats nothing. The `assistant_response`
    /// that follows takes its place.
    AssistantHeard {
        /// What was heard of it so far, from its beginning.
        text: String,
        /// Who chose the words.
        source: Source,
        /// The model's turn, if the model chose them.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        turn: Option<TurnId>,
    },
    /// Words of a reply as they come: shown, not stored.
    AssistantDelta {
        /// The words.
        text: String,
    },
    /// A supervisor's words were spoken to the caller.
    AssistantOverride {
        /// The words.
        text: String,
        /// Who did it.
        #[serde(default = "supervisor")]
        by: By,
    },
    /// A command was carried out.
    CommandExecuted {
        /// Which.
        command: CommandName,
        /// Its digits, number or question.
        value: String,
        /// Who gave it.
        by: By,
        /// The tool call that gave it, if it was not written in the text.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tool: Option<ToolRef>,
    },
    /// A command was not carried out.
    CommandRejected {
        /// Which, as it was written.
        command: String,
        /// Its value, as it was written.
        value: String,
        /// Who gave it.
        by: By,
        /// Why not.
        reason: String,
        /// The tool call that gave it, if it was not written in the text.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tool: Option<ToolRef>,
    },
    /// The call is being dialled on.
    SessionTransfer {
        /// To whom.
        target: String,
    },
    /// The model asks the supervisor something.
    Query {
        /// The question.
        prompt: String,
        /// The tool call that asked it, if it was not written in the text.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tool: Option<ToolRef>,
        /// How long it waits for an answer, once no other is before it.
        #[serde(default)]
        timeout_ms: u64,
    },
    /// The question is settled.
    QueryResponse {
        /// The answer; empty when there is none.
        text: String,
        /// False when nobody answered in time.
        #[serde(default = "yes")]
        answered: bool,
        /// Who settled it: a supervisor, or the time limit.
        #[serde(default = "supervisor")]
        by: By,
    },
    /// A reply waits for a supervisor.
    PendingResponse {
        /// The reply, without its commands.
        text: String,
        /// The model's turn.
        #[serde(default)]
        turn: TurnId,
        /// The commands in it, which are carried out if it is sent as it is.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        commands: Vec<HeldCommand>,
        /// How long it waits for a supervisor.
        #[serde(default)]
        timeout_ms: u64,
    },
    /// A waiting reply was sent.
    ResponseApproved {
        /// The words that were sent.
        text: String,
        /// Who let it go.
        #[serde(default = "supervisor")]
        by: By,
        /// Whether the words are not the model's.
        #[serde(default)]
        edited: bool,
    },
    /// A waiting reply was dropped.
    ResponseRejected {
        /// Why, in the supervisor's words or ours.
        text: String,
        /// Who did it.
        #[serde(default = "supervisor")]
        by: By,
    },
    /// Guidance for the model that the caller does not hear.
    Whisper {
        /// The guidance.
        text: String,
        /// Who did it.
        #[serde(default = "supervisor")]
        by: By,
    },
    /// A human speaks from now on.
    Takeover {
        /// Who did it.
        #[serde(default = "supervisor")]
        by: By,
        /// Who speaks. It comes again when somebody else does.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        holder: Option<SupervisorId>,
    },
    /// Whoever holds the takeover has not been seen for a while.
    TakeoverUnattended {
        /// Who holds it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        holder: Option<SupervisorId>,
        /// When the model speaks again if nobody comes.
        #[serde(default)]
        timeout_ms: u64,
    },
    /// Whoever holds the takeover is back.
    TakeoverAttended {
        /// Who holds it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        holder: Option<SupervisorId>,
    },
    /// The model speaks again.
    Release {
        /// Who did it; the call's own rules if whoever spoke has gone.
        #[serde(default = "supervisor")]
        by: By,
    },
    /// The caller pressed a key.
    Dtmf {
        /// One of `0-9 * #`.
        digit: char,
    },
    /// The caller spoke over us.
    Interrupt {
        /// What was heard of the utterance that was cut off.
        heard: String,
    },
    /// How long something took that a caller could notice.
    Latency {
        /// The turn.
        turn: TurnId,
        /// What.
        stage: Stage,
        /// How long.
        ms: u64,
    },
    /// What a reply cost.
    Usage {
        /// The turn, if it was one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        turn: Option<TurnId>,
        /// Tokens by kind.
        #[serde(flatten)]
        usage: Usage,
        /// At the prices of the configuration.
        cost_usd: f64,
    },
    /// Something failed.
    Error {
        /// `model`, `carrier` or `call`.
        r#where: Where,
        /// A code to look up.
        code: String,
        /// What happened.
        message: String,
        /// Whether nothing more can be hoped for from there.
        fatal: bool,
    },
}

fn yes() -> bool {
    true
}

fn supervisor() -> By {
    By::Supervisor
}

/// Who called whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// Somebody called us.
    Inbound,
    /// We called somebody.
    Outbound,
}

/// How far a call of ours has got, in the words that carriers share. Later ones are greater; the
/// last five are ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Progress {
    /// The carrier has taken the order.
    Queued,
    /// It rings.
    Ringing,
    /// It was answered.
    InProgress,
    /// It was answered, and is over.
    Completed,
    /// The line was engaged.
    Busy,
    /// Nobody picked up.
    NoAnswer,
    /// It could not be connected.
    Failed,
    /// It was withdrawn before it was answered.
    Canceled,
}

impl Progress {
    /// How far a call has got that had got so far and ended for this reason.
    #[must_use]
    pub fn at_end(self, reason: EndReason) -> Self {
        let answered = self >= Self::InProgress;
        match reason {
            _ if self >= Self::Completed => self,
            EndReason::Busy => Self::Busy,
            EndReason::NoAnswer => Self::NoAnswer,
            EndReason::Canceled => Self::Canceled,
            EndReason::Failed => Self::Failed,
            EndReason::SupervisorEnded | EndReason::Shutdown if !answered => Self::Canceled,
            // Only an answered call can be hung up on, even if the carrier has not said that it was.
            EndReason::CallerHungUp => Self::Completed,
            EndReason::AgentEnded
            | EndReason::SupervisorEnded
            | EndReason::Transferred
            | EndReason::Silence
            | EndReason::MaxDuration
            | EndReason::ModelFailed
            | EndReason::LineLost
            | EndReason::NotConnected
            | EndReason::SpendLimit
            | EndReason::Machine
            | EndReason::VoicemailLeft
            | EndReason::Shutdown
            | EndReason::Internal => {
                if answered {
                    Self::Completed
                } else {
                    Self::Failed
                }
            }
        }
    }

    /// The word of a carrier.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        let all = [
            Self::Queued,
            Self::Ringing,
            Self::InProgress,
            Self::Completed,
            Self::Busy,
            Self::NoAnswer,
            Self::Failed,
            Self::Canceled,
        ];
        all.into_iter().find(|progress| progress.as_str() == word)
    }

    /// The carriers' word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Ringing => "ringing",
            Self::InProgress => "in-progress",
            Self::Completed => "completed",
            Self::Busy => "busy",
            Self::NoAnswer => "no-answer",
            Self::Failed => "failed",
            Self::Canceled => "canceled",
        }
    }
}

/// Who or what answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answerer {
    /// A person.
    Human,
    /// A machine, which may still be speaking.
    Machine,
    /// A machine, which listens now.
    MachineReady,
    /// A fax.
    Fax,
    /// Undecided: to be treated as a person.
    Unknown,
}

/// Who speaks in a `transcript`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Speaker {
    /// The human on the line.
    Caller,
}

/// Who gave a command or let a reply go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum By {
    /// The model.
    Ai,
    /// A supervisor.
    Supervisor,
    /// The call's own rules, such as a time limit.
    Policy,
}

/// Who chose the words that our side spoke.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// The model.
    Model,
    /// The agent's opening line.
    Greeting,
    /// Said because the model is slow, or a supervisor has not yet agreed.
    Filler,
    /// Said because the caller is silent.
    Nudge,
    /// Said because a supervisor was asked.
    Hold,
    /// Said because something failed.
    Apology,
    /// Said because the call ends by rule.
    Goodbye,
    /// Left with a machine.
    Message,
    /// A supervisor.
    Supervisor,
}

/// The commands. The last is for calls of ours alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CommandName {
    /// Press keys.
    Press,
    /// Dial the call on.
    Transfer,
    /// Hang up.
    EndCall,
    /// Ask the supervisor.
    RequestUser,
    /// Never call this person again.
    DoNotCall,
}

impl CommandName {
    /// The name in text and as a tool.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Press => "press",
            Self::Transfer => "transfer",
            Self::EndCall => "end_call",
            Self::RequestUser => "request_user",
            Self::DoNotCall => "do_not_call",
        }
    }
}

/// The tool call behind a command, so that its result can name it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ToolRef {
    /// The model's id of the call.
    pub call_id: String,
    /// The tool's name as the model wrote it.
    pub name: String,
    /// JSON text.
    pub arguments: String,
}

/// A command of a reply that waits for a supervisor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HeldCommand {
    /// Which.
    pub command: CommandName,
    /// Its digits, number or question.
    pub value: String,
    /// The tool call that gave it, if it was not written in the text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool: Option<ToolRef>,
}

/// Why a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    /// The caller hung up.
    CallerHungUp,
    /// The model ended it.
    AgentEnded,
    /// A supervisor ended it.
    SupervisorEnded,
    /// It was dialled on, and that conversation is over.
    Transferred,
    /// Nobody spoke any more.
    Silence,
    /// It reached the longest time allowed.
    MaxDuration,
    /// The model could not be made to answer.
    ModelFailed,
    /// The line was lost and did not come back.
    LineLost,
    /// The line never came up.
    NotConnected,
    /// The called party was engaged.
    Busy,
    /// The called party did not pick up.
    NoAnswer,
    /// The carrier could not place or hold it.
    Failed,
    /// It was withdrawn before it was answered.
    Canceled,
    /// It cost as much as it may.
    SpendLimit,
    /// A machine answered, and was hung up on.
    Machine,
    /// A machine answered, and a message was left.
    VoicemailLeft,
    /// The server stopped.
    Shutdown,
    /// A fault of ours.
    Internal,
}

/// What a `latency` measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// From the end of the caller's words to the model's first word.
    FirstToken,
    /// From the end of the caller's words to the first words sent to the carrier.
    FirstSpoken,
    /// From the end of the caller's words to the first words that the carrier has played.
    FirstPlayed,
}

/// Where something failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Where {
    /// The model or the way to it.
    Model,
    /// The telephone line.
    Carrier,
    /// The call itself.
    Call,
}
