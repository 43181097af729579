//! A Media Stream, from the application's side.

use std::sync::Arc;

use axum::extract::ws::{CloseFrame, Message, WebSocket};
use phony_simulator::callers::{Action, Caller, LiveAction, LiveEvent, Step, When};
use phony_simulator::sound::{self, FRAME_BYTES, SILENCE, Wav};
use phony_simulator::twilio::{CallRecord, End, Fate, MediaStream, TwilioOptions};
use phony_wire::twilio::media::{FromTwilio, ToTwilio, decode_audio, encode_audio};
use serde_json::{Value, json};

use super::api::Api;
use super::app::{HOST, SOON, Sandbox};

/// A byte of µ-law that can be heard.
const LOUD: u8 = 0x10;

/// The application's end of a stream.
struct Media {
    socket: WebSocket,
    stream_sid: String,
    /// The caller's sound so far.
    heard: Vec<u8>,
}

/// What the application receives.
#[derive(Debug, PartialEq)]
enum Got {
    Sound(Vec<u8>),
    Key(String),
    Mark(String),
    Stop,
    Closed(u16),
}

impl Media {
    async fn accept(sandbox: &mut Sandbox) -> (Self, [Value; 2]) {
        let mut socket = sandbox.app.socket().await;
        let mut opening = Vec::new();
        while opening.len() < 2 {
            match tokio::time::timeout(SOON, socket.recv()).await.expect("in time") {
                Some(Ok(Message::Text(text))) => {
                    opening.push(serde_json::from_str::<Value>(&text).expect("JSON"));
                }
                other => panic!("not a frame: {other:?}"),
            }
        }
        let opening: [Value; 2] = opening.try_into().expect("two frames");
        let stream_sid = opening[1]["streamSid"].as_str().expect("a string").to_owned();
        (Self { socket, stream_sid, heard: Vec::new() }, opening)
    }

    async fn next(&mut self) -> Got {
        loop {
            let message = tokio::time::timeout(SOON, self.socket.recv()).await.expect("in time");
            let text = match message {
                Some(Ok(Message::Text(text))) => text,
                Some(Ok(Message::Close(close))) => {
                    drop(self.socket.recv().await);
                    return Got::Closed(close.map_or(1005, |close| close.code));
                }
                Some(Ok(_)) => continue,
                Some(Err(_)) | None => return Got::Closed(1006),
            };
            return match FromTwilio::parse(&text).expect("a frame of Twilio's") {
                FromTwilio::Media { payload, .. } => {
                    let sound = decode_audio(&payload).expect("base64");
                    self.heard.extend(&sound);
                    Got::Sound(sound)
                }
                FromTwilio::Dtmf { digit } => Got::Key(digit.into_owned()),
                FromTwilio::Mark { name } => Got::Mark(name.into_owned()),
                FromTwilio::Stop => Got::Stop,
                other => panic!("unexpected: {other:?}"),
            };
        }
    }

    /// The next frame that is not sound, and how many frames of sound came before it.
    async fn next_but_sound(&mut self) -> (Got, usize) {
        let mut frames = 0;
        loop {
            match self.next().await {
                Got::Sound(_) => frames += 1,
                other => return (other, frames),
            }
        }
    }

    /// Reads until the caller can be heard.
    async fn caller_speaks(&mut self) {
        loop {
            match self.next().await {
                Got::Sound(sound) if sound::is_audible(&sound) => return,
                Got::Sound(_) => {}
                other => panic!("unexpected: {other:?}"),
            }
        }
    }

    /// Reads until the caller has not been heard for 200 ms.
    async fn caller_stops(&mut self) {
        let mut silent = 0;
        while silent < 10 {
            match self.next().await {
                Got::Sound(sound) if sound::is_audible(&sound) => silent = 0,
                Got::Sound(_) => silent += 1,
                other => panic!("unexpected: {other:?}"),
            }
        }
    }

    async fn send(&mut self, frame: &ToTwilio<'_>) {
        let mut text = String::new();
        frame.write(&self.stream_sid, &mut text);
        self.send_text(&text).await;
    }

    async fn send_text(&mut self, text: &str) {
        // If the socket is closed, the next read shows it.
        drop(self.socket.send(Message::text(text)).await);
    }

    async fn play(&mut self, code: u8, for_ms: usize) {
        self.play_sound(&vec![code; for_ms * sound::BYTES_PER_MS]).await;
    }

    async fn play_sound(&mut self, sound: &[u8]) {
        self.send(&ToTwilio::Media { payload: encode_audio(sound).into() }).await;
    }

