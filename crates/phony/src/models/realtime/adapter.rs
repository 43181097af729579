//! The adapter of one call: keeps a session open, and carries commands and events between it and
//! the call.

use std::sync::Arc;
use std::time::Duration;

use phony_call::{Clip, Fault, FromModel, ToModel, TurnId};
use secrecy::ExposeSecret;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::client::Client;
use super::connect::{Attempt, Connection, connect};
use super::error::ModelError;
use super::port_buffer::{PortBuffer, PortEvent};
use super::session::Session;
use super::settings::{RealtimeSettings, SessionSettings};
use super::turns::{ConnectionEnd, Output, OutputEvent, ResponseRequest, Speech};
use crate::ports::ModelEnd;

/// A session that was open this long counts as good: the next attempt to connect is not delayed.
const GOOD_SESSION: Duration = Duration::from_secs(10);

/// The adapter of one call.
pub(crate) struct Adapter {
    settings: Arc<RealtimeSettings>,
    session_settings: Arc<SessionSettings>,
    port: PortBuffer,
    stop: CancellationToken,
    /// What the call requested while no session was open.
    waiting: Option<ResponseRequest>,
    /// What the sessions hear and speak, while none is open; `None` in text mode.
    speech: Option<Box<Speech>>,
    /// Failed attempts to connect and short sessions in a row.
    failures: usize,
    /// Whether the call was told last that the model is ready, or that it is not.
    told_ready: Option<bool>,
    tracker: TaskTracker,
}

/// What follows a session.
enum Next {
    /// Nothing: the call is over.
    Stop,
    /// Another session.
    Reconnect,
    /// No other session: the server has refused for good.
    Refuse(ModelError),
}

/// Why a session is closed.
enum CloseReason {
    /// The call is over.
    CallOver,
    /// The connection is of no further use.
    Ended(ConnectionEnd),
}

impl Adapter {
    pub(crate) fn new(
        settings: Arc<RealtimeSettings>,
        session_settings: Arc<SessionSettings>,
        end: ModelEnd,
        tracker: TaskTracker,
        stop: CancellationToken,
    ) -> Self {
        let speech = session_settings.speech.as_ref();
        let speech = speech.map(|settings| Box::new(Speech::new(settings)));
        let (port, waiting) = (PortBuffer::new(end), None);
        let (failures, told_ready) = (0, None);
        Self {
            settings,
            session_settings,
            port,
            stop,
            waiting,
            speech,
            failures,
            told_ready,
            tracker,
        }
    }

    /// Runs to the end of the call.
    pub(crate) async fn run(mut self) {
        let mut sessions = 0_u64;
        let refusal = loop {
            let connection = match self.connect().await {
                Ok(connection) => connection,
                Err(Next::Refuse(error)) => break error,
                Err(Next::Stop | Next::Reconnect) => return,
            };
            let kind = if sessions == 0 {
                "phony_model_connects_total"
            } else {
                "phony_model_reconnects_total"
            };
            metrics::counter!(kind).increment(1);
            sessions += 1;
            if self.told_ready != Some(true) {
                self.port.send(FromModel::Ready);
                self.told_ready = Some(true);
            }
            match self.run_session(connection).await {
                Next::Stop => return,
                Next::Reconnect => {}
                Next::Refuse(error) => break error,
            }
        };
        self.refuse(&refusal).await;
    }

    /// Retries until connected, stopped or refused for good.
    async fn connect(&mut self) -> Result<Connection, Next> {
        loop {
            let transcribe = self.speech.as_ref().is_some_and(|speech| speech.transcribes());
            let mut attempt = self.attempt(self.pause(), transcribe);
            let result = loop {
                tokio::select! {
                    biased;
                    () = self.stop.cancelled() => return Err(Next::Stop),
                    event = self.port.next() => match event {
                        PortEvent::Command(ToModel::Respond { turn, context }) => {
                            self.waiting = Some(ResponseRequest { turn, context, is_retry: false });
                        }
                        PortEvent::Command(ToModel::Cancel { turn }) => {
                            self.waiting.take_if(|request| request.turn == turn);
                        }
                        PortEvent::Command(
                            command @ (ToModel::Hear(_)
                            | ToModel::Speak { .. }
                            | ToModel::Hush { .. }
                            | ToModel::Truncate { .. }
                            | ToModel::Forget { .. }),
                        ) => {
                            if let Some(speech) = &mut self.speech {
                                speech.wait(command);
                            }
                        }
                        PortEvent::Delivered => {}
                        PortEvent::Closed => return Err(Next::Stop),
                    },
                    result = &mut attempt => break result,
                }
            };
            let error = match result {
                Ok(connection) => return Ok(connection),
                Err(error) => error,
            };
            error.report("connect");
            if error.fault == Fault::Fatal {
                return Err(Next::Refuse(error));
            }
            self.failures += 1;
            if self.told_ready != Some(false) {
                self.send_failed(None, error);
            }
        }
    }

