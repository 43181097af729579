//! OpenAI's Realtime API, in its text mode: the carrier hears and speaks, the model reads and
//! writes.
//!
//! [`open`] makes a port whose part owns the connection of one call:
//!
//! - `connect` brings a session up; `run` keeps one up, replaces it when it is lost or about to
//!   expire, and carries orders and events between the call and the session.
//! - `turns` knows the turns, as pure code: when a response may be asked for, what its events
//!   mean for the call, which errors matter.
//! - `conversation` makes the server's copy of the conversation what the call says it is.
//!
//! Counted: `phony_model_connects_total`, `phony_model_reconnects_total` (after a loss, before an
//! expiry), `phony_model_rebuilds_total` (the server's copy of the conversation was not what we
//! thought), `phony_model_errors_total` by kind, `phony_model_unknown_events_total`. Measured:
//! `phony_model_first_delta_seconds`, from the request to the first words. Logs name codes and
//! parameters, never what was said.
//!
//! Facts about the protocol are from OpenAI's Realtime guides and reference as of November 2026.

mod connect;
mod conversation;
mod port_buffer;
mod dial;
mod turns;
mod client;
mod reply;
mod run;
mod settings;
mod handshake;
mod translate;
mod error;

use std::sync::Arc;
use std::time::Duration;

use phony_call::Fault;
use secrecy::ExposeSecret as _;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use settings::{BadSettings, RealtimeSettings, SessionSettings, Timing};

use crate::ports::{self, ModelPort};
use crate::runtime::task_set::Task;

/// The model of one call: once its part is run, it connects, and reconnects until the port is
/// dropped or the server refuses for good. `stop` cuts short what it waits for meanwhile, when
/// there is no time left: a connection that does not come up, a server that takes nothing.
///
/// It says [`Ready`](phony_call::FromModel::Ready) each time it has come up, and
/// [`Failed`](phony_call::FromModel::Failed) without a turn once when it is down. An order to
/// respond waits for the connection.
#[must_use]
pub fn open(
    settings: Arc<RealtimeSettings>,
    session: SessionSettings,
    tracker: &TaskTracker,
    stop: CancellationToken,
) -> ModelPort {
    let (mut port, end) = ports::model();
    let adapter = run::Adapter::new(settings, Arc::new(session), end, tracker.clone(), stop);
    port.task = Some(Task::new(adapter.run()));
    port
}

/// Why no session could be opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message} ({code})")]
pub struct ProbeFailed {
    /// The server's code, or one of ours: `unreachable`, `timeout`, `http_401` …
    pub code: String,
    /// In the server's words, without the key.
    pub message: String,
    /// Whether it would be the same another time.
    pub for_good: bool,
}

/// Opens a session as a call does, and leaves it: are the network, the key and the model right?
/// Nothing is generated, so it costs nothing. Returns how long it took.
#[expect(clippy::disallowed_methods, reason = "how long a session takes to open is the answer")]
pub async fn probe(
    settings: Arc<RealtimeSettings>,
    session: SessionSettings,
) -> Result<Duration, ProbeFailed> {
    let began = tokio::time::Instant::now();
    match connect::connect(Arc::clone(&settings), Arc::new(session)).await {
        Ok(connection) => {
            let took = began.elapsed();
            connection.client.close(&settings).await;
            Ok(took)
        }
        Err(error) => {
            let message = error.displayed(settings.api_key.expose_secret());
            let for_good = error.fault == Fault::Fatal;
            Err(ProbeFailed { message, for_good, code: error.code })
        }
    }
}

/// A message that could not be read.
fn bad_frame() {
    metrics::counter!("phony_model_errors_total", "kind" => "bad_frame").increment(1);
    tracing::warn!(event = "model_bad_frame");
}
