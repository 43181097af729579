//! A line over a ConversationRelay socket: Twilio hears and speaks, the frames carry words (Twilio,
//! "ConversationRelay WebSocket messages"). The softphone speaks the same frames.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use phony_call::{FromCarrier, Next, ToCarrier};
use phony_wire::twilio::relay::{FromTwilio, Info, Setup, ToTwilio};
use serde_json::json;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::error::CapacityError;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Bytes, Error, Message, Utf8Bytes};
use tokio_util::sync::CancellationToken;

use crate::ports::{self, CarrierEnd, CarrierPort};
use crate::runtime::heartbeat::{Beat, Heartbeat, is_heartbeat};
use crate::runtime::task_set::Task;
use crate::runtime::websocket::{self, PendingSocket, Socket};

/// The largest text that is put into one frame; longer ones are divided.
const MAX_TOKEN: usize = 4096;
/// How long a socket may take to say whose call it carries.
const SETUP_LIMIT: Duration = Duration::from_secs(10);
/// How long one frame may take to be taken by the far side.
const WRITE_LIMIT: Duration = Duration::from_secs(10);
/// How long Twilio may take to close the socket after our `end`.
const GOODBYE_LIMIT: Duration = Duration::from_secs(5);

/// The first frame, if it is the `setup` that must come first, and comes in time.
pub(crate) async fn first_frame(
    pending: &mut PendingSocket,
    kill: &CancellationToken,
) -> Option<Setup> {
    let first = pending.slot.wait(setup_frame(&mut pending.socket));
    kill.run_until_cancelled(timeout(SETUP_LIMIT, first)).await?.ok()??
}

async fn setup_frame(socket: &mut Socket) -> Option<Setup> {
    loop {
        return match socket.next().await?.ok()? {
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => continue,
            Message::Text(text) => match FromTwilio::parse(&text).ok()? {
                FromTwilio::Setup(setup) => Some(*setup),
                FromTwilio::Prompt { .. }
                | FromTwilio::Dtmf { .. }
                | FromTwilio::Interrupt { .. }
                | FromTwilio::Error { .. }
                | FromTwilio::Info(_)
                | FromTwilio::Other { .. } => None,
            },
            Message::Binary(_) | Message::Close(_) => None,
        };
    }
}

/// How a socket ended.
enum Over {
    /// Closed with 1000 by the far side.
    Clean,
    /// Lost, or closed with another code.
    Unclean,
    /// To be closed by us, with this code.
    Ours(CloseCode),
}

/// What a message is, besides a sign of life.
enum Heard {
    /// A frame of the call, or the end.
    Frame,
    /// A page's heartbeat, and what it is answered with.
    Heartbeat(Option<String>),
}

/// Who is at the other end of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Peer {
    /// Twilio. Whether it answers pings is not documented; the proxy in front of this server needs
    /// them all the same, since nothing is said for minutes while a caller is on hold.
    Carrier,
    /// A web page, which sends heartbeats among the frames.
    Page,
}

/// The call has left its line by itself.
pub(crate) struct Left {
    /// How it goes on, or not.
    pub(crate) next: Next,
    /// Whether the far side has closed the socket in answer.
    pub(crate) clean: bool,
}

/// A socket that carries a call.
struct Line {
    socket: Socket,
    peer: Peer,
    end: CarrierEnd,
    /// Reused for every frame.
    frame: String,
    /// What the call has left the line for.
    left: Option<Next>,
}

/// The line of a call over a socket, which carries the call until the socket ends; then comes
/// `after`, which is told whether, and how, the call left the line by itself. `leg` is the far end's
/// id of the line.
pub(crate) fn line<F>(
    socket: Socket,
    (peer, leg): (Peer, Option<String>),
    kill: CancellationToken,
    after: impl FnOnce(Option<Left>) -> F + Send + 'static,
) -> CarrierPort
where
    F: Future<Output = ()> + Send + 'static,
{
    let (port, end) = ports::carrier();
    let mut line = Line { socket, peer, end, frame: String::new(), left: None };
    let task = Task::new(async move {
        let left = line.carry(&kill).await;
        after(left).await;
    });
    CarrierPort { leg, task: Some(task), ..port }
}

