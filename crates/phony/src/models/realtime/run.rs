//! One call's model: keeps a session up and carries between it and the call.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use phony_call::{Fault, FromModel, ToModel, TurnId};
use phony_wire::openai::realtime::ServerEvent;
use secrecy::ExposeSecret;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::connect::{Connection, connect};
use super::port_buffer::{PortBuffer, PortEvent};
use super::turns::{ResponseRequest, ConnectionEnd, Turns, Output, OutputEvent};
use super::client::{Incoming, Client};
use super::settings::{RealtimeSettings, SessionSettings, Timing};
use super::error::ModelError;
use crate::ports::ModelEnd;

/// After a failed try to replace a session that is still good.
const ROLL_OVER_PAUSE: Duration = Duration::from_secs(5);

/// A session that lived this long was worth connecting to at once again.
const GOOD_LIFE: Duration = Duration::from_secs(10);

/// One call's model.
pub(crate) struct Adapter {
    settings: Arc<RealtimeSettings>,
    session: Arc<SessionSettings>,
    port: PortBuffer,
    stop: CancellationToken,
    /// What the call request for while no session was up.
    waiting: Option<ResponseRequest>,
    /// Failed connections and short lives in a row.
    tries: usize,
    /// What the call was told last: that we are up, that we are down, or nothing yet.
    told_up: Option<bool>,
    tracker: TaskTracker,
}

type Attempt = Pin<Box<dyn Future<Output = Result<Connection, ModelError>> + Send>>;

/// How a session ended.
enum Ending {
    /// The call is over.
    Over,
    /// Another one is wanted.
    Again,
    /// There will be no other.
    Refused(ModelError),
}

impl Adapter {
    pub(crate) fn new(
        settings: Arc<RealtimeSettings>,
        session: Arc<SessionSettings>,
        end: ModelEnd,
        tracker: TaskTracker,
        stop: CancellationToken,
    ) -> Self {
        let (port, waiting) = (PortBuffer::new(end), None);
        Self { settings, session, port, stop, waiting, tries: 0, told_up: None, tracker }
    }

    /// Runs to the end of the call.
    pub(crate) async fn run(mut self) {
        let mut lives = 0_u64;
        let refused = loop {
            let connection = match self.come_up().await {
                Ok(connection) => connection,
                Err(Ending::Refused(error)) => break error,
                Err(Ending::Over | Ending::Again) => return,
            };
            let kind = if lives == 0 {
                "phony_model_connects_total"
            } else {
                "phony_model_reconnects_total"
            };
            metrics::counter!(kind).increment(1);
            lives += 1;
            if self.told_up != Some(true) {
                self.port.send(FromModel::Ready);
                self.told_up = Some(true);
            }
            match self.live(connection).await {
                Ending::Over => return,
                Ending::Again => {}
                Ending::Refused(error) => break error,
            }
        };
        self.refuse(&refused).await;
    }

    /// Connects, however often it takes.
    async fn come_up(&mut self) -> Result<Connection, Ending> {
        loop {
            let mut attempt = self.attempt(self.pause());
            let result = loop {
                tokio::select! {
                    biased;
                    () = self.stop.cancelled() => return Err(Ending::Over),
                    event = self.port.next() => match event {
                        PortEvent::Command(ToModel::Respond { turn, context }) => {
                            self.waiting = Some(ResponseRequest { turn, context, again: false });
                        }
                        PortEvent::Command(ToModel::Cancel { turn }) => {
                            self.waiting.take_if(|request| request.turn == turn);
                        }
                        PortEvent::Delivered => {}
                        PortEvent::Closed => return Err(Ending::Over),
                    },
                    result = &mut attempt => break result,
                }
            };
            let error = match result {
                Ok(connection) => return Ok(connection),
                Err(error) => error,
            };
            report(&error, "connect");
            if error.fault == Fault::Fatal {
                return Err(Ending::Refused(error));
            }
            self.tries += 1;
            if self.told_up != Some(false) {
                self.tell_failed(None, error);
            }
        }
    }

