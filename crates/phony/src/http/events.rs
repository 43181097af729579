//! `WS /events/ws`: the events of calls, for viewers.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade, close_code};
use axum::extract::{Query, State};
use axum::response::Response;
use futures_util::SinkExt as _;
use phony_call::CallSid;
use serde::Deserialize;
use tokio::time::{Duration, timeout};
use tokio_tungstenite::tungstenite;
use tokio_util::sync::CancellationToken;

use super::auth::Supervisor;
use super::{AppState, Client};
use crate::app::App;
use crate::calls::supervisors::SupervisorConnection;
use crate::events::View;
use crate::http::error::{ApiError, ErrorBody, ErrorCode};
use crate::runtime::heartbeat::{Beat, Heartbeat};

/// How long a viewer may take to receive a message.
const WRITE_LIMIT: Duration = Duration::from_secs(10);

/// Which events to send.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(rename_all = "camelCase")]
pub(super) struct Wanted {
    /// The call; all calls if absent.
    call_sid: Option<String>,
    /// The number of the last event that the viewer has; only with `callSid`.
    after: Option<String>,
}

/// Sends the events of a call, or of all calls: the past ones first, then the live ones.
///
/// The socket is closed with 1000 after the call's last event, with 1013 if the viewer was too slow
/// (connect again with `after`), with 1001 when the server stops, with 1008 when the viewer logs
/// out.
///
/// Every 10 s the server sends a WebSocket ping, which keeps the connection open through proxies.
/// If a client leaves two in a row unanswered, its socket is closed.
///
/// A client that wants to know whether the connection still carries events, and the server's time,
/// sends `{"type":"heartbeat"}`. The server answers at once with
/// `{"type":"heartbeat","timestamp":"2026-11-23T09:00:00.123Z"}`, and from then on sends one every
/// 10 s, and before events if the last one is over a second old. A heartbeat is not an event: it
/// has no `callSid` and no `seq`. A client that sends none receives events only.
#[utoipa::path(
    get, path = "/events/ws", tag = "events", params(Wanted),
    responses(
        (status = 101, description = "Events, one JSON object a message"),
        (status = 400, body = ErrorBody), (status = 401, body = ErrorBody),
        (status = 403, description = "A page of another site", body = ErrorBody),
        (status = 404, body = ErrorBody),
        (status = 503, description = "Too many event sockets, of all or of one client, or the store does not answer",
            body = ErrorBody),
    ),
    security(("token" = []), ("cookie" = []))
)]
pub(super) async fn events(
    State(state): State<AppState>,
    client: Client,
    supervisor: Supervisor,
    Query(wanted): Query<Wanted>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, ApiError> {
    let upgrade = upgrade.map_err(|_| {
        ApiError::new(ErrorCode::InvalidRequest, "this address is for WebSocket upgrades")
    })?;
    let place = state.viewers.admit(client.network)?;
    let view = view(&state.app, &wanted).await?;
    let kill = state.app.shutdown.kill.clone();
    let connection = state.app.supervisors.connect(supervisor.id());
    let upgrade = upgrade
        .read_buffer_size(4096)
        .write_buffer_size(4096)
        .max_message_size(4096)
        .max_frame_size(4096);
    Ok(upgrade.on_upgrade(async move |socket| {
        show(socket, view, kill, connection, supervisor).await;
        drop(place);
    }))
}

async fn view(app: &Arc<App>, wanted: &Wanted) -> Result<View, ApiError> {
    let after = match wanted.after.as_deref() {
        None | Some("") => 0,
        Some(text) => {
            text.parse().map_err(|_| ApiError::field("after", "is not the number of an event"))?
        }
    };
    match wanted.call_sid.as_deref() {
        None | Some("") => Ok(app.view_all().await),
        Some(call) => {
            let call = CallSid::parse(call).map_err(|_| ApiError::call_not_found())?;
            let view = app.view(&call, after).await?;
            view.ok_or_else(ApiError::call_not_found)
        }
    }
}

async fn show(
    mut socket: WebSocket,
    view: View,
    kill: CancellationToken,
    connection: SupervisorConnection,
    supervisor: Supervisor,
) {
    let cut = view.cut.clone();
    let (code, reason) = tokio::select! {
        biased;
        () = kill.cancelled() => (close_code::AWAY, "the server stops"),
        () = supervisor.until_logged_out() => (close_code::POLICY, "logged out"),
        () = cut.cancelled() => (close_code::AGAIN, "too slow; connect again with after"),
        code = tell(&mut socket, view, &connection) => code,
    };
    // A client that closes the socket is gone, however slowly it closes.
    drop(connection);
    let frame = CloseFrame { code, reason: Utf8Bytes::from_static(reason) };
    let closing = async {
        socket.send(Message::Close(Some(frame))).await.ok()?;
        while let Some(Ok(_)) = socket.recv().await {}
        Some(())
    };
    drop(timeout(Duration::from_secs(2), closing).await);
}

/// Sends past and live events until the call ends or the viewer is gone.
async fn tell(
    socket: &mut WebSocket,
    mut view: View,
    connection: &SupervisorConnection,
) -> (u16, &'static str) {
    const GONE: (u16, &str) = (close_code::NORMAL, "");
    for event in std::mem::take(&mut view.past) {
        if !sent(socket, text(event)).await {
            return GONE;
        }
    }
    let mut heartbeat = Heartbeat::start();
    loop {
        if !matches!(timeout(WRITE_LIMIT, socket.flush()).await, Ok(Ok(()))) {
            return GONE;
        }
        tokio::select! {
            event = view.live.recv() => {
                let mut next = event;
                if next.is_none() {
                    return (close_code::NORMAL, "the call has ended");
                }
                if let Some(time) = heartbeat.before_events()
                    && !sent(socket, Message::Text(time.into())).await
                {
                    return GONE;
                }
                while let Some(event) = next {
                    if !sent(socket, text(event)).await {
                        return GONE;
                    }
                    next = view.live.try_recv().ok();
                }
            }
            // Viewers send nothing but heartbeats and close frames.
            message = socket.recv() => match message {
                Some(Ok(Message::Close(_)) | Err(_)) | None => return GONE,
                Some(Ok(Message::Text(text))) => {
                    connection.heard();
                    if let Some(time) = heartbeat.heard_text(&text)
                        && !sent(socket, Message::Text(time.into())).await
                    {
                        return GONE;
                    }
                }
                Some(Ok(Message::Binary(_) | Message::Ping(_) | Message::Pong(_))) => {
                    connection.heard();
                    heartbeat.heard();
                }
            },
            beat = heartbeat.next() => {
                let alive = match beat {
                    Beat::Due(time) => {
                        let ping = sent(socket, Message::Ping(Bytes::new())).await;
                        match time {
                            Some(time) if ping => sent(socket, Message::Text(time.into())).await,
                            Some(_) | None => ping,
                        }
                    }
                    Beat::Lost => false,
                };
                if !alive {
                    return GONE;
                }
            }
        }
    }
}

/// An event as a message of axum's. The bytes are shared, not copied.
fn text(event: tungstenite::Utf8Bytes) -> Message {
    let event = Utf8Bytes::try_from(Bytes::from(event));
    Message::Text(event.expect("an event is UTF-8"))
}

/// Sends a message; false if the viewer did not receive it in time.
async fn sent(socket: &mut WebSocket, message: Message) -> bool {
    matches!(timeout(WRITE_LIMIT, socket.feed(message)).await, Ok(Ok(())))
}
