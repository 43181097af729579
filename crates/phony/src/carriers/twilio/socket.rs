//! What the lines over Twilio's sockets have in common: the first frame, the end, and keys.

use std::ops::ControlFlow;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use phony_call::{FromCarrier, LegId, Next};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::error::CapacityError;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};
use tokio_util::sync::CancellationToken;

use crate::ports::{self, CarrierEnd, CarrierPort};
use crate::runtime::task_set::Task;
use crate::runtime::websocket::{self, PendingSocket, Socket};

/// How long writing may take.
pub(super) const WRITE_LIMIT: Duration = Duration::from_secs(10);
/// How long Twilio may take to close a socket that the call has left.
pub(super) const CLOSE_LIMIT: Duration = Duration::from_secs(5);

/// How a socket ended.
#[derive(Debug)]
pub(super) enum SocketEnd {
    /// Closed by the peer with code 1000.
    Clean,
    /// Lost, or closed by the peer with another code.
    Unclean,
    /// To be closed from here with this code.
    Close(CloseCode),
}

impl SocketEnd {
    /// Whether the peer has ended the socket in order, or the server stops.
    pub(super) fn is_answered(&self) -> bool {
        matches!(self, Self::Clean | Self::Close(CloseCode::Away))
    }

    /// Closes the socket if that is left to do. Returns whether the socket has ended in order.
    pub(super) async fn close(self, socket: &mut Socket) -> bool {
        match self {
            Self::Clean => true,
            Self::Unclean => false,
            Self::Close(code) => {
                let reason = if code == CloseCode::Away { "the server stops" } else { "" };
                close(socket, code, reason).await;
                code == CloseCode::Normal
            }
        }
    }
}

/// The call has ended its line by itself.
pub(crate) struct Departure {
    /// What happens to the call next.
    pub(crate) next: Next,
    /// Whether the peer closed the socket in answer.
    pub(crate) clean: bool,
}

/// The two ends of a line over a socket: the carrier's and the call's.
pub(super) struct Ends {
    pub(super) socket: Socket,
    pub(super) port: CarrierEnd,
    /// The peer's id for the line, until the call knows it.
    pub(super) id: Option<LegId>,
    /// Set once the call ends the line.
    pub(super) leaving: Option<Next>,
}

/// A line over a socket.
pub(super) trait SocketLine: Send + 'static {
    /// Its ends.
    fn ends(&mut self) -> &mut Ends;

    /// Carries the call, which knows of the line, until the socket ends.
    fn run(&mut self, kill: &CancellationToken) -> impl Future<Output = SocketEnd> + Send;
}

impl Ends {
    /// The ends of a new line, and the call's port.
    pub(super) fn new(socket: Socket, id: Option<LegId>) -> (CarrierPort, Self) {
        let (call, port) = ports::carrier();
        (call, Self { socket, port, id, leaving: None })
    }
}

/// Gives the port a task that carries the call over the line. Then `after` runs, with how the call
/// ended the line if it did so by itself.
pub(super) fn carried<F>(
    port: CarrierPort,
    mut line: impl SocketLine,
    kill: CancellationToken,
    after: impl FnOnce(Option<Departure>) -> F + Send + 'static,
) -> CarrierPort
where
    F: Future<Output = ()> + Send + 'static,
{
    let task = Task::new(async move {
        let departure = carry(&mut line, &kill).await;
        after(departure).await;
    });
    CarrierPort { task: Some(task), ..port }
}

/// Carries the call until the socket ends. Returns how the call ended the line, if it did.
async fn carry(line: &mut impl SocketLine, kill: &CancellationToken) -> Option<Departure> {
    // A child token, since all lines would contend for the lock of a shared one.
    let kill = kill.child_token();
    let ends = line.ends();
    if let Err(error) = websocket::rebind(&mut ends.socket) {
        tracing::warn!(%error, "a line stays on the thread that accepted it, and is slower");
    }
    drop(ends.port.events.send(FromCarrier::Connected { line: ends.id.take() }).await);
    let end = line.run(&kill).await;
    let (is_answered, ends) = (end.is_answered(), line.ends());
    let clean = end.close(&mut ends.socket).await;
    // This fails if the call ended first.
    drop(ends.port.events.send(FromCarrier::Closed { clean }).await);
    ends.leaving.take().map(|next| Departure { next, clean: is_answered })
}

/// Reads the first frame, within a time limit. `read` continues at a frame that may precede it, and
/// breaks with nothing at a wrong one.
pub(super) async fn first_frame<T>(
    pending: &mut PendingSocket,
    kill: &CancellationToken,
    limit: Duration,
    read: impl Fn(&str) -> ControlFlow<Option<T>>,
) -> Option<T> {
    let socket = &mut pending.socket;
    let first = pending.slot.wait(async move {
        loop {
            return match socket.next().await?.ok()? {
                Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => continue,
                Message::Text(text) => match read(&text) {
                    ControlFlow::Continue(()) => continue,
                    ControlFlow::Break(first) => first,
                },
                Message::Binary(_) | Message::Close(_) => None,
            };
        }
    });
    kill.run_until_cancelled(timeout(limit, first)).await?.ok()??
}

/// The text of a message, if it has one, or the end of the socket. `bad_frame` counts what is
/// ignored.
pub(super) fn text_of(
    message: Option<Result<Message, Error>>,
    bad_frame: fn(&'static str),
) -> Result<Option<Utf8Bytes>, SocketEnd> {
    match message {
        None => Err(SocketEnd::Unclean),
        Some(Err(error)) => {
            tracing::debug!(%error, "a line's socket failed");
            if matches!(error, Error::Capacity(CapacityError::MessageTooLong { .. })) {
                bad_frame("too_large");
                Err(SocketEnd::Close(CloseCode::Size))
            } else {
                Err(SocketEnd::Unclean)
            }
        }
        Some(Ok(Message::Close(frame))) => {
            let clean = frame.is_some_and(|frame| frame.code == CloseCode::Normal);
            Err(if clean { SocketEnd::Clean } else { SocketEnd::Unclean })
        }
        Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => Ok(None),
        Some(Ok(Message::Binary(_))) => {
            bad_frame("binary");
            Ok(None)
        }
        Some(Ok(Message::Text(text))) => Ok(Some(text)),
    }
}

/// The key of a frame, if it is one.
pub(super) fn pressed(digit: &str) -> Option<FromCarrier> {
    let mut keys = digit.chars();
    match (keys.next(), keys.next()) {
        (Some(digit @ ('0'..='9' | '*' | '#')), None) => Some(FromCarrier::Pressed { digit }),
        _ => None,
    }
}

/// Closes a socket that carries no call.
pub(crate) async fn refuse(mut pending: PendingSocket, code: CloseCode, reason: &'static str) {
    pending.slot.wait(close(&mut pending.socket, code, reason)).await;
}

/// Closes a socket, and waits a moment for the peer's close frame, so that this one is not lost in
/// a reset.
async fn close(socket: &mut Socket, code: CloseCode, reason: &'static str) {
    let frame = CloseFrame { code, reason: Utf8Bytes::from_static(reason) };
    let closing = async {
        socket.send(Message::Close(Some(frame))).await.ok()?;
        while let Some(Ok(_)) = socket.next().await {}
        Some(())
    };
    drop(timeout(Duration::from_secs(2), closing).await);
}
