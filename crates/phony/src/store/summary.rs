//! The summary of a call, folded from its events.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use phony_call::{CallSid, Direction, EndReason, Event, EventBody, Progress};
use serde::{Deserialize, Serialize};

/// What lists show of a call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CallSummary {
    /// The carrier's id of the call.
    pub sid: CallSid,
    /// The calling party.
    pub from: String,
    /// The called party.
    pub to: String,
    /// Inbound or outbound.
    pub direction: Direction,
    /// The agent's id.
    pub agent: String,
    /// The carrier's name.
    pub carrier: String,
    /// The time of the first event.
    pub started: Timestamp,
    /// The carrier's status of the call, if known: `queued`, `ringing`, `in-progress`, `completed`,
    /// `busy`, `no-answer`, `failed` or `canceled`.
    pub status: Option<String>,
    /// How it ended; `None` while it is live.
    pub end: Option<End>,
    /// Utterances of either side.
    pub turns: u32,
    /// Cost of the model, in US dollars.
    pub cost_usd: f64,
    /// The number of the last event.
    pub last_seq: u64,
}

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// The reason.
    pub reason: EndReason,
    /// The time.
    pub at: Timestamp,
    /// Milliseconds from the first event to the last.
    pub duration_ms: u64,
}

/// A position in the list of calls.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor {
    /// The start of the call, in milliseconds since 1970.
    pub started_ms: i64,
    /// The call.
    pub sid: CallSid,
}

/// A text that is not a cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a cursor")]
pub struct BadCursor;

impl CallSummary {
    /// The summary of a call that starts with this event; `None` if it is not a `session_start`.
    #[must_use]
    pub fn begin(event: &Event) -> Option<Self> {
        let EventBody::SessionStart { from, to, direction, agent, carrier, .. } = &event.body
        else {
            return None;
        };
        Some(Self {
            sid: event.call.clone(),
            from: from.clone(),
            to: to.clone(),
            direction: *direction,
            agent: agent.clone(),
            carrier: carrier.clone(),
            started: event.at,
            status: None,
            end: None,
            turns: 0,
            cost_usd: 0.0,
            last_seq: event.seq.unwrap_or(1),
        })
    }

    /// Applies a later event of the same call.
    pub fn apply(&mut self, event: &Event) {
        self.last_seq = event.seq.map_or(self.last_seq, |seq| seq.max(self.last_seq));
        #[expect(clippy::wildcard_enum_match_arm, reason = "a summary shows few events")]
        match &event.body {
            EventBody::SessionEnd { reason, duration_ms } => {
                let (reason, duration_ms) = (*reason, *duration_ms);
                self.end = Some(End { reason, at: event.at, duration_ms });
                self.set_final_status();
            }
            EventBody::Transcript { r#final: true, .. } | EventBody::AssistantResponse { .. } => {
                self.turns += 1;
            }
            EventBody::Usage { cost_usd, .. } => self.cost_usd += cost_usd,
            EventBody::Status { status } => self.status = Some(status.as_str().to_owned()),
            _ => {}
        }
    }

    /// Sets the final status of a call that has ended, which may be missing from the events of a
    /// call that was lost.
    pub fn set_final_status(&mut self) {
        let Some(end) = &self.end else { return };
        if let Some(last) = self.status.as_deref().and_then(Progress::parse) {
            self.status = Some(last.at_end(end.reason).as_str().to_owned());
        }
    }

    /// The events that close a call which was cut short: its final status, if it has one, and its
    /// end.
    #[must_use]
    pub fn closing_events(
        status: Option<&str>,
        reason: EndReason,
        duration_ms: u64,
    ) -> Vec<EventBody> {
        let last = status.and_then(Progress::parse);
        let closed = last.map(|last| last.at_end(reason)).filter(|closed| Some(*closed) != last);
        let closed = closed.map(|status| EventBody::Status { status });
        closed.into_iter().chain([EventBody::SessionEnd { reason, duration_ms }]).collect()
    }

    /// The call's position in the list.
    #[must_use]
    pub fn cursor(&self) -> Cursor {
        Cursor { started_ms: self.started.as_millisecond(), sid: self.sid.clone() }
    }
}

/// The searchable words of an event: those that were said in the call, and those exchanged between
/// the model and its supervisors.
#[must_use]
pub fn searchable_words(body: &EventBody) -> Option<&str> {
    #[expect(clippy::wildcard_enum_match_arm, reason = "most events have no words")]
    match body {
        EventBody::Transcript { text, .. }
        | EventBody::AssistantResponse { text, .. }
        | EventBody::Whisper { text, .. }
        | EventBody::QueryResponse { text, .. } => Some(text),
        EventBody::Query { prompt, .. } => Some(prompt),
        _ => None,
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.started_ms, self.sid)
    }
}

impl FromStr for Cursor {
    type Err = BadCursor;

    fn from_str(text: &str) -> Result<Self, BadCursor> {
        let (started_ms, sid) = text.split_once('.').ok_or(BadCursor)?;
        let started_ms = started_ms.parse().map_err(|_| BadCursor)?;
        Ok(Self { started_ms, sid: CallSid::parse(sid).map_err(|_| BadCursor)? })
    }
}

/// The serialized name of a unit variant.
pub(crate) fn wire_name(value: &impl Serialize) -> String {
    let value = serde_json::to_value(value).unwrap_or_default();
    value.as_str().unwrap_or_default().to_owned()
}
