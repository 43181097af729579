//! One open session: its connection, its turns, its deadlines, and its replacement.

use std::time::Duration;

use phony_call::ToModel;
use phony_wire::openai::realtime::ServerEvent;
use tokio::time::Instant;

use super::client::{Client, Incoming};
use super::connect::{Attempt, Connection};
use super::error::ModelError;
use super::settings::Timing;
use super::turns::{ConnectionEnd, Output, ResponseRequest, Speech, Turns};

/// How long to wait after a failed attempt to replace a session that is still good.
const ROLL_OVER_PAUSE: Duration = Duration::from_secs(5);

/// One open session.
pub(super) struct Session {
    pub(super) client: Client,
    pub(super) turns: Turns,
    pub(super) opened_at: Instant,
    /// When the next ping is due or, while one is unanswered, when the server counts as gone.
    ping_deadline: Instant,
    awaits_pong: bool,
    /// A ping is to be written.
    pub(super) ping_due: bool,
    /// When to begin to replace the session.
    replace_at: Instant,
    /// The attempt to open its replacement.
    pub(super) replacing: Option<Attempt>,
    /// Its replacement, which takes over when no response is under way.
    pub(super) replacement: Option<Connection>,
}

impl Session {
    pub(super) fn new(
        connection: Connection,
        waiting: Option<ResponseRequest>,
        mut speech: Option<Box<Speech>>,
        now: Instant,
        timing: &Timing,
    ) -> Self {
        if let Some(speech) = &mut speech {
            speech.opened(connection.transcribes);
        }
        Self {
            client: connection.client,
            turns: Turns::new(waiting).with_speech(speech),
            opened_at: now,
            ping_deadline: now + timing.ping,
            awaits_pong: false,
            ping_due: false,
            replace_at: now + connection.lifetime,
            replacing: None,
            replacement: None,
        }
    }

    /// Takes a command of the call.
    pub(super) fn command(
        &mut self,
        now: Instant,
        timing: &Timing,
        command: ToModel,
        out: &mut Output,
    ) {
        let turns = &mut self.turns;
        match command {
            ToModel::Respond { turn, context } => {
                let request = ResponseRequest { turn, context, is_retry: false };
                turns.respond(now, timing, request, out);
            }
            ToModel::Cancel { turn } => turns.cancel(now, timing, turn, out),
            ToModel::Hear(audio) => turns.hear(&audio, out),
            ToModel::Speak { words, text } => turns.speak(now, words, &text, out),
            ToModel::Hush { words } => turns.hush(now, words, out),
            ToModel::Truncate { turn, part, heard } => turns.truncate(turn, part, heard, out),
            ToModel::Forget { turn, part } => turns.forget(turn, part, out),
        }
    }

    /// Takes what came over the connection.
    pub(super) fn handle(
        &mut self,
        now: Instant,
        timing: &Timing,
        incoming: Incoming,
        out: &mut Output,
    ) {
        if self.awaits_pong {
            self.awaits_pong = false;
            self.ping_deadline = now + timing.ping;
        }
        match incoming {
            Incoming::Text(text) => match ServerEvent::parse(&text) {
                Ok(event) => {
                    self.turns.handle(now, timing, event, out);
                    if self.turns.take_out_of_sync() {
                        self.replace_at = now;
                    }
                }
                Err(_) => super::bad_frame(),
            },
            Incoming::Control => {}
            Incoming::Closed(error) => out.end = Some(ConnectionEnd::Failed(error)),
        }
    }

    /// The attempt to open a replacement has ended.
    pub(super) fn replaced(&mut self, now: Instant, result: Result<Connection, ModelError>) {
        self.replacing = None;
        match result {
            Ok(connection) => self.replacement = Some(connection),
            Err(error) => {
                error.report("roll_over");
                self.replace_at = now + ROLL_OVER_PAUSE;
            }
        }
    }

    /// When to call [`Session::handle_timeout`] if nothing else happens.
    pub(super) fn deadline(&self, timing: &Timing) -> Instant {
        let turns = self.turns.deadline(timing);
        let first = turns.map_or(self.ping_deadline, |turns| turns.min(self.ping_deadline));
        if self.may_replace() { first.min(self.replace_at) } else { first }
    }

    /// Does what is due; true if it is time to open a replacement.
    pub(super) fn handle_timeout(
        &mut self,
        now: Instant,
        timing: &Timing,
        out: &mut Output,
    ) -> bool {
        if self.turns.deadline(timing).is_some_and(|deadline| deadline <= now) {
            self.turns.handle_timeout(timing, out);
        }
        if self.ping_deadline <= now {
            if self.awaits_pong {
                let error = ModelError::lost("no_pong", "the server does not answer pings");
                out.end = Some(ConnectionEnd::Failed(error));
            }
            (self.awaits_pong, self.ping_due) = (true, true);
            self.ping_deadline = now + timing.pong;
        }
        self.may_replace() && self.replace_at <= now
    }

    /// Starts the deadlines anew, since nothing was read while the call took no events.
    pub(super) fn restart_timeouts(&mut self, now: Instant, timing: &Timing) {
        (self.awaits_pong, self.ping_deadline) = (false, now + timing.ping);
        self.turns.restart_timeout(now, timing);
    }

    /// Whether a replacement may be opened: none is there or on its way, and no turn is under way.
    fn may_replace(&self) -> bool {
        self.replacing.is_none() && self.replacement.is_none() && self.turns.is_idle()
    }
}