    async fn mark(&mut self, name: &str) {
        self.send(&ToTwilio::Mark { name: name.into() }).await;
    }

    async fn close(mut self) {
        let frame = CloseFrame { code: 1000, reason: "".into() };
        drop(self.socket.send(Message::Close(Some(frame))).await);
        // What is unread would make this end reset the connection.
        while let Got::Sound(_) | Got::Mark(_) | Got::Key(_) = self.next().await {}
    }
}

fn stream_twiml(more: &str) -> String {
    format!(
        r#"<Response><Connect action="/action"><Stream url="wss://{HOST}/media"><Parameter name="token" value="secret"/></Stream></Connect>{more}</Response>"#
    )
}

async fn sandbox() -> Sandbox {
    let sandbox = Sandbox::start(20.0).await;
    sandbox.app.answer("/voice", &stream_twiml(""));
    sandbox.app.answer("/action", "<Response/>");
    sandbox
}

fn stream(record: &CallRecord) -> &MediaStream {
    let [stream] = record.streams.as_slice() else { panic!("{} streams", record.streams.len()) };
    stream
}

fn loud_bytes(sound: &[u8]) -> usize {
    sound.iter().map(|code| usize::from(*code == LOUD)).sum()
}

#[tokio::test]
async fn a_stream_begins_with_connected_and_start_and_goes_on_in_frames_of_twenty_milliseconds() {
    let mut sandbox = sandbox().await;
    let sid = sandbox.ring(Caller::silent());
    let (mut media, [connected, start]) = Media::accept(&mut sandbox).await;
    assert_eq!(connected, json!({"event": "connected", "protocol": "Call", "version": "1.0.0"}));
    let account_sid = TwilioOptions::default().account_sid;
    let stream_sid = media.stream_sid.clone();
    assert!(stream_sid.starts_with("MZ") && stream_sid.len() == 34);
    assert_eq!(
        start,
        json!({
            "event": "start",
            "sequenceNumber": "1",
            "streamSid": stream_sid,
            "start": {
                "accountSid": account_sid,
                "streamSid": stream_sid,
                "callSid": sid,
                "tracks": ["inbound"],
                "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
                "customParameters": {"token": "secret"},
            },
        })
    );
    for chunk in 1..=10_u64 {
        let Some(Ok(Message::Text(text))) = media.socket.recv().await else { panic!("closed") };
        let frame: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(
            frame,
            json!({
                "event": "media",
                "sequenceNumber": (chunk + 1).to_string(),
                "streamSid": stream_sid,
                "media": {
                    "track": "inbound",
                    "chunk": chunk.to_string(),
                    "timestamp": ((chunk - 1) * 20).to_string(),
                    "payload": encode_audio(&[SILENCE; FRAME_BYTES]),
                },
            })
        );
    }
    media.close().await;
    let record = sandbox.end_of(&sid).await;
    let stream = stream(&record);
    let lateness = stream.lateness;
    assert!(lateness.frames >= 10);
    assert_eq!(lateness.counts.iter().sum::<u64>(), lateness.frames);
    // No frame is ahead of the schedule.
    let lasted_ms = stream.ended_ms.expect("an end") - stream.at_ms;
    assert!(lateness.frames * 20 <= lasted_ms, "{lateness:?} in {lasted_ms} ms");
    sandbox.stop().await;
}

#[tokio::test]
async fn the_callers_words_arrive_as_sound_and_its_keys_as_frames() {
    let mut sandbox = sandbox().await;
    let caller = Caller::Script(vec![
        Step::new(When::After { ms: 100 }, Action::say("Hello, is anybody there?")),
        Step::new(When::After { ms: 100 }, Action::Press { digits: "4#".to_owned() }),
        Step::new(When::After { ms: 300 }, Action::HangUp),
    ]);
    let sid = sandbox.ring(caller);
    let (mut media, _) = Media::accept(&mut sandbox).await;
    media.caller_speaks().await;
    assert_eq!(media.next_but_sound().await.0, Got::Key("4".to_owned()));
    assert_eq!(media.next_but_sound().await.0, Got::Key("#".to_owned()));
    assert_eq!(media.next_but_sound().await.0, Got::Stop);
    assert_eq!(media.next().await, Got::Closed(1000));
    let record = sandbox.end_of(&sid).await;
    let words = &record.said[0];
    // 24 characters at 15 a second.
    assert_eq!((words.for_ms, words.fate), (1600, Fate::Reported));
    assert_eq!(record.pressed, "4#");
    assert_eq!(stream(&record).sound.caller, media.heard);
    sandbox.stop().await;
}

