//! The turns of one connection, as pure code: what to send to the server, what to tell the call.
//!
//! At most one response is requested at a time. Edits of the conversation are sent together with
//! the request, and only while no response is in progress: until then the server may still add
//! items of its own.

mod failure;
mod hearing;
mod output;
mod parts;
mod phase;
mod response;
mod speech;
mod words;

use phony_call::TurnId;
use phony_wire::openai::realtime::{ClientBody, ClientEvent, ResponseParams, ServerEvent};
use tokio::time::Instant;

use self::phase::{Drain, Phase};
use super::conversation::{Edit, Name, Remote};
use super::error::ModelError;
use super::settings::Timing;
use super::translate::create;

pub(crate) use self::output::{ConnectionEnd, Output, OutputEvent};
pub(crate) use self::phase::ResponseRequest;
pub(crate) use self::speech::Speech;

/// The metadata key that carries the turn of a request. The server returns it with the response,
/// which tells the turn that it belongs to.
const TURN: &str = "turn";

/// The turns of one connection.
#[derive(Debug)]
pub(crate) struct Turns {
    remote: Remote,
    phase: Phase,
    /// Sent when the response under way is over.
    waiting: Option<ResponseRequest>,
    /// `None` in a text session.
    speech: Option<Box<Speech>>,
    /// Events sent, for their ids.
    sent: u64,
    /// The server's copy of the conversation may differ from the one here.
    is_out_of_sync: bool,
    /// A whole response has come.
    is_proven: bool,
}

impl Turns {
    /// The turns of a new connection. [`Turns::send_waiting`] sends the waiting request.
    pub(crate) fn new(waiting: Option<ResponseRequest>) -> Self {
        Self {
            remote: Remote::default(),
            phase: Phase::Idle,
            waiting,
            speech: None,
            sent: 0,
            is_out_of_sync: false,
            is_proven: false,
        }
    }

    /// Sends the waiting request, if no response is under way.
    pub(crate) fn send_waiting(&mut self, now: Instant, out: &mut Output) {
        if matches!(self.phase, Phase::Idle)
            && let Some(request) = self.waiting.take()
        {
            self.send_request(now, request, out);
        }
    }

    /// The call wants a reply, which replaces any other.
    pub(crate) fn respond(
        &mut self,
        now: Instant,
        timing: &Timing,
        request: ResponseRequest,
        out: &mut Output,
    ) {
        self.abandon(now, timing, out);
        self.waiting = Some(request);
        self.send_waiting(now, out);
    }

    /// The call no longer wants the reply of a turn.
    pub(crate) fn cancel(&mut self, now: Instant, timing: &Timing, turn: TurnId, out: &mut Output) {
        if self.waiting.as_ref().is_some_and(|request| request.turn == turn) {
            self.waiting = None;
        }
        if self.phase.turn() == Some(turn) {
            self.abandon(now, timing, out);
        }
    }

    /// Takes an event of the server.
    pub(crate) fn handle(
        &mut self,
        now: Instant,
        timing: &Timing,
        event: ServerEvent<'_>,
        out: &mut Output,
    ) {
        if let Phase::Active(reply) = &mut self.phase {
            reply.last_event = now;
        }
        if self.speech.is_none() {
            return self.handle_text(now, timing, event, out);
        }
        if let Some(event) = self.handle_speech(now, event, out) {
            self.handle_text(now, timing, event, out);
        }
        self.send_words(now, out);
    }

    /// Takes an event of a text session, or one that every session has.
    fn handle_text(
        &mut self,
        now: Instant,
        timing: &Timing,
        event: ServerEvent<'_>,
        out: &mut Output,
    ) {
        #[expect(clippy::wildcard_enum_match_arm, reason = "acknowledgements are of no use")]
        match event {
            ServerEvent::TextDelta(delta) | ServerEvent::TranscriptDelta(delta) => {
                self.text(now, &delta, false, out);
            }
            ServerEvent::TextDone(whole) | ServerEvent::TranscriptDone(whole) => {
                self.text(now, &whole, true, out);
            }
            ServerEvent::ResponseCreated(response) => {
                self.response_created(now, timing, &response, out);
            }
            ServerEvent::ItemAdded { item, .. } => self.remote.note(&item.id),
            ServerEvent::OutputItemAdded { response_id, item, .. } => {
                self.item_added(&response_id, &item);
            }
            ServerEvent::OutputItemDone { response_id, item, .. } => {
                self.item_done(&response_id, &item, out);
            }
            ServerEvent::ResponseDone(response) => self.response_done(now, &response, out),
            ServerEvent::Error(error) => self.error(now, timing, &error, out),
            ServerEvent::Unknown { .. } => {
                metrics::counter!("phony_model_unknown_events_total").increment(1);
            }
            _ => {}
        }
    }

