//! Turns of a session that hears and speaks.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use phony_call::{Clip, UtteranceId};

use super::*;
use crate::agents::{TurnDetection, TurnSettings};
use crate::models::realtime::settings::SpeechSettings;

fn speech() -> Box<Speech> {
    let settings = SpeechSettings {
        turns: TurnSettings {
            detection: TurnDetection::Server {
                threshold: 0.5,
                prefix: Duration::from_millis(300),
                silence: Duration::from_millis(500),
            },
            transcription: Some("gpt-transcribe".into()),
        },
        language: None,
    };
    Box::new(Speech::new(&settings))
}

impl Connection {
    fn spoken() -> Self {
        let connection = Self::new();
        Self { turns: Turns::new(None).with_speech(Some(speech())), ..connection }
    }

    /// After the response of turn 1 was created, with one part of this many milliseconds.
    fn speaking(ms: usize) -> Self {
        let mut connection = Self::spoken();
        connection.ask_with(1, Vec::new());
        connection.receive(&json!({
            "type": "response.created",
            "response": {"id": "resp_1", "metadata": {"turn": "1"}},
        }));
        connection.item("resp_1", "item_A");
        connection.audio("resp_1", "item_A", ms);
        connection
    }

    fn item(&mut self, response: &str, item: &str) {
        let item = json!({"id": item, "type": "message", "role": "assistant"});
        self.receive(&json!({
            "type": "response.output_item.added", "response_id": response, "item": item,
        }));
    }

    fn audio(&mut self, response: &str, item: &str, ms: usize) -> Output {
        self.receive(&json!({
            "type": "response.output_audio.delta", "response_id": response, "item_id": item,
            "delta": STANDARD.encode(vec![0x55; ms * 8]),
        }))
    }

    fn order(&mut self, order: impl FnOnce(&mut Turns, Instant, &mut Output)) -> Output {
        let mut out = Output::default();
        order(&mut self.turns, self.now, &mut out);
        out
    }

    fn speak(&mut self, words: u32, text: &str) -> Output {
        self.order(|turns, now, out| turns.speak(now, words, text, out))
    }

    fn words_created(&mut self, words: u32, response: &str) -> Output {
        let metadata = json!({"words": words.to_string()});
        self.receive(&json!({
            "type": "response.created", "response": {"id": response, "metadata": metadata},
        }))
    }

    fn truncate(&mut self, part: u32, ms: u64) -> Output {
        let heard = Duration::from_millis(ms);
        self.order(|turns, _, out| turns.truncate(TurnId(1), part, heard, out))
    }

    fn forget(&mut self, part: u32) -> Output {
        self.order(|turns, _, out| turns.forget(TurnId(1), part, out))
    }
}

fn message(out: &Output) -> Value {
    let [message] = &out.messages[..] else { panic!("not one message: {out:?}") };
    serde_json::from_str(message).expect("JSON")
}

fn reply(part: u32) -> Clip {
    Clip::Reply { turn: TurnId(1), part }
}

/// How a clip ended, and what was said.
fn ended(out: &Output) -> (Clip, Option<&str>) {
    let FromModel::AudioDone { clip, said } = event(out) else { panic!("{out:?}") };
    (*clip, said.as_deref())
}

fn said(turn: u32) -> Vec<Item> {
    let body = ItemBody::Assistant { text: "Hello".into(), verbatim: Some(TurnId(turn)) };
    vec![Item { id: ItemId::new(ItemKind::Entry, 2, 1), body }]
}

#[test]
fn a_spoken_reply_comes_in_parts() {
    let mut connection = Connection::speaking(20);
    let out = connection.audio("resp_1", "item_A", 20);
    let audio = Bytes::from(vec![0x55; 160]);
    assert_eq!(*event(&out), FromModel::Audio { clip: reply(0), audio });
    let out = connection.receive(&json!({
        "type": "response.output_audio_transcript.delta", "response_id": "resp_1",
        "item_id": "item_A", "delta": "Hello",
    }));
    assert!(matches!(event(&out), FromModel::Text { turn: TurnId(1), text } if text == "Hello"));
    let over = json!({
        "type": "response.output_audio.done", "response_id": "resp_1", "item_id": "item_A",
    });
    assert_eq!(ended(&connection.receive(&over)), (reply(0), None));
    assert!(connection.receive(&over).is_empty());
    connection.item("resp_1", "item_B");
    let out = connection.audio("resp_1", "item_B", 20);
    assert!(matches!(event(&out), FromModel::Audio { clip, .. } if *clip == reply(1)));
    // The end of a part that was not announced is told with that of the reply.
    let out = connection.done(&json!({"id": "resp_1", "status": "completed"}));
    let [OutputEvent::Plain(part), OutputEvent::Plain(whole)] = &out.events[..] else {
        panic!("{out:?}")
    };
    assert_eq!(*part, FromModel::AudioDone { clip: reply(1), said: None });
    assert!(matches!(whole, FromModel::Done { outcome: Outcome::Complete, .. }));
    assert_eq!(sent(&connection.ask_with(2, said(1))), ["response.create"]);
}