#[tokio::test]
async fn a_mark_comes_back_once_the_sound_before_it_has_been_played() {
    // In real time, so that what is sent at once also arrives in time.
    let mut sandbox = Sandbox::start(1.0).await;
    sandbox.app.answer("/voice", &stream_twiml(""));
    sandbox.app.answer("/action", "<Response/>");
    let sid = sandbox.ring(Caller::silent());
    let (mut media, _) = Media::accept(&mut sandbox).await;
    media.play(LOUD, 300).await;
    media.mark("first").await;
    // Any length will do, such as one that is no whole number of frames.
    media.play(LOUD, 207).await;
    media.mark("second").await;
    let (first, frames) = media.next_but_sound().await;
    assert_eq!(first, Got::Mark("first".to_owned()));
    assert!(frames >= 15, "{frames}");
    let (second, frames) = media.next_but_sound().await;
    assert_eq!(second, Got::Mark("second".to_owned()));
    assert_eq!(frames, 11);
    media.close().await;
    let record = sandbox.end_of(&sid).await;
    let stream = stream(&record);
    assert_eq!(loud_bytes(&stream.sound.agent), 507 * sound::BYTES_PER_MS);
    let first = stream.sound.agent.iter().position(|code| *code == LOUD).expect("sound");
    assert!(stream.sound.agent[first..first + 507 * 8].iter().all(|code| *code == LOUD), "gaps");
    assert!(stream.marks.iter().all(|mark| !mark.cleared));
    sandbox.stop().await;
}

#[tokio::test]
async fn clear_returns_all_marks_at_once_and_what_was_queued_is_never_played() {
    let mut sandbox = sandbox().await;
    let sid = sandbox.ring(Caller::silent());
    let (mut media, _) = Media::accept(&mut sandbox).await;
    media.play(LOUD, 100).await;
    media.mark("played").await;
    media.play(LOUD, 20_000).await;
    media.play(LOUD, 20_000).await;
    media.mark("a").await;
    media.mark("b").await;
    assert_eq!(media.next_but_sound().await.0, Got::Mark("played".to_owned()));
    media.send(&ToTwilio::Clear).await;
    assert_eq!(media.next_but_sound().await.0, Got::Mark("a".to_owned()));
    assert_eq!(media.next_but_sound().await, (Got::Mark("b".to_owned()), 0));
    media.play(0x20, 40).await;
    media.mark("after").await;
    assert_eq!(media.next_but_sound().await.0, Got::Mark("after".to_owned()));
    media.close().await;
    let record = sandbox.end_of(&sid).await;
    let stream = stream(&record);
    let agent = &stream.sound.agent;
    let last_loud = agent.iter().rposition(|code| *code == LOUD).expect("sound");
    let next = agent.iter().position(|code| *code == 0x20).expect("sound after the clear");
    assert!(last_loud < next);
    let cleared_ms = usize::try_from(stream.clears_ms[0]).expect("small");
    assert!(last_loud / sound::BYTES_PER_MS <= cleared_ms + 20);
    let cleared: Vec<_> = stream.marks.iter().map(|mark| mark.cleared).collect();
    assert_eq!(cleared, [false, true, true, false]);
    sandbox.stop().await;
}

#[tokio::test]
async fn a_hang_up_stops_the_stream_then_asks_the_action_then_tells_the_status() {
    let mut sandbox = sandbox().await;
    let sid = sandbox.ring(Caller::Script(vec![Step::hang_up()]));
    let (mut media, _) = Media::accept(&mut sandbox).await;
    media.play(LOUD, 200).await;
    assert_eq!(media.next_but_sound().await.0, Got::Stop);
    assert_eq!(media.next().await, Got::Closed(1000));
    let record = sandbox.end_of(&sid).await;
    let purposes: Vec<_> = record.webhooks.iter().map(|hook| hook.purpose.as_str()).collect();
    assert_eq!(purposes, ["voice", "action", "status"]);
    assert_eq!(record.webhooks[1].param("CallStatus"), Some("completed"));
    assert_eq!(record.end, Some(End::FarEndHungUp));
    let stream = stream(&record);
    assert_eq!(stream.close_code, Some(1000));
    // It waits until the agent has been silent for 600 ms.
    let quiet_ms = stream.at_ms + stream.agent_spoke[0].until_ms.expect("an end");
    assert!(stream.ended_ms.expect("an end") >= quiet_ms + 600, "{stream:?}");
    sandbox.stop().await;
}

