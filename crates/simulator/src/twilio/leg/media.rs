//! `<Stream>` within `<Connect>`: one Media Stream, from Twilio's side.
//!
//! Each frame has its time on a schedule that starts with the stream: then the caller's last 20 ms
//! are sent, and the next 20 ms of the application's sound begin to be played. Sources: Twilio,
//! "TwiML Voice: `<Stream>`" and "Media Streams: WebSocket messages".

mod session;

use std::borrow::Cow;
use std::sync::Arc;

use futures_util::{SinkExt, StreamExt};
use phony_wire::twilio::media::{FromTwilio, Start, ToTwilio, decode_audio, encode_audio};
use phony_wire::twilio::twiml::Stream;
use phony_wire::twilio::webhook::{CallStatus, Form};
use tokio_tungstenite::tungstenite::{self, Message};

use self::session::{StreamOutcome, StreamSession};
use super::{Abort, Leg, Next};
use crate::sound::{FRAME_BYTES, SILENCE};
use crate::twilio::calls::{Source, new_sid};
use crate::twilio::clock;
use crate::twilio::line::LineEvent;
use crate::twilio::media::{ApplicationMark, BadFrame, FRAME_MS, MediaStream, Stretch};
use crate::twilio::record::Sender;
use crate::twilio::socket::{self, Socket, TIMEOUT};
use crate::twilio::speech::SpeechEvent;
use crate::twilio::webhooks::Request;

/// The handshake was not answered with 101 (Twilio, "Error 31920").
const SOCKET_REFUSED: u32 = 31_920;
/// A message cannot be understood; reported once for each stream (Twilio, "Warning 31950").
const NOT_UNDERSTOOD: u32 = 31_950;
/// How much of a frame that cannot be understood is recorded, in characters, and of how many.
const LONGEST_SHOWN: usize = 200;
const MOST_SHOWN: usize = 100;

impl Leg {
    /// Opens the socket, carries sound both ways, and requests the action URL for what comes next.
    pub(crate) async fn stream(&mut self, stream: &Stream, action: Option<Source>) -> Next {
        let mut session = StreamSession::new(self.start_of(stream), self.now_ms());
        self.note_stream(&session, stream);
        // Twilio drops a query.
        let url = stream.url.as_str();
        let url = url.split_once('?').map_or(url, |(url, _)| url);
        let Ok(mut socket) = socket::open(&self.net, url).await else {
            self.note_end(&mut session, 1006);
            self.update_stream(|record| record.note_error(SOCKET_REFUSED));
            self.tell_stream(stream, &session, "stream-error");
            return self.after_connect(None, action, Form::default()).await;
        };
        self.tell_stream(stream, &session, "stream-started");
        self.line.open_sound(Arc::clone(&self.net.options.voice));
        let mut outcome = self.carry(&mut socket, &mut session).await;
        self.settled = true;
        let now_ms = self.now_ms();
        self.line.close_sound(now_ms, &mut self.events);
        if self.settle_stream(&session).contains(&LineEvent::HungUp) {
            outcome = StreamOutcome::Aborted(Abort::HungUp);
        }
        if outcome.ends_call() {
            self.cell.set_status(&CallStatus::Completed);
        }
        if matches!(outcome, StreamOutcome::Aborted(_)) {
            // A socket that is lost meanwhile is closed all the same.
            drop(self.send_media(&mut socket, &mut session, &FromTwilio::Stop).await);
        }
        self.note_end(&mut session, outcome.close_code());
        socket::close(&mut socket, outcome.close_code()).await;
        drop(socket);
        self.tell_stream(stream, &session, "stream-stopped");
        self.after_connect(outcome.abort(), action, Form::default()).await
    }