#[test]
fn sound_that_nobody_can_read_is_passed_over() {
    let mut connection = Connection::speaking(20);
    for delta in ["?", "====", ""] {
        let out = connection.receive(&json!({
            "type": "response.output_audio.delta", "response_id": "resp_1", "item_id": "item_A",
            "delta": delta,
        }));
        assert!(out.is_empty(), "{delta}");
    }
}

#[test]
fn late_sound_of_a_cancelled_turn_is_dropped_and_what_was_heard_of_it_stays() {
    let mut connection = Connection::speaking(1_000);
    connection.item("resp_1", "item_B");
    assert_eq!(sent(&connection.cancel(1)), ["response.cancel"]);
    assert!(connection.audio("resp_1", "item_A", 20).is_empty());
    let over = json!({"type": "response.output_audio.done", "item_id": "item_A"});
    assert!(connection.receive(&over).is_empty());
    let cut = message(&connection.truncate(0, 400));
    assert_eq!(cut["type"], "conversation.item.truncate");
    assert_eq!((&cut["item_id"], &cut["content_index"]), (&json!("item_A"), &json!(0)));
    assert_eq!(cut["audio_end_ms"], 400);
    connection.done(&json!({"id": "resp_1", "status": "cancelled"}));
    // The item without sound is unknown to the call.
    let out = connection.ask_with(2, said(1));
    assert_eq!(sent(&out), ["conversation.item.delete", "response.create"]);
    assert!(out.messages[0].contains("item_B"));
}

#[test]
fn a_reply_is_cut_to_less_than_what_came_and_its_later_parts_go() {
    let mut connection = Connection::speaking(1_000);
    connection.item("resp_1", "item_B");
    connection.audio("resp_1", "item_B", 500);
    connection.item("resp_1", "item_C");
    connection.audio("resp_1", "item_C", 500);
    connection.done(&json!({"id": "resp_1", "status": "completed"}));
    assert!(connection.truncate(7, 10).is_empty());
    assert!(connection.truncate(1, 0).is_empty());
    assert_eq!(message(&connection.truncate(1, 900))["audio_end_ms"], 499);
    let forgotten = message(&connection.forget(2));
    assert_eq!(forgotten["type"], "conversation.item.delete");
    assert_eq!(forgotten["item_id"], "item_C");
    assert!(connection.forget(2).is_empty() && connection.truncate(2, 100).is_empty());
    assert_eq!(sent(&connection.ask_with(2, said(1))), ["response.create"]);
    // What the call did not know of is deleted too.
    connection.cancel(2);
    connection.done(&json!({"id": "resp_2", "status": "cancelled"}));
    connection.truncate(0, 100);
    let out = connection.ask_with(3, said(1));
    assert_eq!(sent(&out), ["conversation.item.delete", "response.create"]);
    assert!(out.messages[0].contains("item_B"));
}

#[test]
fn refused_cuts_never_end_the_session() {
    for (code, text, is_benign) in [
        ("invalid_value", "Audio content of 900ms is already shorter than 999ms", true),
        ("item_truncate_invalid_item_id", "", true),
        ("not_found", "Item with id 'item_A' not found", true),
        ("unsupported_content_type", "Only model output audio messages can be truncated", false),
    ] {
        let mut connection = Connection::speaking(1_000);
        connection.truncate(0, 10);
        let error = json!({
            "type": "invalid_request_error", "code": code, "message": text, "event_id": "t2",
        });
        assert!(connection.receive(&json!({"type": "error", "error": error})).is_empty());
        assert_eq!(connection.turns.take_out_of_sync(), !is_benign, "{code}");
    }
}

