//! Spoken turns: what the stand-in hears, and what it says.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use phony_simulator::{
    openai::{AudioOptions, Brain, Counted, Fault, FaultKind, OpenAiRunning, ScriptedReply, start},
    voice::{Ears, Voice},
};
use serde_json::{Value, json};

use super::client::{Client, End, done, instant, kinds, message};

const STARTED: &str = "input_audio_buffer.speech_started";
const TRANSCRIBED: &str = "conversation.item.input_audio_transcription.completed";
const LAST: &str = "rate_limits.updated";

/// Longer than any other reply here: about six seconds.
const LONG: &str = "This is a long reply, which goes on for a while, so that there is time enough \
                    to say something while it is being spoken.";

/// A stand-in and the voice of its caller.
struct Line {
    server: OpenAiRunning,
    ears: Ears,
    voice: Voice,
}

impl Line {
    async fn new(brain: Brain) -> Self {
        Self::with(brain, |_| {}).await
    }

    async fn with(brain: Brain, change: impl FnOnce(&mut AudioOptions)) -> Self {
        let ears = Ears::new();
        let mut options = instant(brain);
        options.audio.ears = ears.clone();
        change(&mut options.audio);
        let server = start(options).await.unwrap();
        Self { server, voice: Voice::heard_by(ears.clone()), ears }
    }

    /// A line on which the model says [`LONG`], as fast as it is played.
    async fn long_reply() -> Self {
        let brain = Brain::Script(vec![ScriptedReply::next(LONG), ScriptedReply::next("Go on.")]);
        Self::with(brain, |audio| audio.speed = 1).await
    }

    /// A client in audio mode, with these settings of the input besides its format.
    async fn client(&self, input: Value) -> Client {
        let mut client = Client::connect(&self.server).await;
        client.send(update(input)).await;
        assert_eq!(client.event().await["type"], "session.updated");
        client
    }

    /// Says something and falls silent for 700 ms.
    async fn say(&self, client: &mut Client, text: &str) {
        let mut sound = self.voice.speak(text);
        sound.extend([0xFF; 5_600]);
        append(client, &sound).await;
    }
}

fn update(mut input: Value) -> Value {
    input["format"] = json!({"type": "audio/pcmu"});
    json!({"type": "session.update", "session": {
        "type": "realtime",
        "output_modalities": ["audio"],
        "audio": {"input": input, "output": {"format": {"type": "audio/pcmu"}, "voice": "marin"}},
    }})
}

/// Turn detection as a telephone call has it.
fn server_vad() -> Value {
    json!({"turn_detection": {"type": "server_vad", "silence_duration_ms": 500}})
}

/// Appends audio in frames of 20 ms.
async fn append(client: &mut Client, sound: &[u8]) {
    for frame in sound.chunks(160) {
        let audio = STANDARD.encode(frame);
        client.send(json!({"type": "input_audio_buffer.append", "audio": audio})).await;
    }
}

/// The audio in these events.
fn sound_of(events: &[Value]) -> Vec<u8> {
    let deltas = events.iter().filter(|event| event["type"] == "response.output_audio.delta");
    deltas.flat_map(|event| STANDARD.decode(event["delta"].as_str().unwrap()).unwrap()).collect()
}

fn transcript_of(events: &[Value]) -> String {
    let kind = "response.output_audio_transcript.delta";
    let deltas = events.iter().filter(|event| event["type"] == kind);
    deltas.map(|event| event["delta"].as_str().unwrap()).collect()
}

fn find<'a>(events: &'a [Value], kind: &str) -> &'a Value {
    events.iter().find(|event| event["type"] == kind).unwrap_or_else(|| panic!("no {kind}"))
}

