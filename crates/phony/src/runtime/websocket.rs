//! The server's end of a WebSocket that carries a call.
//!
//! axum's WebSocket stays registered with the runtime that accepted it. A call runs on one of the
//! [workers](super::workers), so every frame received elsewhere would wake two threads.

use std::io;
use std::os::fd::AsFd as _;
use std::sync::Arc;

use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use hyper::upgrade::{OnUpgrade, Upgraded};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_util::task::TaskTracker;

use crate::listener::{Connection, ConnectionSlot};

/// A socket that carries a call.
pub type Socket = WebSocketStream<TcpStream>;

/// A socket that does not carry a call yet. It may be closed to make room for another.
#[derive(Debug)]
pub struct PendingSocket {
    pub(crate) socket: Socket,
    pub(crate) slot: Arc<ConnectionSlot>,
}

/// In bytes. Frames are a few hundred bytes; the library's default buffers of 128 KB would be most
/// of a call's memory.
const READ_BUFFER: usize = 1024;
/// In bytes: frames that are written together are sent together.
const WRITE_BUFFER: usize = 1024;
/// In bytes. Twilio's largest message is a prompt of a minute's speech.
const MAX_MESSAGE: usize = 64 * 1024;

/// A request to upgrade to a WebSocket (RFC 6455 §4.2.1).
#[derive(Debug)]
pub struct Upgrade {
    key: HeaderValue,
    connection: OnUpgrade,
    slot: Arc<ConnectionSlot>,
    headers: HeaderMap,
}

impl Upgrade {
    /// The upgrade that a request asks for, if any.
    pub(crate) fn of(parts: &mut Parts) -> Option<Self> {
        let Parts { method, headers, extensions, .. } = parts;
        let is_upgrade = *method == Method::GET
            && names(headers, &header::CONNECTION, "upgrade")
            && names(headers, &header::UPGRADE, "websocket")
            && names(headers, &header::SEC_WEBSOCKET_VERSION, "13");
        let key = headers.get(header::SEC_WEBSOCKET_KEY).filter(|_| is_upgrade).cloned()?;
        let connection = extensions.remove::<OnUpgrade>()?;
        let slot = extensions.remove::<Arc<ConnectionSlot>>()?;
        Some(Self { key, connection, slot, headers: headers.clone() })
    }

    /// The response that makes the connection a WebSocket, which is then passed to `carry`.
    pub(crate) fn answer<F>(
        self,
        tasks: &TaskTracker,
        carry: impl FnOnce(PendingSocket) -> F + Send + 'static,
    ) -> Response
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let Self { key, connection, slot, headers } = self;
        slot.await_first_message(&headers);
        tasks.spawn(async move {
            // The client may have disconnected meanwhile.
            let Ok(upgraded) = connection.await else { return };
            if let Some(socket) = opened(upgraded).await {
                carry(PendingSocket { socket, slot }).await;
            } else {
                tracing::error!("a WebSocket is no TCP connection and cannot be used");
            }
        });
        let accept = HeaderValue::try_from(derive_accept_key(key.as_bytes()));
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept.expect("base64 fits into a header"));
        response
    }
}

async fn opened(upgraded: Upgraded) -> Option<Socket> {
    let connection = upgraded.downcast::<Connection>().ok()?;
    let (stream, read) = (connection.io.into_stream(), connection.read_buf.to_vec());
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(WRITE_BUFFER)
        .max_message_size(Some(MAX_MESSAGE))
        .max_frame_size(Some(MAX_MESSAGE));
    let role = Role::Server;
    Some(WebSocketStream::from_partially_read(stream, read, role, Some(config)).await)
}

/// Registers the socket with the current runtime instead of the one that accepted it.
pub(crate) fn rebind(socket: &mut Socket) -> io::Result<()> {
    let same = socket.get_ref().as_fd().try_clone_to_owned()?;
    *socket.get_mut() = TcpStream::from_std(same.into())?;
    Ok(())
}

/// Whether the comma-separated header has this value, ignoring case.
fn names(headers: &HeaderMap, name: &HeaderName, wanted: &str) -> bool {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|value| value.trim().eq_ignore_ascii_case(wanted))
}