#[test]
fn words_are_spoken_beside_a_reply_one_after_the_other() {
    let mut connection = Connection::speaking(20);
    let request = message(&connection.speak(1, " Please\nhold. "));
    assert_eq!(request["type"], "response.create");
    let response = &request["response"];
    assert_eq!((&response["conversation"], &response["input"]), (&json!("none"), &json!([])));
    assert_eq!(response["metadata"], json!({"words": "1"}));
    assert_eq!(response["output_modalities"], json!(["audio"]));
    let instructions = response["instructions"].as_str().unwrap();
    assert_eq!(instructions.lines().last(), Some("Say exactly: Please hold."));
    assert_eq!(instructions.to_lowercase().matches("say exactly:").count(), 1);

    assert!(connection.speak(2, "Still here.").is_empty());
    assert!(connection.words_created(1, "resp_W").is_empty());
    connection.item("resp_W", "item_W");
    let out = connection.audio("resp_W", "item_W", 20);
    assert!(matches!(event(&out), FromModel::Audio { clip: Clip::Words(1), .. }));
    // The reply goes on.
    let out = connection.audio("resp_1", "item_A", 20);
    assert!(matches!(event(&out), FromModel::Audio { clip, .. } if *clip == reply(0)));
    for delta in ["Please ", "hold."] {
        let out = connection.receive(&json!({
            "type": "response.output_audio_transcript.delta", "response_id": "resp_W",
            "item_id": "item_W", "delta": delta,
        }));
        assert!(out.is_empty());
    }
    let over = json!({
        "type": "response.output_audio.done", "response_id": "resp_W", "item_id": "item_W",
    });
    assert!(connection.receive(&over).is_empty());
    let usage = json!({"input_tokens": 5, "output_tokens": 3});
    let out = connection.done(&json!({"id": "resp_W", "status": "completed", "usage": usage}));
    assert_eq!(ended(&out), (Clip::Words(1), Some("Please hold.")));
    assert_eq!(message(&out)["response"]["metadata"], json!({"words": "2"}));
    // The item of the words is not in the conversation, and their cost is that of the reply.
    let usage = json!({"input_tokens": 7, "output_tokens": 2});
    let out = connection.done(&json!({"id": "resp_1", "status": "completed", "usage": usage}));
    let Some(OutputEvent::Plain(FromModel::Done { usage: Some(usage), .. })) = out.events.last()
    else {
        panic!("{out:?}")
    };
    assert_eq!((usage.input_text_tokens, usage.output_text_tokens), (12, 5));
    assert_eq!(sent(&connection.ask_with(2, said(1))), ["response.create"]);
}

#[test]
fn words_that_fail_are_told_and_the_next_are_spoken() {
    let mut connection = Connection::spoken();
    let refused = message(&connection.speak(1, "One"));
    connection.speak(2, "Two");
    connection.speak(3, "Three");
    let out = connection.error("invalid_value", refused["event_id"].as_str().unwrap());
    assert_eq!(ended(&out), (Clip::Words(1), None));
    assert_eq!(message(&out)["response"]["metadata"], json!({"words": "2"}));
    connection.words_created(2, "resp_2");
    connection.audio("resp_2", "item_2", 20);
    let failure = json!({"id": "resp_2", "status": "failed", "metadata": {"words": "2"}});
    assert_eq!(ended(&connection.done(&failure)), (Clip::Words(2), None));
    // Written, not spoken.
    connection.words_created(3, "resp_3");
    let output = json!([{"type": "message", "content": [{"type": "output_text", "text": "3"}]}]);
    let written = json!({"id": "resp_3", "status": "completed", "output": output});
    assert_eq!(ended(&connection.done(&written)), (Clip::Words(3), None));
    assert!(connection.turns.is_idle());
    let out = connection.speak(4, " ");
    assert_eq!(ended(&out), (Clip::Words(4), Some("")));
}

#[test]
fn a_server_that_speaks_one_thing_at_a_time_is_asked_again_after_the_reply() {
    let mut connection = Connection::speaking(20);
    let request = message(&connection.speak(1, "One"));
    let event_id = request["event_id"].as_str().unwrap();
    let out = connection.error("conversation_already_has_active_response", event_id);
    assert!(out.is_empty(), "{out:?}");
    let out = connection.done(&json!({"id": "resp_1", "status": "completed"}));
    assert_eq!(message(&out)["response"]["metadata"], json!({"words": "1"}));
}

#[test]
fn hushed_words_are_cancelled_or_never_asked_for() {
    let mut connection = Connection::spoken();
    let hush = |connection: &mut Connection, words| {
        connection.order(|turns, now, out| turns.hush(now, words, out))
    };
    connection.speak(1, "One");
    connection.speak(2, "Two");
    connection.speak(3, "Three");
    assert!(hush(&mut connection, 2).is_empty());
    // Not created yet: without its id, a cancel would stop a reply.
    let out = hush(&mut connection, 1);
    assert_eq!(message(&out)["response"]["metadata"], json!({"words": "3"}));
    let out = connection.words_created(1, "resp_1");
    assert_eq!(message(&out)["response_id"], "resp_1");
    assert!(connection.audio("resp_1", "item_1", 20).is_empty());
    assert!(connection.done(&json!({"id": "resp_1", "status": "cancelled"})).is_empty());
    connection.words_created(3, "resp_3");
    assert_eq!(message(&hush(&mut connection, 3))["response_id"], "resp_3");
    assert!(hush(&mut connection, 3).is_empty());
    assert!(connection.turns.is_idle());
}