#[tokio::test]
async fn a_spoken_turn_is_answered_aloud() {
    let line = Line::new(Brain::Echo).await;
    let mut client = line.client(server_vad()).await;
    append(&mut client, &[0xFF; 8_000]).await;
    line.say(&mut client, "The ferry leaves at eight.").await;
    let events = client.until(LAST).await;
    let mut named = kinds(&events);
    let from = named.iter().position(|kind| kind.ends_with("transcript.delta")).unwrap();
    let to = named.iter().position(|kind| *kind == "response.output_audio.done").unwrap();
    assert!(named[from..to].iter().all(|kind| kind.contains("audio")));
    named.drain(from..to);
    assert_eq!(
        named,
        [
            STARTED,
            "input_audio_buffer.speech_stopped",
            "input_audio_buffer.committed",
            "conversation.item.added",
            "conversation.item.done",
            "response.created",
            "response.output_item.added",
            "conversation.item.added",
            "response.content_part.added",
            "response.output_audio.done",
            "response.output_audio_transcript.done",
            "response.content_part.done",
            "response.output_item.done",
            "conversation.item.done",
            "response.done",
            LAST,
        ]
    );
    // A second of silence came first; 300 ms of it are kept.
    let start = events[0]["audio_start_ms"].as_u64().unwrap();
    assert!((680..=860).contains(&start), "{start}");
    assert!(events[1]["audio_end_ms"].as_u64().unwrap() > start + 1_500);
    assert_eq!(events[0]["item_id"], events[3]["item"]["id"]);
    assert_eq!(events[3]["item"]["content"], json!([{"type": "input_audio", "transcript": null}]));
    assert_eq!(events[5]["response"]["metadata"], Value::Null);
    let said = "You said: The ferry leaves at eight.";
    assert_eq!(transcript_of(&events), said);
    assert_eq!(line.ears.recognise(&sound_of(&events)).as_deref(), Some(said));
    let usage = &done(&events)["usage"];
    let spoken = sound_of(&events).len() as u64 / 8 / 50;
    assert_eq!(usage["output_token_details"]["audio_tokens"], spoken);
    assert!(usage["input_token_details"]["audio_tokens"].as_u64().unwrap() >= 20);
    line.server.stop().await;
}

#[tokio::test]
async fn audio_deltas_have_the_length_asked_for() {
    let reply = Brain::Script(vec![ScriptedReply::next("One two three four five six.")]);
    let line = Line::with(reply, |audio| {
        audio.delta = Duration::from_millis(100);
        audio.speed = 20;
    })
    .await;
    let mut client = line.client(json!({"turn_detection": null})).await;
    client.say("go").await;
    let events = client.respond(json!({})).await;
    let deltas = events.iter().filter(|event| event["type"] == "response.output_audio.delta");
    let sizes: Vec<usize> = deltas
        .map(|event| STANDARD.decode(event["delta"].as_str().unwrap()).unwrap().len())
        .collect();
    let (last, all) = sizes.split_last().unwrap();
    assert!(all.iter().all(|size| *size == 800) && *last <= 800, "{sizes:?}");
    line.server.stop().await;
}

#[tokio::test]
async fn a_caller_who_speaks_cancels_the_reply() {
    let line = Line::long_reply().await;
    let mut client = line.client(server_vad()).await;
    line.say(&mut client, "Tell me something.").await;
    client.until("response.output_audio.delta").await;
    line.say(&mut client, "Stop, please.").await;
    let before = client.until(STARTED).await;
    assert!(before.iter().all(|event| event["type"] != "response.done"));
    let events = client.until(LAST).await;
    assert_eq!(
        kinds(&events)[..6],
        [
            "response.output_audio.done",
            "response.output_audio_transcript.done",
            "response.content_part.done",
            "response.output_item.done",
            "conversation.item.done",
            "response.done",
        ]
    );
    let cut = done(&events);
    assert_eq!(cut["status"], "cancelled");
    assert_eq!(cut["status_details"], json!({"type": "cancelled", "reason": "turn_detected"}));
    assert_eq!(cut["output"][0]["status"], "incomplete");
    // The next turn is answered.
    let events = client.until(LAST).await;
    assert_eq!(transcript_of(&events), "Go on.");
    line.server.stop().await;
}