impl Line {
    /// Carries the call until the socket ends; gives how the call left the line, if it did by itself.
    async fn carry(&mut self, kill: &CancellationToken) -> Option<Left> {
        // Of its own: one that all lines share is a lock that they all want.
        let kill = kill.child_token();
        if let Err(error) = websocket::rebind(&mut self.socket) {
            tracing::warn!(%error, "a line stays on the thread that accepted it, and is slower");
        }
        let over = self.exchange(&kill).await;
        let is_answered = matches!(over, Over::Clean | Over::Ours(CloseCode::Away));
        let clean = match over {
            Over::Clean => true,
            Over::Unclean => false,
            Over::Ours(code) => {
                let reason = if code == CloseCode::Away { "the server stops" } else { "" };
                close(&mut self.socket, code, reason).await;
                code == CloseCode::Normal
            }
        };
        // Nobody listens if the call ended first.
        drop(self.end.events.send(FromCarrier::Closed { clean }).await);
        self.left.take().map(|next| Left { next, clean: is_answered })
    }

    async fn exchange(&mut self, kill: &CancellationToken) -> Over {
        drop(self.end.events.send(FromCarrier::Connected).await);
        let mut heartbeat = match self.peer {
            Peer::Carrier => Heartbeat::of_carrier(),
            Peer::Page => Heartbeat::start(),
        };
        loop {
            tokio::select! {
                biased;
                order = self.end.commands.recv() => match order {
                    Some(ToCarrier::Leave(next)) => return self.leave(&next, kill).await,
                    Some(order) => match self.written(order, kill).await {
                        Ok(Some(next)) => return self.leave(&next, kill).await,
                        Ok(None) => {}
                        Err(over) => return over,
                    },
                    None if kill.is_cancelled() => return Over::Ours(CloseCode::Away),
                    // The call let go of the line without a word: it failed, or has a newer one.
                    None => return Over::Ours(CloseCode::Error),
                },
                message = self.socket.next() => {
                    match self.beaten(&mut heartbeat, message.as_ref()) {
                        Heard::Frame => {}
                        Heard::Heartbeat(answer) => {
                            if let Some(text) = answer
                                && !self.beat(Message::text(text), kill).await
                            {
                                return Over::Unclean;
                            }
                            continue;
                        }
                    }
                    match fact_of(message) {
                        Ok(None) => {}
                        // If the call is over, what it still had to say waits in the queue.
                        Ok(Some(fact)) => drop(self.end.events.send(fact).await),
                        Err(over) => return over,
                    }
                }
                beat = heartbeat.next() => {
                    let Beat::Due(text) = beat else {
                        metrics::counter!("phony_relay_sockets_dead_total").increment(1);
                        return Over::Unclean;
                    };
                    let ping = Message::Ping(Bytes::new());
                    for message in [ping].into_iter().chain(text.map(Message::text)) {
                        if !self.beat(message, kill).await {
                            return Over::Unclean;
                        }
                    }
                }
            }
        }
    }

    /// Takes note that the far side is there, and tells a page's heartbeats from frames.
    fn beaten(&self, heartbeat: &mut Heartbeat, message: Option<&Result<Message, Error>>) -> Heard {
        match message {
            Some(Ok(Message::Text(text))) if self.peer == Peer::Page => {
                let answer = heartbeat.heard_text(text);
                return if is_heartbeat(text) { Heard::Heartbeat(answer) } else { Heard::Frame };
            }
            Some(Ok(Message::Pong(_))) => heartbeat.answered(),
            Some(Ok(_)) => heartbeat.heard(),
            Some(Err(_)) | None => {}
        }
        Heard::Frame
    }

    /// Whether the far side took something that belongs to no call.
    async fn beat(&mut self, message: Message, kill: &CancellationToken) -> bool {
        let sent = kill.run_until_cancelled(timeout(WRITE_LIMIT, self.socket.send(message)));
        matches!(sent.await, Some(Ok(Ok(()))))
    }