    fn start_of(&self, stream: &Stream) -> Start {
        Start {
            stream_sid: new_sid("MZ"),
            account_sid: self.net.options.account_sid.clone(),
            call_sid: self.cell.sid.clone(),
            tracks: vec!["inbound".to_owned()],
            encoding: "audio/x-mulaw".to_owned(),
            sample_rate: Some(8000),
            channels: Some(1),
            custom_parameters: stream.parameters.iter().cloned().collect(),
        }
    }

    async fn carry(&mut self, socket: &mut Socket, session: &mut StreamSession) -> StreamOutcome {
        match self.carry_until(socket, session).await {
            Ok(never) => match never {},
            Err(outcome) => outcome,
        }
    }

    async fn carry_until(
        &mut self,
        socket: &mut Socket,
        session: &mut StreamSession,
    ) -> Result<std::convert::Infallible, StreamOutcome> {
        let connected = FromTwilio::Connected { protocol: "Call".into(), version: "1.0.0".into() };
        self.send_media(socket, session, &connected).await?;
        let start = FromTwilio::Start(Box::new(session.start.clone()));
        self.send_media(socket, session, &start).await?;
        session.begin(self.now_ms());
        self.update_stream(|record| record.at_ms = session.began_ms);
        loop {
            self.send_due_frames(socket, session).await?;
            tokio::select! {
                biased;
                tick = self.tick(Some(session.next_ms)) => {
                    self.send_due_frames(socket, session).await?;
                    self.handle(tick).map_err(StreamOutcome::of)?;
                    self.report_stream(socket, session).await?;
                }
                frame = socket.next() => self.receive_media(socket, session, frame).await?,
            }
        }
    }

    /// Lets every frame happen whose time has come.
    async fn send_due_frames(
        &mut self,
        socket: &mut Socket,
        session: &mut StreamSession,
    ) -> Result<(), StreamOutcome> {
        let now_ms = self.now_ms();
        while session.next_ms <= now_ms {
            let at_ms = session.next_ms;
            session.next_ms += FRAME_MS;
            self.line.advance(at_ms, &mut self.events);
            self.report_stream(socket, session).await?;
            if at_ms > session.began_ms {
                let said = self.line.caller_frame(at_ms - FRAME_MS);
                session.lateness.note(self.cell.clock.late_us(at_ms));
                self.send_sound(socket, session, &said).await?;
            }
            self.play_frame(socket, session, at_ms).await?;
        }
        Ok(())
    }

    async fn send_sound(
        &mut self,
        socket: &mut Socket,
        session: &mut StreamSession,
        sound: &[u8; FRAME_BYTES],
    ) -> Result<(), StreamOutcome> {
        if self.net.options.keep_sound {
            session.sound.caller.extend(sound);
        }
        session.chunks += 1;
        let media = FromTwilio::Media {
            track: "inbound".into(),
            chunk: Some(session.chunks),
            timestamp_ms: Some((session.chunks - 1) * FRAME_MS),
            payload: encode_audio(sound).into(),
        };
        self.send_media(socket, session, &media).await
    }

    /// Returns the marks whose sound has been played, and begins to play the next frame.
    async fn play_frame(
        &mut self,
        socket: &mut Socket,
        session: &mut StreamSession,
        at_ms: u64,
    ) -> Result<(), StreamOutcome> {
        let step = session.playback.step();
        self.return_marks(socket, session, step.marks, false).await?;
        let queued_ms = session.playback.queued_ms();
        self.line.hear(at_ms, &step.sound, queued_ms, &mut self.events);
        if self.net.options.keep_sound {
            let silence = FRAME_BYTES - step.sound.len();
            session.sound.agent.extend(step.sound);
            session.sound.agent.extend(std::iter::repeat_n(SILENCE, silence));
        }
        Ok(())
    }

    async fn return_marks(
        &mut self,
        socket: &mut Socket,
        session: &mut StreamSession,
        names: Vec<String>,
        cleared: bool,
    ) -> Result<(), StreamOutcome> {
        for name in names {
            let at_ms = session.since_start(self.now_ms());
            let mark = ApplicationMark { at_ms, name: name.clone(), cleared };
            self.update_stream(|record| record.marks.push(mark));
            let mark = FromTwilio::Mark { name: Cow::Owned(name) };
            self.send_media(socket, session, &mark).await?;
        }
        Ok(())
    }

