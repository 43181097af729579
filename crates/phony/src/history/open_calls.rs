//! Calls that were live when their process died and that no node resumed.

use jiff::Timestamp;
use phony_call::{EndReason, Event};

use crate::store::{Appended, CallSummary, Chunk, Entry, Store, StoreError};

/// Ends a call in the store that will not be resumed, with the reason `line_lost`. Claiming it
/// stops any node that still has it from writing. False if it has ended meanwhile, or has another
/// owner.
pub async fn close_abandoned(store: &dyn Store, summary: &CallSummary) -> Result<bool, StoreError> {
    let Some(term) = store.claim(&summary.sid).await? else { return Ok(false) };
    // It may have changed between the listing and the claim.
    let Some(summary) = store.summary(&summary.sid).await? else { return Ok(false) };
    let last = time_of_last_event(store, &summary).await?;
    let lasted = last.duration_since(summary.started).as_millis();
    let duration_ms = u64::try_from(lasted).unwrap_or(0);
    let (mut closed, mut entries) = (summary.clone(), Vec::new());
    let closing =
        CallSummary::closing_events(summary.status.as_deref(), EndReason::LineLost, duration_ms);
    for (seq, body) in (summary.last_seq + 1..).zip(closing) {
        let event = Event { body, call: summary.sid.clone(), at: last, seq: Some(seq) };
        let json = serde_json::to_string(&event)
            .map_err(|error| StoreError::failed("an event cannot be written", error))?;
        entries.push(Entry { seq, json: json.into() });
        closed.apply(&event);
    }
    let (call, after, status) = (summary.sid, summary.last_seq, closed.status);
    let appended = store.append(vec![Chunk { call, term, after, entries, status }]).await?;
    Ok(appended == [Appended::Kept(closed.last_seq)])
}

/// The time of the last event of a call.
async fn time_of_last_event(
    store: &dyn Store,
    summary: &CallSummary,
) -> Result<Timestamp, StoreError> {
    let before = summary.last_seq.saturating_sub(1);
    let events = store.events(&summary.sid, before).await?.unwrap_or_default();
    let last = events.last().and_then(|json| serde_json::from_str::<Event>(json).ok());
    Ok(last.map_or(summary.started, |event| event.at))
}

#[cfg(test)]
mod tests {
    use phony_call::{CallSid, Direction, EventBody, Progress};

    use super::*;
    use crate::store::{FIRST_TERM, Sqlite};

    #[tokio::test]
    async fn an_abandoned_call_gets_its_final_status() {
        let folder = tempfile::tempdir().unwrap();
        let store = Sqlite::open(&folder.path().join("phony.db")).unwrap();
        let call = CallSid::parse("CA1").unwrap();
        let start = EventBody::SessionStart {
            from: "+15005550100".into(),
            to: "+15005550101".into(),
            direction: Direction::Outbound,
            agent: "assistant".into(),
            carrier: "twilio".into(),
            scenario: None,
            variables: std::collections::BTreeMap::new(),
            companion: None,
            transport: None,
            model: None,
        };
        let rings = EventBody::Status { status: Progress::Ringing };
        let entry = |(seq, body)| {
            let at = "2026-01-15T12:00:00Z".parse().unwrap();
            let event = Event { body, call: call.clone(), at, seq: Some(seq) };
            Entry { seq, json: serde_json::to_string(&event).unwrap().into() }
        };
        let entries = (1..).zip([start, rings]).map(entry).collect();
        let status = Some("ringing".to_owned());
        let chunk = Chunk { call: call.clone(), term: FIRST_TERM, after: 0, entries, status };
        assert_eq!(store.append(vec![chunk]).await.unwrap(), [Appended::Kept(2)]);
        let summary = store.summary(&call).await.unwrap().unwrap();
        assert!(close_abandoned(&store, &summary).await.unwrap());
        let summary = store.summary(&call).await.unwrap().unwrap();
        assert_eq!(summary.status.as_deref(), Some("failed"));
        let events = store.events(&call, 2).await.unwrap().unwrap();
        assert!(events[0].contains("\"status\":\"failed\""), "viewers are told: {events:?}");
        assert!(events[1].contains("line_lost"), "{events:?}");
    }

    #[test]
    fn closing_events_have_the_final_status_unless_it_is_known() {
        let closing = CallSummary::closing_events(Some("in-progress"), EndReason::Internal, 5);
        let completed = EventBody::Status { status: Progress::Completed };
        let end = EventBody::SessionEnd { reason: EndReason::Internal, duration_ms: 5 };
        assert_eq!(closing, [completed, end.clone()]);
        let without = CallSummary::closing_events(None, EndReason::Internal, 5);
        assert!(without.len() == 1 && without[0] == end, "{without:?}");
        assert_eq!(CallSummary::closing_events(Some("busy"), EndReason::Internal, 5), [end]);
    }
}
