//! A stand-in for the OpenAI Realtime API, by WebSocket (GA dialect).
//!
//! It follows the OpenAI Realtime guide and API reference: the handshake, `session.update`, the
//! conversation with its items, responses in text and in sound, function calls, cancelling,
//! usage, errors that name the client's event. Unknown parameters and wrong values are refused
//! as the service refuses them, and nothing of a refused event is applied. Every event it sends
//! is held to OpenAI's own types by tests.
//!
//! What it does not do: it does not hear (a commit makes an item without a transcript, turn
//! detection never fires) and its voice is silence of the right length; it runs no MCP tools.
//! Where the documents name no error code, it uses `item_*_invalid_item_id`,
//! `item_create_duplicate_item_id`, `invalid_tool_call_id` and `cannot_update_voice`: do not
//! depend on these.
//!
//! One socket is one `Session`, a value without a socket or a clock; `server` moves
//! bytes and time. What is said comes from a [`Brain`], what goes wrong from [`Fault`]s.

mod brain;
mod client_events;
mod config;
mod error;
mod events;
mod faults;
mod ids;
mod item;
mod models;
mod plan;
mod respond;
mod response;
mod schema;
mod server;
mod session;
mod usage;

use std::{
    collections::VecDeque,
    fmt,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::extract::ws::Utf8Bytes;
use secrecy::SecretString;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};

pub use brain::{Brain, RecordedTurn, Recording, ScriptedReply, ToolCall, When, Who};
pub use faults::{Counted, Fault, FaultError, FaultKind};

/// How a stand-in behaves.
#[derive(Clone, Debug)]
pub struct OpenAiOptions {
    /// Where it listens; port 0 takes a free one. Default: `127.0.0.1:0`.
    pub bind: SocketAddr,
    /// Who decides what it says. Default: [`Brain::Echo`].
    pub brain: Brain,
    /// How fast it says it. Default: like a real model.
    pub pace: Pace,
    /// What goes wrong. Default: nothing.
    pub faults: Vec<Fault>,
    /// The only key that is let in. Default: any.
    pub api_key: Option<SecretString>,
    /// How long a session lasts. Default: 60 minutes, as the service's.
    pub session_max: Duration,
    /// How many of the clients' last events are kept for [`OpenAiRunning::received`].
    /// Default: 1,000.
    pub keep_events: usize,
    /// Sees every event just before it is sent. Default: nobody.
    pub watch: Option<Watch>,
}

/// Sees every event just before it is sent, on the socket's own task: it must be quick.
#[derive(Clone)]
pub struct Watch(Arc<dyn Fn(&str) + Send + Sync>);

/// How fast the stand-in works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// From the upgrade to `session.created`.
    pub session_created: Duration,
    /// From `response.created` to the first item and its first delta.
    pub first_token: Duration,
    /// Between two deltas.
    pub between_deltas: Duration,
    /// How much a delta holds.
    pub delta: DeltaSize,
}

/// How much text a delta holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeltaSize {
    /// So many characters.
    Chars(usize),
    /// So many words, each with the white space after it.
    Words(usize),
    /// All there is.
    Whole,
}

/// A stand-in that is running. It stops when this is dropped; [`OpenAiRunning::stop`] also waits
/// until everything of it has ended.
#[derive(Debug)]
pub struct OpenAiRunning {
    addr: SocketAddr,
    shared: Arc<Shared>,
    tasks: TaskTracker,
    stop: DropGuard,
}

/// Counts since the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenAiStats {
    /// Handshakes that asked for a socket, refused ones too.
    pub connections: u64,
    /// Sockets open now.
    pub open: u64,
    /// Responses that were accepted.
    pub responses: u64,
    /// Text frames of clients.
    pub client_events: u64,
}

/// An event that a client sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Received {
    /// The number of its connection, from 0.
    pub connection: u64,
    /// The event; a JSON string of the frame if that was not JSON.
    pub event: Value,
}

/// Starts a stand-in; fails if it cannot listen at `options.bind`.
pub async fn start(options: OpenAiOptions) -> std::io::Result<OpenAiRunning> {
    let listener = TcpListener::bind(options.bind).await?;
    let addr = listener.local_addr()?;
    let shared = Arc::new(Shared::new(options));
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    let server = server::serve(listener, Arc::clone(&shared), tasks.clone(), stop.clone());
    tasks.spawn(server);
    Ok(OpenAiRunning { addr, shared, tasks, stop: stop.drop_guard() })
}