#[tokio::test]
async fn an_application_that_closes_the_socket_is_asked_what_comes_next() {
    let mut sandbox = Sandbox::start(20.0).await;
    sandbox.app.answer("/voice", &stream_twiml(""));
    sandbox.app.answer("/action", &stream_twiml(""));
    sandbox.app.answer("/action", "<Response><Say>Goodbye.</Say></Response>");
    let sid = sandbox.ring(Caller::silent());
    let (media, _) = Media::accept(&mut sandbox).await;
    let first = media.stream_sid.clone();
    media.close().await;
    let (media, _) = Media::accept(&mut sandbox).await;
    assert_ne!(media.stream_sid, first);
    // Now the network fails.
    assert!(sandbox.twilio.drop_socket(&sid));
    let record = sandbox.end_of(&sid).await;
    assert_eq!(record.heard_text(), "Goodbye.");
    assert_eq!(record.webhooks_for("action").count(), 2);
    let codes: Vec<_> = record.streams.iter().map(|stream| stream.close_code).collect();
    assert_eq!(codes, [Some(1000), Some(1006)]);
    assert!(record.from_twilio().all(|frame| !frame.contains("\"stop\"")));
    sandbox.stop().await;
}

#[tokio::test]
async fn new_twiml_from_the_api_stops_the_stream_and_takes_its_place() {
    let mut sandbox = sandbox().await;
    let sid = sandbox.ring(Caller::silent());
    let (mut media, _) = Media::accept(&mut sandbox).await;
    media.play(LOUD, 20_000).await;
    let twiml = "<Response><Say>Please hold.</Say></Response>";
    Api::of(&sandbox).post(&format!("Calls/{sid}.json"), &[("Twiml", twiml)]).await;
    assert_eq!(media.next_but_sound().await.0, Got::Stop);
    assert_eq!(media.next().await, Got::Closed(1000));
    let record = sandbox.end_of(&sid).await;
    assert_eq!(record.heard_text(), "Please hold.");
    assert_eq!(record.webhooks_for("action").count(), 0);
    sandbox.stop().await;
}

