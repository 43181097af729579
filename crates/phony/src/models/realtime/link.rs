//! One WebSocket to the server: opened, read, written, closed.

use std::io;

use futures_util::{SinkExt, StreamExt};
use secrecy::{ExposeSecret, SecretString};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::tungstenite::http::{HeaderValue, header};
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Bytes, Error, Message, Utf8Bytes};
use tokio_tungstenite::{Connector, MaybeTlsStream, WebSocketStream, client_async_tls_with_config};

use super::settings::{RealtimeSettings, SessionSettings};
use super::trouble::Trouble;

/// No event of a text session comes near this.
const LARGEST_MESSAGE: usize = 1 << 20;

/// Small, for there are many calls: the library's own buffers take 256 KiB a connection. A few
/// deltas fit; the buffer grows for what does not.
const BUFFER: usize = 1024;

/// A message of this size leaves behind a buffer that is not small any more: of twice its size, or
/// four times.
const LARGE: usize = BUFFER;

const AGENT: &str = concat!("phony/", env!("CARGO_PKG_VERSION"));

/// An open WebSocket.
pub(crate) struct Link {
    /// Boxed: with TLS it takes kilobytes, and would take them in every future that holds it.
    socket: Box<WebSocketStream<MaybeTlsStream<TcpStream>>>,
    outgrown: Option<Outgrown>,
}

/// A large message. As long as it is kept, the library cannot use the buffer that it is in again,
/// and goes on with one of the usual size when this is full: else the echo of our session would
/// cost every call twice its length for ever.
struct Outgrown {
    message: Utf8Bytes,
    /// How much must come until the buffer is full for certain.
    left: usize,
}

/// What came over it.
pub(crate) enum Incoming {
    /// A message.
    Text(Utf8Bytes),
    /// No message, but somebody is there.
    Alive,
    /// Nothing more will come.
    Gone(Trouble),
}

impl Link {
    /// Opens the socket. The server has not admitted us yet when this succeeds.
    pub(crate) async fn open(
        settings: &RealtimeSettings,
        session: &SessionSettings,
    ) -> Result<Self, Trouble> {
        let unreachable = |error: io::Error| Trouble::lost("unreachable", error.to_string());
        let host = settings.url.host_str().unwrap_or_default();
        // An IPv6 address stands in brackets in a URL and without them everywhere else.
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let port = settings.url.port_or_known_default().unwrap_or(443);
        let stream = TcpStream::connect((host, port)).await.map_err(unreachable)?;
        stream.set_nodelay(true).map_err(unreachable)?;

        let request = request(settings, session)?;
        let config = WebSocketConfig::default()
            .read_buffer_size(BUFFER)
            .write_buffer_size(BUFFER)
            .max_message_size(Some(LARGEST_MESSAGE))
            .max_frame_size(Some(LARGEST_MESSAGE));
        let tls = Connector::Rustls(settings.tls.clone());
        let opened = client_async_tls_with_config(request, stream, Some(config), Some(tls)).await;
        let (socket, _) = opened.map_err(|error| refusal(&error))?;
        Ok(Self { socket: Box::new(socket), outgrown: None })
    }

    /// The next message; may be dropped and called again.
    pub(crate) async fn read(&mut self) -> Incoming {
        match self.socket.next().await {
            Some(Ok(Message::Text(text))) => {
                self.keep_buffer_small(&text);
                Incoming::Text(text)
            }
            Some(Ok(Message::Close(frame))) => {
                let (code, reason) = frame.map_or_else(
                    || (1005, Utf8Bytes::default()),
                    |frame| (u16::from(frame.code), frame.reason),
                );
                Incoming::Gone(Trouble::of_close(code, &reason))
            }
            Some(Ok(_)) => Incoming::Alive,
            Some(Err(error)) => Incoming::Gone(Trouble::lost("disconnected", error.to_string())),
            None => Incoming::Gone(Trouble::of_close(1006, "")),
        }
    }

    fn keep_buffer_small(&mut self, message: &Utf8Bytes) {
        if message.len() > LARGE {
            // A buffer grows to twice what it must hold, which may be a message before this, too.
            self.outgrown = Some(Outgrown { message: message.clone(), left: 4 * message.len() });
        } else if let Some(outgrown) = &mut self.outgrown {
            outgrown.left = outgrown.left.saturating_sub(message.len());
            let beginning = outgrown.message.as_ptr().addr();
            let its_buffer = beginning..beginning + 4 * outgrown.message.len();
            if outgrown.left == 0 || !its_buffer.contains(&message.as_ptr().addr()) {
                self.outgrown = None;
            }
        }
    }

    /// Sends messages, all of them at once.
    pub(crate) async fn write(&mut self, messages: &mut Vec<String>) -> Result<(), Trouble> {
        for message in messages.drain(..) {
            let written = if message.len() > BUFFER {
                self.write_past(message).await
            } else {
                self.socket.feed(Message::text(message)).await
            };
            written.map_err(|error| broken(&error))?;
        }
        self.socket.flush().await.map_err(|error| broken(&error))
    }