#[tokio::test]
async fn without_interruption_the_reply_goes_on_and_the_next_is_refused() {
    let line = Line::with(Brain::Script(vec![ScriptedReply::next(LONG)]), |audio| {
        audio.speed = 2;
    })
    .await;
    let mut settings = server_vad();
    settings["turn_detection"]["interrupt_response"] = json!(false);
    let mut client = line.client(settings).await;
    line.say(&mut client, "Tell me something.").await;
    client.until("response.output_audio.delta").await;
    line.say(&mut client, "Stop, please.").await;
    let events = client.until(LAST).await;
    let error = &find(&events, "error")["error"];
    assert_eq!(error["code"], "conversation_already_has_active_response");
    assert_eq!(error["event_id"], Value::Null);
    assert_eq!(done(&events)["status"], "completed");
    line.server.stop().await;
}

#[tokio::test]
async fn a_turn_is_not_answered_if_the_client_wants_to() {
    let line = Line::new(Brain::Echo).await;
    let mut settings = server_vad();
    settings["turn_detection"]["create_response"] = json!(false);
    let mut client = line.client(settings).await;
    line.say(&mut client, "The ferry leaves at eight.").await;
    client.until("conversation.item.done").await;
    assert!(client.is_silent(Duration::from_millis(50)).await);
    let events = client.respond(json!({})).await;
    assert_eq!(transcript_of(&events), "You said: The ferry leaves at eight.");
    line.server.stop().await;
}

#[tokio::test]
async fn without_turn_detection_the_client_commits() {
    let line = Line::new(Brain::Echo).await;
    let mut client = line.client(json!({"turn_detection": null})).await;
    line.say(&mut client, "The ferry leaves at eight.").await;
    client.send(json!({"type": "input_audio_buffer.commit"})).await;
    assert_eq!(client.event().await["type"], "input_audio_buffer.committed");
    client.until("conversation.item.done").await;
    assert!(client.is_silent(Duration::from_millis(50)).await);
    let events = client.respond(json!({})).await;
    assert_eq!(transcript_of(&events), "You said: The ferry leaves at eight.");
    // Sound that no known voice made is not understood.
    append(&mut client, &[0x90; 9_600]).await;
    client.send(json!({"type": "input_audio_buffer.commit"})).await;
    client.until("conversation.item.done").await;
    assert_eq!(transcript_of(&client.respond(json!({})).await), "You said: (sound of 1.2 s)");
    line.server.stop().await;
}

#[tokio::test]
async fn a_client_takes_or_drops_what_is_being_said() {
    let line = Line::new(Brain::Echo).await;
    let mut client = line.client(server_vad()).await;
    let sound = line.voice.speak("The ferry leaves at eight.");
    append(&mut client, &sound).await;
    client.send(json!({"type": "input_audio_buffer.commit"})).await;
    let events = client.until("conversation.item.done").await;
    assert_eq!(kinds(&events)[..2], [STARTED, "input_audio_buffer.committed"]);
    assert_eq!(events[1]["item_id"], events[0]["item_id"]);
    append(&mut client, &sound).await;
    client.send(json!({"type": "input_audio_buffer.clear"})).await;
    append(&mut client, &[0xFF; 8_000]).await;
    assert_eq!(client.event().await["type"], STARTED);
    assert_eq!(client.event().await["type"], "input_audio_buffer.cleared");
    assert!(client.is_silent(Duration::from_millis(50)).await);
    // Neither made a response, and the one that is asked for answers the first.
    let events = client.respond(json!({})).await;
    assert_eq!(transcript_of(&events), "You said: The ferry leaves at eight.");
    line.server.stop().await;
}

#[tokio::test]
async fn semantic_turn_detection_waits_as_eagerly_as_it_should() {
    let line = Line::new(Brain::Echo).await;
    for (eagerness, silence) in [("high", 500), ("auto", 1_000), ("low", 2_000)] {
        let settings = json!({"turn_detection": {"type": "semantic_vad", "eagerness": eagerness}});
        let mut client = line.client(settings).await;
        append(&mut client, &line.voice.speak("Hello.")).await;
        append(&mut client, &vec![0xFF; (silence - 100) * 8]).await;
        assert_eq!(client.event().await["type"], STARTED);
        assert!(client.is_silent(Duration::from_millis(50)).await, "{eagerness}");
        append(&mut client, &[0xFF; 200 * 8]).await;
        assert_eq!(transcript_of(&client.until(LAST).await), "You said: Hello.");
    }
    line.server.stop().await;
}

