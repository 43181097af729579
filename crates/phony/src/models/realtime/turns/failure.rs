//! The server's `error` events: which request they are about, and which of them matter.

use phony_wire::openai::realtime::{ApiError, Severity, of_error};
use tokio::time::Instant;

use super::Turns;
use super::output::{ConnectionEnd, Output};
use super::phase::{Drain, Phase, ResponseRequest};
use crate::models::realtime::error::ModelError;
use crate::models::realtime::settings::Timing;
use crate::models::realtime::translate::kind;

impl Turns {
    /// An `error` event.
    pub(super) fn error(
        &mut self,
        now: Instant,
        timing: &Timing,
        error: &ApiError,
        out: &mut Output,
    ) {
        let severity = of_error(error);
        let benign = severity == Severity::Benign || is_gone_already(error);
        if benign && (error.event_id.starts_with('x') || is_cancel_refused(error)) {
            return self.nothing_to_cancel(now, error, out);
        }
        // A race whose error names no event is about the request if it can be.
        let is_conflict = benign && is_conflict(error);
        let is_about = |event_id: &String| {
            *event_id == error.event_id && !event_id.is_empty()
                || error.event_id.is_empty() && is_conflict
        };
        metrics::counter!("phony_model_errors_total", "kind" => kind(severity)).increment(1);
        let (code, param, answers) = (&error.code, &error.param, &error.event_id);
        if benign {
            tracing::debug!(event = "model_error", code, param, answers);
        } else {
            tracing::warn!(event = "model_error", code, param, answers);
        }
        if matches!(severity, Severity::Fatal | Severity::SessionOver) {
            out.end = Some(ConnectionEnd::Failed(ModelError::from_connection(error)));
            return;
        }
        match std::mem::replace(&mut self.phase, Phase::Idle) {
            Phase::Requested { request, event_id, .. } if is_about(&event_id) => {
                if severity == Severity::Benign {
                    // Another response, unknown here, is under way.
                    self.waiting = self.waiting.take().or(Some(request));
                    let drain = Drain::new(None, String::new(), now + timing.drain);
                    self.drain(Drain { event_id, blocks: true, ..drain }, out);
                } else {
                    out.failed(request.turn, ModelError::from_request(error), None);
                    self.send_waiting(now, out);
                }
            }
            Phase::Draining(drain) if is_about(&drain.event_id) => self.send_waiting(now, out),
            Phase::Requested { request, .. }
                if error.event_id.starts_with('c') && !request.is_retry && !benign =>
            {
                // The reply would be made without the item that was refused.
                self.waiting = Some(ResponseRequest { is_retry: true, ..request });
                out.end = Some(ConnectionEnd::Rebuild);
            }
            phase @ (Phase::Idle
            | Phase::Requested { .. }
            | Phase::Active(_)
            | Phase::Draining(_)) => {
                self.phase = phase;
                self.is_out_of_sync |= error.event_id.starts_with(['c', 'd', 't']) && !benign;
            }
        }
    }

    /// A cancel found nothing to stop. The server answers events in order, so a response that had
    /// been created is over; one that had not is cancelled when it is. Either way nothing blocks
    /// the next request, unless the server has just refused one.
    fn nothing_to_cancel(&mut self, now: Instant, error: &ApiError, out: &mut Output) {
        let Phase::Draining(drain) = &mut self.phase else { return };
        if !error.event_id.is_empty() && error.event_id != drain.cancel_id {
            return;
        }
        if drain.blocks && drain.response_id.is_empty() {
            drain.cancel_missed = true;
            return;
        }
        self.phase = Phase::Idle;
        self.send_waiting(now, out);
    }
}

/// A cancel came when no response was under way.
fn is_cancel_refused(error: &ApiError) -> bool {
    error.code == "response_cancel_not_active" || error.message.starts_with("Cancellation failed")
}

/// A request came while another response was under way.
pub(super) fn is_conflict(error: &ApiError) -> bool {
    error.code == "conversation_already_has_active_response"
        || error.message.starts_with("Conversation already has an active response")
}

/// An item to be deleted or cut does not exist, or is short enough; the code varies.
fn is_gone_already(error: &ApiError) -> bool {
    let says = |words: &str| error.message.contains(words);
    error.event_id.starts_with(['d', 't'])
        && (says("does not exist") || says("not found") || says("already shorter"))
}