    /// As [`Line::write`], within a limit.
    async fn written(
        &mut self,
        order: ToCarrier,
        kill: &CancellationToken,
    ) -> Result<Option<Next>, Over> {
        tokio::select! {
            biased;
            written = timeout(WRITE_LIMIT, self.write(order)) => match written {
                Ok(Ok(next)) => Ok(next),
                Ok(Err(_)) | Err(_) => Err(Over::Unclean),
            },
            // Looked at only if the far side takes nothing.
            () = kill.cancelled() => Err(Over::Unclean),
        }
    }

    /// Writes an order and those that wait behind it, each as a frame of its own, and flushes once.
    /// Gives back the order to leave, if it was among them.
    async fn write(&mut self, order: ToCarrier) -> Result<Option<Next>, Error> {
        let mut next = Some(order);
        while let Some(order) = next {
            match order {
                ToCarrier::Leave(next) => {
                    self.socket.flush().await?;
                    return Ok(Some(next));
                }
                ToCarrier::Press(digits) => {
                    self.feed(&ToTwilio::SendDigits { digits: digits.as_str().into() }).await?;
                }
                ToCarrier::Say { token, last, preemptible, interruptible } => {
                    // Said each time: within a talk cycle, a firm token follows preemptible ones.
                    let preemptible = Some(preemptible);
                    // Left out where the TwiML decides.
                    let interruptible = (!interruptible).then_some(false);
                    let mut rest = token.as_str();
                    while !rest.is_empty() || last {
                        let (token, after) = rest.split_at(fitting(rest));
                        rest = after;
                        let last = last && rest.is_empty();
                        let text = ToTwilio::Text {
                            token: token.into(),
                            last,
                            lang: None,
                            interruptible,
                            preemptible,
                        };
                        self.feed(&text).await?;
                        if last {
                            break;
                        }
                    }
                }
            }
            next = self.end.commands.try_recv();
        }
        self.socket.flush().await?;
        Ok(None)
    }

    async fn feed(&mut self, frame: &ToTwilio<'_>) -> Result<(), Error> {
        self.frame.clear();
        frame.write(&mut self.frame);
        self.socket.feed(Message::Text(Utf8Bytes::from(self.frame.as_str()))).await
    }

    /// Ends the session, and waits until Twilio has closed the socket.
    async fn leave(&mut self, next: &Next, kill: &CancellationToken) -> Over {
        self.left = Some(next.clone());
        let handoff = handoff(next).to_string();
        let end = ToTwilio::End { handoff_data: Some(handoff.into()) };
        let goodbye = async {
            self.feed(&end).await.ok()?;
            self.socket.flush().await.ok()?;
            loop {
                // What comes after the end is read for its closing alone.
                if let Err(over) = fact_of(self.socket.next().await) {
                    return Some(over);
                }
            }
        };
        match kill.run_until_cancelled(timeout(GOODBYE_LIMIT, goodbye)).await {
            Some(Ok(Some(over))) => over,
            Some(Ok(None)) => Over::Unclean,
            Some(Err(_)) => Over::Ours(CloseCode::Normal),
            None => Over::Ours(CloseCode::Away),
        }
    }
}

/// How the call goes on, for `/call_ended` to read even if this process has forgotten the call.
fn handoff(next: &Next) -> serde_json::Value {
    match next {
        Next::Dial { target, .. } => json!({ "reason": "transfer", "target": target }),
        Next::Reconnect => json!({ "reason": "reconnect" }),
        Next::HangUp | Next::Apologise { .. } | Next::Nothing => json!({ "reason": "hangup" }),
    }
}

/// What a message means to the call: a fact, nothing, or the end of the socket.
fn fact_of(message: Option<Result<Message, Error>>) -> Result<Option<FromCarrier>, Over> {
    match message {
        None => Err(Over::Unclean),
        Some(Err(error)) => {
            tracing::debug!(%error, "relay socket failed");
            if matches!(error, Error::Capacity(CapacityError::MessageTooLong { .. })) {
                bad_frame("too_large");
                Err(Over::Ours(CloseCode::Size))
            } else {
                Err(Over::Unclean)
            }
        }
        Some(Ok(Message::Close(frame))) => {
            let clean = frame.is_some_and(|frame| frame.code == CloseCode::Normal);
            Err(if clean { Over::Clean } else { Over::Unclean })
        }
        Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => Ok(None),
        Some(Ok(Message::Binary(_))) => Ok(bad_frame("binary")),
        Some(Ok(Message::Text(text))) => Ok(match FromTwilio::parse(&text) {
            Err(_) => bad_frame("unreadable"),
            Ok(frame) => fact_of_frame(frame),
        }),
    }
}

