//! Calls that were live when their process died and that nobody took up again.

use jiff::Timestamp;
use phony_call::{EndReason, Event, EventBody};

use crate::store::{Appended, CallLine, Chunk, Entry, Store, StoreError};

/// Ends the record of a call that will not go on: its line was lost. Whoever has it still can write
/// no more of it. False if it has ended meanwhile, or has another owner.
pub async fn close_abandoned(store: &dyn Store, line: &CallLine) -> Result<bool, StoreError> {
    let Some(term) = store.claim(&line.sid).await? else { return Ok(false) };
    // What was written between the listing and the claim counts.
    let Some(line) = store.line(&line.sid).await? else { return Ok(false) };
    let last = last_moment(store, &line).await?;
    let lasted = last.duration_since(line.started).as_millis();
    let duration_ms = u64::try_from(lasted).unwrap_or(0);
    let seq = line.last_seq + 1;
    let body = EventBody::SessionEnd { reason: EndReason::LineLost, duration_ms };
    let event = Event { body, call: line.sid.clone(), at: last, seq: Some(seq) };
    let json = serde_json::to_string(&event)
        .map_err(|error| StoreError::failed("an event cannot be written", error))?;
    let entries = vec![Entry { seq, json: json.into() }];
    let (call, after) = (line.sid, line.last_seq);
    let appended = store.append(vec![Chunk { call, term, after, entries, status: None }]).await?;
    Ok(appended == [Appended::Kept(seq)])
}

/// When the last event of a call happened.
async fn last_moment(store: &dyn Store, line: &CallLine) -> Result<Timestamp, StoreError> {
    let before = line.last_seq.saturating_sub(1);
    let events = store.events(&line.sid, before).await?.unwrap_or_default();
    let last = events.last().and_then(|json| serde_json::from_str::<Event>(json).ok());
    Ok(last.map_or(line.started, |event| event.at))
}