    /// Reports the events of the line to the application: keys, and that the caller has hung up.
    async fn report_stream(
        &mut self,
        socket: &mut Socket,
        session: &mut StreamSession,
    ) -> Result<(), StreamOutcome> {
        for event in self.settle_stream(session) {
            if event == LineEvent::HungUp {
                return Err(StreamOutcome::Aborted(Abort::HungUp));
            }
            if let LineEvent::Key { digit, .. } = event {
                let key = FromTwilio::Dtmf { digit: digit.to_string().into() };
                self.send_media(socket, session, &key).await?;
            }
        }
        Ok(())
    }

    async fn receive_media(
        &mut self,
        socket: &mut Socket,
        session: &mut StreamSession,
        frame: Option<Result<Message, tungstenite::Error>>,
    ) -> Result<(), StreamOutcome> {
        match frame {
            Some(Ok(Message::Text(text))) => self.obey(socket, session, &text).await,
            Some(Ok(Message::Binary(bytes))) => {
                let shown = format!("<{} bytes of binary data>", bytes.len());
                self.note_frame(Sender::Application, &shown);
                self.note_bad_frame(session, "binary".to_owned(), &shown);
                Ok(())
            }
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {
                let flushed = tokio::time::timeout(TIMEOUT, socket.flush()).await;
                if matches!(flushed, Ok(Ok(()))) { Ok(()) } else { Err(StreamOutcome::Lost) }
            }
            Some(Ok(Message::Close(close))) => {
                Err(StreamOutcome::Closed(close.map_or(1005, |close| close.code.into())))
            }
            Some(Err(_)) | None => Err(StreamOutcome::Lost),
        }
    }

    /// Carries out a frame of the application.
    async fn obey(
        &mut self,
        socket: &mut Socket,
        session: &mut StreamSession,
        text: &str,
    ) -> Result<(), StreamOutcome> {
        let frame = match ToTwilio::parse(text) {
            Ok((stream_sid, _)) if stream_sid != session.start.stream_sid => {
                Err("another stream's".to_owned())
            }
            Ok((_, ToTwilio::Media { payload })) => decode_audio(&payload)
                .map(|sound| session.playback.push(&sound))
                .map(|()| None)
                .map_err(|error| error.to_string()),
            Ok((_, frame @ (ToTwilio::Mark { .. } | ToTwilio::Clear))) => Ok(Some(frame)),
            Err(error) => Err(error.to_string()),
        };
        match frame {
            Ok(None) => self.watch_frame(Sender::Application, text),
            Ok(Some(frame)) => {
                self.note_frame(Sender::Application, text);
                return self.obey_control(socket, session, frame).await;
            }
            Err(problem) => {
                self.note_frame(Sender::Application, text);
                self.note_bad_frame(session, problem, text);
            }
        }
        Ok(())
    }

    async fn obey_control(
        &mut self,
        socket: &mut Socket,
        session: &mut StreamSession,
        frame: ToTwilio<'_>,
    ) -> Result<(), StreamOutcome> {
        match frame {
            ToTwilio::Media { .. } => {}
            ToTwilio::Mark { name } => session.playback.mark(name.into_owned()),
            ToTwilio::Clear => {
                let at_ms = session.since_start(self.now_ms());
                self.update_stream(|record| record.clears_ms.push(at_ms));
                let marks = session.playback.clear();
                self.return_marks(socket, session, marks, true).await?;
            }
        }
        Ok(())
    }

