//! The floor under all latencies: two sockets, and a copy of every message from each to the other.
//!
//! Nothing is parsed, nothing is kept. What a server costs on top of this is its own; `phony load`
//! prints both from the same run.

use std::net::SocketAddr;

use axum::Router;
use axum::extract::State;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::response::Response;
use axum::routing::get;
use axum::serve::ListenerExt as _;
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::TcpListener;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Message as FarMessage};

/// Messages are a few hundred bytes; the libraries' own buffers take 128 KB each.
const BUFFER: usize = 4096;

/// Listens at `bind` and gives back the address with the future that serves: each socket to
/// `/relay/ws` is joined to one of its own at `model`, a `ws://` address.
pub async fn listen(
    bind: SocketAddr,
    model: String,
) -> std::io::Result<(SocketAddr, impl Future<Output = std::io::Result<()>>)> {
    let listener = TcpListener::bind(bind).await?;
    let addr = listener.local_addr()?;
    let app = Router::new().route("/relay/ws", get(join)).with_state(model);
    let listener = listener.tap_io(|socket| drop(socket.set_nodelay(true)));
    Ok((addr, axum::serve(listener, app).into_future()))
}

async fn join(State(model): State<String>, upgrade: WebSocketUpgrade) -> Response {
    upgrade
        .read_buffer_size(BUFFER)
        .write_buffer_size(0)
        .on_upgrade(async move |socket| drop(copy(socket, &model).await))
}

/// Copies until one side closes or fails.
async fn copy(mut near: WebSocket, model: &str) -> Result<(), tungstenite::Error> {
    let mut request = model.into_client_request()?;
    request.headers_mut().insert("authorization", HeaderValue::from_static("Bearer floor"));
    let config = WebSocketConfig::default().read_buffer_size(BUFFER).write_buffer_size(0);
    let connecting = tokio_tungstenite::connect_async_with_config(request, Some(config), true);
    let (mut far, _) = connecting.await?;
    loop {
        tokio::select! {
            message = near.recv() => match message {
                Some(Ok(Message::Text(text))) => far.send(FarMessage::text(text.as_str())).await?,
                Some(Ok(Message::Binary(bytes))) => far.send(FarMessage::Binary(bytes)).await?,
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(Message::Close(_)) | Err(_)) | None => {
                    return far.close(None).await;
                }
            },
            message = far.next() => {
                let copy = match message {
                    Some(Ok(FarMessage::Text(text))) => Message::Text(text.as_str().into()),
                    Some(Ok(FarMessage::Binary(bytes))) => Message::Binary(bytes),
                    Some(Ok(FarMessage::Ping(_) | FarMessage::Pong(_) | FarMessage::Frame(_))) => {
                        continue;
                    }
                    Some(Ok(FarMessage::Close(_)) | Err(_)) | None => {
                        let frame = CloseFrame { code: 1000, reason: "".into() };
                        drop(near.send(Message::Close(Some(frame))).await);
                        return Ok(());
                    }
                };
                if near.send(copy).await.is_err() {
                    return Ok(());
                }
            }
        }
    }
}
