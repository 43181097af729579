//! A line over a Media Streams socket: Twilio carries sound both ways (Twilio, "Media Streams:
//! WebSocket messages").

mod outbox;
#[cfg(test)]
mod tests;

use std::future::poll_fn;
use std::ops::ControlFlow;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use phony_call::{FromCarrier, LegId, Next, ToCarrier};
use phony_wire::twilio::media::{FromTwilio, Start, decode_audio};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};
use tokio_util::sync::CancellationToken;

use self::outbox::Outbox;
use super::socket::{
    self, CLOSE_LIMIT, Departure, Ends, SocketEnd, SocketLine, WRITE_LIMIT, carried, pressed,
    text_of,
};
use crate::ports::CarrierPort;
use crate::runtime::heartbeat::{Beat, Heartbeat};
use crate::runtime::websocket::{PendingSocket, Socket};

/// How long a socket may take to send its `start` frame, which names its call.
const START_LIMIT: Duration = Duration::from_secs(5);

/// Reads up to the `start` frame; `None` unless it comes in time, names a stream, and nothing but
/// `connected` precedes it.
pub(crate) async fn first_frame(
    pending: &mut PendingSocket,
    kill: &CancellationToken,
) -> Option<Start> {
    let read = |text: &str| match FromTwilio::parse(text) {
        Ok(FromTwilio::Connected { .. }) => ControlFlow::Continue(()),
        Ok(FromTwilio::Start(start)) if !start.stream_sid.is_empty() => {
            ControlFlow::Break(Some(*start))
        }
        Ok(
            FromTwilio::Start(_)
            | FromTwilio::Media { .. }
            | FromTwilio::Dtmf { .. }
            | FromTwilio::Mark { .. }
            | FromTwilio::Stop
            | FromTwilio::Other { .. },
        )
        | Err(_) => ControlFlow::Break(None),
    };
    socket::first_frame(pending, kill, START_LIMIT, read).await
}

/// A socket that carries a call.
struct Line {
    ends: Ends,
    outbox: Outbox,
    /// The last mark that was ordered.
    mark: Option<u64>,
}

/// A line over a socket, which carries the call until the socket ends. Then `after` runs, with how
/// the call ended the line if it did so by itself.
pub(crate) fn line<F>(
    socket: Socket,
    stream_sid: String,
    kill: CancellationToken,
    after: impl FnOnce(Option<Departure>) -> F + Send + 'static,
) -> CarrierPort
where
    F: Future<Output = ()> + Send + 'static,
{
    let (port, ends) = Ends::new(socket, LegId::parse(&stream_sid).ok());
    let outbox = Outbox::new(stream_sid);
    carried(port, Line { ends, outbox, mark: None }, kill, after)
}

impl SocketLine for Line {
    fn ends(&mut self) -> &mut Ends {
        &mut self.ends
    }

    async fn run(&mut self, kill: &CancellationToken) -> SocketEnd {
        let mut heartbeat = Heartbeat::of_carrier();
        loop {
            tokio::select! {
                biased;
                command = self.ends.port.commands.recv() => match command {
                    Some(command) => {
                        if let Some(next) = self.queue(command) {
                            return self.leave(next, kill).await;
                        }
                        if self.send_what_fits().await.is_err() {
                            return SocketEnd::Unclean;
                        }
                    }
                    None if kill.is_cancelled() => return SocketEnd::Close(CloseCode::Away),
                    // The call dropped the line without a command: it failed, or has a newer line.
                    None => return SocketEnd::Close(CloseCode::Error),
                },
                message = next_message(&mut self.ends.socket, &mut self.outbox) => {
                    match &message {
                        Some(Ok(Message::Pong(_))) => heartbeat.answered(),
                        Some(Ok(_)) => heartbeat.heard(),
                        Some(Err(_)) | None => {}
                    }
                    match self.event_of(message) {
                        Ok(None) => {}
                        // If the call is over, its last commands still wait in the queue.
                        Ok(Some(event)) => drop(self.ends.port.events.send(event).await),
                        Err(end) => return end,
                    }
                }
                beat = heartbeat.next() => {
                    // A ping that still waits for the one before it means a stuck socket.
                    if beat == Beat::Lost || !self.outbox.ping() {
                        metrics::counter!("phony_media_sockets_dead_total").increment(1);
                        return SocketEnd::Unclean;
                    }
                }
            }
        }
    }
}

impl Line {
    /// Queues a command and those that wait behind it, up to as much sound as may wait. Returns the
    /// next step of the call if a command to leave was among them.
    fn queue(&mut self, command: ToCarrier) -> Option<Next> {
        let mut next = Some(command);
        while let Some(command) = next {
            match command {
                ToCarrier::Play(audio) => self.outbox.play(audio),
                ToCarrier::Mark(mark) => {
                    self.mark = self.mark.max(Some(mark));
                    self.outbox.mark(mark);
                }
                ToCarrier::Clear => self.outbox.clear(),
                ToCarrier::Leave(next) => return Some(next),
                // The call orders no words from a line that carries sound.
                ToCarrier::Say { .. } | ToCarrier::Press(_) => {
                    metrics::counter!("phony_media_orders_ignored_total").increment(1);
                }
            }
            if self.outbox.is_full() {
                break;
            }
            next = self.ends.port.commands.try_recv();
        }
        None
    }

