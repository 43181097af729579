//! What a connection is at, and how long it may wait for its client.

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::client::Network;

/// How long the head of a request may take to come.
pub(super) const HEAD_LIMIT: Duration = Duration::from_secs(10);
/// How long a connection may rest between two requests: longer than proxies keep theirs (60 s, as a
/// rule), or one would send a request into a connection that is being closed.
const IDLE_LIMIT: Duration = Duration::from_secs(75);
/// How long a client may read nothing of its answer.
const STUCK_LIMIT: Duration = Duration::from_secs(30);

/// Whose a connection is, as far as it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Owner {
    pub(super) network: Network,
    /// A trusted proxy, whose connections are many clients'.
    pub(super) is_proxy: bool,
}

/// A connection that waits for its client.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) number: u64,
    pub(super) owner: Owner,
    /// Nothing is asked, so that the client owes nothing.
    pub(super) is_idle: bool,
    pub(super) since: Instant,
}

/// What is known of a connection.
#[derive(Debug)]
pub(super) struct ConnectionState {
    peer: Owner,
    /// The client behind the peer, once the connection is that one client's.
    client: OnceLock<Owner>,
    phase: Mutex<Phase>,
    /// It has to make room.
    pub(super) close: CancellationToken,
}

/// What a connection is at, and since when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The head of a request is coming.
    Head(Instant),
    /// The body of one is coming.
    Body(Instant),
    /// The server is at work.
    Working,
    /// The client does not read its answer.
    Stuck(Instant),
    /// Nothing is asked.
    Idle(Instant),
    /// It is a WebSocket whose client has not said yet what it is for.
    Silent(Instant),
    /// It carries no requests any more.
    Upgraded,
}

impl ConnectionState {
    pub(super) fn new(peer: Owner) -> Self {
        let phase = Mutex::new(Phase::Head(now()));
        Self { peer, client: OnceLock::new(), phase, close: CancellationToken::new() }
    }

    /// Whose it is.
    pub(super) fn owner(&self) -> Owner {
        *self.client.get().unwrap_or(&self.peer)
    }

    /// It is this client's alone from now on.
    pub(super) fn belongs_to(&self, client: Owner) {
        self.client.get_or_init(|| client);
    }

    fn phase(&self) -> MutexGuard<'_, Phase> {
        self.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Since when it waits for its client.
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

    /// Until when the client must have done something. A body has the time of its request, and a
    /// WebSocket that of whoever listens to it.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match *self.phase() {
            Phase::Head(since) => Some(since + HEAD_LIMIT),
            Phase::Stuck(since) => Some(since + STUCK_LIMIT),
            Phase::Idle(since) => Some(since + IDLE_LIMIT),
            Phase::Body(_) | Phase::Working | Phase::Silent(_) | Phase::Upgraded => None,
        }
    }

    /// Something was read.
    pub(super) fn read(&self) {
        let mut phase = self.phase();
        if matches!(*phase, Phase::Idle(_)) {
            *phase = Phase::Head(now());
        }
    }

    /// Something was written, or cannot be.
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

    /// A request is here.
    pub(super) fn asked(&self, has_body: bool) {
        *self.phase() = if has_body { Phase::Body(now()) } else { Phase::Working };
    }

    /// All of it is.
    pub(super) fn arrived(&self) {
        let mut phase = self.phase();
        if matches!(*phase, Phase::Body(_)) {
            *phase = Phase::Working;
        }
    }

    /// It carries a WebSocket from now on.
    pub(super) fn upgraded(&self) {
        let mut phase = self.phase();
        if !matches!(*phase, Phase::Silent(_)) {
            *phase = Phase::Upgraded;
        }
    }

    /// It is a WebSocket that waits for its client.
    pub(super) fn listens(&self) {
        let mut phase = self.phase();
        if !matches!(*phase, Phase::Silent(_)) {
            *phase = Phase::Silent(now());
        }
    }

    /// What it waited for has come.
    pub(super) fn heard(&self) {
        *self.phase() = Phase::Upgraded;
    }

    /// Its answer has been given.
    pub(super) fn answered(&self) {
        let mut phase = self.phase();
        if !matches!(*phase, Phase::Silent(_) | Phase::Upgraded) {
            *phase = Phase::Idle(now());
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "connections are no calls: they read the clock here")]
pub(super) fn now() -> Instant {
    Instant::now()
}