    /// When to call [`Turns::handle_timeout`] if nothing else happens.
    pub(crate) fn deadline(&self, timing: &Timing) -> Option<Instant> {
        let reply = self.reply_deadline(timing);
        let words = self.words_deadline(timing);
        reply.into_iter().chain(words).min()
    }

    /// The deadline has passed: the connection counts as dead.
    pub(crate) fn handle_timeout(&self, timing: &Timing, out: &mut Output) {
        let words = self.words_deadline(timing);
        let is_words = words.is_some_and(|words| self.deadline(timing) == Some(words));
        let code = match &self.phase {
            _ if is_words => "words_stalled",
            Phase::Idle => return,
            Phase::Requested { .. } => "no_response",
            Phase::Active(_) => "response_stalled",
            Phase::Draining(_) => "cancel_stalled",
        };
        let error = ModelError::lost(code, "the server stopped answering");
        out.end = Some(ConnectionEnd::Failed(error));
    }

    /// Starts the deadline anew, after a time in which nothing was read from the server.
    pub(crate) fn restart_timeout(&mut self, now: Instant, timing: &Timing) {
        match &mut self.phase {
            Phase::Idle => {}
            Phase::Requested { since, .. } => *since = now,
            Phase::Active(reply) => reply.last_event = now,
            Phase::Draining(drain) => drain.until = now + timing.drain,
        }
        if let Some(speech) = &mut self.speech {
            speech.restart_timeout(now);
        }
    }

    /// Whether the connection can be replaced without any effect on the call.
    pub(crate) fn is_idle(&self) -> bool {
        matches!(self.phase, Phase::Idle)
            && self.waiting.is_none()
            && self.speech.as_ref().is_none_or(|speech| speech.is_quiet())
    }

    /// Whether the server's copy of the conversation may differ from the one here; resets the flag.
    pub(crate) fn take_out_of_sync(&mut self) -> bool {
        std::mem::take(&mut self.is_out_of_sync)
    }

    /// Whether a whole response has come over this connection.
    pub(crate) fn is_proven(&self) -> bool {
        self.is_proven
    }

    /// The turn that fails with the connection, and the request that can be sent on the next.
    pub(crate) fn into_unfinished(self) -> (Option<TurnId>, Option<ResponseRequest>) {
        (self.phase.turn(), self.waiting)
    }

    /// Reconciles the server's copy of the conversation with the call's, and requests the reply.
    fn send_request(&mut self, now: Instant, request: ResponseRequest, out: &mut Output) {
        for edit in self.remote.reconcile(&request.context) {
            let (kind, body) = match &edit {
                Edit::Delete { id } => {
                    ('d', ClientBody::ItemDelete { item_id: id.to_string().into() })
                }
                Edit::Create { id, position, body } => ('c', create(id, position, body)),
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

    /// Cancels the response that is under way, if any.
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
                // What was heard of a spoken reply stays, as far as the call does not cut it.
                let (turn, speech) = (reply.turn, self.speech.as_ref());
                let is_part = |item: &Name| speech.is_some_and(|one| one.is_part(turn, item));
                self.remote.discard_reply(turn, is_part);
                Drain::new(Some(reply.turn), reply.response_id, until)
            }
        };
        self.drain(drain, out);
    }

    fn drain(&mut self, drain: Drain, out: &mut Output) {
        let cancel_id = self.send_cancel(&drain.response_id, out);
        self.phase = Phase::Draining(Drain { cancel_id, ..drain });
    }

    /// Cancels a response; with an empty id, the one that is under way. Returns the event's id.
    fn send_cancel(&mut self, response_id: &str, out: &mut Output) -> String {
        let response_id = Some(response_id).filter(|id| !id.is_empty());
        let body = ClientBody::ResponseCancel { response_id: response_id.map(Into::into) };
        let event_id = self.event_id('x');
        out.messages.push(ClientEvent::new(&*event_id, body).to_json());
        event_id
    }

    fn reply_deadline(&self, timing: &Timing) -> Option<Instant> {
        match &self.phase {
            Phase::Idle => None,
            Phase::Requested { since, .. } => Some(*since + timing.created),
            Phase::Active(reply) => Some(reply.last_event + timing.silence),
            Phase::Draining(drain) => Some(drain.until),
        }
    }

    fn words_deadline(&self, timing: &Timing) -> Option<Instant> {
        self.speech.as_ref()?.words().deadline(timing)
    }

    /// The id of the next event. Its first letter tells what an error that names it is about:
    /// `a` append, `c` create, `d` delete, `r` request, `s` session, `t` truncate, `w` words,
    /// `x` cancel.
    fn event_id(&mut self, kind: char) -> String {
        self.sent += 1;
        format!("{kind}{}", self.sent)
    }
}

#[cfg(test)]
mod tests;
