//! Turns on one connection: what to send, what to tell the call. No sockets here.
//!
//! At most one response is request for at a time. Edits of the conversation go out together with the
//! request, in one piece, and only when no response is in progress: until then the server may
//! still add items of its own.

use phony_call::{Fault, FromModel, Item, Outcome, TurnId, Usage};
use phony_wire::openai::realtime::{
    ApiError, ClientBody, ClientEvent, Delta, ItemInfo, ResponseInfo, ResponseParams,
    ResponseStatus, ServerEvent, Severity, StatusReason, of_error,
};
use tokio::time::Instant;

use super::conversation::{Edit, Origin, Remote};
use super::reply::Reply;
use super::settings::Timing;
use super::translate::{create, kind, tokens};
use super::error::ModelError;

/// The metadata key that carries the turn of a response. A server gives it back, which tells
/// which request has begun.
const TURN: &str = "turn";

/// The turns of one connection.
#[derive(Debug)]
pub(crate) struct Turns {
    remote: Remote,
    phase: Phase,
    waiting: Option<ResponseRequest>,
    events: u64,
    /// The server's copy of the conversation may not be what we think.
    doubt: bool,
    /// A whole response has come.
    proven: bool,
}

/// A reply that the call wants.
#[derive(Debug, Clone)]
pub(crate) struct ResponseRequest {
    pub(crate) turn: TurnId,
    pub(crate) context: Vec<Item>,
    /// It has been request for on another connection, which then turned out to be of no use.
    pub(crate) again: bool,
}

/// What came of an input.
#[derive(Debug, Default)]
pub(crate) struct Output {
    /// Events for the server, to be sent together.
    pub(crate) messages: Vec<String>,
    /// For the call.
    pub(crate) events: Vec<OutputEvent>,
    /// The connection can go no further.
    pub(crate) end: Option<ConnectionEnd>,
}

/// A fact for the call, or the error that one is to be made of.
#[derive(Debug)]
pub(crate) enum OutputEvent {
    /// To be passed on as it is.
    Plain(FromModel),
    /// A failed reply.
    Failed(TurnId, ModelError, Option<Usage>),
}

/// Why a connection can go no further.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ConnectionEnd {
    /// It is lost, or refused for good.
    Failed(ModelError),
    /// The server's copy of the conversation is not what we think it is, and a reply is wanted.
    Rebuild,
}

/// Where the one response is.
#[derive(Debug)]
enum Phase {
    Idle,
    /// ResponseRequest for, not begun.
    Requested {
        request: ResponseRequest,
        event_id: String,
        since: Instant,
    },
    /// Begun.
    Active(Reply),
    /// No longer wanted, not over.
    Draining(Drain),
}

#[derive(Debug)]
struct Drain {
    turn: Option<TurnId>,
    event_id: String,
    /// Of our cancel.
    cancel_id: String,
    response_id: String,
    /// The server refused a request because of it: it is there, begun or not.
    blocks: bool,
    /// Our cancel came before the response had begun.
    missed: bool,
    until: Instant,
}

impl Drain {
    fn new(turn: Option<TurnId>, response_id: String, until: Instant) -> Self {
        let (event_id, cancel_id) = (String::new(), String::new());
        Self { turn, event_id, cancel_id, response_id, blocks: false, missed: false, until }
    }
}

impl Turns {
    /// A fresh connection; what has been waiting for it is request for with [`Turns::resume`].
    pub(crate) fn new(waiting: Option<ResponseRequest>) -> Self {
        let (remote, phase) = (Remote::default(), Phase::Idle);
        Self { remote, phase, waiting, events: 0, doubt: false, proven: false }
    }

    /// Asks for what waits, if nothing is in the way.
    pub(crate) fn resume(&mut self, now: Instant, out: &mut Output) {
        if matches!(self.phase, Phase::Idle)
            && let Some(request) = self.waiting.take()
        {
            self.request(now, request, out);
        }
    }

    /// The call wants a reply. It takes the place of any other.
    pub(crate) fn respond(
        &mut self,
        now: Instant,
        timing: &Timing,
        request: ResponseRequest,
        out: &mut Output,
    ) {
        self.abandon(now, timing, out);
        self.waiting = Some(request);
        self.resume(now, out);
    }

