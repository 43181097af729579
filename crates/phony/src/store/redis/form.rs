//! How calls are encoded in Redis.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use phony_call::{CallSid, Direction};
use redis::Value;

use crate::store::search::fold;
use crate::store::summary::searchable_words;
use crate::store::{CallSummary, Entry};

/// What an event adds to the summary of its call, and its searchable words.
#[derive(Default)]
pub(super) struct Contribution {
    pub(super) turns: u32,
    pub(super) cost: f64,
    /// The end of the call as JSON, if the event is one.
    pub(super) end: String,
    /// The folded words.
    pub(super) words: String,
}

pub(super) fn contribution(entry: &Entry) -> Contribution {
    let Some(event) = entry.event() else { return Contribution::default() };
    let mut summary = blank(&event.call, event.at);
    summary.apply(&event);
    let end = summary.end.and_then(|end| serde_json::to_string(&end).ok()).unwrap_or_default();
    let words = searchable_words(&event.body).map(fold).unwrap_or_default();
    Contribution { turns: summary.turns, cost: summary.cost_usd, end, words }
}

/// A summary with nothing in it, to see what an event adds.
fn blank(call: &CallSid, at: Timestamp) -> CallSummary {
    CallSummary {
        sid: call.clone(),
        from: String::new(),
        to: String::new(),
        direction: Direction::Inbound,
        agent: String::new(),
        carrier: String::new(),
        started: at,
        status: None,
        end: None,
        turns: 0,
        cost_usd: 0.0,
        last_seq: 0,
    }
}

/// Reads the summary of a call from its hash.
pub(super) fn summary(fields: &HashMap<String, String>) -> Option<CallSummary> {
    let mut summary: CallSummary = serde_json::from_str(fields.get("line")?).ok()?;
    let number = |name: &str| fields.get(name).map(String::as_str).unwrap_or_default();
    summary.status = fields.get("status").cloned();
    summary.end = fields.get("end").and_then(|end| serde_json::from_str(end).ok());
    summary.set_final_status();
    summary.turns = number("turns").parse().unwrap_or(0);
    summary.cost_usd = number("cost").parse().unwrap_or(0.0);
    summary.last_seq = number("last").parse().unwrap_or(0);
    Some(summary)
}

/// Reads the entries of a stream.
pub(super) fn entries(value: Value) -> Vec<Entry> {
    let read: Vec<(String, BTreeMap<String, String>)> =
        redis::from_redis_value(value).unwrap_or_default();
    let entry = |(id, mut fields): (String, BTreeMap<String, String>)| {
        let seq = id.split('-').next()?.parse().ok()?;
        Some(Entry { seq, json: fields.remove("e")?.into() })
    };
    read.into_iter().filter_map(entry).collect()
}
