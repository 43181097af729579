//! A stand-in for the OpenAI Realtime API, by WebSocket (GA dialect).
//!
//! It follows the OpenAI Realtime guide and API reference: the handshake, `session.update`, the
//! conversation and its items, responses in text and audio, function calls, cancellation, usage,
//! and errors that name the client's event. Unknown parameters and invalid values are refused as
//! the service refuses them, and a refused event changes nothing. Tests check every event that it
//! sends against OpenAI's own schemas.
//!
//! It speaks with a [`Voice`](crate::voice::Voice), and understands only what such a voice said:
//! [`AudioOptions::ears`] recognise the sound, and any other is understood as `(sound of 1.2 s)`.
//! Turn detection goes by the level of the sound. Noise reduction, `speed` and the choice of a
//! voice have no effect on what is heard, `idle_timeout_ms` never fires, retrieved items have no
//! audio, and of an item that a client creates with audio only its transcript is read. It runs no
//! MCP tools. The error codes `item_*_invalid_item_id`, `item_create_duplicate_item_id`,
//! `invalid_tool_call_id` and `cannot_update_voice` are not documented by OpenAI: do not depend on
//! them.
//!
//! Each socket has a `Session`, a value that knows neither sockets nor clocks; `server` moves the
//! bytes and supplies the time. A [`Brain`] decides what is said, and [`Fault`]s what goes wrong.

mod brain;
mod client_events;
mod config;
mod error;
mod events;
mod faults;
mod hearing;
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
mod sound;
mod transcription;
mod turn_detection;
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
pub use self::options::{AudioOptions, OpenAiOptions, Watch};
pub use self::pace::{DeltaSize, Pace};

use self::shared::Shared;

/// A running stand-in. It stops when this is dropped; [`OpenAiRunning::stop`] also waits until
/// everything has ended.
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
    /// WebSocket handshakes, including refused ones.
    pub connections: u64,
    /// Sockets open now.
    pub open: u64,
    /// Responses that were accepted.
    pub responses: u64,
    /// Text frames received from clients.
    pub client_events: u64,
}

/// An event that a client sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Received {
    /// The number of its connection, from 0.
    pub connection: u64,
    /// The event, or the frame as a JSON string if it was not JSON.
    pub event: Value,
}

/// Starts a stand-in. Fails if it cannot listen at `options.bind`.
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

    /// The latest events of all clients, at most `keep_events`, in order of arrival.
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

    /// Adds a fault for connections and responses that begin from now on.
    pub fn add_fault(&self, fault: Fault) {
        self.shared.faults.add(fault);
    }

    /// Removes all faults that have not yet taken effect.
    pub fn clear_faults(&self) {
        self.shared.faults.clear();
    }

    /// Closes every socket with code 1001, and waits until everything has ended.
    pub async fn stop(self) {
        drop(self.stop);
        self.tasks.close();
        self.tasks.wait().await;
    }
}
