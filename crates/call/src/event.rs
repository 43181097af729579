//! The events of a call: its record, and what viewers are shown.
//!
//! Stored events are numbered without gaps, and are enough to rebuild the call: whatever it must
//! remember is in one of them. Events that are only shown have no number.

mod values;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use self::values::{
    Answerer, By, CommandName, Direction, EndReason, HeldCommand, Progress, Source, Speaker, Stage,
    ToolRef, Transport, Where,
};
use crate::ids::{CallSid, LegId, SupervisorId, TurnId};
use crate::usage::Usage;

/// One event, as it is stored and shown.
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
    /// 1, 2, 3 … within the call; absent if the event is shown but not stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
}

impl Event {
    /// Whether the event is stored, or only shown to current viewers.
    #[must_use]
    pub fn is_stored(&self) -> bool {
        self.seq.is_some()
    }
}

/// The kinds of events. Kinds and fields may be added, so readers must skip those that they do not
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
        /// The scenario of an outbound call.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        scenario: Option<String>,
        /// The values of the scenario's variables.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        variables: BTreeMap<String, String>,
        /// The agent whose voice and language the scenario's agent uses.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        companion: Option<String>,
        /// How the caller's words, or their voice, travel.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        transport: Option<Transport>,
        /// The model's name.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        model: Option<String>,
    },
    /// An outbound call has progressed.
    Status {
        /// Its status.
        status: Progress,
    },
    /// Who or what answered an outbound call.
    AnsweredBy {
        /// A person or a machine.
        who: Answerer,
        /// Why the verdict is disregarded, if it contradicts what is known already.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        disregarded: Option<String>,
    },
    /// The called person has heard that they speak with a machine.
    Disclosure {
        /// The words.
        text: String,
    },
    /// The carrier is asked to end the call, which has no line to this node. `session_end` follows
    /// when it has.
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
        /// Milliseconds from the first event to this one.
        duration_ms: u64,
    },
    /// The line is up for the first time: the caller can hear the agent.
    Connected {
        /// The carrier's id of the line, if it has one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        line: Option<LegId>,
    },
    /// The node that had the call stops, and has left the line to the node that the carrier asks
    /// next.
    HandedOver,
    /// The line was lost and is back.
    Resumed {
        /// How long it was gone, in milliseconds.
        gap_ms: u64,
        /// The carrier's id of the new line, if it has one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        line: Option<LegId>,
    },
    /// Words of the caller.
    Transcript {
        /// Always the caller.
        speaker: Speaker,
        /// The words.
        text: String,
        /// False for a partial result, which is shown but not stored.
        r#final: bool,
    },
    /// A finished utterance of the agent or a supervisor, as far as the caller heard it.
    AssistantResponse {
        /// What was heard.
        text: String,
        /// Whether the caller, a supervisor or a fault cut it off.
        interrupted: bool,
        /// Who chose the words.
        source: Source,
        /// The model's turn, if the model chose them.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        turn: Option<TurnId>,
        /// What the model wrote, if that differs from what was heard: with its commands, and with
        /// the words that were cut off.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        generated: Option<String>,
        /// Whether the model's own memory holds exactly this text.
        #[serde(default)]
        verbatim: bool,
    },
    /// How far the caller has heard an utterance that is still being spoken, so that a node that
    /// takes over repeats nothing. The `assistant_response` that follows takes its place.
    AssistantHeard {
        /// What was heard of it so far, from its beginning.
        text: String,
        /// Who chose the words.
        source: Source,
        /// The model's turn, if the model chose them.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        turn: Option<TurnId>,
    },
    /// Words of a reply as they are sent: shown, not stored.
    AssistantDelta {
        /// The words.
        text: String,
    },
    /// A supervisor's words were spoken to the caller.
    AssistantOverride {
        /// The words.
        text: String,
        /// Who ordered it.
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
        /// The carrier's id of the leg that was dialled, if a transfer was not taken.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        leg: Option<LegId>,
    },
    /// The call is transferred.
    SessionTransfer {
        /// The number that is dialled.
        target: String,
    },
    /// The model asks the supervisor something.
    Query {
        /// The question.
        prompt: String,
        /// The tool call that asked it, if it was not written in the text.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tool: Option<ToolRef>,
        /// How long it waits for an answer once it is the first, in milliseconds.
        #[serde(default)]
        timeout_ms: u64,
    },
    /// The question is settled.
    QueryResponse {
        /// The answer; empty when there is none.
        text: String,
        /// False if nobody answered in time.
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
        /// The commands in it, carried out if it is sent unedited.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        commands: Vec<HeldCommand>,
        /// How long it waits for a supervisor, in milliseconds.
        #[serde(default)]
        timeout_ms: u64,
    },
    /// A waiting reply was sent.
    ResponseApproved {
        /// The words that were sent.
        text: String,
        /// Who approved it.
        #[serde(default = "supervisor")]
        by: By,
        /// Whether they differ from the model's words.
        #[serde(default)]
        edited: bool,
    },
    /// A waiting reply was dropped.
    ResponseRejected {
        /// The reason, from the supervisor or the call's rules.
        text: String,
        /// Who ordered it.
        #[serde(default = "supervisor")]
        by: By,
    },
    /// Guidance for the model that the caller does not hear.
    Whisper {
        /// The guidance.
        text: String,
        /// Who ordered it.
        #[serde(default = "supervisor")]
        by: By,
    },
    /// A human speaks from now on.
    Takeover {
        /// Who ordered it.
        #[serde(default = "supervisor")]
        by: By,
        /// Who speaks. The event is repeated when somebody else takes over.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        holder: Option<SupervisorId>,
    },
    /// The supervisor who holds the takeover has not been seen for a while.
    TakeoverUnattended {
        /// Who holds it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        holder: Option<SupervisorId>,
        /// How long until the model speaks again if they do not return, in milliseconds.
        #[serde(default)]
        timeout_ms: u64,
    },
    /// The supervisor who holds the takeover is back.
    TakeoverAttended {
        /// Who holds it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        holder: Option<SupervisorId>,
    },
    /// The model speaks again.
    Release {
        /// Who ended the takeover; the call's own rules if the supervisor has gone.
        #[serde(default = "supervisor")]
        by: By,
    },
    /// The caller pressed a key.
    Dtmf {
        /// One of `0-9 * #`.
        digit: char,
    },
    /// The caller interrupted.
    Interrupt {
        /// What was heard of the utterance that was cut off.
        heard: String,
    },
    /// How long a stage of a turn took, as far as the caller could notice.
    Latency {
        /// The turn.
        turn: TurnId,
        /// What.
        stage: Stage,
        /// Milliseconds.
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
        /// US dollars, at the configured prices.
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
        /// Whether trying again is useless.
        fatal: bool,
    },
}

fn yes() -> bool {
    true
}

fn supervisor() -> By {
    By::Supervisor
}
