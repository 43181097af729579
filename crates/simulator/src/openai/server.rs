//! The server: HTTP endpoints, the handshake, and a task for each WebSocket.

use std::{
    future::IntoFuture as _,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use axum::{
    Json, Router,
    extract::{
        Path, Query, State, WebSocketUpgrade,
        ws::{CloseFrame, Message, WebSocket, rejection::WebSocketUpgradeRejection},
    },
    http::{HeaderMap, StatusCode, header::AUTHORIZATION},
    response::{IntoResponse as _, Response},
    routing::get,
    serve::ListenerExt as _,
};
use futures_util::SinkExt as _;
use phony_wire::openai::models::Model;
use secrecy::ExposeSecret as _;
use serde::Deserialize;
use serde_json::json;
use tokio::{
    net::TcpListener,
    time::{Instant, sleep, sleep_until, timeout},
};
use tokio_util::{
    sync::CancellationToken,
    task::{TaskTracker, task_tracker::TaskTrackerToken},
};

use super::{
    error::ApiError,
    models,
    options::Watch,
    session::{Out, Session},
    shared::Shared,
};

/// The largest frame, in bytes: an append carries up to 15 MiB of audio (OpenAI Realtime API
/// reference, `input_audio_buffer.append`), which is 20 MiB of base64.
const LARGEST_FRAME: usize = 21 << 20;

/// How long the server waits for the answer to a close, and for HTTP connections to end.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// How long it waits for the answer to a close when it stops.
const CLOSE_TIMEOUT_AT_STOP: Duration = Duration::from_millis(100);

#[derive(Clone)]
struct ServerState {
    shared: Arc<Shared>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

/// Serves until `stop`.
pub(super) async fn serve(
    listener: TcpListener,
    shared: Arc<Shared>,
    tasks: TaskTracker,
    stop: CancellationToken,
) {
    let app = Router::new()
        .route("/v1/realtime", get(realtime))
        .route("/v1/models", get(list_models))
        .route("/v1/models/{id}", get(show_model))
        .fallback(async || not_found("Unknown request URL."))
        .with_state(ServerState { shared, tasks, stop: stop.clone() });
    let listener = listener.tap_io(|socket| {
        // Without TCP_NODELAY, deltas are only later.
        let _ = socket.set_nodelay(true);
    });
    let serving = axum::serve(listener, app).with_graceful_shutdown(stop.clone().cancelled_owned());
    let timed_out = async {
        stop.cancelled().await;
        sleep(CLOSE_TIMEOUT).await;
    };
    tokio::select! {
        _ = serving.into_future() => {}
        () = timed_out => {}
    }
}

#[derive(Deserialize)]
struct Target {
    model: Option<String>,
}

async fn realtime(
    State(state): State<ServerState>,
    Query(target): Query<Target>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    let upgrade = match upgrade {
        Ok(upgrade) => upgrade,
        Err(rejection) => return rejection.into_response(),
    };
    let connection = state.shared.connections.fetch_add(1, Ordering::Relaxed);
    if let Some(status) = state.shared.faults.refusal(connection) {
        return refused(status);
    }
    if let Err(error) = authorize(&state.shared, &headers) {
        return answer(StatusCode::UNAUTHORIZED, &error);
    }
    let model = match target.model.as_deref() {
        None => return no_model(),
        Some(name) => match models::usable(name) {
            Some(model) => model,
            None => return unknown_model(name),
        },
    };
    let opening = Opening {
        connection,
        model,
        beta: headers.contains_key("openai-beta"),
        _open: Open::new(&state.shared),
        _task: state.tasks.token(),
    };
    upgrade
        .protocols(["realtime"])
        // Small buffers, so that a thousand sockets are cheap; most events are short.
        .read_buffer_size(4 << 10)
        .write_buffer_size(4 << 10)
        .max_message_size(LARGEST_FRAME)
        .max_frame_size(LARGEST_FRAME)
        .on_upgrade(|socket| run(socket, opening, state.shared, state.stop))
}

/// What is known of a socket when it opens, and the guards that are released when it has ended.
struct Opening {
    connection: u64,
    model: &'static Model,
    beta: bool,
    _open: Open,
    _task: TaskTrackerToken,
}

/// Counts an open socket until it is dropped.
struct Open(Arc<Shared>);

impl Open {
    fn new(shared: &Arc<Shared>) -> Self {
        shared.open.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(shared))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn run(
    mut socket: WebSocket,
    opening: Opening,
    shared: Arc<Shared>,
    stop: CancellationToken,
) {
    let session = converse(&mut socket, &opening, shared);
    // A peer that does not read must not keep the stand-in from stopping.
    if stop.run_until_cancelled(session).await.is_none() {
        let farewell = close(&mut socket, Some((1001, "The server is going away.")));
        // The socket is dropped if the peer does not answer.
        let _ = timeout(CLOSE_TIMEOUT_AT_STOP, farewell).await;
    }
}

async fn converse(socket: &mut WebSocket, opening: &Opening, shared: Arc<Shared>) {
    if let Some((error, code)) = refusal_after_upgrade(opening, &shared) {
        let body = json!({
            "type": "error",
            "event_id": format!("event_{}_0", opening.connection),
            "error": error.object(None),
        });
        let sent = socket.send(Message::Text(body.to_string().into())).await;
        if sent.is_ok() {
            close(socket, code.map(|code| (code, ""))).await;
        }
        return;
    }
    sleep(shared.pace.session_created).await;
    let (connection, model) = (opening.connection, opening.model);
    let mut session = Session::new(Arc::clone(&shared), connection, model, now(), wall_seconds());
    loop {
        if !deliver(socket, session.take_out(), shared.watch.as_ref()).await {
            return;
        }
        let due = session.deadline();
        tokio::select! {
            biased;
            () = sleep_until(due.unwrap_or_else(now)), if due.is_some() => session.tick(now()),
            message = socket.recv() => match message {
                Some(Ok(Message::Text(frame))) => {
                    shared.record(connection, &frame);
                    session.handle(now(), &frame);
                }
                Some(Ok(Message::Binary(_))) => session.handle_binary(),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
            },
        }
    }
}

/// Refusals after the upgrade: those of a fault, and that of the beta dialect (OpenAI,
/// deprecations), after which the socket closes without a status.
fn refusal_after_upgrade(opening: &Opening, shared: &Shared) -> Option<(ApiError, Option<u16>)> {
    if let Some((code, close)) = shared.faults.error_at_open(opening.connection) {
        return Some((ApiError::of_code(&code), close));
    }
    opening.beta.then(|| (ApiError::of_code("beta_api_shape_disabled"), None))
}

/// Sends the output in as few writes as possible; false when the socket has ended.
async fn deliver(socket: &mut WebSocket, out: Vec<Out>, watch: Option<&Watch>) -> bool {
    for out in out {
        match out {
            Out::Event(event) => {
                if let Some(watch) = watch {
                    watch.see(&event);
                }
                if socket.feed(Message::Text(event.into())).await.is_err() {
                    return false;
                }
            }
            Out::Close(frame) => {
                close(socket, frame).await;
                return false;
            }
            Out::Drop => {
                // The events before the break are sent; whether that succeeds does not matter.
                let _ = socket.flush().await;
                return false;
            }
        }
    }
    socket.flush().await.is_ok()
}

/// Closes the socket and waits for the peer's answer, so that it reads everything sent before.
async fn close(socket: &mut WebSocket, frame: Option<(u16, &'static str)>) {
    let frame = frame.map(|(code, reason)| CloseFrame { code, reason: reason.into() });
    let farewell = async {
        if socket.send(Message::Close(frame)).await.is_ok() {
            while let Some(Ok(_)) = socket.recv().await {}
        }
    };
    // The socket is dropped if the peer does not answer.
    let _ = timeout(CLOSE_TIMEOUT, farewell).await;
}

async fn list_models(State(state): State<ServerState>, headers: HeaderMap) -> Response {
    match authorize(&state.shared, &headers) {
        Ok(()) => Json(models::list()).into_response(),
        Err(error) => answer(StatusCode::UNAUTHORIZED, &error),
    }
}

async fn show_model(
    State(state): State<ServerState>,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Response {
    match (authorize(&state.shared, &headers), models::usable(&id)) {
        (Err(error), _) => answer(StatusCode::UNAUTHORIZED, &error),
        (Ok(()), Some(model)) => Json(models::object(model)).into_response(),
        (Ok(()), None) => unknown_model(&id),
    }
}

fn authorize(shared: &Shared, headers: &HeaderMap) -> Result<(), ApiError> {
    let header = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let key = header.and_then(|value| value.strip_prefix("Bearer ")).map(str::trim);
    let Some(key) = key.filter(|key| !key.is_empty()) else {
        let message = "You didn't provide an API key. Send it as 'Authorization: Bearer KEY'.";
        return Err(ApiError::request("invalid_api_key", None, message.to_owned()));
    };
    if shared.api_key.as_ref().is_some_and(|expected| expected.expose_secret() != key) {
        return Err(ApiError::of_code("invalid_api_key"));
    }
    Ok(())
}

/// The response of a fault that refuses the handshake.
fn refused(status: u16) -> Response {
    let code = match status {
        401 => "invalid_api_key",
        404 => "model_not_found",
        429 => "rate_limit_exceeded",
        500..=599 => "server_error",
        _ => "invalid_request",
    };
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    answer(status, &ApiError::of_code(code))
}

fn no_model() -> Response {
    answer(StatusCode::BAD_REQUEST, &ApiError::missing("model"))
}

fn unknown_model(name: &str) -> Response {
    let name: String = name.chars().take(64).collect();
    let message = format!("The model '{name}' does not exist or you do not have access to it.");
    let error = ApiError::request("model_not_found", "model".to_owned(), message);
    answer(StatusCode::NOT_FOUND, &error)
}

fn not_found(message: &str) -> Response {
    let error = ApiError::request("unknown_url", None, message.to_owned());
    answer(StatusCode::NOT_FOUND, &error)
}

fn answer(status: StatusCode, error: &ApiError) -> Response {
    (status, Json(error.body())).into_response()
}

#[expect(clippy::disallowed_methods, reason = "the stand-in keeps its own time")]
fn now() -> Instant {
    Instant::now()
}

#[expect(clippy::disallowed_methods, reason = "the stand-in keeps its own time")]
fn wall_seconds() -> i64 {
    jiff::Timestamp::now().as_second()
}
