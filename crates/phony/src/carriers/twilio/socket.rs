//! What the lines over Twilio's sockets have in common: the first frame, the end, and keys.

use std::ops::ControlFlow;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use phony_call::{FromCarrier, Next};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::error::CapacityError;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};
use tokio_util::sync::CancellationToken;

use crate::runtime::websocket::{PendingSocket, Socket};

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