fn fact_of_frame(frame: FromTwilio) -> Option<FromCarrier> {
    match frame {
        FromTwilio::Prompt { voice_prompt, last, .. } => {
            Some(FromCarrier::Said { text: voice_prompt, last })
        }
        FromTwilio::Dtmf { digit } => {
            let mut keys = digit.chars();
            match (keys.next(), keys.next()) {
                (Some(digit @ ('0'..='9' | '*' | '#')), None) => {
                    Some(FromCarrier::Pressed { digit })
                }
                _ => bad_frame("dtmf"),
            }
        }
        FromTwilio::Interrupt { utterance_until_interrupt, .. } => {
            Some(FromCarrier::Interrupted { heard: utterance_until_interrupt })
        }
        FromTwilio::Error { description } => {
            let code = code_in(&description);
            Some(FromCarrier::Trouble { code, message: description })
        }
        FromTwilio::Info(Info::AgentSpeaking { on, .. }) => Some(FromCarrier::AgentSpeaking(on)),
        FromTwilio::Info(Info::ClientSpeaking { on, .. }) => Some(FromCarrier::CallerSpeaking(on)),
        FromTwilio::Info(Info::TokensPlayed { text }) => Some(FromCarrier::Played { text }),
        FromTwilio::Info(Info::Other { .. }) => None,
        FromTwilio::Setup(_) => bad_frame("setup"),
        FromTwilio::Other { .. } => bad_frame("unknown"),
    }
}

/// Counts a frame that is of no use, and passes over it.
fn bad_frame(kind: &'static str) -> Option<FromCarrier> {
    metrics::counter!("phony_relay_bad_frames_total", "kind" => kind).increment(1);
    None
}

/// A code of Twilio's, five digits, in words such as `Invalid message received, code: 64107`.
fn code_in(description: &str) -> Option<u32> {
    let after = description.split("code:").nth(1)?.trim_start();
    let end = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
    after[..end].parse().ok()
}

/// How much of the text goes into one frame: all of it, or as many words as fit.
fn fitting(text: &str) -> usize {
    if text.len() <= MAX_TOKEN {
        return text.len();
    }
    let end = text.floor_char_boundary(MAX_TOKEN);
    text[..end].rfind(' ').map_or(end, |space| space + 1)
}

/// Closes a socket that carries no call; at once, if it has to make room for another.
pub(crate) async fn refuse(mut pending: PendingSocket, code: CloseCode, reason: &'static str) {
    pending.slot.wait(close(&mut pending.socket, code, reason)).await;
}

async fn close(socket: &mut Socket, code: CloseCode, reason: &'static str) {
    let frame = CloseFrame { code, reason: Utf8Bytes::from_static(reason) };
    let closing = async {
        socket.send(Message::Close(Some(frame))).await.ok()?;
        // The far side's answer, so that the frame is not lost in a reset.
        while let Some(Ok(_)) = socket.next().await {}
        Some(())
    };
    drop(timeout(Duration::from_secs(2), closing).await);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_found_in_twilios_words() {
        let text = "Invalid message received, code: 64107, {\"type\":\"x\"}";
        assert_eq!(code_in(text), Some(64107));
        assert_eq!(code_in("Invalid message received: { \"foo\" : \"bar\" }"), None);
        assert_eq!(code_in("code: "), None);
    }

    #[test]
    fn a_long_text_is_divided_between_words() {
        assert_eq!(fitting("short"), 5);
        let long = "word ".repeat(2000);
        let end = fitting(&long);
        assert!(end <= MAX_TOKEN && long[..end].ends_with(' '));
        let solid = "é".repeat(4000);
        assert!(fitting(&solid) > 0 && solid.is_char_boundary(fitting(&solid)));
    }
}
