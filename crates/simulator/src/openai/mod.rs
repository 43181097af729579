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
mod options;
mod pace;
mod plan;
mod respond;
mod response;
mod schema;
mod server;
mod session;
mod shared;
mod usage;

use std::{
    net::SocketAddr,
    sync::{
        Arc, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use serde_json::Value;
use tokio::net::TcpListener;
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};

pub use self::brain::{Brain, RecordedTurn, Recording, ScriptedReply, ToolCall, When, Who};
pub use self::faults::{Counted, Fault, FaultError, FaultKind};
pub use self::options::{OpenAiOptions, Watch};
pub use self::pace::{DeltaSize, Pace};

use self::shared::Shared;

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