#[tokio::test]
async fn a_transcription_comes_late_in_pieces() {
    let line = Line::with(Brain::Echo, |audio| {
        audio.transcription = Duration::from_millis(200);
    })
    .await;
    for (model, deltas, usage) in [
        ("gpt-transcribe", 5, "duration"),
        ("whisper-1", 1, "duration"),
        ("gpt-4o-transcribe", 5, "tokens"),
    ] {
        let mut settings = server_vad();
        settings["transcription"] = json!({"model": model});
        let mut client = line.client(settings).await;
        line.say(&mut client, "The ferry leaves at eight.").await;
        let events = client.until(TRANSCRIBED).await;
        let completed = events.last().unwrap();
        assert_eq!(done(&events)["status"], "completed", "the reply does not wait for it");
        assert_eq!(completed["transcript"], "The ferry leaves at eight.");
        assert_eq!(completed["usage"]["type"], usage);
        assert_eq!(completed["item_id"], find(&events, STARTED)["item_id"]);
        let kind = "conversation.item.input_audio_transcription.delta";
        assert_eq!(events.iter().filter(|event| event["type"] == kind).count(), deltas);
        let item = json!({"type": "conversation.item.retrieve", "item_id": completed["item_id"]});
        client.send(item).await;
        let content = &client.event().await["item"]["content"][0];
        assert_eq!(content["transcript"], "The ferry leaves at eight.");
    }
    line.server.stop().await;
}

#[tokio::test]
async fn a_transcription_fails_and_the_turn_is_answered() {
    let line = Line::new(Brain::Echo).await;
    line.server.add_fault("fail-transcription@once".parse().unwrap());
    let mut settings = server_vad();
    settings["transcription"] = json!({"model": "gpt-transcribe"});
    let mut client = line.client(settings).await;
    line.say(&mut client, "The ferry leaves at eight.").await;
    let events = client.until(LAST).await;
    let failed = find(&events, "conversation.item.input_audio_transcription.failed");
    assert_eq!(failed["error"]["code"], "audio_unintelligible");
    assert_eq!(transcript_of(&events), "You said: The ferry leaves at eight.");
    line.server.stop().await;
}

#[tokio::test]
async fn what_was_not_heard_is_truncated() {
    let line = Line::new(Brain::Echo).await;
    let mut client = line.client(json!({"turn_detection": null})).await;
    client.say("the ferry leaves at eight").await;
    let user = client.events.last().unwrap()["item"]["id"].clone();
    let events = client.respond(json!({})).await;
    let item = done(&events)["output"][0]["id"].clone();
    let ms = sound_of(&events).len() / 8;
    let truncate = |item: &Value, ms: usize| {
        json!({"type": "conversation.item.truncate", "item_id": item, "content_index": 0,
            "audio_end_ms": ms})
    };
    let error = client.refused(truncate(&item, ms + 1)).await;
    let message = format!("Audio content of {ms}ms is already shorter than {}ms", ms + 1);
    assert_eq!(error["message"], message);
    let error = client.refused(truncate(&json!("item_none"), 0)).await;
    assert_eq!(error["code"], "item_truncate_invalid_item_id");
    let error = client.refused(truncate(&user, 0)).await;
    assert_eq!(error["code"], "unsupported_content_type");
    client.send(truncate(&item, ms / 2)).await;
    assert_eq!(client.event().await["audio_end_ms"], ms / 2);
    client.send(json!({"type": "conversation.item.retrieve", "item_id": item})).await;
    assert_eq!(client.event().await["item"]["content"][0]["transcript"], "");
    let error = client.refused(truncate(&item, ms)).await;
    assert!(error["message"].as_str().unwrap().contains("already shorter"));
    // The model knows how far it came, and goes on from there.
    let rest = transcript_of(&client.respond(json!({})).await);
    assert!(rest.ends_with("eight") && rest.len() < 25, "{rest:?}");
    client.send(json!({"type": "conversation.item.delete", "item_id": item})).await;
    assert_eq!(client.event().await["type"], "conversation.item.deleted");
    line.server.stop().await;
}

