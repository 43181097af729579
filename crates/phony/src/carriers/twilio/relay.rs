//! A line over a ConversationRelay socket: Twilio does speech recognition and synthesis, the frames
//! carry text (Twilio, "ConversationRelay WebSocket messages"). The softphone uses the same frames.

use std::ops::ControlFlow;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use phony_call::{FromCarrier, LegId, Next, ToCarrier};
use phony_wire::twilio::relay::{FromTwilio, Info, Setup, ToTwilio};
use serde_json::json;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Bytes, Error, Message, Utf8Bytes};
use tokio_util::sync::CancellationToken;

use super::socket::{
    self, CLOSE_LIMIT, Departure, Ends, SocketEnd, SocketLine, WRITE_LIMIT, carried, pressed,
    text_of,
};
use crate::ports::CarrierPort;
use crate::runtime::heartbeat::{Beat, Heartbeat, is_heartbeat};
use crate::runtime::websocket::{PendingSocket, Socket};

/// The longest text of one frame, in bytes; longer ones are divided.
const MAX_TOKEN: usize = 4096;
/// How long a socket may take to send its `setup` frame, which names its call.
const SETUP_LIMIT: Duration = Duration::from_secs(10);

/// Reads the first frame; `None` unless it is `setup` and comes in time.
pub(crate) async fn first_frame(
    pending: &mut PendingSocket,
    kill: &CancellationToken,
) -> Option<Setup> {
    let read = |text: &str| match FromTwilio::parse(text) {
        Ok(FromTwilio::Setup(setup)) => ControlFlow::Break(Some(*setup)),
        Ok(
            FromTwilio::Prompt { .. }
            | FromTwilio::Dtmf { .. }
            | FromTwilio::Interrupt { .. }
            | FromTwilio::Error { .. }
            | FromTwilio::Info(_)
            | FromTwilio::Other { .. },
        )
        | Err(_) => ControlFlow::Break(None),
    };
    socket::first_frame(pending, kill, SETUP_LIMIT, read).await
}

/// The kind of a message.
enum Incoming {
    /// A frame of the call, or the end of the socket.
    Frame,
    /// A page's heartbeat, and the answer to it.
    Heartbeat(Option<String>),
}

/// The peer of a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Peer {
    /// Twilio. It is not documented whether it answers pings; they are sent for the proxy in front
    /// of this server, since a socket can be silent for minutes while a caller is on hold.
    Carrier,
    /// A web page, which sends heartbeats among the frames.
    Page,
}

/// A socket that carries a call.
struct Line {
    ends: Ends,
    peer: Peer,
    /// Reused for every frame.
    frame: String,
}

/// A line over a socket, which carries the call until the socket ends. Then `after` runs, with how
/// the call ended the line if it did so by itself. `id` is the peer's for the line.
pub(crate) fn line<F>(
    socket: Socket,
    (peer, id): (Peer, Option<LegId>),
    kill: CancellationToken,
    after: impl FnOnce(Option<Departure>) -> F + Send + 'static,
) -> CarrierPort
where
    F: Future<Output = ()> + Send + 'static,
{
    let (port, ends) = Ends::new(socket, id);
    carried(port, Line { ends, peer, frame: String::new() }, kill, after)
}

impl SocketLine for Line {
    fn ends(&mut self) -> &mut Ends {
        &mut self.ends
    }

    async fn run(&mut self, kill: &CancellationToken) -> SocketEnd {
        let mut heartbeat = match self.peer {
            Peer::Carrier => Heartbeat::of_carrier(),
            Peer::Page => Heartbeat::start(),
        };
        loop {
            tokio::select! {
                biased;
                command = self.ends.port.commands.recv() => match command {
                    Some(ToCarrier::Leave(next)) => return self.leave(&next, kill).await,
                    Some(command) => match self.write_in_time(command, kill).await {
                        Ok(Some(next)) => return self.leave(&next, kill).await,
                        Ok(None) => {}
                        Err(end) => return end,
                    },
                    None if kill.is_cancelled() => return SocketEnd::Close(CloseCode::Away),
                    // The call dropped the line without a command: it failed, or has a newer line.
                    None => return SocketEnd::Close(CloseCode::Error),
                },
                message = self.ends.socket.next() => {
                    match self.note_alive(&mut heartbeat, message.as_ref()) {
                        Incoming::Frame => {}
                        Incoming::Heartbeat(answer) => {
                            if let Some(text) = answer
                                && !self.send_control(Message::text(text), kill).await
                            {
                                return SocketEnd::Unclean;
                            }
                            continue;
                        }
                    }
                    match event_of(message) {
                        Ok(None) => {}
                        // If the call is over, its last commands still wait in the queue.
                        Ok(Some(event)) => drop(self.ends.port.events.send(event).await),
                        Err(end) => return end,
                    }
                }
                beat = heartbeat.next() => {
                    let Beat::Due(text) = beat else {
                        metrics::counter!("phony_relay_sockets_dead_total").increment(1);
                        return SocketEnd::Unclean;
                    };
                    let ping = Message::Ping(Bytes::new());
                    for message in [ping].into_iter().chain(text.map(Message::text)) {
                        if !self.send_control(message, kill).await {
                            return SocketEnd::Unclean;
                        }
                    }
                }
            }
        }
    }
}

