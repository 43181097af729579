//! Closes a call's record however its actor ends, and counts its events in metrics and log. Owned
//! by the task of the call; dropped last.

use std::time::Instant;

use jiff::{SignedDuration, Timestamp};
use phony_call::{CallSid, EndReason, Event, EventBody};

use crate::calls::registry::Place;
use crate::events::Publisher;
use crate::store::CallSummary;
use crate::store::summary::wire_name;

/// Closes the call's record when dropped, even by a panic, then removes it from the registry.
pub(super) struct Record {
    pub(super) publisher: Publisher,
    call: CallSid,
    began: (Instant, Timestamp),
    /// The reason of the end, if the call has not published one.
    pub(super) reason: EndReason,
    /// The call continues in another process, so its record stays open.
    pub(super) goes_on: bool,
    place: Place,
}

impl Record {
    /// The record of a call that began at these times, monotonic and wall.
    pub(super) fn new(
        publisher: Publisher,
        call: CallSid,
        began: (Instant, Timestamp),
        place: Place,
    ) -> Self {
        Self { publisher, call, began, reason: EndReason::Internal, goes_on: false, place }
    }

    /// The server ends at once: the call continues elsewhere, or is cut off.
    pub(super) fn killed(&mut self, goes_on: bool) {
        self.reason = EndReason::Shutdown;
        if !goes_on {
            self.place.cut_off();
        }
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        metrics::gauge!("phony_calls_live").decrement(1.0);
        if self.goes_on {
            return self.publisher.depart();
        }
        let (last, ended) = self.publisher.state();
        if ended || last == 0 {
            return;
        }
        let lasted = super::now().saturating_duration_since(self.began.0);
        let duration_ms = u64::try_from(lasted.as_millis()).unwrap_or(u64::MAX);
        let lasted = SignedDuration::try_from(lasted).unwrap_or(SignedDuration::ZERO);
        let at = self.began.1.checked_add(lasted).unwrap_or(self.began.1);
        let status = self.publisher.status();
        let closing = CallSummary::closing_events(status.as_deref(), self.reason, duration_ms);
        for (seq, body) in (last + 1..).zip(closing) {
            let event = Event { body, call: self.call.clone(), at, seq: Some(seq) };
            count(&event);
            self.publisher.publish(&event);
        }
    }
}

/// Counts and logs what an operator wants to know of an event; never what was said.
pub(super) fn count(event: &Event) {
    #[expect(clippy::wildcard_enum_match_arm, reason = "most events are for supervisors only")]
    match &event.body {
        EventBody::SessionStart { direction, agent, .. } => {
            tracing::info!(?direction, agent, "call started");
        }
        EventBody::SessionEnd { reason, duration_ms } => {
            let reason = wire_name(reason);
            metrics::counter!("phony_calls_ended_total", "reason" => reason.clone()).increment(1);
            tracing::info!(reason, duration_ms, "call ended");
        }
        EventBody::Latency { stage, ms, .. } => {
            #[expect(clippy::cast_precision_loss, reason = "latencies are far below 2^52 ms")]
            let seconds = *ms as f64 / 1000.0;
            metrics::histogram!("phony_latency_seconds", "stage" => wire_name(stage))
                .record(seconds);
        }
        EventBody::Error { r#where, code, fatal, .. } => {
            tracing::warn!(at = wire_name(r#where), code, fatal, "trouble in the call");
        }
        _ => {}
    }
}
