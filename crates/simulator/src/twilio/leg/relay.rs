//! `<ConversationRelay>`: one session, from Twilio's side.
//!
//! Sources: Twilio, "ConversationRelay WebSocket messages" and "TwiML Voice:
//! `<ConversationRelay>`", and observations of live calls.

use std::collections::BTreeMap;

use futures_util::{SinkExt, StreamExt};
use phony_wire::twilio::relay::{FromTwilio, Info, Setup, ToTwilio};
use phony_wire::twilio::twiml::{Inputs, Relay, RelayOptions};
use phony_wire::twilio::webhook::{CallStatus, SessionEnd, SessionStatus};
use tokio_tungstenite::tungstenite::{self, Message};

use super::{Abort, Leg, Next};
use crate::twilio::calls::{Source, new_sid};
use crate::twilio::clock;
use crate::twilio::line::{LineEvent, Rules};
use crate::twilio::options::FrameSeen;
use crate::twilio::record::{End, Frame, Sender, Session};
use crate::twilio::socket::{self, Socket, TIMEOUT};
use crate::twilio::speech::{Flags, Input, SpeechEvent};

/// After this many bad frames in a row the session ends.
const MOST_BAD_FRAMES: u32 = 10;
const SOCKET_REFUSED: u32 = 64_102;
const TOO_LONG: u32 = 64_104;
const SOCKET_ENDED: u32 = 64_105;

/// How a session ended, and what that means for the call.
struct SessionOutcome {
    status: SessionStatus,
    /// Code and text of the error, if it failed.
    error: Option<(u32, &'static str)>,
    handoff_data: Option<String>,
    close_code: u16,
    /// What ended it from outside, if anything did.
    abort: Option<Abort>,
}

/// The reports that the application subscribed to, and the state of the session.
struct Subscription {
    speaker_events: bool,
    tokens_played: bool,
    language: String,
    /// Bad frames in a row.
    bad_frames: u32,
}

impl Leg {
    /// Opens the socket, holds the session, and requests the action URL for what comes next.
    pub(crate) async fn relay(&mut self, relay: &Relay, action: Option<Source>) -> Next {
        let session_id = new_sid("VX");
        let url = relay.url.as_str();
        let Ok(mut socket) = socket::open(&self.net, url).await else {
            self.note_session(&session_id, url);
            self.note_outcome(&SessionOutcome::failed(SOCKET_REFUSED, "Unable to connect", 1006));
            return Next::Over(End::RelayRefused);
        };
        self.note_session(&session_id, url);
        let began_ms = self.now_ms();
        let mut outcome = self.hold(&mut socket, relay, &session_id).await;
        self.settled = true;
        let now_ms = self.now_ms();
        self.line.silence_agent(now_ms, &mut self.events);
        self.line.set_rules(Rules::default());
        if self.hung_up() {
            outcome.abort = Some(Abort::HungUp);
        }
        if matches!(outcome.abort, Some(Abort::HungUp | Abort::ApiEnded | Abort::TimeLimit)) {
            self.cell.set_status(&CallStatus::Completed);
        }
        socket::close(&mut socket, outcome.close_code).await;
        drop(socket);
        self.note_outcome(&outcome);
        self.next(outcome, action, &session_id, began_ms).await
    }

    async fn next(
        &mut self,
        outcome: SessionOutcome,
        action: Option<Source>,
        session_id: &str,
        began_ms: u64,
    ) -> Next {
        let end = SessionEnd {
            session_id: session_id.to_owned(),
            session_status: outcome.status,
            session_duration_s: Some(self.now_ms().saturating_sub(began_ms) / 1000),
            handoff_data: outcome.handoff_data.unwrap_or_default(),
            error_code: outcome.error.map(|(code, _)| code.to_string()).unwrap_or_default(),
            error_message: outcome.error.map(|(_, text)| text.to_owned()).unwrap_or_default(),
            ..SessionEnd::default()
        };
        self.after_connect(outcome.abort, action, end.to_form()).await
    }