#[tokio::test]
async fn an_item_without_sound_cannot_be_truncated() {
    let line = Line::long_reply().await;
    line.server.add_fault("slow:60m@once".parse().unwrap());
    let mut client = line.client(json!({"turn_detection": null})).await;
    client.say("go").await;
    client.send(json!({"type": "response.create"})).await;
    client.until("response.created").await;
    client.send(json!({"type": "response.cancel"})).await;
    let events = client.until(LAST).await;
    assert_eq!(done(&events)["output"], json!([]));
    client.send(json!({"type": "response.create"})).await;
    let events = client.until("conversation.item.added").await;
    let truncate = json!({"type": "conversation.item.truncate", "content_index": 0,
        "item_id": events.last().unwrap()["item"]["id"], "audio_end_ms": 0});
    client.until("response.output_audio_transcript.delta").await;
    client.send(truncate).await;
    let events = client.until("error").await;
    assert_eq!(events.last().unwrap()["error"]["code"], "unsupported_content_type");
    line.server.stop().await;
}

#[tokio::test]
async fn exact_words_are_spoken_beside_the_conversation() {
    let line = Line::long_reply().await;
    let mut client = line.client(json!({"turn_detection": null})).await;
    client.say("go").await;
    client.send(json!({"type": "response.create"})).await;
    client.until("response.output_audio.delta").await;
    client
        .send(json!({"type": "response.create", "response": {
            "conversation": "none", "metadata": {"purpose": "nudge"},
            "input": [message("user", "is anybody there")],
            "instructions": "Be brief.\nSay exactly: Are you still there?",
        }}))
        .await;
    let mut aside = Vec::new();
    let id = loop {
        let event = client.event().await;
        if event["response"]["metadata"]["purpose"] == "nudge" {
            let id = event["response"]["id"].clone();
            aside.push(event);
            break id;
        }
    };
    while aside.last().unwrap()["type"] != "response.done" {
        let event = client.event().await;
        if event["response_id"] == id || event["response"]["id"] == id {
            aside.push(event);
        }
    }
    assert_eq!(transcript_of(&aside), "Are you still there?");
    assert_eq!(line.ears.recognise(&sound_of(&aside)).as_deref(), Some("Are you still there?"));
    assert_eq!(done(&aside)["conversation_id"], Value::Null);
    // The caller's interruption leaves it alone, and the client can cancel the other.
    client.send(json!({"type": "response.cancel"})).await;
    assert_eq!(done(&client.until("response.done").await)["status"], "cancelled");
    line.server.stop().await;
}

#[tokio::test]
async fn the_voice_is_fixed_once_it_was_heard() {
    let line = Line::new(Brain::Echo).await;
    let mut client = line.client(json!({"turn_detection": null})).await;
    client.say("hello").await;
    client.respond(json!({})).await;
    let voice = json!({"audio": {"output": {"voice": "cedar"}}});
    let create = json!({"type": "response.create", "response": voice});
    assert_eq!(client.refused(create).await["param"], "response.audio.output.voice");
    let same = json!({"audio": {"output": {"voice": "marin"}}});
    assert_eq!(done(&client.respond(same).await)["status"], "completed");
    line.server.stop().await;
}

