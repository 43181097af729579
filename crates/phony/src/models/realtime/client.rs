//! The WebSocket client: opens, reads, writes and closes one connection to the server.

use std::io;
use std::sync::Arc;

use futures_util::{SinkExt, StreamExt};
use rustls::pki_types::ServerName;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::tungstenite::http::{HeaderValue, header};
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Bytes, Error, Message, Utf8Bytes};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, client_async};

use super::dial;
use super::error::ModelError;
use super::handshake::HandshakeReader;
use super::settings::{RealtimeSettings, SessionSettings, bearer};

/// In bytes; a minute and a half of sound in one event, which no server sends.
const LARGEST_MESSAGE: usize = 1 << 20;

/// In bytes. The library's default buffers take 256 KiB a connection, too much for many calls. A
/// few deltas fit; the buffer grows for larger messages.
const BUFFER: usize = 1024;

const USER_AGENT: &str = concat!("phony/", env!("CARGO_PKG_VERSION"));

/// An open connection.
pub(crate) struct Client {
    /// Boxed, since with TLS it takes kilobytes, in every future that holds it.
    socket: Box<WebSocketStream<MaybeTlsStream<TcpStream>>>,
    /// The last message. While it is kept, the library cannot reuse the buffer that it is in, and
    /// allocates a new one of the usual size when that is full. Otherwise each buffer would grow to
    /// twice the most that ever came at once, and keep that size.
    last: Utf8Bytes,
}

/// What came over the connection.
pub(crate) enum Incoming {
    /// A text message.
    Text(Utf8Bytes),
    /// Any other frame: the server is alive.
    Control,
    /// The connection is closed or lost.
    Closed(ModelError),
}

impl Client {
    /// Opens the connection. The server may still refuse the session.
    pub(crate) async fn open(
        settings: &RealtimeSettings,
        session: &SessionSettings,
    ) -> Result<Self, ModelError> {
        let unreachable = |error: io::Error| ModelError::lost("unreachable", error.to_string());
        let stream = dial::connect(&settings.proxies, &settings.url).await.map_err(unreachable)?;
        let stream = if settings.url.scheme() == "wss" {
            let host = dial::host(&settings.url).to_owned();
            let name = ServerName::try_from(host).map_err(io::Error::other);
            let tls = TlsConnector::from(Arc::clone(&settings.tls));
            let connected = tls.connect(name.map_err(unreachable)?, stream).await;
            let failed = |error: io::Error| ModelError::lost("handshake_failed", error.to_string());
            MaybeTlsStream::Rustls(connected.map_err(failed)?)
        } else {
            MaybeTlsStream::Plain(stream)
        };
        let request = request(settings, session)?;
        let config = WebSocketConfig::default()
            .read_buffer_size(BUFFER)
            .write_buffer_size(BUFFER)
            .max_message_size(Some(LARGEST_MESSAGE))
            .max_frame_size(Some(LARGEST_MESSAGE));
        let opened = client_async(request, HandshakeReader::new(stream)).await;
        let (stream, rest) = opened.map_err(|error| refusal(&error))?.0.into_inner().into_parts();
        let mut read = Vec::with_capacity(BUFFER.max(rest.len()));
        read.extend(rest);
        let role = Role::Client;
        let socket = WebSocketStream::from_partially_read(stream, read, role, Some(config)).await;
        Ok(Self { socket: Box::new(socket), last: Utf8Bytes::default() })
    }

    /// Reads the next message. Safe to cancel.
    pub(crate) async fn read(&mut self) -> Incoming {
        match self.socket.next().await {
            Some(Ok(Message::Text(text))) => {
                self.last = text.clone();
                Incoming::Text(text)
            }
            Some(Ok(Message::Close(frame))) => {
                let (code, reason) = frame.map_or_else(
                    || (1005, Utf8Bytes::default()),
                    |frame| (u16::from(frame.code), frame.reason),
                );
                Incoming::Closed(ModelError::from_close(code, &reason))
            }
            Some(Ok(_)) => Incoming::Control,
            Some(Err(error)) => {
                Incoming::Closed(ModelError::lost("disconnected", error.to_string()))
            }
            None => Incoming::Closed(ModelError::from_close(1006, "")),
        }
    }

    /// Writes messages and flushes once.
    pub(crate) async fn write(&mut self, messages: &mut Vec<String>) -> Result<(), ModelError> {
        for message in messages.drain(..) {
            let written = if message.len() > BUFFER {
                self.write_unbuffered(message).await
            } else {
                self.socket.feed(Message::text(message)).await
            };
            written.map_err(|error| broken(&error))?;
        }
        self.socket.flush().await.map_err(|error| broken(&error))
    }

    /// Writes a large message past the library's buffer, which would never shrink again: the first
    /// message of a session is as large as everything else that a call holds here.
    async fn write_unbuffered(&mut self, message: String) -> Result<(), Error> {
        let mut frame = Frame::message(message, OpCode::Data(Data::Text), true);
        let mut mask = [0; 4];
        getrandom::fill(&mut mask).map_err(io::Error::other)?;
        frame.header_mut().mask = Some(mask);
        let mut bytes = Vec::new();
        frame.format(&mut bytes)?;
        // Whatever is in the buffer goes first.
        self.socket.flush().await?;
        let stream = self.socket.get_mut();
        stream.write_all(&bytes).await?;
        stream.flush().await?;
        Ok(())
    }

