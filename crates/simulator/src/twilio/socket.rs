//! The WebSocket of a relay session or stream, opened and closed as Twilio does.

use std::time::Duration;

use futures_util::StreamExt;
use phony_wire::twilio::signature;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::client::Request as Upgrade;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, tungstenite};
use url::Url;

use super::calls::lock;
use super::network::Network;
use super::webhooks::{self, HostOverride};

/// Limit in real time for a handshake and for sending a frame.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(10);
/// Limit in real time for the answer to a close.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
/// The largest frame that an application may send, in bytes.
const LARGEST_FRAME: usize = 256 * 1024;
/// Bytes. Small, so that a thousand sessions are cheap; most frames are far smaller.
const BUFFER: usize = 4096;

pub(crate) type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Opens the socket that the TwiML names.
pub(crate) async fn open(net: &Network, url: &str) -> Result<Socket, ()> {
    let overrides = lock(&net.host_overrides).clone();
    let upgrade = upgrade(url, &net.options.auth_token, &overrides).map_err(drop)?;
    tokio::select! {
        opened = connect(upgrade) => opened.map_err(drop),
        () = net.stop.cancelled() => Err(()),
    }
}

/// Opens a socket. The error says why that failed.
pub(crate) async fn connect(upgrade: Upgrade) -> Result<Socket, String> {
    let config = WebSocketConfig::default()
        .read_buffer_size(BUFFER)
        .write_buffer_size(0)
        .max_write_buffer_size(LARGEST_FRAME)
        .max_message_size(Some(LARGEST_FRAME))
        .max_frame_size(Some(LARGEST_FRAME));
    let opening = tokio_tungstenite::connect_async_with_config(upgrade, Some(config), true);
    let opened = tokio::time::timeout(TIMEOUT, opening).await;
    let opened = opened.map_err(|_| "the handshake took too long".to_owned())?;
    opened.map(|(socket, _)| socket).map_err(|error| error.to_string())
}

/// The handshake's request: signed over the URL as the TwiML has it, sent to where the overrides
/// point.
pub(crate) fn upgrade(
    url: &str,
    token: &str,
    overrides: &[HostOverride],
) -> Result<Upgrade, String> {
    let public = Url::parse(url).map_err(|error| error.to_string())?;
    let (mut address, host) = webhooks::resolve(&public, overrides)?;
    let scheme = match address.scheme() {
        "http" => "ws",
        "https" => "wss",
        other => other,
    }
    .to_owned();
    // `Url::set_scheme` refuses to change http into ws.
    let text = address.as_str().replacen(address.scheme(), &scheme, 1);
    address = Url::parse(&text).map_err(|error| error.to_string())?;
    let mut upgrade = address.as_str().into_client_request().map_err(|error| error.to_string())?;
    let signature = signature::sign::<&str, &str>(token, url, &[]);
    let header = |text: &str| HeaderValue::from_str(text).map_err(|error| error.to_string());
    upgrade.headers_mut().insert("host", header(&host)?);
    upgrade.headers_mut().insert(signature::HEADER, header(&signature)?);
    upgrade.headers_mut().insert("user-agent", HeaderValue::from_static("Jetty/11.0.24"));
    Ok(upgrade)
}

/// Closes the socket as Twilio does and waits for the application's answer. Any code but 1000 and
/// 1007 means that it is already lost.
pub(crate) async fn close(socket: &mut Socket, code: u16) {
    let reason = match code {
        1000 => "Closing websocket session",
        1007 => "Too many consecutive malformed messages.",
        _ => "",
    };
    let closing = async {
        if matches!(code, 1000 | 1007) {
            let frame = CloseFrame { code: CloseCode::from(code), reason: reason.into() };
            socket.close(Some(frame)).await?;
        }
        while let Some(frame) = socket.next().await {
            frame?;
        }
        Ok::<(), tungstenite::Error>(())
    };
    // The socket is dropped next, whether or not the close succeeded.
    drop(tokio::time::timeout(CLOSE_TIMEOUT, closing).await);
}
