//! The session of one socket, as a value: client events and time in, server events out.
//!
//! It owns the session object, the conversation and the responses in progress, and reads neither a
//! clock nor a socket. [`Shared`] is what it shares with other sessions.

mod input;

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use phony_wire::openai::models::Model;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{
    client_events::CLIENT_EVENT,
    config::Config,
    error::ApiError,
    events,
    faults::Break,
    hearing::Hearing,
    ids::Ids,
    item::{Body, Conversation, Item},
    respond::{Request, ResponseSettings, SessionParts},
    response::{ActiveResponse, Next},
    shared::Shared,
    transcription::Transcription,
    usage::PromptCache,
};

/// Longer than any process runs, and short enough to be added to any `Instant`.
const LONGEST_SESSION: Duration = Duration::from_hours(24 * 365);

/// An output of a session.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Out {
    /// Send this event.
    Event(String),
    /// Close, with a code and a reason if there are any; nothing follows.
    Close(Option<(u16, &'static str)>),
    /// Break the connection without a close frame; nothing follows.
    Drop,
}

/// The session of one socket.
pub(super) struct Session {
    shared: Arc<Shared>,
    connection: u64,
    ids: Ids,
    config: Config,
    conversation: Conversation,
    responses: Vec<ActiveResponse>,
    cache: PromptCache,
    hearing: Hearing,
    /// The id of the item that the caller is speaking.
    speaking: Option<String>,
    transcriptions: Vec<Transcription>,
    /// Whether audio of the model has been sent.
    spoken: bool,
    expires: Instant,
    breaks: Option<Break>,
    sent: u64,
    out: Vec<Out>,
    ended: bool,
}

impl Session {
    /// Opens the session at `now`, which is `wall` seconds since 1970.
    pub(super) fn new(
        shared: Arc<Shared>,
        connection: u64,
        model: &Model,
        now: Instant,
        wall: i64,
    ) -> Self {
        let ids = Ids::new(connection);
        let lasts = shared.faults.expiry(connection).unwrap_or(shared.session_max);
        let expires_at = wall.saturating_add(i64::try_from(lasts.as_secs()).unwrap_or(i64::MAX));
        let mut session = Self {
            config: Config::new(&ids.session(), model, expires_at),
            conversation: Conversation::default(),
            responses: Vec::new(),
            cache: PromptCache::default(),
            hearing: Hearing::default(),
            speaking: None,
            transcriptions: Vec::new(),
            spoken: false,
            expires: now + lasts.min(LONGEST_SESSION),
            breaks: shared.faults.socket_break(connection),
            sent: 0,
            out: Vec::new(),
            ended: false,
            shared,
            connection,
            ids,
        };
        let created = json!({"session": session.config.session()});
        session.event("session.created", created);
        session
    }

    /// Handles a text frame of the client.
    pub(super) fn handle(&mut self, now: Instant, frame: &str) {
        if self.ended {
            return;
        }
        let Some(event) = serde_json::from_str(frame).ok().filter(Value::is_object) else {
            let message = "The event is not a JSON object.".to_owned();
            self.error(&ApiError::request("invalid_event", None, message), None);
            return;
        };
        let event_id = event.get("event_id").and_then(Value::as_str);
        let result = CLIENT_EVENT.check(&event, "").and_then(|()| self.perform(now, &event));
        if let Err(error) = result {
            self.error(&error, event_id);
        }
        self.tick(now);
    }

    /// Handles a binary frame.
    pub(super) fn handle_binary(&mut self) {
        let message = "Events are sent as text frames.".to_owned();
        self.error(&ApiError::request("invalid_event", None, message), None);
    }

    /// Does everything that is due.
    pub(super) fn tick(&mut self, now: Instant) {
        while !self.ended {
            if now >= self.expires {
                self.error(&ApiError::of_code("session_expired"), None);
                let reason = "Your session hit the maximum duration of 60 minutes.";
                self.end(Out::Close(Some((1001, reason))));
                return;
            }
            if !self.transcribe(now) && !self.advance(now) {
                return;
            }
        }
    }

    /// When [`Session::tick`] must be called next; `None` after the end.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let responses = self.responses.iter().filter_map(|active| active.due);
        let transcriptions = self.transcriptions.iter().map(|pending| pending.due);
        let due = responses.chain(transcriptions).fold(self.expires, Instant::min);
        (!self.ended).then_some(due)
    }

    /// Takes the outputs so far, in order.
    pub(super) fn take_out(&mut self) -> Vec<Out> {
        std::mem::take(&mut self.out)
    }

    fn perform(&mut self, now: Instant, event: &Value) -> Result<(), ApiError> {
        match text(event, "type") {
            "session.update" => {
                self.config.update(&event["session"], self.spoken)?;
                let updated = json!({"session": self.config.session()});
                self.event("session.updated", updated);
            }
            "conversation.item.create" => self.create_item(event)?,
            "conversation.item.retrieve" => {
                let item = self.conversation.retrieve(text(event, "item_id"))?.object();
                self.event("conversation.item.retrieved", json!({"item": item}));
            }
            "conversation.item.delete" => {
                let id = text(event, "item_id");
                self.conversation.delete(id)?;
                self.event("conversation.item.deleted", json!({"item_id": id}));
            }
            "conversation.item.truncate" => {
                let (id, end) = (text(event, "item_id"), &event["audio_end_ms"]);
                self.conversation.truncate(id, end.as_u64().unwrap_or(0))?;
                let index = &event["content_index"];
                let fields = json!({"item_id": id, "content_index": index, "audio_end_ms": end});
                self.event("conversation.item.truncated", fields);
            }
            "response.create" => {
                let request = Request::read(event.get("response"));
                self.respond(now, &request)?;
            }
            "response.cancel" => self.cancel(now, event)?,
            "input_audio_buffer.append" => self.append(now, event)?,
            "input_audio_buffer.commit" => self.commit(now)?,
            "input_audio_buffer.clear" => self.clear(),
            _ => {
                // The only other event is `output_audio_buffer.clear`.
                let message = "The output audio buffer exists for WebRTC and SIP only.".to_owned();
                return Err(ApiError::invalid("type", message));
            }
        }
        Ok(())
    }

    /// Sends the next event of a response, if one is due; false if there is none.
    fn advance(&mut self, now: Instant) -> bool {
        let due = self.responses.iter().enumerate().filter_map(|(i, a)| Some((a.due?, i)));
        let Some((_, index)) = due.min().filter(|(due, _)| *due <= now) else { return false };
        match self.responses[index].next(&mut self.conversation, &mut self.ids) {
            Some(Next::Event(event)) => {
                self.spoken |= self.responses[index].has_spoken();
                self.send(event);
            }
            Some(Next::Break(at)) => self.break_off(at),
            None => {}
        }
        self.responses.retain(|active| !active.is_over());
        true
    }

    fn create_item(&mut self, event: &Value) -> Result<(), ApiError> {
        let ids = &mut self.ids;
        let mut item = Item::read(&event["item"], || ids.item());
        if let Body::Call { call_id, .. } = &mut item.body
            && call_id.is_empty()
        {
            *call_id = self.ids.call();
        }
        let id = item.id.clone();
        let previous = event.get("previous_item_id").and_then(Value::as_str);
        self.conversation.insert(item, previous)?;
        self.announce(&id);
        Ok(())
    }

    /// Sends `conversation.item.added` and `conversation.item.done` for a complete item.
    fn announce(&mut self, id: &str) {
        let Some(item) = self.conversation.item(id) else { return };
        let fields =
            json!({"previous_item_id": self.conversation.before(id), "item": item.object()});
        self.event("conversation.item.added", fields.clone());
        self.event("conversation.item.done", fields);
    }

    fn respond(&mut self, now: Instant, request: &Request<'_>) -> Result<(), ApiError> {
        request.check(&self.config, &self.conversation, &self.responses, self.spoken)?;
        // Counted once it is accepted, so that a fault's number is that of an accepted response.
        let settings = ResponseSettings {
            number: self.shared.responses.fetch_add(1, Ordering::Relaxed),
            connection: self.connection,
            brain: &self.shared.brain,
            pace: self.shared.pace,
            speech: &self.shared.audio,
            voice: &self.shared.voice,
            faults: &self.shared.faults,
        };
        let session = SessionParts {
            config: &self.config,
            conversation: &self.conversation,
            cache: &mut self.cache,
            ids: &mut self.ids,
        };
        let active = request.plan(now, session, &settings);
        self.responses.push(active);
        Ok(())
    }

    fn cancel(&mut self, now: Instant, event: &Value) -> Result<(), ApiError> {
        let wanted = event.get("response_id").and_then(Value::as_str);
        let active = self.responses.iter_mut().find(|active| {
            active.can_be_cancelled() && wanted.map_or(active.in_conversation, |id| active.id == id)
        });
        let Some(active) = active else {
            return Err(ApiError::request(
                "response_cancel_not_active",
                None,
                "Cancellation failed: no active response found".to_owned(),
            ));
        };
        active.cancel(now, "client_cancelled");
        Ok(())
    }

    fn event(&mut self, kind: &str, fields: Value) {
        let event = events::event(&mut self.ids, kind, fields);
        self.send(event);
    }

    fn error(&mut self, error: &ApiError, event_id: Option<&str>) {
        let event = events::error(&mut self.ids, error, event_id);
        self.send(event);
    }

    fn send(&mut self, event: String) {
        if self.ended {
            return;
        }
        if let Some(at) = self.breaks.filter(|at| at.event == self.sent) {
            self.break_off(at);
            return;
        }
        self.sent += 1;
        self.out.push(Out::Event(event));
    }

    fn break_off(&mut self, at: Break) {
        self.end(at.close.map_or(Out::Drop, |code| Out::Close(Some((code, "")))));
    }

    fn end(&mut self, out: Out) {
        self.ended = true;
        self.out.push(out);
    }
}

fn text<'a>(event: &'a Value, name: &str) -> &'a str {
    event.get(name).and_then(Value::as_str).unwrap_or_default()
}