    /// Sends a ping.
    pub(crate) async fn ping(&mut self) -> Result<(), ModelError> {
        self.socket.send(Message::Ping(Bytes::new())).await.map_err(|error| broken(&error))
    }

    /// Sends a close frame and waits for the answer, for `timing.close` at most.
    pub(crate) async fn close(mut self, settings: &RealtimeSettings) {
        let frame = CloseFrame { code: CloseCode::Normal, reason: Utf8Bytes::default() };
        let closing = async {
            if self.socket.send(Message::Close(Some(frame))).await.is_ok() {
                while let Some(Ok(message)) = self.socket.next().await
                    && !message.is_close()
                {}
            }
        };
        drop(timeout(settings.timing.close, closing).await);
    }
}

/// The upgrade request (OpenAI Realtime guide, WebSocket connections). `OpenAI-Beta` must be
/// absent.
fn request(settings: &RealtimeSettings, session: &SessionSettings) -> Result<Request, ModelError> {
    let bad = || ModelError::lost("bad_request", "the upgrade cannot be written");
    let mut request = settings.url.as_str().into_client_request().map_err(|_| bad())?;
    let headers = request.headers_mut();
    headers.insert(header::AUTHORIZATION, bearer(&settings.api_key).ok_or_else(bad)?);
    headers.insert(header::USER_AGENT, HeaderValue::from_static(USER_AGENT));
    let identifier = session.safety_identifier.as_deref();
    if let Some(identifier) = identifier.and_then(|text| HeaderValue::try_from(text).ok()) {
        headers.insert("OpenAI-Safety-Identifier", identifier);
    }
    Ok(request)
}

fn refusal(error: &Error) -> ModelError {
    if let Error::Http(response) = error {
        let body = response.body().as_deref().unwrap_or_default();
        return ModelError::from_http(response.status().as_u16(), body);
    }
    ModelError::lost("handshake_failed", error.to_string())
}

fn broken(error: &Error) -> ModelError {
    ModelError::lost("disconnected", error.to_string())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::AsyncReadExt as _;
    use tokio::net::TcpListener;
    use tokio_tungstenite::accept_async;
    use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(5);

    #[tokio::test]
    async fn messages_of_any_size_arrive_whole_and_in_order() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}/v1", listener.local_addr().unwrap());
        let settings = RealtimeSettings::new(&base, "key".into(), "model").unwrap();
        let session = SessionSettings::default();
        let server = async { accept_async(listener.accept().await.unwrap().0).await.unwrap() };
        let (mut server, client) = tokio::join!(server, Client::open(&settings, &session));
        let Ok(mut client) = client else { panic!("no connection") };
        let sizes = [10, BUFFER, BUFFER + 1, 3, 70_000, 200, 65_536, 0, 5_000];
        let mut messages: Vec<_> = sizes.map(|size| "é".repeat(size)).into();
        let sent = messages.clone();
        let hear = async {
            for message in &sent {
                let heard = timeout(LIMIT, server.next()).await.unwrap().unwrap().unwrap();
                assert!(heard == Message::text(message.as_str()), "{} bytes", message.len());
            }
        };
        let (written, ()) = tokio::join!(client.write(&mut messages), hear);
        assert!(written.is_ok() && messages.is_empty());
    }

    #[tokio::test]
    async fn messages_that_come_with_the_upgrade_and_large_ones_are_read() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}/v1", listener.local_addr().unwrap());
        let settings = RealtimeSettings::new(&base, "key".into(), "model").unwrap();
        let session = SessionSettings::default();
        let sizes = [5, 2_000, 100, 100, 40_000, 0, 700, 3];
        let messages = sizes.map(|size| "m".repeat(size));
        let mut sent = Vec::new();
        for message in &messages {
            let frame = Frame::message(message.clone(), OpCode::Data(Data::Text), true);
            frame.format(&mut sent).unwrap();
        }
        let serve = async {
            let mut stream = listener.accept().await.unwrap().0;
            let mut asked = Vec::new();
            while !asked.ends_with(b"\r\n\r\n") {
                stream.read_buf(&mut asked).await.unwrap();
            }
            let asked = String::from_utf8(asked).unwrap();
            let key = asked.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: "));
            let accept = derive_accept_key(key.unwrap().as_bytes());
            let head = format!(
                "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n\
                 Upgrade: websocket\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
            );
            let all = [head.as_bytes(), &sent].concat();
            stream.write_all(&all).await.unwrap();
            stream
        };
        let (_stream, client) = tokio::join!(serve, Client::open(&settings, &session));
        let Ok(mut client) = client else { panic!("no connection") };
        for message in messages {
            match timeout(LIMIT, client.read()).await {
                Ok(Incoming::Text(text)) => assert_eq!(*text, *message),
                _ => panic!("no message"),
            }
        }
    }
}