    async fn send_media(
        &mut self,
        socket: &mut Socket,
        session: &mut StreamSession,
        frame: &FromTwilio<'_>,
    ) -> Result<(), StreamOutcome> {
        let json = session.write(frame);
        if matches!(frame, FromTwilio::Media { .. }) {
            self.watch_frame(Sender::Twilio, &json);
        } else {
            self.note_frame(Sender::Twilio, &json);
        }
        let sending = socket.send(Message::text(json));
        match tokio::time::timeout(TIMEOUT, sending).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(StreamOutcome::Lost),
        }
    }

    /// Settles the line's events, and notes when the agent could be heard.
    fn settle_stream(&mut self, session: &StreamSession) -> Vec<LineEvent> {
        let events = self.settle();
        for (_, event) in &events {
            if let LineEvent::Speech(event) = event {
                self.update_stream(|record| note_speech(record, session, event));
            }
        }
        events.into_iter().map(|(_, event)| event).collect()
    }

    fn note_stream(&self, session: &StreamSession, stream: &Stream) {
        let record = MediaStream {
            stream_sid: session.start.stream_sid.clone(),
            url: stream.url.as_str().to_owned(),
            at_ms: session.began_ms,
            ..MediaStream::default()
        };
        self.cell.update(|call| call.streams.push(record));
        self.net.changed.notify_waiters();
    }

    fn note_bad_frame(&self, session: &StreamSession, problem: String, text: &str) {
        let at_ms = session.since_start(self.now_ms());
        let text = text.chars().take(LONGEST_SHOWN).collect();
        self.update_stream(|record| {
            record.note_error(NOT_UNDERSTOOD);
            record.bad_frame_count += 1;
            if record.bad_frames.len() < MOST_SHOWN {
                record.bad_frames.push(BadFrame { at_ms, problem, text });
            }
        });
    }

    fn note_end(&self, session: &mut StreamSession, close_code: u16) {
        let now_ms = self.now_ms();
        let sound = Arc::new(session.take_sound(now_ms));
        self.update_stream(|record| {
            record.ended_ms = Some(now_ms);
            record.close_code = Some(close_code);
            record.lateness = session.lateness;
            record.sound = sound;
        });
        self.net.changed.notify_waiters();
    }

    fn update_stream(&self, change: impl FnOnce(&mut MediaStream)) {
        self.cell.update(|call| {
            if let Some(record) = call.streams.last_mut() {
                change(record);
            }
        });
    }

    /// Sends a status callback of the stream, if the TwiML asks for one.
    fn tell_stream(&self, stream: &Stream, session: &StreamSession, event: &str) {
        let Some(url) = stream.status_callback.clone() else { return };
        let method = stream.status_callback_method.clone().unwrap_or_else(|| "POST".to_owned());
        let mut form = Form::default();
        form.push("AccountSid", &session.start.account_sid);
        form.push("CallSid", &session.start.call_sid);
        form.push("StreamSid", &session.start.stream_sid);
        form.push("StreamName", stream.name.as_deref().unwrap_or(&session.start.stream_sid));
        form.push("StreamEvent", event);
        form.push("Timestamp", clock::date().to_string());
        if event == "stream-error" {
            form.push("StreamError", SOCKET_REFUSED.to_string());
        }
        let (net, cell) = (Arc::clone(&self.net), Arc::clone(&self.cell));
        let request = Request { url, method, form };
        let tracker = net.tracker.clone();
        tracker.spawn(async move { net.ask(&cell, "stream-status", request).await });
    }
}

fn note_speech(record: &mut MediaStream, session: &StreamSession, event: &SpeechEvent) {
    match event {
        SpeechEvent::Started { at_ms } => {
            let from_ms = session.since_start(*at_ms);
            record.agent_spoke.push(Stretch { from_ms, until_ms: None });
        }
        SpeechEvent::Stopped { at_ms } => {
            if let Some(stretch) = record.agent_spoke.last_mut() {
                stretch.until_ms.get_or_insert_with(|| session.since_start(*at_ms));
            }
        }
        SpeechEvent::Played(_) => {}
    }
}
