//! The server's events about a response.

use phony_call::{Fault, FromModel, Outcome, TurnId, Usage};
use phony_wire::openai::realtime::{Delta, ItemInfo, ResponseInfo, ResponseStatus, StatusReason};
use tokio::time::Instant;

use super::output::Output;
use super::phase::{Drain, Phase};
use super::{TURN, Turns};
use crate::models::realtime::conversation::Origin;
use crate::models::realtime::error::ModelError;
use crate::models::realtime::reply::Reply;
use crate::models::realtime::settings::Timing;
use crate::models::realtime::translate::tokens;

impl Turns {
    /// `response.created`.
    pub(super) fn response_created(
        &mut self,
        now: Instant,
        timing: &Timing,
        response: &ResponseInfo,
        out: &mut Output,
    ) {
        let id = response.id.clone();
        match std::mem::replace(&mut self.phase, Phase::Idle) {
            // Its request was cancelled before it was created, and the cancel missed it.
            requested @ Phase::Requested { .. } if is_of_another_turn(&requested, response) => {
                self.send_cancel(&id, out);
                self.phase = requested;
            }
            Phase::Requested { request, since, .. } => {
                self.phase = Phase::Active(Reply::new(request.turn, id, since, now));
            }
            Phase::Draining(drain) if drain.response_id.is_empty() => {
                let drain = Drain { response_id: id, ..drain };
                if drain.cancel_missed {
                    self.drain(drain, out);
                } else {
                    self.phase = Phase::Draining(drain);
                }
            }
            // It was not requested.
            Phase::Idle => {
                self.drain(Drain::new(turn_of(response), id, now + timing.drain), out);
            }
            busy @ (Phase::Active(_) | Phase::Draining(_)) => self.phase = busy,
        }
    }

    /// A piece of an item's text, or, if `whole`, all of it.
    pub(super) fn text(&mut self, now: Instant, delta: &Delta<'_>, whole: bool, out: &mut Output) {
        let Phase::Active(reply) = &mut self.phase else { return };
        if !reply.is(&delta.place.response_id) {
            return;
        }
        if let Some(text) = reply.text(now, &delta.place.item_id, &delta.text, whole) {
            out.event(FromModel::Text { turn: reply.turn, text });
        }
    }

    /// `response.output_item.added`.
    pub(super) fn item_added(&mut self, response_id: &str, item: &ItemInfo) {
        let origin = if let Phase::Active(reply) = &self.phase
            && reply.is(response_id)
            && !item.is_function_call()
        {
            Origin::Said(reply.turn)
        } else {
            Origin::Stray
        };
        self.remote.appended(&item.id, origin);
    }

    /// `response.output_item.done`.
    pub(super) fn item_done(&mut self, response_id: &str, item: &ItemInfo, out: &mut Output) {
        let Phase::Active(reply) = &mut self.phase else { return };
        // A tool call that was cut short may hold half its arguments.
        let whole = item.status == "completed" || item.status.is_empty();
        if !reply.is(response_id) || !item.is_function_call() || !whole {
            return;
        }
        if reply.add_tool_call(&item.call_id) {
            self.remote.appended(&item.id, Origin::Called(item.call_id.as_str().into()));
            out.event(FromModel::Tool {
                turn: reply.turn,
                call_id: item.call_id.clone(),
                name: item.name.clone(),
                arguments: item.arguments.clone(),
            });
        }
    }

    /// `response.done`.
    pub(super) fn response_done(
        &mut self,
        now: Instant,
        response: &ResponseInfo,
        out: &mut Output,
    ) {
        let usage = response.usage.map(tokens).filter(|usage| *usage != Usage::default());
        match &self.phase {
            Phase::Active(reply) if reply.is(&response.id) => self.finish(response, usage, out),
            Phase::Draining(drain)
                if drain.response_id.is_empty() || drain.response_id == response.id =>
            {
                if let (Some(turn), Some(_)) = (drain.turn, usage) {
                    out.event(FromModel::Done { turn, outcome: Outcome::Complete, usage });
                }
                for item in &response.output {
                    self.remote.note(&item.id);
                }
            }
            // It failed as soon as it was created, and `response.created` was lost.
            requested @ Phase::Requested { .. }
                if response.status == ResponseStatus::Failed
                    && !is_of_another_turn(requested, response) =>
            {
                self.finish(response, usage, out);
            }
            Phase::Idle | Phase::Requested { .. } | Phase::Active(_) | Phase::Draining(_) => {
                // A cancelled response costs tokens too.
                if let (Some(turn), Some(_)) = (turn_of(response), usage)
                    && self.phase.turn() != Some(turn)
                {
                    out.event(FromModel::Done { turn, outcome: Outcome::Complete, usage });
                }
                return;
            }
        }
        if out.end.is_none() {
            self.phase = Phase::Idle;
            self.is_proven = true;
            self.send_waiting(now, out);
        }
    }

    /// The response that was wanted is over.
    fn finish(&mut self, response: &ResponseInfo, usage: Option<Usage>, out: &mut Output) {
        let Some(turn) = self.phase.turn() else { return };
        let usage = match &mut self.speech {
            Some(speech) => speech.add_owed(usage),
            None => usage,
        };
        for item in &response.output {
            if !self.remote.has_had(&item.id) {
                self.item_added(&response.id, item);
            }
            if response.status == ResponseStatus::Completed {
                self.item_done(&response.id, item, out);
            }
        }
        let outcome = match (&response.status, &response.reason) {
            (ResponseStatus::Failed, _) => {
                self.remote.discard_reply(turn, |_| false);
                out.failed(turn, ModelError::from_response(response.error.as_ref()), usage);
                return;
            }
            // The server cancelled it by itself, so it is not a whole reply.
            (ResponseStatus::Cancelled, _) => {
                self.remote.discard_reply(turn, |_| false);
                let error = ModelError {
                    fault: Fault::Passing,
                    code: "cancelled".into(),
                    message: "the server cancelled the reply".into(),
                };
                out.failed(turn, error, usage);
                return;
            }
            (ResponseStatus::Incomplete, Some(StatusReason::ContentFilter)) => Outcome::Filtered,
            (ResponseStatus::Incomplete, _) => Outcome::TooLong,
            _ => Outcome::Complete,
        };
        if let Phase::Active(reply) = &self.phase
            && reply.is_only_written()
        {
            // More of it would follow if the server kept it.
            self.remote.discard_reply(turn, |_| false);
            let error = ModelError {
                fault: Fault::Passing,
                code: "text_for_audio".into(),
                message: "the server wrote a reply instead of speaking it".into(),
            };
            out.failed(turn, error, usage);
            return;
        }
        self.parts_done(turn, out);
        out.event(FromModel::Done { turn, outcome, usage });
    }
}

/// Whether the response names a turn other than the requested one.
fn is_of_another_turn(phase: &Phase, response: &ResponseInfo) -> bool {
    let Phase::Requested { request, .. } = phase else { return false };
    turn_of(response).is_some_and(|turn| turn != request.turn)
}

/// The turn that a response belongs to, if the server returned the metadata of the request.
fn turn_of(response: &ResponseInfo) -> Option<TurnId> {
    response.metadata.get(TURN)?.parse().ok().map(TurnId)
}