impl Default for OpenAiOptions {
    fn default() -> Self {
        Self {
            bind: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            brain: Brain::default(),
            pace: Pace::default(),
            faults: Vec::new(),
            api_key: None,
            session_max: Duration::from_hours(1),
            keep_events: 1_000,
            watch: None,
        }
    }
}

impl Watch {
    /// A watch that is told the event as it stands in its frame.
    pub fn new(see: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self(Arc::new(see))
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Watch")
    }
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            session_created: Duration::from_millis(80),
            first_token: Duration::from_millis(300),
            between_deltas: Duration::from_millis(25),
            delta: DeltaSize::Words(1),
        }
    }
}

impl Pace {
    /// No waiting anywhere; a word a delta.
    pub const INSTANT: Self = Self {
        session_created: Duration::ZERO,
        first_token: Duration::ZERO,
        between_deltas: Duration::ZERO,
        delta: DeltaSize::Words(1),
    };
}

impl DeltaSize {
    /// Cuts a text into deltas; nothing of it is lost.
    fn split(self, text: &str) -> Vec<String> {
        let (mut pieces, mut piece, mut count) = (Vec::new(), String::new(), 0);
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            piece.push(c);
            let full = match self {
                Self::Whole => false,
                Self::Chars(size) => {
                    count += 1;
                    count >= size
                }
                Self::Words(size) => {
                    let word_ends = chars.peek().is_some_and(|next| !next.is_whitespace());
                    count += usize::from(c.is_whitespace() && word_ends);
                    count >= size.max(1)
                }
            };
            if full {
                pieces.push(std::mem::take(&mut piece));
                count = 0;
            }
        }
        if !piece.is_empty() {
            pieces.push(piece);
        }
        pieces
    }
}

impl OpenAiRunning {
    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// What to set as `OPENAI_BASE_URL`: `http://127.0.0.1:PORT/v1`.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.addr)
    }

    /// Counts since the start.
    #[must_use]
    pub fn stats(&self) -> OpenAiStats {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        OpenAiStats {
            connections: read(&self.shared.connections),
            open: read(&self.shared.open),
            responses: read(&self.shared.responses),
            client_events: read(&self.shared.client_events),
        }
    }

    /// The last events of all clients, in order of arrival.
    #[must_use]
    pub fn received(&self) -> Vec<Received> {
        let log = self.shared.log.lock().unwrap_or_else(PoisonError::into_inner);
        log.iter()
            .map(|(connection, frame)| Received {
                connection: *connection,
                event: serde_json::from_str(frame)
                    .unwrap_or_else(|_| Value::String(frame.to_string())),
            })
            .collect()
    }

    /// Makes one more thing go wrong, for connections and responses that begin from now on.
    pub fn add_fault(&self, fault: Fault) {
        self.shared.faults.add(fault);
    }

    /// Lets nothing go wrong any more that has not begun to.
    pub fn clear_faults(&self) {
        self.shared.faults.clear();
    }

    /// Closes every socket (1001) and waits until all has ended.
    pub async fn stop(self) {
        drop(self.stop);
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// What the sockets of one stand-in share.
#[derive(Debug)]
struct Shared {
    brain: Brain,
    pace: Pace,
    faults: faults::Faults,
    api_key: Option<SecretString>,
    session_max: Duration,
    connections: AtomicU64,
    open: AtomicU64,
    responses: AtomicU64,
    client_events: AtomicU64,
    keep_events: usize,
    watch: Option<Watch>,
    log: Mutex<VecDeque<(u64, Utf8Bytes)>>,
}

impl Shared {
    fn new(options: OpenAiOptions) -> Self {
        Self {
            brain: options.brain,
            pace: options.pace,
            faults: faults::Faults::new(options.faults),
            api_key: options.api_key,
            session_max: options.session_max,
            connections: AtomicU64::new(0),
            open: AtomicU64::new(0),
            responses: AtomicU64::new(0),
            client_events: AtomicU64::new(0),
            keep_events: options.keep_events,
            watch: options.watch,
            log: Mutex::new(VecDeque::new()),
        }
    }

    /// Remembers a client's frame, and forgets the oldest where there are too many.
    fn note(&self, connection: u64, frame: &Utf8Bytes) {
        self.client_events.fetch_add(1, Ordering::Relaxed);
        if self.keep_events == 0 {
            return;
        }
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        if log.len() >= self.keep_events {
            log.pop_front();
        }
        log.push_back((connection, frame.clone()));
    }
}