#[tokio::test]
async fn without_an_action_the_next_verb_follows_also_after_a_refused_socket() {
    for refused in [false, true] {
        let mut sandbox = Sandbox::start(20.0).await;
        let status = format!(r#"statusCallback="https://{HOST}/stream_status""#);
        sandbox.app.answer(
            "/voice",
            &format!(
                r#"<Response><Connect><Stream url="wss://{HOST}/media?token=dropped" {status}/></Connect><Say>Next.</Say></Response>"#
            ),
        );
        if refused {
            sandbox.app.refuse_sockets();
        }
        let sid = sandbox.ring(Caller::silent());
        if !refused {
            Media::accept(&mut sandbox).await.0.close().await;
        }
        let record = sandbox.end_of(&sid).await;
        assert_eq!(record.heard_text(), "Next.");
        assert_eq!(stream(&record).errors, if refused { vec![31_920] } else { vec![] });
        let expected: &[_] =
            if refused { &["stream-error"] } else { &["stream-started", "stream-stopped"] };
        let told =
            |record: &CallRecord| record.webhooks_for("stream-status").count() == expected.len();
        let record = sandbox.twilio.wait_for(&sid, told, SOON).await.expect("status callbacks");
        let hooks = record.webhooks_for("stream-status");
        let mut events: Vec<_> = hooks.filter_map(|hook| hook.param("StreamEvent")).collect();
        events.sort_unstable();
        assert_eq!(events, expected);
        sandbox.stop().await;
    }
}

#[tokio::test]
async fn what_cannot_be_understood_is_warned_of_once_and_does_no_harm() {
    let mut sandbox = sandbox().await;
    let sid = sandbox.ring(Caller::silent());
    let (mut media, _) = Media::accept(&mut sandbox).await;
    let stream_sid = media.stream_sid.clone();
    let bad = [
        "not JSON".to_owned(),
        json!({"event": "dtmf", "streamSid": stream_sid}).to_string(),
        json!({"event": "media", "streamSid": stream_sid, "media": {"payload": "%%"}}).to_string(),
        json!({"event": "media", "streamSid": stream_sid}).to_string(),
        json!({"event": "mark", "streamSid": stream_sid, "mark": {}}).to_string(),
        json!({"event": "clear", "streamSid": "MZ0"}).to_string(),
    ];
    for frame in &bad {
        media.send_text(frame).await;
    }
    drop(media.socket.send(Message::binary(&b"\x00\x01"[..])).await);
    media.mark("still there").await;
    assert_eq!(media.next_but_sound().await.0, Got::Mark("still there".to_owned()));
    media.close().await;
    let record = sandbox.end_of(&sid).await;
    let stream = stream(&record);
    assert_eq!(stream.errors, [31_950]);
    assert_eq!(stream.bad_frame_count, 7);
    let texts: Vec<_> = stream.bad_frames.iter().map(|frame| frame.text.as_str()).collect();
    assert_eq!(texts[..6], bad);
    assert!(stream.bad_frames.iter().all(|frame| !frame.problem.is_empty()));
    sandbox.stop().await;
}

#[tokio::test]
async fn a_caller_answers_once_the_agent_has_finished_and_talks_over_it_when_told_to() {
    let mut sandbox = sandbox().await;
    let caller = Caller::Script(vec![
        Step::reply("Fine."),
        Step::interrupt(15, "Stop, stop."),
        Step::new(When::Hears { text: "goodbye".to_owned() }, Action::HangUp),
    ]);
    let sid = sandbox.ring(caller);
    let (mut media, _) = Media::accept(&mut sandbox).await;
    // Silence that is played is silence.
    let parts = [[LOUD; 3200], [SILENCE; 3200], [LOUD; 3200]];
    media.play_sound(parts.as_flattened()).await;
    media.caller_speaks().await;
    media.play(LOUD, 20_000).await;
    media.caller_stops().await;
    media.caller_speaks().await;
    media.send(&ToTwilio::Clear).await;
    assert_eq!(media.next_but_sound().await.0, Got::Stop);
    let record = sandbox.end_of(&sid).await;
    let stream = stream(&record);
    let [greeting, cut] = stream.agent_spoke.as_slice() else { panic!("{stream:?}") };
    let until = |stretch: &phony_simulator::twilio::Stretch| stretch.until_ms.expect("an end");
    assert_eq!(until(greeting) - greeting.from_ms, 1_200);
    let [answer, interruption] = record.said.as_slice() else { panic!("{:?}", record.said) };
    assert!(answer.at_ms - stream.at_ms >= until(greeting) + 600, "{answer:?} {greeting:?}");
    assert!(interruption.at_ms - stream.at_ms < until(cut), "{interruption:?} {cut:?}");
    assert_eq!(record.end, Some(End::FarEndHungUp));
    sandbox.stop().await;
}

#[tokio::test]
async fn a_live_caller_makes_a_sound_of_its_own_and_the_record_becomes_a_file() {
    let mut sandbox = sandbox().await;
    let (caller, mut line) = Caller::live();
    let sid = sandbox.ring(caller);
    let (mut media, _) = Media::accept(&mut sandbox).await;
    assert_eq!(line.hear().await, Some(LiveEvent::Answered));
    let own: Arc<[u8]> = (0..800).map(|at| if at % 2 == 0 { 0x11 } else { 0x91 }).collect();
    let sound = LiveAction::Sound { text: "[tone]".to_owned(), sound: Arc::clone(&own) };
    assert!(line.act(sound).await);
    media.caller_speaks().await;
    media.play(LOUD, 100).await;
    assert_eq!(line.hear().await, Some(LiveEvent::AgentSpeaking(true)));
    // The application reads on until the caller has noticed the end of its speech.
    loop {
        tokio::select! {
            event = line.hear() => {
                assert_eq!(event, Some(LiveEvent::AgentSpeaking(false)));
                break;
            }
            _ = media.next() => {}
        }
    }
    assert!(line.act(LiveAction::HangUp).await);
    assert_eq!(media.next_but_sound().await.0, Got::Stop);
    let record = sandbox.end_of(&sid).await;
    let stream = stream(&record);
    let wav = Wav::parse(&stream.to_wav()).expect("a WAV file");
    let [left, right] = wav.channels.as_slice() else { panic!("{} channels", wav.channels.len()) };
    assert!(left.windows(own.len()).any(|part| *part == *own));
    assert!(left.starts_with(&stream.sound.caller));
    assert!(right.starts_with(&stream.sound.agent));
    assert_eq!(loud_bytes(right), 800);
    sandbox.stop().await;
}

#[tokio::test]
async fn sound_is_not_kept_where_the_options_say_so() {
    let options = TwilioOptions { speed: 20.0, keep_sound: false, ..TwilioOptions::default() };
    let mut sandbox = Sandbox::start_with(options).await;
    sandbox.app.answer("/voice", &stream_twiml(""));
    let sid = sandbox.ring(Caller::silent());
    let (mut media, _) = Media::accept(&mut sandbox).await;
    media.play(LOUD, 100).await;
    media.mark("played").await;
    assert_eq!(media.next_but_sound().await.0, Got::Mark("played".to_owned()));
    media.close().await;
    let record = sandbox.end_of(&sid).await;
    assert!(stream(&record).sound.agent.is_empty() && stream(&record).sound.caller.is_empty());
    sandbox.stop().await;
}