    /// The call wants a reply no longer.
    pub(crate) fn cancel(
        &mut self,
        now: Instant,
        timing: &Timing,
        turn: TurnId,
        out: &mut Output,
    ) {
        if self.waiting.as_ref().is_some_and(|request| request.turn == turn) {
            self.waiting = None;
        }
        if self.turn() == Some(turn) {
            self.abandon(now, timing, out);
        }
    }

    /// An event of the server.
    pub(crate) fn heard(
        &mut self,
        now: Instant,
        timing: &Timing,
        event: ServerEvent<'_>,
        out: &mut Output,
    ) {
        if let Phase::Active(reply) = &mut self.phase {
            reply.last_heard = now;
        }
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "audio and acknowledgements are of no use"
        )]
        match event {
            ServerEvent::TextDelta(delta) | ServerEvent::TranscriptDelta(delta) => {
                self.text(now, &delta, false, out);
            }
            ServerEvent::TextDone(whole) | ServerEvent::TranscriptDone(whole) => {
                self.text(now, &whole, true, out);
            }
            ServerEvent::ResponseCreated(response) => self.begun(now, timing, &response, out),
            ServerEvent::ItemAdded { item, .. } => self.remote.met(&item.id),
            ServerEvent::OutputItemAdded { response_id, item, .. } => {
                self.item_begun(&response_id, &item);
            }
            ServerEvent::OutputItemDone { response_id, item, .. } => {
                self.item_done(&response_id, &item, out);
            }
            ServerEvent::ResponseDone(response) => self.done(now, &response, out),
            ServerEvent::Error(error) => self.error(now, timing, &error, out),
            ServerEvent::Unknown { .. } => {
                metrics::counter!("phony_model_unknown_events_total").increment(1);
            }
            _ => {}
        }
    }

    /// When to come back with [`Turns::overdue`] if nothing else happens.
    pub(crate) fn due(&self, timing: &Timing) -> Option<Instant> {
        match &self.phase {
            Phase::Idle => None,
            Phase::Requested { since, .. } => Some(*since + timing.created),
            Phase::Active(reply) => Some(reply.last_heard + timing.silence),
            Phase::Draining(drain) => Some(drain.until),
        }
    }

    /// The time of [`Turns::due`] has come.
    pub(crate) fn overdue(&self, out: &mut Output) {
        let code = match &self.phase {
            Phase::Idle => return,
            Phase::Requested { .. } => "no_response",
            Phase::Active(_) => "response_stalled",
            Phase::Draining(_) => "cancel_stalled",
        };
        out.end = Some(ConnectionEnd::Failed(ModelError::lost(code, "the server stopped answering")));
    }

    /// Whether the connection can be replaced without anybody noticing.
    pub(crate) fn is_idle(&self) -> bool {
        matches!(self.phase, Phase::Idle) && self.waiting.is_none()
    }

    /// Whether the server's copy of the conversation is in doubt; said once.
    pub(crate) fn takes_doubt(&mut self) -> bool {
        std::mem::take(&mut self.doubt)
    }

    /// The server could not be heard until now.
    pub(crate) fn revive(&mut self, now: Instant, timing: &Timing) {
        match &mut self.phase {
            Phase::Idle => {}
            Phase::Requested { since, .. } => *since = now,
            Phase::Active(reply) => reply.last_heard = now,
            Phase::Draining(drain) => drain.until = now + timing.drain,
        }
    }

    /// Whether a whole response has come over this connection.
    pub(crate) fn is_proven(&self) -> bool {
        self.proven
    }

    /// The turn that dies with the connection, if any, and the request that outlives it.
    pub(crate) fn into_rest(self) -> (Option<TurnId>, Option<ResponseRequest>) {
        let turn = match self.phase {
            Phase::Requested { request, .. } => Some(request.turn),
            Phase::Active(reply) => Some(reply.turn),
            Phase::Idle | Phase::Draining(_) => None,
        };
        (turn, self.waiting)
    }

    fn turn(&self) -> Option<TurnId> {
        match &self.phase {
            Phase::Requested { request, .. } => Some(request.turn),
            Phase::Active(reply) => Some(reply.turn),
            Phase::Idle | Phase::Draining(_) => None,
        }
    }

    /// Makes the server's copy what the call says, and asks.
    fn request(&mut self, now: Instant, request: ResponseRequest, out: &mut Output) {
        for edit in self.remote.reconcile(&request.context) {
            let (kind, body) = match &edit {
                Edit::Delete { id } => {
                    ('d', ClientBody::ItemDelete { item_id: id.to_string().into() })
                }
                Edit::Create { id, place, body } => ('c', create(id, place, body)),
            };
            let event_id = self.event_id(kind);
            out.messages.push(ClientEvent::new(event_id, body).to_json());
        }
        let event_id = self.event_id('r');
        let metadata = [(TURN.to_owned(), request.turn.0.to_string())].into();
        let params = ResponseParams { metadata, ..ResponseParams::default() };
        let body = ClientBody::respond_with(params);
        out.messages.push(ClientEvent::new(&*event_id, body).to_json());
        self.phase = Phase::Requested { request, event_id, since: now };
    }

    /// Stops the response that is under way, if any.
    fn abandon(&mut self, now: Instant, timing: &Timing, out: &mut Output) {
        let until = now + timing.drain;
        let drain = match std::mem::replace(&mut self.phase, Phase::Idle) {
            Phase::Idle => return,
            draining @ Phase::Draining(_) => {
                self.phase = draining;
                return;
            }
            Phase::Requested { request, event_id, .. } => {
                Drain { event_id, ..Drain::new(Some(request.turn), String::new(), until) }
            }
            Phase::Active(reply) => {
                self.remote.unsay(reply.turn);
                Drain::new(Some(reply.turn), reply.response_id, until)
            }
        };
        self.drain(drain, out);
    }

    fn drain(&mut self, drain: Drain, out: &mut Output) {
        let cancel_id = self.send_cancel(&drain.response_id, out);
        self.phase = Phase::Draining(Drain { cancel_id, ..drain });
    }

    /// Cancels a response, or without a name the one that is under way.
    fn send_cancel(&mut self, response_id: &str, out: &mut Output) -> String {
        let response_id = Some(response_id).filter(|id| !id.is_empty());
        let body = ClientBody::ResponseCancel { response_id: response_id.map(Into::into) };
        let event_id = self.event_id('x');
        out.messages.push(ClientEvent::new(&*event_id, body).to_json());
        event_id
    }

    fn begun(
        &mut self,
        now: Instant,
        timing: &Timing,
        response: &ResponseInfo,
        out: &mut Output,
    ) {
        let id = response.id.clone();
        match std::mem::replace(&mut self.phase, Phase::Idle) {
            // Of a request that was cancelled before it began, and began all the same.
            requested @ Phase::Requested { .. } if Self::is_of_another(&requested, response) => {
                self.send_cancel(&id, out);
                self.phase = requested;
            }
            Phase::Requested { request, since, .. } => {
                self.phase = Phase::Active(Reply::new(request.turn, id, since, now));
            }
            Phase::Draining(drain) if drain.response_id.is_empty() => {
                let drain = Drain { response_id: id, ..drain };
                if drain.missed {
                    self.drain(drain, out);
                } else {
                    self.phase = Phase::Draining(drain);
                }
            }
            // Nobody request for it.
            Phase::Idle => {
                self.drain(Drain::new(turn_of(response), id, now + timing.drain), out);
            }
            busy @ (Phase::Active(_) | Phase::Draining(_)) => self.phase = busy,
        }
    }

    fn text(&mut self, now: Instant, delta: &Delta<'_>, whole: bool, out: &mut Output) {
        let Phase::Active(reply) = &mut self.phase else { return };
        if !reply.is(&delta.place.response_id) {
            return;
        }
        if let Some(text) = reply.text(now, &delta.place.item_id, &delta.text, whole) {
            out.events.push(OutputEvent::Plain(FromModel::Text { turn: reply.turn, text }));
        }
    }

    fn item_begun(&mut self, response_id: &str, item: &ItemInfo) {
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

    fn item_done(&mut self, response_id: &str, item: &ItemInfo, out: &mut Output) {
        let Phase::Active(reply) = &mut self.phase else { return };
        // A call that was cut short may hold half its arguments.
        let whole = item.status == "completed" || item.status.is_empty();
        if !reply.is(response_id) || !item.is_function_call() || !whole {
            return;
        }
        if reply.calls(&item.call_id) {
            self.remote.appended(&item.id, Origin::Called(item.call_id.as_str().into()));
            out.events.push(OutputEvent::Plain(FromModel::Tool {
                turn: reply.turn,
                call_id: item.call_id.clone(),
                name: item.name.clone(),
                arguments: item.arguments.clone(),
            }));
        }
    }

    fn done(&mut self, now: Instant, response: &ResponseInfo, out: &mut Output) {
        let usage = response.usage.map(tokens).filter(|usage| *usage != Usage::default());
        match &self.phase {
            Phase::Active(reply) if reply.is(&response.id) => self.finished(response, usage, out),
            Phase::Draining(drain)
                if drain.response_id.is_empty() || drain.response_id == response.id =>
            {
                if let (Some(turn), Some(_)) = (drain.turn, usage) {
                    let outcome = Outcome::Complete;
                    out.events.push(OutputEvent::Plain(FromModel::Done { turn, outcome, usage }));
                }
                for item in &response.output {
                    self.remote.met(&item.id);
                }
            }
            // It began and failed at once, and the beginning got lost.
            requested @ Phase::Requested { .. }
                if response.status == ResponseStatus::Failed
                    && !Self::is_of_another(requested, response) =>
            {
                self.finished(response, usage, out);
            }
            Phase::Idle | Phase::Requested { .. } | Phase::Active(_) | Phase::Draining(_) => {
                // One that was cancelled has its price, too.
                if let (Some(turn), Some(_)) = (turn_of(response), usage)
                    && self.turn() != Some(turn)
                {
                    let outcome = Outcome::Complete;
                    out.events.push(OutputEvent::Plain(FromModel::Done { turn, outcome, usage }));
                }
                return;
            }
        }
        if out.end.is_none() {
            self.phase = Phase::Idle;
            self.proven = true;
            self.resume(now, out);
        }
    }

    /// The response that was wanted is over.
    fn finished(&mut self, response: &ResponseInfo, usage: Option<Usage>, out: &mut Output) {
        let Some(turn) = self.turn() else { return };
        for item in &response.output {
            if !self.remote.knows(&item.id) {
                self.item_begun(&response.id, item);
            }
            if response.status == ResponseStatus::Completed {
                self.item_done(&response.id, item, out);
            }
        }
        let outcome = match (&response.status, &response.reason) {
            (ResponseStatus::Failed, _) => {
                self.remote.unsay(turn);
                let error = ModelError::from_response(response.error.as_ref());
                failed(turn, error, usage, out);
                return;
            }
            // Not by us: what there is of it is no whole reply.
            (ResponseStatus::Cancelled, _) => {
                self.remote.unsay(turn);
                let error = ModelError {
                    fault: Fault::Passing,
                    code: "cancelled".into(),
                    message: "the server cancelled the reply".into(),
                };
                failed(turn, error, usage, out);
                return;
            }
            (ResponseStatus::Incomplete, Some(StatusReason::ContentFilter)) => Outcome::Filtered,
            (ResponseStatus::Incomplete, _) => Outcome::TooLong,
            _ => Outcome::Complete,
        };
        out.events.push(OutputEvent::Plain(FromModel::Done { turn, outcome, usage }));
    }

    fn error(&mut self, now: Instant, timing: &Timing, error: &ApiError, out: &mut Output) {
        let severity = of_error(error);
        let benign = severity == Severity::Benign || is_gone_already(error);
        if benign && (error.event_id.starts_with('x') || is_cancel_refused(error)) {
            return self.not_active(now, error, out);
        }
        // A race that names no event is about the request if it can be.
        let in_the_way = benign && is_in_the_way(error);
        let mine = |event_id: &String| {
            *event_id == error.event_id && !event_id.is_empty()
                || error.event_id.is_empty() && in_the_way
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
            Phase::Requested { request, event_id, .. } if mine(&event_id) => {
                if severity == Severity::Benign {
                    // A response that we do not know of is in the way.
                    self.waiting = self.waiting.take().or(Some(request));
                    let drain = Drain::new(None, String::new(), now + timing.drain);
                    self.drain(Drain { event_id, blocks: true, ..drain }, out);
                } else {
                    failed(request.turn, ModelError::from_request(error), None, out);
                    self.resume(now, out);
                }
            }
            Phase::Draining(drain) if mine(&drain.event_id) => self.resume(now, out),
            Phase::Requested { request, .. }
                if error.event_id.starts_with('c') && !request.again && !benign =>
            {
                // The reply would not know what we meant to tell.
                self.waiting = Some(ResponseRequest { again: true, ..request });
                out.end = Some(ConnectionEnd::Rebuild);
            }
            phase @ (Phase::Idle
            | Phase::Requested { .. }
            | Phase::Active(_)
            | Phase::Draining(_)) => {
                self.phase = phase;
                self.doubt |= error.event_id.starts_with(['c', 'd']) && !benign;
            }
        }
    }

    /// A cancel found nothing to stop. Events are answered in order, so a response that had begun
    /// is over; one that had not will be stopped if it does begin. Either way nothing is in the way
    /// of what is wanted next, unless the server has just refused that.
    fn not_active(&mut self, now: Instant, error: &ApiError, out: &mut Output) {
        let Phase::Draining(drain) = &mut self.phase else { return };
        if !error.event_id.is_empty() && error.event_id != drain.cancel_id {
            return;
        }
        if drain.blocks && drain.response_id.is_empty() {
            drain.missed = true;
            return;
        }
        self.phase = Phase::Idle;
        self.resume(now, out);
    }

    /// Whether the server says that the response is not the one that is request for.
    fn is_of_another(phase: &Phase, response: &ResponseInfo) -> bool {
        let Phase::Requested { request, .. } = phase else { return false };
        turn_of(response).is_some_and(|turn| turn != request.turn)
    }

    /// The first letter tells what an error is about; the rest is a count.
    fn event_id(&mut self, kind: char) -> String {
        self.events += 1;
        format!("{kind}{}", self.events)
    }
}