    /// Carries messages between the call and a session, and replaces the session before it expires.
    async fn run_session(&mut self, connection: Connection) -> Next {
        let settings = Arc::clone(&self.settings);
        let timing = &settings.timing;
        let (waiting, speech) = (self.waiting.take(), self.speech.take());
        let mut session = Session::new(connection, waiting, speech, now(), timing);
        let mut out = Output::default();
        session.turns.begin(session.opened_at, &mut out);
        let timer = sleep_until(session.deadline(timing));
        tokio::pin!(timer);
        loop {
            if (session.ping_due || !out.is_empty())
                && let Some(reason) = self.perform(&mut session, &mut out).await
            {
                return self.close(session, reason).await;
            }
            if session.replacement.is_some() && session.turns.is_idle() {
                self.replace(&mut session, &mut out);
            }
            let deadline = session.deadline(timing);
            // Each delta moves the deadline later; the timer is set anew only when it has fired.
            if timer.is_elapsed() || timer.deadline() > deadline {
                timer.as_mut().reset(deadline);
            }
            let behind = self.port.is_behind();
            tokio::select! {
                biased;
                event = self.port.next() => match event {
                    PortEvent::Command(command) => {
                        session.command(now(), timing, command, &mut out);
                    }
                    PortEvent::Delivered => session.restart_timeouts(now(), timing),
                    PortEvent::Closed => return self.close(session, CloseReason::CallOver).await,
                },
                incoming = session.client.read(), if !behind => {
                    session.handle(now(), timing, incoming, &mut out);
                }
                result = ended(&mut session.replacing) => session.replaced(now(), result),
                () = &mut timer, if !behind => {
                    if session.handle_timeout(now(), timing, &mut out) {
                        let transcribe = session.turns.transcribes();
                        session.replacing = Some(self.attempt(Duration::ZERO, transcribe));
                    }
                }
            }
        }
    }

    /// Performs the output of an input.
    async fn perform(&mut self, session: &mut Session, out: &mut Output) -> Option<CloseReason> {
        self.tell(out);
        if let Some(end) = out.end.take() {
            return Some(CloseReason::Ended(end));
        }
        if !session.ping_due && out.messages.is_empty() {
            return None;
        }
        let writing = async {
            if std::mem::take(&mut session.ping_due) {
                session.client.ping().await?;
            }
            session.client.write(&mut out.messages).await
        };
        let late = |_| Err(ModelError::lost("write_stalled", "the server takes nothing"));
        let written = tokio::select! {
            biased;
            written = timeout(self.settings.timing.write, writing) => written.unwrap_or_else(late),
            // Only matters while the write is blocked: a call that stops drops its port.
            () = self.stop.cancelled() => return Some(CloseReason::CallOver),
        };
        written.err().map(|error| CloseReason::Ended(ConnectionEnd::Failed(error)))
    }

    /// Sends the events of an output to the call.
    fn tell(&mut self, out: &mut Output) {
        for event in out.events.drain(..) {
            match event {
                OutputEvent::Plain(event) => self.port.send(event),
                OutputEvent::Failed(turn, error, usage) => {
                    let secret = self.settings.api_key.expose_secret();
                    self.port.send(error.into_event(Some(turn), usage, secret));
                }
            }
        }
    }