    /// Sends a large message past the library's buffer, which would keep its size for ever: what a
    /// session is told at its beginning is as large as all else that a call needs here.
    async fn write_past(&mut self, message: String) -> Result<(), Error> {
        let mut frame = Frame::message(message, OpCode::Data(Data::Text), true);
        let mut mask = [0; 4];
        getrandom::fill(&mut mask).map_err(io::Error::other)?;
        frame.header_mut().mask = Some(mask);
        let mut bytes = Vec::new();
        frame.format(&mut bytes)?;
        // What waits in the buffer comes first.
        self.socket.flush().await?;
        let stream = self.socket.get_mut();
        stream.write_all(&bytes).await?;
        stream.flush().await?;
        Ok(())
    }

    /// Asks for a sign of life.
    pub(crate) async fn ping(&mut self) -> Result<(), Trouble> {
        self.socket.send(Message::Ping(Bytes::new())).await.map_err(|error| broken(&error))
    }

    /// Says goodbye and waits a little for the answer.
    pub(crate) async fn close(mut self, settings: &RealtimeSettings) {
        let frame = CloseFrame { code: CloseCode::Normal, reason: Utf8Bytes::default() };
        let goodbye = async {
            if self.socket.send(Message::Close(Some(frame))).await.is_ok() {
                while let Some(Ok(message)) = self.socket.next().await
                    && !message.is_close()
                {}
            }
        };
        // Whoever does not answer is left without one.
        let _ = timeout(settings.timing.close, goodbye).await;
    }
}

/// The value of the `Authorization` header, never shown in a log; none if no header can carry it.
pub(crate) fn bearer(key: &SecretString) -> Option<HeaderValue> {
    let mut value = HeaderValue::try_from(format!("Bearer {}", key.expose_secret())).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// The upgrade (OpenAI Realtime guide, WebSocket connections). `OpenAI-Beta` must be absent.
fn request(settings: &RealtimeSettings, session: &SessionSettings) -> Result<Request, Trouble> {
    let bad = || Trouble::lost("bad_request", "the upgrade cannot be written");
    let mut request = settings.url.as_str().into_client_request().map_err(|_| bad())?;
    let headers = request.headers_mut();
    headers.insert(header::AUTHORIZATION, bearer(&settings.api_key).ok_or_else(bad)?);
    headers.insert(header::USER_AGENT, HeaderValue::from_static(AGENT));
    let identifier = session.safety_identifier.as_deref();
    if let Some(identifier) = identifier.and_then(|text| HeaderValue::try_from(text).ok()) {
        headers.insert("OpenAI-Safety-Identifier", identifier);
    }
    Ok(request)
}

fn refusal(error: &Error) -> Trouble {
    if let Error::Http(response) = error {
        let body = response.body().as_deref().unwrap_or_default();
        return Trouble::of_http(response.status().as_u16(), body);
    }
    Trouble::lost("handshake_failed", error.to_string())
}

fn broken(error: &Error) -> Trouble {
    Trouble::lost("disconnected", error.to_string())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::net::TcpListener;
    use tokio_tungstenite::accept_async;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(5);

    #[tokio::test]
    async fn messages_of_any_size_arrive_whole_and_in_their_order() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}/v1", listener.local_addr().unwrap());
        let settings = RealtimeSettings::new(&base, "key".into(), "model").unwrap();
        let session = SessionSettings::default();
        let server = async { accept_async(listener.accept().await.unwrap().0).await.unwrap() };
        let (mut server, link) = tokio::join!(server, Link::open(&settings, &session));
        let Ok(mut link) = link else { panic!("no link") };
        let sizes = [10, BUFFER, BUFFER + 1, 3, 70_000, 200, 65_536, 0, 5_000];
        let mut messages: Vec<_> = sizes.map(|size| "é".repeat(size)).into();
        let sent = messages.clone();
        let hear = async {
            for message in &sent {
                let heard = timeout(PATIENCE, server.next()).await.unwrap().unwrap().unwrap();
                assert!(heard == Message::text(message.as_str()), "{} bytes", message.len());
            }
        };
        let (written, ()) = tokio::join!(link.write(&mut messages), hear);
        assert!(written.is_ok() && messages.is_empty());
    }

    #[tokio::test]
    async fn a_large_message_is_let_go_once_its_buffer_is_full() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}/v1", listener.local_addr().unwrap());
        let settings = RealtimeSettings::new(&base, "key".into(), "model").unwrap();
        let session = SessionSettings::default();
        let server = async { accept_async(listener.accept().await.unwrap().0).await.unwrap() };
        let (mut server, link) = tokio::join!(server, Link::open(&settings, &session));
        let Ok(mut link) = link else { panic!("no link") };
        let small = "s".repeat(200);
        let messages = [small.clone(), "l".repeat(5 * LARGE)].into_iter();
        let messages = messages.chain(std::iter::repeat_n(small, 150));
        let mut kept = Vec::new();
        for message in messages {
            server.send(Message::text(message.clone())).await.unwrap();
            match timeout(PATIENCE, link.read()).await {
                Ok(Incoming::Text(text)) => assert_eq!(*text, *message),
                _ => panic!("no message"),
            }
            kept.push(link.outgrown.is_some());
        }
        assert_eq!((kept[0], kept[1], kept.last()), (false, true, Some(&false)));
    }
}
