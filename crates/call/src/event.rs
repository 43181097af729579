//! What the world is told of a call.
//!
//! Stored events are numbered without gaps; they alone are enough to rebuild the call, so
//! whatever the call must remember is in one of them. Live-only events have no number.

mod values;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use self::values::{
    Answerer, By, CommandName, Direction, EndReason, HeldCommand, Progress, Source, Speaker, Stage,
    ToolRef, Where,
};
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
