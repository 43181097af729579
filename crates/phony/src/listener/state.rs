//! The state of a connection, and how long it may wait for its client.

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::client::Network;

/// How long the head of a request may take to arrive.
pub(super) const HEAD_LIMIT: Duration = Duration::from_secs(10);
/// How long a connection may be idle between two requests. Longer than proxies keep theirs (usually
/// 60 s), or a proxy would send a request into a connection that is being closed.
const IDLE_LIMIT: Duration = Duration::from_secs(75);
/// How long a client may read nothing of its response.
const STUCK_LIMIT: Duration = Duration::from_secs(30);

/// The client of a connection, as far as it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Owner {
    pub(super) network: Network,
    /// It is a trusted proxy, whose connections belong to many clients.
    pub(super) is_proxy: bool,
}

/// A connection that waits for its client.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) number: u64,
    pub(super) owner: Owner,
    /// No request is under way.
    pub(super) is_idle: bool,
    pub(super) since: Instant,
}

/// The state of a connection.
#[derive(Debug)]
pub(super) struct ConnectionState {
    peer: Owner,
    /// The client behind a proxy, once the connection belongs to that client alone.
    client: OnceLock<Owner>,
    phase: Mutex<Phase>,
    /// Cancelled when the connection must make room for another.
    pub(super) close: CancellationToken,
}

/// The phase of a connection, and since when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The head of a request is arriving.
    Head(Instant),
    /// The body of a request is arriving.
    Body(Instant),
    /// The server is working on a request.
    Working,
    /// The client does not read its response.
    Stuck(Instant),
    /// No request is under way.
    Idle(Instant),
    /// It is a WebSocket whose client has not sent its first message yet.
    Silent(Instant),
    /// It is a WebSocket in use.
    Upgraded,
}

impl ConnectionState {
    pub(super) fn new(peer: Owner) -> Self {
        let phase = Mutex::new(Phase::Head(now()));
        Self { peer, client: OnceLock::new(), phase, close: CancellationToken::new() }
    }

    /// The client, or the peer while that is all that is known.
    pub(super) fn owner(&self) -> Owner {
        *self.client.get().unwrap_or(&self.peer)
    }

    /// It belongs to this client alone from now on.
    pub(super) fn belongs_to(&self, client: Owner) {
        self.client.get_or_init(|| client);
    }

    fn phase(&self) -> MutexGuard<'_, Phase> {
        self.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Since when it waits for its client, if it does.
    pub(super) fn waits_since(&self) -> Option<Instant> {
        match *self.phase() {
            Phase::Head(since)
            | Phase::Body(since)
            | Phase::Stuck(since)
            | Phase::Idle(since)
            | Phase::Silent(since) => Some(since),
            Phase::Working | Phase::Upgraded => None,
        }
    }

    pub(super) fn waiting(&self, number: u64) -> Option<Waiting> {
        let since = self.waits_since()?;
        let is_idle = matches!(*self.phase(), Phase::Idle(_));
        Some(Waiting { number, owner: self.owner(), is_idle, since })
    }

    /// When the connection is closed if the client does nothing. A body is bounded by the timeout
    /// of its request, a WebSocket by its own.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match *self.phase() {
            Phase::Head(since) => Some(since + HEAD_LIMIT),
            Phase::Stuck(since) => Some(since + STUCK_LIMIT),
            Phase::Idle(since) => Some(since + IDLE_LIMIT),
            Phase::Body(_) | Phase::Working | Phase::Silent(_) | Phase::Upgraded => None,
        }
    }

    /// Bytes were read.
    pub(super) fn read(&self) {
        let mut phase = self.phase();
        if matches!(*phase, Phase::Idle(_)) {
            *phase = Phase::Head(now());
        }
    }

    /// Bytes were written, or, unless `is_done`, could not be.
    pub(super) fn wrote(&self, is_done: bool) {
        let mut phase = self.phase();
        match *phase {
            Phase::Working if !is_done => *phase = Phase::Stuck(now()),
            Phase::Stuck(_) if is_done => *phase = Phase::Working,
            Phase::Working
            | Phase::Stuck(_)
            | Phase::Head(_)
            | Phase::Body(_)
            | Phase::Idle(_)
            | Phase::Silent(_)
            | Phase::Upgraded => {}
        }
    }

    /// The head of a request has arrived.
    pub(super) fn head_arrived(&self, has_body: bool) {
        *self.phase() = if has_body { Phase::Body(now()) } else { Phase::Working };
    }

    /// The body of the request has arrived.
    pub(super) fn body_arrived(&self) {
        let mut phase = self.phase();
        if matches!(*phase, Phase::Body(_)) {
            *phase = Phase::Working;
        }
    }

    /// It is a WebSocket from now on.
    pub(super) fn upgraded(&self) {
        let mut phase = self.phase();
        if !matches!(*phase, Phase::Silent(_)) {
            *phase = Phase::Upgraded;
        }
    }

    /// It is a WebSocket that waits for its client.
    pub(super) fn wait_for_message(&self) {
        let mut phase = self.phase();
        if !matches!(*phase, Phase::Silent(_)) {
            *phase = Phase::Silent(now());
        }
    }

    /// It no longer waits for its client.
    pub(super) fn message_arrived(&self) {
        *self.phase() = Phase::Upgraded;
    }

    /// The response was sent.
    pub(super) fn responded(&self) {
        let mut phase = self.phase();
        if !matches!(*phase, Phase::Silent(_) | Phase::Upgraded) {
            *phase = Phase::Idle(now());
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "deadlines of connections concern no call")]
pub(super) fn now() -> Instant {
    Instant::now()
}
