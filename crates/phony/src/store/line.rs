//! One line of the list of calls, and which of them are wanted.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use phony_call::{CallSid, Direction, EndReason, Event, EventBody, Progress};
use serde::{Deserialize, Serialize};

use super::search::Query;

/// What a list shows of a call, folded from its events.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CallLine {
    /// The carrier's name for the call.
    pub sid: CallSid,
    /// The calling party.
    pub from: String,
    /// The called party.
    pub to: String,
    /// Who called whom.
    pub direction: Direction,
    /// The agent's id.
    pub agent: String,
    /// The carrier's name.
    pub carrier: String,
    /// The time of the first event.
    pub started: Timestamp,
    /// What the carrier calls the state of the call, if it was told: `queued`, `ringing`,
    /// `in-progress`, `completed`, `busy`, `no-answer`, `failed` or `canceled`.
    pub status: Option<String>,
    /// How it ended; `None` while it is live.
    pub end: Option<End>,
    /// How many utterances were heard, of either side.
    pub turns: u32,
    /// What the model cost, in US dollars.
    pub cost_usd: f64,
    /// The number of the last event.
    pub last_seq: u64,
}

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// Why.
    pub reason: EndReason,
    /// When.
    pub at: Timestamp,
    /// From the first event to the last.
    pub duration_ms: u64,
}

/// Where a call's words match what was looked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Match {
    /// The number of the event that has the words.
    pub seq: u64,
    /// The words around the place.
    pub text: String,
}

/// Which calls are wanted; what is `None` does not matter.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Filter {
    /// Live ones or ended ones.
    pub live: Option<bool>,
    /// Who called whom.
    pub direction: Option<Direction>,
    /// A part of the number of either party, digits alone or with a `+` in front.
    pub number: Option<String>,
    /// The agent's id.
    pub agent: Option<String>,
    /// The carrier's word for the state; `live` and `ended` are understood as well.
    pub status: Option<String>,
    /// Begun at this time or later.
    pub from: Option<Timestamp>,
    /// Begun before this time.
    pub until: Option<Timestamp>,
    /// Words that were said, or a part of a party, of the agent's id or of the call's.
    pub query: Option<Query>,
}

/// A place in the list of calls.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor {
    /// When the call began, in milliseconds since 1970.
    pub started_ms: i64,
    /// The call.
    pub sid: CallSid,
}

/// A page that is asked for.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Which calls.
    pub filter: Filter,
    /// Only calls that come after this one in the list, which are older.
    pub after: Option<Cursor>,
    /// How many at most.
    pub limit: usize,
}

/// A page of calls, newest first.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Page {
    /// The calls; where words were looked for and found, also the place of the first.
    pub calls: Vec<(CallLine, Option<Match>)>,
    /// Whether there are more.
    pub more: bool,
}

/// Not a place in the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a cursor")]
pub struct BadCursor;

impl CallLine {
    /// The line of a call that begins with this event; `None` if it is not a beginning.
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

    /// Takes in a later event of the same call.
    pub fn apply(&mut self, event: &Event) {
        self.last_seq = event.seq.map_or(self.last_seq, |seq| seq.max(self.last_seq));
        #[expect(clippy::wildcard_enum_match_arm, reason = "a line tells of few things")]
        match &event.body {
            EventBody::SessionEnd { reason, duration_ms } => {
                let (reason, duration_ms) = (*reason, *duration_ms);
                self.end = Some(End { reason, at: event.at, duration_ms });
                self.settle();
            }
            EventBody::Transcript { r#final: true, .. } | EventBody::AssistantResponse { .. } => {
                self.turns += 1;
            }
            EventBody::Usage { cost_usd, .. } => self.cost_usd += cost_usd,
            EventBody::Status { status } => self.status = Some(status.as_str().to_owned()),
            _ => {}
        }
    }

    /// Gives a call that has ended the state that it ended in: the record of one that was lost may
    /// lack it.
    pub fn settle(&mut self) {
        let Some(end) = &self.end else { return };
        if let Some(last) = self.status.as_deref().and_then(Progress::parse) {
            self.status = Some(last.at_end(end.reason).as_str().to_owned());
        }
    }

    /// The events that end the record of a call which was cut short: its last state, if it has one,
    /// and its end.
    #[must_use]
    pub fn last_words(status: Option<&str>, reason: EndReason, duration_ms: u64) -> Vec<EventBody> {
        let last = status.and_then(Progress::parse);
        let closed = last.map(|last| last.at_end(reason)).filter(|closed| Some(*closed) != last);
        let closed = closed.map(|status| EventBody::Status { status });
        closed.into_iter().chain([EventBody::SessionEnd { reason, duration_ms }]).collect()
    }

    /// The call's place in the list.
    #[must_use]
    pub fn cursor(&self) -> Cursor {
        Cursor { started_ms: self.started.as_millisecond(), sid: self.sid.clone() }
    }
}

impl Filter {
    /// Whether a call is wanted, the words aside.
    #[must_use]
    pub fn admits(&self, line: &CallLine) -> bool {
        let is_live = line.end.is_none();
        let same = |wanted: &Option<String>, is: &str| wanted.as_deref().is_none_or(|w| w == is);
        self.live.is_none_or(|live| live == is_live)
            && self.direction.is_none_or(|direction| direction == line.direction)
            && same(&self.agent, &line.agent)
            && self.from.is_none_or(|from| line.started >= from)
            && self.until.is_none_or(|until| line.started < until)
            && self.number.as_deref().is_none_or(|n| line.from.contains(n) || line.to.contains(n))
            && match self.status.as_deref() {
                None => true,
                Some("live") => is_live,
                Some("ended") => !is_live,
                Some(status) => line.status.as_deref() == Some(status),
            }
    }

    /// Whether a call is wanted, given its stored events; if it was looked for by words that were
    /// said, where they are.
    #[must_use]
    pub fn find<'a>(
        &self,
        line: &CallLine,
        events: impl IntoIterator<Item = (u64, &'a str)>,
    ) -> Option<Option<Match>> {
        if !self.admits(line) {
            return None;
        }
        let Some(query) = &self.query else { return Some(None) };
        let found = events.into_iter().find_map(|(seq, json)| {
            let event: Event = serde_json::from_str(json).ok()?;
            let text = query.find(said(&event.body)?)?;
            Some(Match { seq, text })
        });
        (found.is_some() || query.names(line)).then_some(found)
    }
}

/// The words of an event that can be looked for: those that were said on the line, and those that
/// passed between the model and its supervisors.
#[must_use]
pub fn said(body: &EventBody) -> Option<&str> {
    #[expect(clippy::wildcard_enum_match_arm, reason = "most events hold no words")]
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

/// The word that events and lists use for a value.
pub(crate) fn word(value: &impl Serialize) -> String {
    let value = serde_json::to_value(value).unwrap_or_default();
    value.as_str().unwrap_or_default().to_owned()
}