/// The turn that a response belongs to, where the server gives it back.
fn turn_of(response: &ResponseInfo) -> Option<TurnId> {
    response.metadata.get(TURN)?.parse().ok().map(TurnId)
}

/// A cancel came when nothing was under way.
fn is_cancel_refused(error: &ApiError) -> bool {
    error.code == "response_cancel_not_active" || error.message.starts_with("Cancellation failed")
}

/// A request came while something was under way.
fn is_in_the_way(error: &ApiError) -> bool {
    error.code == "conversation_already_has_active_response"
        || error.message.starts_with("Conversation already has an active response")
}

/// What was to be deleted is not there, under whatever code.
fn is_gone_already(error: &ApiError) -> bool {
    let says = |words: &str| error.message.contains(words);
    error.event_id.starts_with('d') && (says("does not exist") || says("not found"))
}

impl Output {
    /// Whether there is nothing to do.
    pub(crate) fn is_empty(&self) -> bool {
        self.messages.is_empty() && self.events.is_empty() && self.end.is_none()
    }
}

/// The reply of a turn failed; if for good, so did everything.
fn failed(turn: TurnId, error: ModelError, usage: Option<Usage>, out: &mut Output) {
    metrics::counter!("phony_model_errors_total", "kind" => "response").increment(1);
    tracing::warn!(event = "model_response_failed", %turn, code = error.code);
    if error.fault == Fault::Fatal {
        out.end = Some(ConnectionEnd::Failed(error.clone()));
    } else {
        out.events.push(OutputEvent::Failed(turn, error, usage));
    }
}

#[cfg(test)]
mod tests;