    async fn hold(
        &mut self,
        socket: &mut Socket,
        relay: &Relay,
        session_id: &str,
    ) -> SessionOutcome {
        let options = &relay.options;
        let mut subscription = Subscription::of(options);
        let setup = self.setup(relay, session_id);
        if let Err(outcome) = self.send(socket, &FromTwilio::Setup(Box::new(setup))).await {
            return outcome;
        }
        self.greet(options);
        self.line.set_rules(rules(options));
        loop {
            if let Some(outcome) = self.flush(socket, &subscription).await {
                return outcome;
            }
            tokio::select! {
                biased;
                tick = self.tick(None) => {
                    if let Err(abort) = self.handle(tick) {
                        return SessionOutcome::aborted(abort);
                    }
                }
                frame = socket.next() => {
                    if let Some(outcome) = self.receive(socket, &mut subscription, frame).await {
                        return outcome;
                    }
                }
            }
        }
    }

    fn setup(&self, relay: &Relay, session_id: &str) -> Setup {
        let (from, to, outbound) = self.cell.read(|record| {
            (record.from.clone(), record.to.clone(), record.direction.starts_with("outbound"))
        });
        Setup {
            session_id: session_id.to_owned(),
            account_sid: self.net.options.account_sid.clone(),
            call_sid: self.cell.sid.clone(),
            from,
            to,
            call_type: "PSTN".to_owned(),
            direction: if outbound { "outbound-api" } else { "inbound" }.to_owned(),
            call_status: self.setup_status(),
            custom_parameters: relay.parameters.iter().cloned().collect::<BTreeMap<_, _>>(),
            ..Setup::default()
        }
    }

    fn greet(&mut self, options: &RelayOptions) {
        let Some(greeting) = options.welcome_greeting.as_deref().filter(|text| !text.is_empty())
        else {
            return;
        };
        let now_ms = self.now_ms();
        let interruptible = input(options.welcome_greeting_interruptible, Input::Any);
        self.line.set_rules(Rules { interruptible, ..rules(options) });
        self.line.text(now_ms, greeting, true, Flags::default(), &mut self.events);
        self.line.speaker.not_before(now_ms + self.net.options.timings.greeting_ms);
    }

    /// Reports the events of the line to the application.
    async fn flush(
        &mut self,
        socket: &mut Socket,
        subscription: &Subscription,
    ) -> Option<SessionOutcome> {
        for (_, event) in self.settle() {
            if event == LineEvent::HungUp {
                return Some(SessionOutcome::aborted(Abort::HungUp));
            }
            if let Some(frame) = subscription.frame(event)
                && let Err(outcome) = self.send(socket, &frame).await
            {
                return Some(outcome);
            }
        }
        None
    }

    async fn receive(
        &mut self,
        socket: &mut Socket,
        subscription: &mut Subscription,
        frame: Option<Result<Message, tungstenite::Error>>,
    ) -> Option<SessionOutcome> {
        let text = match frame {
            Some(Ok(Message::Text(text))) => text,
            Some(Ok(Message::Binary(bytes))) => {
                let shown = format!("<{} bytes of binary data>", bytes.len());
                self.note_frame(Sender::Application, &shown);
                return self.bad_frame(socket, subscription, &shown).await;
            }
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {
                // The pong is sent by the next flush.
                let flushed = tokio::time::timeout(TIMEOUT, socket.flush()).await;
                return (!matches!(flushed, Ok(Ok(())))).then(SessionOutcome::dropped);
            }
            Some(Ok(Message::Close(close))) => {
                let code = close.map_or(1005, |close| close.code.into());
                return Some(SessionOutcome::failed(SOCKET_ENDED, "Websocket ended", code));
            }
            Some(Err(_)) | None => return Some(SessionOutcome::dropped()),
        };
        self.note_frame(Sender::Application, &text);
        let Ok(frame) = ToTwilio::parse(&text) else {
            return self.bad_frame(socket, subscription, &text).await;
        };
        subscription.bad_frames = 0;
        self.perform(frame, subscription)
    }