#[test]
fn words_that_nobody_speaks_count_as_a_dead_connection() {
    let mut connection = Connection::spoken();
    connection.speak(1, "One");
    connection.speak(2, "Two");
    let due = connection.turns.deadline(&connection.timing).expect("a deadline");
    assert_eq!(due - connection.now, connection.timing.created);
    let mut out = Output::default();
    connection.turns.handle_timeout(&connection.timing, &mut out);
    assert!(
        matches!(&out.end, Some(ConnectionEnd::Failed(error)) if error.code == "words_stalled")
    );
    let mut out = Output::default();
    let speech = connection.turns.take_speech(&mut out);
    assert_eq!(ended(&out), (Clip::Words(1), None));
    // Those that waited are spoken on the next connection.
    connection.turns = Turns::new(None).with_speech(speech);
    let out = connection.order(Turns::begin);
    assert_eq!(message(&out)["response"]["metadata"], json!({"words": "2"}));
}

#[test]
fn what_the_caller_says_is_numbered_and_stays_on_the_server() {
    let mut connection = Connection::spoken();
    let heard =
        |utterance| ItemBody::User { text: "Hello".into(), heard: Some(UtteranceId(utterance)) };
    let started = json!({"type": "input_audio_buffer.speech_started", "item_id": "item_U"});
    assert_eq!(*event(&connection.receive(&started)), FromModel::CallerSpeaking(true));
    assert!(!connection.turns.is_idle());
    let stopped = json!({"type": "input_audio_buffer.speech_stopped", "item_id": "item_U"});
    assert_eq!(*event(&connection.receive(&stopped)), FromModel::CallerSpeaking(false));
    let committed = json!({"type": "input_audio_buffer.committed", "item_id": "item_U"});
    let utterance = UtteranceId(1);
    assert_eq!(*event(&connection.receive(&committed)), FromModel::CallerSaid { utterance });
    let item = json!({
        "id": "item_U", "type": "message", "role": "user", "content": [{"type": "input_audio"}],
    });
    assert!(
        connection.receive(&json!({"type": "conversation.item.added", "item": item})).is_empty()
    );
    // The reply is asked for before anybody knows what was said.
    assert_eq!(sent(&connection.ask_with(1, Vec::new())), ["response.create"]);
    let transcript = json!({
        "type": "conversation.item.input_audio_transcription.completed", "item_id": "item_U",
        "transcript": "Hello",
    });
    let (text, last) = (Some("Hello".into()), true);
    let out = connection.receive(&transcript);
    assert_eq!(*event(&out), FromModel::Understood { utterance, text, last });
    let id = ItemId::new(ItemKind::Entry, 1, 0);
    connection.receive(&json!({"type": "response.created", "response": {"id": "resp_1"}}));
    connection.done(&json!({"id": "resp_1", "status": "completed"}));
    let out = connection.ask_with(2, vec![Item { id, body: heard(1) }]);
    assert_eq!(sent(&out), ["response.create"]);
    let idle = json!({"type": "input_audio_buffer.timeout_triggered", "item_id": "item_V"});
    assert!(connection.receive(&idle).is_empty());
}

#[test]
fn a_reply_that_is_written_instead_of_spoken_fails_and_is_deleted() {
    let mut connection = Connection::spoken();
    connection.ask_with(1, Vec::new());
    connection.receive(&json!({"type": "response.created", "response": {"id": "resp_1"}}));
    connection.item("resp_1", "item_A");
    assert!(connection.delta("Hello").is_empty());
    let out = connection.done(&json!({"id": "resp_1", "status": "completed"}));
    assert_eq!(failed(&out), (1, Fault::Passing, "text_for_audio"));
    let out = connection.ask_with(2, Vec::new());
    assert_eq!(sent(&out), ["conversation.item.delete", "response.create"]);
    // Beside sound, it is only counted.
    let mut connection = Connection::speaking(20);
    assert!(connection.delta("Hello").is_empty());
    let out = connection.done(&json!({"id": "resp_1", "status": "completed"}));
    assert!(matches!(out.events.last(), Some(OutputEvent::Plain(FromModel::Done { .. }))));
}

#[test]
fn a_text_session_has_no_speech() {
    let mut connection = Connection::created(1);
    assert!(connection.speak(1, "One").is_empty());
    assert!(connection.truncate(0, 10).is_empty() && connection.forget(0).is_empty());
    assert!(
        connection.order(|turns, _, out| turns.hear(&Bytes::from_static(b"x"), out)).is_empty()
    );
    assert!(connection.audio("resp_1", "item_A", 20).is_empty());
}
