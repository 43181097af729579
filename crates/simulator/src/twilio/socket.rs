//! The WebSocket of a relay session: how Twilio opens and closes it.

use std::time::Duration;

use futures_util::StreamExt;
use phony_wire::twilio::signature;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::client::Request as Upgrade;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};
use url::Url;

use super::calls::lock;
use super::network::Network;
use super::webhooks::{self, HostOverride};

/// Time on the clock for a handshake, and for one frame to leave.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(10);
/// Time on the clock for a close to be answered.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
/// Largest frame that an application may send.
const LARGEST_FRAME: usize = 256 * 1024;
/// Small, so that a thousand sessions are cheap; frames are far smaller.
const BUFFER: usize = 4096;

pub(crate) type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Opens the socket that the TwiML names. An error means that it cannot be opened.
pub(crate) async fn open(net: &Network, url: &str) -> Result<Socket, ()> {
    let overrides = lock(&net.host_overrides).clone();
    let upgrade = upgrade(url, &net.options.auth_token, &overrides).map_err(drop)?;
    tokio::select! {
        opened = connect(upgrade) => opened.map_err(drop),
        () = net.stop.cancelled() => Err(()),
    }
}

/// Opens a socket. An error says why it cannot be opened.
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

/// The handshake's request: signed over the address as the TwiML has it, sent to where the host is
/// reached.
pub(crate) fn upgrade(
    url: &str,
    token: &str,
    overrides: &[HostOverride],
) -> Result<Upgrade, String> {
    let public = Url::parse(url).map_err(|error| error.to_string())?;
    let (mut address, host) = webhooks::located(&public, overrides)?;
    let scheme = match address.scheme() {
        "http" => "ws",
        "https" => "wss",
        other => other,
    }
    .to_owned();
    // Between http and ws the parser allows no change of scheme in place.
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

/// Closes as Twilio does and gives the application a moment to answer. A socket that dropped stays
/// as it is.
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
    // Whatever comes of it, the socket is dropped next.
    drop(tokio::time::timeout(CLOSE_TIMEOUT, closing).await);
}