#[tokio::test]
async fn wrong_settings_of_audio_are_refused_by_name() {
    let line = Line::new(Brain::Echo).await;
    let mut client = Client::connect(&line.server).await;
    let rated = json!({"type": "audio/pcmu", "rate": 8000});
    let cases = [
        (json!({"input": {"format": rated}}), "unknown_parameter", "input.format.rate"),
        (json!({"output": {"format": rated}}), "unknown_parameter", "output.format.rate"),
        (
            json!({"input": {"turn_detection": {"type": "client_vad"}}}),
            "invalid_value",
            "input.turn_detection.type",
        ),
        (
            json!({"input": {"turn_detection": {"type": "server_vad", "threshold": 1.5}}}),
            "invalid_value",
            "input.turn_detection.threshold",
        ),
        (
            json!({"input": {"turn_detection": {"type": "semantic_vad", "threshold": 0.5}}}),
            "unknown_parameter",
            "input.turn_detection.threshold",
        ),
        (
            json!({"input": {"turn_detection": {"type": "semantic_vad", "eagerness": "max"}}}),
            "invalid_value",
            "input.turn_detection.eagerness",
        ),
        (
            json!({"input": {"transcription": {"model": "deaf-1"}}}),
            "invalid_value",
            "input.transcription.model",
        ),
        (
            json!({"input": {"noise_reduction": {"type": "no_field"}}}),
            "invalid_value",
            "input.noise_reduction.type",
        ),
        (json!({"output": {"voice": "nova"}}), "invalid_value", "output.voice"),
    ];
    for (audio, code, param) in cases {
        let update =
            json!({"type": "session.update", "session": {"type": "realtime", "audio": audio}});
        let error = client.refused(update).await;
        let param = format!("session.audio.{param}");
        assert_eq!((&error["code"], &error["param"]), (&json!(code), &json!(param)), "{audio}");
    }
    line.server.stop().await;
}

#[tokio::test]
async fn a_spoken_turn_breaks_at_any_event() {
    let line = Line::with(Brain::Script(vec![ScriptedReply::next("Yes.")]), |_| {}).await;
    let mut settings = server_vad();
    settings["transcription"] = json!({"model": "gpt-transcribe"});
    let mut client = line.client(settings.clone()).await;
    line.say(&mut client, "Hello.").await;
    client.until(LAST).await;
    let all = client.events.len() as u64;
    for event in 2..all {
        line.server.add_fault(Fault::once(FaultKind::Drop {
            event,
            of: Counted::Socket,
            close: None,
        }));
        let mut client = line.client(settings.clone()).await;
        let mut sound = line.voice.speak("Hello.");
        sound.extend([0xFF; 5_600]);
        let audio = STANDARD.encode(sound);
        client.send(json!({"type": "input_audio_buffer.append", "audio": audio})).await;
        assert_eq!(client.end().await, End::Broken, "at event {event}");
        assert_eq!(client.events.len() as u64, event);
    }
    line.server.stop().await;
}

#[tokio::test]
async fn linear_audio_and_alaw_are_heard_and_spoken() {
    let line = Line::new(Brain::Echo).await;
    for (format, bytes_per_ms) in
        [(json!({"type": "audio/pcm", "rate": 24000}), 48), (json!({"type": "audio/pcma"}), 8)]
    {
        let mut client = Client::connect(&line.server).await;
        client
            .send(json!({"type": "session.update", "session": {
                "type": "realtime",
                "audio": {
                    "input": {"format": format, "turn_detection": server_vad()["turn_detection"]},
                    "output": {"format": format},
                },
            }}))
            .await;
        client.event().await;
        client.say("hello").await;
        let events = client.respond(json!({})).await;
        let spoken = sound_of(&events);
        assert_eq!(spoken.len(), Voice::new().speak("You said: hello").len() / 8 * bytes_per_ms);
        // The voice is recognised through the conversion.
        let mut sound = spoken;
        let silence = if bytes_per_ms == 8 { 0xD5 } else { 0 };
        sound.extend(vec![silence; 700 * bytes_per_ms]);
        let audio = STANDARD.encode(sound);
        client.send(json!({"type": "input_audio_buffer.append", "audio": audio})).await;
        let said = transcript_of(&client.until(LAST).await);
        assert_eq!(said, "You said: You said: hello", "{format}");
    }
    line.server.stop().await;
}