    /// Carries between the call and one session, and puts a fresh session in its place in time.
    async fn live(&mut self, connection: Connection) -> Ending {
        let born = now();
        let settings = Arc::clone(&self.settings);
        let timing = &settings.timing;
        let mut life = Life::new(connection, self.waiting.take(), born, timing);
        let mut out = Output::default();
        life.turns.resume(born, &mut out);
        let timer = sleep_until(life.due(timing));
        tokio::pin!(timer);
        loop {
            if (life.ping || !out.is_empty())
                && let Some(end) = self.perform(&mut life, &mut out).await
            {
                return self.die(life, end, born).await;
            }
            if life.spare.is_some() && life.turns.is_idle() {
                self.swap(&mut life);
            }
            let due = life.due(timing);
            // Every word moves it on: set when it has gone off, not with every word.
            if timer.is_elapsed() || timer.deadline() > due {
                timer.as_mut().reset(due);
            }
            let behind = self.port.is_behind();
            tokio::select! {
                biased;
                event = self.port.next() => match event {
                    PortEvent::Command(ToModel::Respond { turn, context }) => {
                        let request = ResponseRequest { turn, context, again: false };
                        life.turns.respond(now(), timing, request, &mut out);
                    }
                    PortEvent::Command(ToModel::Cancel { turn }) => {
                        life.turns.cancel(now(), timing, turn, &mut out);
                    }
                    PortEvent::Delivered => life.revive(now(), timing),
                    PortEvent::Closed => return self.die(life, Parting::Over, born).await,
                },
                incoming = life.client.read(), if !behind => {
                    life.heard(now(), timing, incoming, &mut out);
                }
                result = next(&mut life.rolling) => life.rolled(now(), result),
                () = &mut timer, if !behind => {
                    if life.overdue(now(), timing, &mut out) {
                        life.rolling = Some(self.attempt(Duration::ZERO));
                    }
                }
            }
        }
    }

    /// Does what came of an input.
    async fn perform(&mut self, life: &mut Life, out: &mut Output) -> Option<Parting> {
        for told in out.events.drain(..) {
            match told {
                OutputEvent::Plain(fact) => self.port.send(fact),
                OutputEvent::Failed(turn, error, usage) => {
                    let secret = self.settings.api_key.expose_secret();
                    self.port.send(error.into_event(Some(turn), usage, secret));
                }
            }
        }
        if let Some(end) = out.end.take() {
            return Some(Parting::End(end));
        }
        if !life.ping && out.messages.is_empty() {
            return None;
        }
        let writing = async {
            if std::mem::take(&mut life.ping) {
                life.client.ping().await?;
            }
            life.client.write(&mut out.messages).await
        };
        let late = |_| Err(ModelError::lost("write_stalled", "the server takes nothing"));
        let written = tokio::select! {
            biased;
            written = timeout(self.settings.timing.write, writing) => written.unwrap_or_else(late),
            // Looked at only if the server takes nothing: a call that stops drops its port.
            () = self.stop.cancelled() => return Some(Parting::Over),
        };
        written.err().map(|error| Parting::End(ConnectionEnd::Failed(error)))
    }

    /// The end of a session: tells the call what it must know, keeps what can still be request.
    async fn die(&mut self, life: Life, parting: Parting, born: Instant) -> Ending {
        let Life { client, turns, .. } = life;
        let proven = turns.is_proven() || now().saturating_duration_since(born) >= GOOD_LIFE;
        let (turn, waiting) = turns.into_rest();
        self.tries = if proven { 0 } else { self.tries };
        self.waiting = waiting;
        match parting {
            Parting::Over => {
                client.close(&self.settings).await;
                Ending::Over
            }
            Parting::End(ConnectionEnd::Rebuild) => {
                metrics::counter!("phony_model_rebuilds_total").increment(1);
                tracing::warn!(event = "model_rebuild");
                self.close(client);
                Ending::Again
            }
            Parting::End(ConnectionEnd::Failed(error)) => {
                report(&error, "lost");
                if error.fault == Fault::Fatal {
                    // Said with every turn that is request for from now on, this one first.
                    self.waiting = self.waiting.take().or_else(|| turn.map(empty_request));
                    return Ending::Refused(error);
                }
                self.tell_failed(turn, ModelError { fault: Fault::Lost, ..error });
                self.tries += usize::from(!proven);
                Ending::Again
            }
        }
    }

    /// Puts the fresh session in the place of the old one. The call does not notice.
    fn swap(&self, life: &mut Life) {
        if let Some(fresh) = life.spare.take() {
            tracing::info!(event = "model_rolled_over");
            metrics::counter!("phony_model_reconnects_total").increment(1);
            let timing = &self.settings.timing;
            let old = std::mem::replace(life, Life::new(fresh, None, now(), timing));
            self.close(old.client);
        }
    }

    /// Closes a connection that nobody waits for any more.
    fn close(&self, client: Client) {
        let settings = Arc::clone(&self.settings);
        self.tracker.spawn(async move { client.close(&settings).await });
    }

    /// Answers every order with the same refusal, to the end of the call.
    async fn refuse(&mut self, error: &ModelError) {
        let turn = self.waiting.take().map(|request| request.turn);
        self.tell_failed(turn, error.clone());
        loop {
            let event = tokio::select! {
                () = self.stop.cancelled() => return,
                event = self.port.next() => event,
            };
            match event {
                PortEvent::Command(ToModel::Respond { turn, .. }) => {
                    self.tell_failed(Some(turn), error.clone());
                }
                PortEvent::Command(ToModel::Cancel { .. }) | PortEvent::Delivered => {}
                PortEvent::Closed => return,
            }
        }
    }

