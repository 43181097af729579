//! The baseline of a load test: a proxy that copies every message between two sockets.
//!
//! It parses and keeps nothing, so that what a server costs beyond it is that server's own work;
//! `phony load --floor` measures both in one run.

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

/// Bytes. Messages are a few hundred bytes long, and the default buffers take 128 KB each.
const BUFFER: usize = 4096;

/// Listens at `bind` and returns the address and the future that serves it. Each WebSocket that a
/// client opens at `/relay/ws` is joined to a new one to `model`, a `ws://` URL.
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

/// Copies messages both ways until one side closes or fails.
async fn copy(mut near: WebSocket, model: &str) -> Result<(), tungstenite::Error> {
    let mut request = model.into_client_request()?;
    request.headers_mut().insert("authorization", HeaderValue::from_static("Bearer baseline"));
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