    /// Closes a session: tells the call what failed, and keeps the request that can still be sent.
    async fn close(&mut self, session: Session, reason: CloseReason) -> Next {
        let Session { client, mut turns, opened_at, .. } = session;
        let age = now().saturating_duration_since(opened_at);
        let is_good = turns.is_proven() || age >= GOOD_SESSION;
        let mut out = Output::default();
        self.speech = turns.take_speech(&mut out);
        self.tell(&mut out);
        let (turn, waiting) = turns.into_unfinished();
        self.failures = if is_good { 0 } else { self.failures };
        self.waiting = waiting;
        match reason {
            CloseReason::CallOver => {
                client.close(&self.settings).await;
                Next::Stop
            }
            CloseReason::Ended(ConnectionEnd::Rebuild) => {
                metrics::counter!("phony_model_rebuilds_total").increment(1);
                tracing::warn!(event = "model_rebuild");
                self.close_later(client);
                Next::Reconnect
            }
            CloseReason::Ended(ConnectionEnd::Failed(error)) => {
                error.report("lost");
                if error.fault == Fault::Fatal {
                    // Every turn requested from now on fails with it, this one first.
                    self.waiting = self.waiting.take().or_else(|| turn.map(empty_request));
                    return Next::Refuse(error);
                }
                self.send_failed(turn, ModelError { fault: Fault::Lost, ..error });
                self.failures += usize::from(!is_good);
                Next::Reconnect
            }
        }
    }

    /// Puts the replacement in the place of the session. The call does not notice.
    fn replace(&self, session: &mut Session, out: &mut Output) {
        if let Some(connection) = session.replacement.take() {
            tracing::info!(event = "model_rolled_over");
            metrics::counter!("phony_model_reconnects_total").increment(1);
            let speech = session.turns.take_speech(out);
            let new = Session::new(connection, None, speech, now(), &self.settings.timing);
            let old = std::mem::replace(session, new);
            self.close_later(old.client);
        }
    }

    /// Closes a connection in a task of its own, so that nothing waits for it.
    fn close_later(&self, client: Client) {
        let settings = Arc::clone(&self.settings);
        self.tracker.spawn(async move { client.close(&settings).await });
    }

    /// Answers every request with the same error, to the end of the call.
    async fn refuse(&mut self, error: &ModelError) {
        let turn = self.waiting.take().map(|request| request.turn);
        let speech = self.speech.take();
        for words in speech.into_iter().flat_map(|speech| speech.into_unspoken()) {
            self.send_unspoken(words);
        }
        self.send_failed(turn, error.clone());
        loop {
            let event = tokio::select! {
                () = self.stop.cancelled() => return,
                event = self.port.next() => event,
            };
            match event {
                PortEvent::Command(ToModel::Respond { turn, .. }) => {
                    self.send_failed(Some(turn), error.clone());
                }
                PortEvent::Command(ToModel::Speak { words, .. }) => self.send_unspoken(words),
                PortEvent::Command(
                    ToModel::Cancel { .. }
                    | ToModel::Hear(_)
                    | ToModel::Hush { .. }
                    | ToModel::Truncate { .. }
                    | ToModel::Forget { .. },
                )
                | PortEvent::Delivered => {}
                PortEvent::Closed => return,
            }
        }
    }

    fn send_unspoken(&mut self, words: u32) {
        self.port.send(FromModel::AudioDone { clip: Clip::Words(words), said: None });
    }

    fn send_failed(&mut self, turn: Option<TurnId>, error: ModelError) {
        self.told_ready = Some(false);
        let secret = self.settings.api_key.expose_secret();
        self.port.send(error.into_event(turn, None, secret));
    }

    fn attempt(&self, pause: Duration, transcribe: bool) -> Attempt {
        let settings = Arc::clone(&self.settings);
        let session_settings = Arc::clone(&self.session_settings);
        Box::pin(async move {
            sleep(pause).await;
            connect(settings, session_settings, transcribe).await
        })
    }

    /// The pause before the next attempt. Up to a fifth is added at random, since many calls lose
    /// a server at the same time.
    fn pause(&self) -> Duration {
        let pauses = &self.settings.timing.retries;
        let pause =
            pauses.get(self.failures).or_else(|| pauses.last()).copied().unwrap_or_default();
        let random = getrandom::u32().unwrap_or_default();
        pause + pause.mul_f64(f64::from(random) / f64::from(u32::MAX) / 5.0)
    }
}

/// The result of the attempt; pending for ever if there is none.
async fn ended(attempt: &mut Option<Attempt>) -> Result<Connection, ModelError> {
    match attempt {
        Some(attempt) => attempt.await,
        None => std::future::pending().await,
    }
}

/// Stands for a request that was already sent, so that its turn can be failed.
fn empty_request(turn: TurnId) -> ResponseRequest {
    ResponseRequest { turn, context: Vec::new(), is_retry: true }
}

#[expect(clippy::disallowed_methods, reason = "the adapter owns the deadlines of its connection")]
fn now() -> Instant {
    Instant::now()
}