    /// Sends as much as the socket takes now, and drops the oldest sound if too much is left.
    async fn send_what_fits(&mut self) -> Result<(), Error> {
        let sent =
            poll_fn(|context| Poll::Ready(self.outbox.poll_send(&mut self.ends.socket, context)));
        let Poll::Ready(sent) = sent.await else {
            self.outbox.drop_excess();
            return Ok(());
        };
        sent
    }

    /// Sends what waits, closes the socket, and waits until Twilio has closed it too.
    async fn leave(&mut self, next: Next, kill: &CancellationToken) -> SocketEnd {
        self.ends.leaving = Some(next);
        let sent = poll_fn(|context| self.outbox.poll_send(&mut self.ends.socket, context));
        match kill.run_until_cancelled(timeout(WRITE_LIMIT, sent)).await {
            Some(Ok(Ok(()))) => {}
            Some(Ok(Err(_)) | Err(_)) => return SocketEnd::Unclean,
            None => return SocketEnd::Close(CloseCode::Away),
        }
        let frame = CloseFrame { code: CloseCode::Normal, reason: Utf8Bytes::default() };
        let closing = async {
            self.ends.socket.send(Message::Close(Some(frame))).await.ok()?;
            loop {
                // Sound that is on its way is ignored.
                match text_of(self.ends.socket.next().await, count_bad_frame) {
                    Err(end) => return Some(end),
                    Ok(Some(text)) if matches!(FromTwilio::parse(&text), Ok(FromTwilio::Stop)) => {
                        return Some(SocketEnd::Clean);
                    }
                    Ok(_) => {}
                }
            }
        };
        match kill.run_until_cancelled(timeout(CLOSE_LIMIT, closing)).await {
            Some(Ok(Some(end))) => end,
            Some(Ok(None)) => SocketEnd::Unclean,
            Some(Err(_)) => SocketEnd::Close(CloseCode::Normal),
            None => SocketEnd::Close(CloseCode::Away),
        }
    }

    /// The event that a message is for the call, if it is one, or the end of the socket.
    fn event_of(
        &self,
        message: Option<Result<Message, Error>>,
    ) -> Result<Option<FromCarrier>, SocketEnd> {
        let Some(text) = text_of(message, count_bad_frame)? else { return Ok(None) };
        let Ok(frame) = FromTwilio::parse(&text) else { return Ok(bad_frame("unreadable")) };
        Ok(match frame {
            FromTwilio::Media { track, payload, .. } => match decode_audio(&payload) {
                _ if !matches!(track.as_ref(), "inbound" | "") => bad_frame("track"),
                Ok(audio) if !audio.is_empty() => Some(FromCarrier::Audio(audio.into())),
                Ok(_) | Err(_) => bad_frame("audio"),
            },
            FromTwilio::Mark { name } => match number_of(&name) {
                Some(mark) if self.mark >= Some(mark) => Some(FromCarrier::Marked(mark)),
                Some(_) | None => bad_frame("mark"),
            },
            FromTwilio::Dtmf { digit } => pressed(&digit).or_else(|| bad_frame("dtmf")),
            // The stream is over because the caller has hung up.
            FromTwilio::Stop => return Err(SocketEnd::Close(CloseCode::Normal)),
            FromTwilio::Connected { .. } | FromTwilio::Start(_) => bad_frame("start"),
            FromTwilio::Other { .. } => bad_frame("unknown"),
        })
    }
}

/// Sends what waits until the next message comes. Safe to cancel.
async fn next_message(socket: &mut Socket, outbox: &mut Outbox) -> Option<Result<Message, Error>> {
    let poll = |context: &mut Context<'_>| match outbox.poll_send(socket, context) {
        Poll::Ready(Err(error)) => Poll::Ready(Some(Err(error))),
        Poll::Ready(Ok(())) | Poll::Pending => socket.poll_next_unpin(context),
    };
    poll_fn(poll).await
}

/// The number of a mark of ours, from its name.
fn number_of(name: &str) -> Option<u64> {
    let is_plain =
        name.bytes().all(|b| b.is_ascii_digit()) && (name == "0" || !name.starts_with('0'));
    name.parse().ok().filter(|_| is_plain)
}

/// Counts a frame that is ignored.
fn bad_frame(kind: &'static str) -> Option<FromCarrier> {
    count_bad_frame(kind);
    None
}

fn count_bad_frame(kind: &'static str) {
    metrics::counter!("phony_media_bad_frames_total", "kind" => kind).increment(1);
}