    /// Carries out a frame of the application.
    fn perform(
        &mut self,
        frame: ToTwilio<'_>,
        subscription: &mut Subscription,
    ) -> Option<SessionOutcome> {
        let now_ms = self.now_ms();
        match frame {
            ToTwilio::Text { token, last, interruptible, preemptible, .. } => {
                let flags = Flags { interruptible, preemptible };
                self.line.text(now_ms, &token, last, flags, &mut self.events);
            }
            ToTwilio::Play { source, times, preemptible, interruptible } => {
                let flags = Flags { interruptible, preemptible };
                let (source, times) = (source.into_owned(), times.unwrap_or(1));
                self.line.recording(now_ms, source, times, flags, &mut self.events);
            }
            ToTwilio::SendDigits { digits } => {
                self.line.digits(now_ms, digits.into_owned(), &mut self.events);
            }
            ToTwilio::Language { transcription_language, .. } => {
                if let Some(language) = transcription_language {
                    subscription.language = language.into_owned();
                }
            }
            ToTwilio::End { handoff_data } => {
                return Some(SessionOutcome {
                    status: SessionStatus::Ended,
                    error: None,
                    handoff_data: handoff_data.map(Into::into),
                    close_code: 1000,
                    abort: None,
                });
            }
        }
        None
    }

    /// Answers a bad frame with error 64107; the tenth in a row ends the session.
    async fn bad_frame(
        &mut self,
        socket: &mut Socket,
        subscription: &mut Subscription,
        shown: &str,
    ) -> Option<SessionOutcome> {
        subscription.bad_frames += 1;
        let description = format!("Invalid message received, code: 64107, {shown}");
        if let Err(outcome) = self.send(socket, &FromTwilio::Error { description }).await {
            return Some(outcome);
        }
        (subscription.bad_frames >= MOST_BAD_FRAMES)
            .then(|| SessionOutcome::failed(SOCKET_ENDED, "Websocket ended", 1007))
    }

    async fn send(&self, socket: &mut Socket, frame: &FromTwilio) -> Result<(), SessionOutcome> {
        let json = frame.to_json();
        self.note_frame(Sender::Twilio, &json);
        let sending = socket.send(Message::text(json));
        match tokio::time::timeout(TIMEOUT, sending).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(SessionOutcome::dropped()),
        }
    }

    pub(super) fn note_frame(&self, from: Sender, text: &str) {
        self.watch_frame(from, text);
        if self.net.options.keep_frames {
            let at_ms = self.now_ms();
            let clock_us = self.cell.clock.clock_us();
            let frame = Frame { at_ms, clock_us, from, text: text.to_owned() };
            self.cell.update(|record| record.frames.push(frame));
        }
    }

    pub(super) fn watch_frame(&self, from: Sender, text: &str) {
        if let Some(watch) = &self.net.options.watch {
            watch.see(&FrameSeen { call_sid: &self.cell.sid, from, text });
        }
    }

    fn note_session(&self, session_id: &str, url: &str) {
        let session = Session {
            session_id: session_id.to_owned(),
            url: url.to_owned(),
            at_ms: self.now_ms(),
            ended_ms: None,
            status: None,
            error_code: None,
            close_code: None,
            handoff_data: None,
        };
        self.cell.update(|record| record.sessions.push(session));
        self.net.changed.notify_waiters();
    }

    fn note_outcome(&self, outcome: &SessionOutcome) {
        let now_ms = self.now_ms();
        self.cell.update(|record| {
            if let Some(session) = record.sessions.last_mut() {
                session.ended_ms = Some(now_ms);
                session.status = Some(outcome.status.as_str().to_owned());
                session.error_code = outcome.error.map(|(code, _)| code);
                session.close_code = Some(outcome.close_code);
                session.handoff_data.clone_from(&outcome.handoff_data);
            }
        });
    }

    /// Whether the caller has hung up while the session was ending.
    fn hung_up(&mut self) -> bool {
        self.settle().iter().any(|(_, event)| *event == LineEvent::HungUp)
    }
}

impl SessionOutcome {
    fn failed(code: u32, text: &'static str, close_code: u16) -> Self {
        Self {
            status: SessionStatus::Failed,
            error: Some((code, text)),
            handoff_data: None,
            close_code,
            abort: None,
        }
    }

