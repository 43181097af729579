//! OpenAI's Realtime API. In text mode the carrier hears and speaks, and the model reads and writes;
//! with [`SpeechSettings`] the model itself hears and speaks.
//!
//! [`open`] makes a port whose task owns the connection of one call:
//!
//! - `connect` opens a session over a `client` and asks for what `setup` says; `adapter` keeps a
//!   `session` open, replaces it when it is lost or about to expire, and carries commands and events
//!   between it and the call.
//! - `turns` holds the turns, as pure code: when a response may be requested, what its events mean
//!   for the call, which errors matter. Its `speech` adds what a session with sound has: what the
//!   caller says (`hearing`), the sound of replies (`parts`), words that must be exact (`words`).
//! - `conversation` reconciles the server's copy of the conversation with the call's.
//!
//! Counters: `phony_model_connects_total`, `phony_model_reconnects_total` (after a loss, before an
//! expiry), `phony_model_rebuilds_total` (the server's copy of the conversation was not as
//! expected), `phony_model_errors_total` by kind, `phony_model_unknown_events_total`,
//! `phony_model_input_timeouts_total`, `phony_media_caller_audio_dropped_total` (pieces of sound that
//! found no session for too long). Histograms: `phony_model_first_delta_seconds` and
//! `phony_model_first_audio_seconds`, from the request to the first text or sound. Logs name codes
//! and parameters, never what was said.
//!
//! Facts about the protocol are from OpenAI's Realtime guides and reference as of November 2026.

mod adapter;
mod client;
mod connect;
mod conversation;
mod dial;
mod error;
mod handshake;
mod port_buffer;
mod reply;
mod session;
mod settings;
mod setup;
mod translate;
mod turns;

use std::sync::Arc;
use std::time::Duration;

use phony_call::Fault;
use secrecy::ExposeSecret as _;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use settings::{BadSettings, RealtimeSettings, SessionSettings, SpeechSettings, Timing};

use crate::ports::{self, ModelPort};
use crate::runtime::task_set::Task;

/// The model of one call. Once its task runs it connects, and reconnects until the port is dropped
/// or the server refuses for good. `stop` ends what it waits for: a connection that is not up yet,
/// a server that takes nothing.
///
/// It sends [`Ready`](phony_call::FromModel::Ready) when a session is open, and
/// [`Failed`](phony_call::FromModel::Failed) without a turn once when it is lost. A command to
/// respond or to speak waits for the session, and so do the last three seconds of what the caller
/// says.
#[must_use]
pub fn open(
    settings: Arc<RealtimeSettings>,
    session: SessionSettings,
    tracker: &TaskTracker,
    stop: CancellationToken,
) -> ModelPort {
    let (mut port, end) = ports::model();
    let adapter = adapter::Adapter::new(settings, Arc::new(session), end, tracker.clone(), stop);
    port.task = Some(Task::new(adapter.run()));
    port
}

/// Why no session could be opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message} ({code})")]
pub struct ProbeFailed {
    /// The server's code, or one of the adapter's: `unreachable`, `timeout`, `http_401` …
    pub code: String,
    /// The server's message, without the key.
    pub message: String,
    /// Whether another attempt would fail as well.
    pub for_good: bool,
}

/// Opens a session as a call does and closes it, to check the network, the key and the model.
/// Returns how long opening it took. Nothing is generated, so it costs nothing.
#[expect(clippy::disallowed_methods, reason = "how long a session takes to open is the answer")]
pub async fn probe(
    settings: Arc<RealtimeSettings>,
    session: SessionSettings,
) -> Result<Duration, ProbeFailed> {
    let began = tokio::time::Instant::now();
    match connect::connect(Arc::clone(&settings), Arc::new(session), true).await {
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

/// Counts and logs a message that could not be parsed.
fn bad_frame() {
    metrics::counter!("phony_model_errors_total", "kind" => "bad_frame").increment(1);
    tracing::warn!(event = "model_bad_frame");
}