impl Line {
    /// Notes that the peer is alive, and tells a page's heartbeats from frames.
    fn note_alive(
        &self,
        heartbeat: &mut Heartbeat,
        message: Option<&Result<Message, Error>>,
    ) -> Incoming {
        match message {
            Some(Ok(Message::Text(text))) if self.peer == Peer::Page => {
                let answer = heartbeat.heard_text(text);
                return if is_heartbeat(text) {
                    Incoming::Heartbeat(answer)
                } else {
                    Incoming::Frame
                };
            }
            Some(Ok(Message::Pong(_))) => heartbeat.answered(),
            Some(Ok(_)) => heartbeat.heard(),
            Some(Err(_)) | None => {}
        }
        Incoming::Frame
    }

    /// Sends a message that belongs to no call; false if the socket is dead.
    async fn send_control(&mut self, message: Message, kill: &CancellationToken) -> bool {
        let sent = kill.run_until_cancelled(timeout(WRITE_LIMIT, self.ends.socket.send(message)));
        matches!(sent.await, Some(Ok(Ok(()))))
    }

    /// As [`Line::write`], with a timeout.
    async fn write_in_time(
        &mut self,
        command: ToCarrier,
        kill: &CancellationToken,
    ) -> Result<Option<Next>, SocketEnd> {
        tokio::select! {
            biased;
            written = timeout(WRITE_LIMIT, self.write(command)) => match written {
                Ok(Ok(next)) => Ok(next),
                Ok(Err(_)) | Err(_) => Err(SocketEnd::Unclean),
            },
            // Only matters while the write is blocked.
            () = kill.cancelled() => Err(SocketEnd::Unclean),
        }
    }

    /// Writes a command and those that wait behind it, each as a frame of its own, and flushes
    /// once. Returns the next step of the call if a command to leave was among them.
    async fn write(&mut self, command: ToCarrier) -> Result<Option<Next>, Error> {
        let mut next = Some(command);
        while let Some(command) = next {
            match command {
                ToCarrier::Leave(next) => {
                    self.ends.socket.flush().await?;
                    return Ok(Some(next));
                }
                // The call orders no sound from a line that carries words.
                ToCarrier::Play(_) | ToCarrier::Mark(_) | ToCarrier::Clear => {}
                ToCarrier::Press(digits) => {
                    self.feed(&ToTwilio::SendDigits { digits: digits.as_str().into() }).await?;
                }
                ToCarrier::Say { token, last, preemptible, interruptible } => {
                    // Sent with each token, since a firm token may follow preemptible ones.
                    let preemptible = Some(preemptible);
                    // Omitted where the TwiML decides.
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
            next = self.ends.port.commands.try_recv();
        }
        self.ends.socket.flush().await?;
        Ok(None)
    }

    async fn feed(&mut self, frame: &ToTwilio<'_>) -> Result<(), Error> {
        self.frame.clear();
        frame.write(&mut self.frame);
        self.ends.socket.feed(Message::Text(Utf8Bytes::from(self.frame.as_str()))).await
    }

    /// Ends the session, and waits until Twilio has closed the socket.
    async fn leave(&mut self, next: &Next, kill: &CancellationToken) -> SocketEnd {
        self.ends.leaving = Some(next.clone());
        let handoff = handoff(next).to_string();
        let end = ToTwilio::End { handoff_data: Some(handoff.into()) };
        let closing = async {
            self.feed(&end).await.ok()?;
            self.ends.socket.flush().await.ok()?;
            loop {
                // Messages after the `end` frame are ignored.
                if let Err(end) = event_of(self.ends.socket.next().await) {
                    return Some(end);
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
}

/// What happens to the call next, for `/call_ended` to read even if this process no longer knows
/// the call.
fn handoff(next: &Next) -> serde_json::Value {
    match next {
        Next::Dial { target, .. } => json!({ "reason": "transfer", "target": target }),
        Next::Reconnect => json!({ "reason": "reconnect" }),
        Next::HangUp | Next::Apologise { .. } | Next::Nothing => json!({ "reason": "hangup" }),
    }
}

/// The event that a message is for the call, if it is one, or the end of the socket.
fn event_of(message: Option<Result<Message, Error>>) -> Result<Option<FromCarrier>, SocketEnd> {
    let Some(text) = text_of(message, count_bad_frame)? else { return Ok(None) };
    Ok(match FromTwilio::parse(&text) {
        Err(_) => bad_frame("unreadable"),
        Ok(frame) => event_of_frame(frame),
    })
}

fn event_of_frame(frame: FromTwilio) -> Option<FromCarrier> {
    match frame {
        FromTwilio::Prompt { voice_prompt, last, .. } => {
            Some(FromCarrier::Said { text: voice_prompt, last })
        }
        FromTwilio::Dtmf { digit } => pressed(&digit).or_else(|| bad_frame("dtmf")),
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

/// Counts a frame that is ignored.
fn bad_frame(kind: &'static str) -> Option<FromCarrier> {
    count_bad_frame(kind);
    None
}

fn count_bad_frame(kind: &'static str) {
    metrics::counter!("phony_relay_bad_frames_total", "kind" => kind).increment(1);
}

/// Twilio's error code, five digits, in a text such as `Invalid message received, code: 64107`.
fn code_in(description: &str) -> Option<u32> {
    let after = description.split("code:").nth(1)?.trim_start();
    let end = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
    after[..end].parse().ok()
}

/// How many bytes of the text go into one frame: all of it, or as many words as fit.
fn fitting(text: &str) -> usize {
    if text.len() <= MAX_TOKEN {
        return text.len();
    }
    let end = text.floor_char_boundary(MAX_TOKEN);
    text[..end].rfind(' ').map_or(end, |space| space + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_found_in_twilios_message() {
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