    fn dropped() -> Self {
        Self::failed(SOCKET_ENDED, "Websocket ended", 1006)
    }

    fn aborted(abort: Abort) -> Self {
        let mut outcome = match abort {
            Abort::SocketLost => return Self::dropped(),
            Abort::TimeLimit => Self::failed(TOO_LONG, "Maximum call duration reached", 1000),
            Abort::HungUp | Abort::ApiEnded | Abort::Redirected(_) | Abort::Stopped => Self {
                status: SessionStatus::Completed,
                error: None,
                handoff_data: None,
                close_code: 1000,
                abort: None,
            },
        };
        outcome.abort = Some(abort);
        outcome
    }
}

impl Subscription {
    fn of(options: &RelayOptions) -> Self {
        let events = options.events.as_deref().unwrap_or_default();
        let debug = options.debug.as_deref().unwrap_or_default();
        let has = |name| events.split(' ').chain(debug.split(' ')).any(|word| word == name);
        let language = options.transcription_language.as_ref().or(options.language.as_ref());
        Self {
            speaker_events: has("speaker-events"),
            tokens_played: has("tokens-played"),
            language: language.cloned().unwrap_or_else(|| "en-US".to_owned()),
            bad_frames: 0,
        }
    }

    /// The frame that reports this event, if the application subscribed to it.
    fn frame(&self, event: LineEvent) -> Option<FromTwilio> {
        let ts = Some(clock::date().as_millisecond()).and_then(|ms| u64::try_from(ms).ok());
        let prompt = |text, last| {
            Some(FromTwilio::Prompt { voice_prompt: text, lang: self.language.clone(), last })
        };
        match event {
            LineEvent::Speech(SpeechEvent::Started { .. }) => {
                self.speaker_events.then_some(Info::AgentSpeaking { on: true, ts })
            }
            LineEvent::Speech(SpeechEvent::Stopped { .. }) => {
                self.speaker_events.then_some(Info::AgentSpeaking { on: false, ts })
            }
            LineEvent::Speech(SpeechEvent::Played(piece)) => (self.tokens_played && piece.told)
                .then_some(Info::TokensPlayed { text: piece.text }),
            LineEvent::CallerBegan { .. } => {
                self.speaker_events.then_some(Info::ClientSpeaking { on: true, ts })
            }
            LineEvent::CallerStopped => {
                self.speaker_events.then_some(Info::ClientSpeaking { on: false, ts })
            }
            LineEvent::Partial(text) => return prompt(text, false),
            LineEvent::Prompt { text, .. } => return prompt(text, true),
            LineEvent::Interrupted(cut) => {
                return Some(FromTwilio::Interrupt {
                    utterance_until_interrupt: cut.utterance,
                    duration_until_interrupt_ms: Some(cut.duration_ms),
                });
            }
            LineEvent::Key { digit, reported } => {
                return reported.then(|| FromTwilio::Dtmf { digit: digit.to_string() });
            }
            LineEvent::Lost { .. } | LineEvent::HungUp => None,
        }
        .map(FromTwilio::Info)
    }
}

fn rules(options: &RelayOptions) -> Rules {
    Rules {
        carries_sound: false,
        listens: true,
        interruptible: input(options.interruptible, Input::Any),
        preemptible: options.preemptible.unwrap_or(false),
        report: input(options.report_input_during_agent_speech, Input::None),
        dtmf: options.dtmf_detection.unwrap_or(false),
        partial_prompts: options.partial_prompts.unwrap_or(false),
        partial_on_hangup: options.partial_prompt_on_hangup.unwrap_or(false),
        prompt_after_ms: options.speech_timeout.as_deref().and_then(|text| text.parse().ok()),
    }
}

fn input(inputs: Option<Inputs>, default: Input) -> Input {
    match inputs {
        None => default,
        Some(Inputs::None) => Input::None,
        Some(Inputs::Dtmf) => Input::Dtmf,
        Some(Inputs::Speech) => Input::Speech,
        Some(Inputs::Any) => Input::Any,
    }
}