    fn tell_failed(&mut self, turn: Option<TurnId>, error: ModelError) {
        self.told_up = Some(false);
        let secret = self.settings.api_key.expose_secret();
        self.port.send(error.into_event(turn, None, secret));
    }

    fn attempt(&self, pause: Duration) -> Attempt {
        let (settings, session) = (Arc::clone(&self.settings), Arc::clone(&self.session));
        Box::pin(async move {
            sleep(pause).await;
            connect(settings, session).await
        })
    }

    /// The pause before the next try, up to a fifth longer: many calls lose a server at once.
    fn pause(&self) -> Duration {
        let pauses = &self.settings.timing.retries;
        let pause = pauses.get(self.tries).or_else(|| pauses.last()).copied().unwrap_or_default();
        let fifths = getrandom::u32().unwrap_or_default();
        pause + pause.mul_f64(f64::from(fifths) / f64::from(u32::MAX) / 5.0)
    }
}

/// Why a session is left.
enum Parting {
    Over,
    End(ConnectionEnd),
}

/// One session while it is up.
struct Life {
    client: Client,
    turns: Turns,
    /// When a ping is due, or, if one is out, when a sign of life is.
    pulse: Instant,
    pinged: bool,
    /// A ping is to be written.
    ping: bool,
    /// When to begin to replace the session.
    ends: Instant,
    rolling: Option<Attempt>,
    spare: Option<Connection>,
}

impl Life {
    fn new(connection: Connection, waiting: Option<ResponseRequest>, born: Instant, timing: &Timing) -> Self {
        Self {
            client: connection.client,
            turns: Turns::new(waiting),
            pulse: born + timing.ping,
            pinged: false,
            ping: false,
            ends: born + connection.lasts,
            rolling: None,
            spare: None,
        }
    }

    fn heard(&mut self, now: Instant, timing: &Timing, incoming: Incoming, out: &mut Output) {
        if self.pinged {
            self.pinged = false;
            self.pulse = now + timing.ping;
        }
        match incoming {
            Incoming::Text(text) => match ServerEvent::parse(&text) {
                Ok(event) => {
                    self.turns.heard(now, timing, event, out);
                    if self.turns.takes_doubt() {
                        self.ends = now;
                    }
                }
                Err(_) => super::bad_frame(),
            },
            Incoming::Alive => {}
            Incoming::Gone(error) => out.end = Some(ConnectionEnd::Failed(error)),
        }
    }

    /// A fresh session is there, or could not be had.
    fn rolled(&mut self, now: Instant, result: Result<Connection, ModelError>) {
        self.rolling = None;
        match result {
            Ok(connection) => self.spare = Some(connection),
            Err(error) => {
                report(&error, "roll_over");
                self.ends = now + ROLL_OVER_PAUSE;
            }
        }
    }

    fn due(&self, timing: &Timing) -> Instant {
        let pulse = self.turns.due(timing).map_or(self.pulse, |due| due.min(self.pulse));
        if self.wants_another() { pulse.min(self.ends) } else { pulse }
    }

    /// Sees to what is due; true if it is time for a fresh session.
    fn overdue(&mut self, now: Instant, timing: &Timing, out: &mut Output) -> bool {
        if self.turns.due(timing).is_some_and(|due| due <= now) {
            self.turns.overdue(out);
        }
        if self.pulse <= now {
            if self.pinged {
                let error = ModelError::lost("no_pong", "the server does not answer pings");
                out.end = Some(ConnectionEnd::Failed(error));
            }
            (self.pinged, self.ping) = (true, true);
            self.pulse = now + timing.pong;
        }
        self.wants_another() && self.ends <= now
    }

    /// The call takes facts again. Meanwhile nothing was read, so nothing can be overdue.
    fn revive(&mut self, now: Instant, timing: &Timing) {
        (self.pinged, self.pulse) = (false, now + timing.ping);
        self.turns.revive(now, timing);
    }

    /// Whether a fresh session must be seen to: only in a quiet moment.
    fn wants_another(&self) -> bool {
        self.rolling.is_none() && self.spare.is_none() && self.turns.is_idle()
    }
}

/// The result of what is under way; never, if nothing is.
async fn next(attempt: &mut Option<Attempt>) -> Result<Connection, ModelError> {
    match attempt {
        Some(attempt) => attempt.await,
        None => std::future::pending().await,
    }
}

fn empty_request(turn: TurnId) -> ResponseRequest {
    ResponseRequest { turn, context: Vec::new(), again: true }
}

fn report(error: &ModelError, during: &'static str) {
    metrics::counter!("phony_model_errors_total", "kind" => during).increment(1);
    tracing::warn!(event = "model_trouble", during, code = error.code, fault = ?error.fault);
}

#[expect(clippy::disallowed_methods, reason = "the adapter owns the deadlines of its connection")]
fn now() -> Instant {
    Instant::now()
}
