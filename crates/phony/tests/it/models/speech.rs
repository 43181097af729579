//! A session that hears and speaks, against a server that the test scripts frame by frame.

mod line;

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use phony::agents::{Eagerness, TurnDetection, TurnSettings};
use phony::models::realtime::SpeechSettings;
use phony_call::{Clip, Fault, FromModel, ToModel, TurnId};
use serde_json::json;

use self::line::{
    Line, SERVER_EVENT, assert_valid, heard, said, sent, sent_short, settings, understood, with_id,
};

#[tokio::test]
async fn the_session_is_set_up_for_speech_and_leaves_the_turns_to_the_call() {
    let line = Line::start().await;
    let mut peer = line.server.accept().await;
    peer.say(&json!({"type": "session.created"})).await;
    let update = sent(&mut peer).await;
    let expected = json!({
        "type": "session.update",
        "event_id": "s1",
        "session": {
            "type": "realtime",
            "output_modalities": ["audio"],
            "instructions": "Be brief.",
            "audio": {
                "input": {
                    "format": {"type": "audio/pcmu"},
                    "noise_reduction": {"type": "near_field"},
                    "transcription": {"model": "gpt-transcribe", "language": "en"},
                    "turn_detection": {
                        "type": "server_vad",
                        "threshold": 0.5,
                        "prefix_padding_ms": 300,
                        "silence_duration_ms": 500,
                        "create_response": false,
                        "interrupt_response": false,
                        "idle_timeout_ms": null,
                    },
                },
                "output": {"format": {"type": "audio/pcmu"}, "voice": "marin"},
            },
            "tools": [],
            "tool_choice": "auto",
        },
    });
    assert_eq!(update, expected);

    let detection = TurnDetection::Semantic { eagerness: Eagerness::Low };
    let turns = TurnSettings { detection, transcription: None };
    let speech = SpeechSettings { turns, ..settings() };
    let line = Line::start_with(speech).await;
    let mut peer = line.server.accept().await;
    peer.say(&json!({"type": "session.created"})).await;
    let input = &sent(&mut peer).await["session"]["audio"]["input"];
    let expected = json!({
        "type": "semantic_vad", "eagerness": "low",
        "create_response": false, "interrupt_response": false,
    });
    assert_eq!(input["turn_detection"], expected);
    assert_eq!(input.get("transcription"), None);
}

#[tokio::test]
async fn a_session_whose_transcription_is_refused_is_set_up_without_it() {
    let mut line = Line::start().await;
    for attempt in 0..2 {
        let mut peer = line.server.accept().await;
        peer.say(&json!({"type": "session.created"})).await;
        let mut update = sent(&mut peer).await;
        if attempt == 0 {
            let error = json!({
                "type": "invalid_request_error", "code": "model_not_found", "message": "No.",
                "param": "session.audio.input.transcription.model", "event_id": update["event_id"],
            });
            line.say(&mut peer, json!({"type": "error", "error": error})).await;
            update = sent(&mut peer).await;
        }
        let session = &update["session"];
        let input = &session["audio"]["input"];
        assert_eq!(input.get("transcription"), None);
        assert_eq!(input["turn_detection"]["create_response"], false);
        assert_eq!((&session["tool_choice"], &session["tools"]), (&json!("auto"), &json!([])));
        peer.say(&json!({"type": "session.updated"})).await;
        assert_eq!(line.next().await, FromModel::Ready);
        let utterance = attempt + 1;
        line.utterance(&mut peer, "item_U", utterance).await;
        assert_eq!(line.next().await, understood(utterance, None, true));
        if attempt == 0 {
            drop(peer);
            assert!(matches!(line.next().await, FromModel::Failed { turn: None, .. }));
        }
    }
}

#[tokio::test]
async fn a_smaller_session_still_hears_and_speaks() {
    let mut line = Line::start().await;
    let mut peer = line.server.accept().await;
    peer.say(&json!({"type": "session.created"})).await;
    let update = sent(&mut peer).await;
    let error = json!({
        "type": "invalid_request_error", "code": "unknown_parameter", "message": "No.",
        "param": "session.audio.input.noise_reduction", "event_id": update["event_id"],
    });
    line.say(&mut peer, json!({"type": "error", "error": error})).await;
    let session = &sent(&mut peer).await["session"];
    let input = &session["audio"]["input"];
    assert_eq!(input.get("noise_reduction"), None);
    assert_eq!(input["format"], json!({"type": "audio/pcmu"}));
    assert_eq!(input["transcription"]["model"], "gpt-transcribe");
    assert_eq!(input["turn_detection"]["interrupt_response"], false);
    assert_eq!(session["audio"]["output"], json!({"format": {"type": "audio/pcmu"}}));
    assert_eq!(session["output_modalities"], json!(["audio"]));
}

#[tokio::test]
async fn what_the_caller_says_before_the_session_is_heard_first() {
    let mut line = Line::start().await;
    let mut peer = line.server.accept().await;
    line.hear(b"early ").await;
    line.respond(1, Vec::new()).await;
    line.speak(1, "Please hold.").await;
    line.speak(2, "Never said.").await;
    line.order(ToModel::Hush { words: 2 }).await;
    line.hear(b"bird").await;
    // Commands are taken before the server is heard.
    peer.say(&json!({"type": "session.created"})).await;
    assert_eq!(sent(&mut peer).await["type"], "session.update");
    peer.say(&json!({"type": "session.updated"})).await;
    assert_eq!(line.next().await, FromModel::Ready);
    let append = sent(&mut peer).await;
    assert_eq!(append["type"], "input_audio_buffer.append");
    assert_eq!(append["audio"], STANDARD.encode(b"early bird"));
    assert_eq!(sent(&mut peer).await["response"]["metadata"], json!({"turn": "1"}));
    assert_eq!(sent(&mut peer).await["response"]["metadata"], json!({"words": "1"}));
    line.hear(b"now").await;
    let append = sent(&mut peer).await;
    assert_eq!(append["audio"], STANDARD.encode(b"now"));
    assert!(append["event_id"].is_string());
}

#[tokio::test]
async fn a_spoken_turn_needs_no_edit_of_the_conversation() {
    let mut line = Line::start().await;
    let mut peer = line.session().await;
    let mut context = Vec::new();
    for turn in 1..=3 {
        let (user, reply) = (format!("item_U{turn}"), format!("item_A{turn}"));
        line.utterance(&mut peer, &user, turn).await;
        line.respond(turn, context.clone()).await;
        assert_eq!(sent_short(&mut peer).await, "response.create");
        let response = format!("resp_{turn}");
        line.created(&mut peer, &response, json!({"turn": turn.to_string()})).await;
        let item = json!({"id": reply, "type": "message", "role": "assistant"});
        line.say(
            &mut peer,
            json!({
                "type": "response.output_item.added", "response_id": response, "item": item,
            }),
        )
        .await;
        line.audio(&mut peer, &response, &reply, 160).await;
        let (clip, audio) = (Clip::Reply { turn: TurnId(turn), part: 0 }, vec![0x7f; 160].into());
        assert_eq!(line.next().await, FromModel::Audio { clip, audio });
        let transcript = json!({
            "type": "response.output_audio_transcript.delta", "response_id": response,
            "item_id": reply, "output_index": 0, "content_index": 0, "delta": "Hello",
        });
        assert_valid(&SERVER_EVENT, &with_id(&transcript));
        line.say(&mut peer, transcript).await;
        let text = "Hello".into();
        assert_eq!(line.next().await, FromModel::Text { turn: TurnId(turn), text });
        // The transcript of the caller comes late.
        line.transcript(&mut peer, &user, "Hi").await;
        assert_eq!(line.next().await, understood(turn, Some("Hi"), true));
        let over = json!({
            "type": "response.output_audio.done", "response_id": response, "item_id": reply,
            "output_index": 0, "content_index": 0,
        });
        assert_valid(&SERVER_EVENT, &with_id(&over));
        line.say(&mut peer, over).await;
        assert_eq!(line.next().await, FromModel::AudioDone { clip, said: None });
        line.done(&mut peer, &response, "completed").await;
        assert!(matches!(line.next().await, FromModel::Done { .. }));
        context.push(heard(u64::from(turn) * 2, "Hi", turn));
        context.push(said(u64::from(turn) * 2 + 1, "Hello", turn));
    }
}

#[tokio::test]
async fn a_reply_is_cut_to_what_was_heard_and_the_rest_forgotten() {
    let mut line = Line::start().await;
    let mut peer = line.session().await;
    line.respond(1, Vec::new()).await;
    assert_eq!(sent_short(&mut peer).await, "response.create");
    line.created(&mut peer, "resp_1", json!({"turn": "1"})).await;
    for part in ["item_A", "item_B"] {
        line.audio(&mut peer, "resp_1", part, 8_000).await;
        assert!(matches!(line.next().await, FromModel::Audio { .. }));
    }
    let turn = TurnId(1);
    line.order(ToModel::Cancel { turn }).await;
    line.order(ToModel::Truncate { turn, part: 0, heard: Duration::from_millis(640) }).await;
    line.order(ToModel::Forget { turn, part: 1 }).await;
    let cancel = sent(&mut peer).await;
    assert_eq!(
        (&cancel["type"], &cancel["response_id"]),
        (&json!("response.cancel"), &json!("resp_1"))
    );
    let truncate = sent(&mut peer).await;
    assert_eq!(
        (&truncate["type"], &truncate["item_id"], &truncate["audio_end_ms"]),
        (&json!("conversation.item.truncate"), &json!("item_A"), &json!(640))
    );
    let forget = sent(&mut peer).await;
    assert_eq!(
        (&forget["type"], &forget["item_id"]),
        (&json!("conversation.item.delete"), &json!("item_B"))
    );
    let error = json!({
        "type": "invalid_request_error", "code": "invalid_value", "param": null,
        "message": "Audio content of 1000ms is already shorter than 1640ms",
        "event_id": truncate["event_id"],
    });
    line.say(&mut peer, json!({"type": "error", "error": error})).await;
    line.audio(&mut peer, "resp_1", "item_B", 8_000).await;
    line.done(&mut peer, "resp_1", "cancelled").await;
    line.respond(2, vec![said(1, "Hello —", 1)]).await;
    assert_eq!(sent_short(&mut peer).await, "response.create");
    assert!(line.server.port.rx.try_recv().is_none(), "nothing is told of it");
}

#[tokio::test]
async fn exact_words_are_spoken_beside_a_reply() {
    let mut line = Line::start().await;
    let mut peer = line.session().await;
    line.respond(1, Vec::new()).await;
    assert_eq!(sent_short(&mut peer).await, "response.create");
    line.created(&mut peer, "resp_1", json!({"turn": "1"})).await;
    line.speak(1, "One moment, please.").await;
    let request = sent(&mut peer).await["response"].clone();
    assert_eq!((&request["conversation"], &request["input"]), (&json!("none"), &json!([])));
    let instructions = request["instructions"].as_str().expect("instructions");
    assert_eq!(instructions.lines().last(), Some("Say exactly: One moment, please."));
    line.created(&mut peer, "resp_W", json!({"words": "1"})).await;
    line.audio(&mut peer, "resp_W", "item_W", 160).await;
    let clip = Clip::Words(1);
    assert_eq!(line.next().await, FromModel::Audio { clip, audio: vec![0x7f; 160].into() });
    line.audio(&mut peer, "resp_1", "item_A", 160).await;
    assert!(matches!(
        line.next().await,
        FromModel::Audio { clip: Clip::Reply { turn: TurnId(1), part: 0 }, .. }
    ));
    let content = json!([{"type": "output_audio", "transcript": "One moment, please."}]);
    let output = json!([{"id": "item_W", "type": "message", "content": content}]);
    let response = json!({"id": "resp_W", "status": "completed", "output": output});
    line.say(&mut peer, json!({"type": "response.done", "response": response})).await;
    let said = Some("One moment, please.".into());
    assert_eq!(line.next().await, FromModel::AudioDone { clip, said });
    line.done(&mut peer, "resp_1", "completed").await;
    assert!(matches!(line.next().await, FromModel::AudioDone { clip: Clip::Reply { .. }, .. }));
    assert!(matches!(line.next().await, FromModel::Done { turn: TurnId(1), .. }));
}

#[tokio::test]
async fn transcripts_come_late_or_never() {
    let mut line = Line::start().await;
    let mut peer = line.session().await;
    for (item, utterance) in [("item_1", 1), ("item_2", 2), ("item_3", 3)] {
        line.utterance(&mut peer, item, utterance).await;
    }
    line.transcript_failed(&mut peer, "item_2", "audio_unintelligible").await;
    assert_eq!(line.next().await, understood(2, None, true));
    for (delta, so_far) in [("Hel", "Hel"), ("lo", "Hello")] {
        let delta = json!({
            "type": "conversation.item.input_audio_transcription.delta", "item_id": "item_1",
            "content_index": 0, "delta": delta,
        });
        line.say(&mut peer, delta).await;
        assert_eq!(line.next().await, understood(1, Some(so_far), false));
    }
    line.transcript(&mut peer, "item_1", "Hello.").await;
    assert_eq!(line.next().await, understood(1, Some("Hello."), true));
    for (item, utterance) in [("item_3", 3), ("item_4", 4)] {
        if utterance == 4 {
            line.utterance(&mut peer, item, utterance).await;
        }
        line.transcript_failed(&mut peer, item, "model_not_found").await;
        assert_eq!(line.next().await, understood(utterance, None, true));
    }
    let update = sent(&mut peer).await;
    let expected = json!({"type": "realtime", "audio": {"input": {"transcription": null}}});
    assert_eq!((&update["type"], &update["session"]), (&json!("session.update"), &expected));
}

#[tokio::test]
async fn a_socket_that_is_lost_in_mid_sentence_is_replaced_and_told_the_conversation() {
    let mut line = Line::start().await;
    let mut peer = line.session().await;
    line.utterance(&mut peer, "item_1", 1).await;
    line.transcript(&mut peer, "item_1", "Hello").await;
    assert_eq!(line.next().await, understood(1, Some("Hello"), true));
    line.respond(1, vec![heard(1, "Hello", 1)]).await;
    assert_eq!(sent_short(&mut peer).await, "response.create");
    line.created(&mut peer, "resp_1", json!({"turn": "1"})).await;
    line.audio(&mut peer, "resp_1", "item_A", 8_000).await;
    assert!(matches!(line.next().await, FromModel::Audio { .. }));
    line.speak(1, "One moment.").await;
    assert_eq!(sent_short(&mut peer).await, "response.create");
    let started = json!({
        "type": "input_audio_buffer.speech_started", "item_id": "item_2", "audio_start_ms": 1,
    });
    line.say(&mut peer, started).await;
    assert_eq!(line.next().await, FromModel::CallerSpeaking(true));
    drop(peer);
    let (clip, said) = (Clip::Words(1), None);
    assert_eq!(line.next().await, FromModel::AudioDone { clip, said });
    assert_eq!(line.next().await, FromModel::CallerSpeaking(false));
    let lost = line.next().await;
    let FromModel::Failed { turn: Some(TurnId(1)), fault: Fault::Lost, .. } = lost else {
        panic!("{lost:?}")
    };

    let mut peer = line.session().await;
    // These are about items that the new session never had.
    let turn = TurnId(1);
    line.order(ToModel::Truncate { turn, part: 0, heard: Duration::from_millis(500) }).await;
    line.order(ToModel::Forget { turn, part: 0 }).await;
    line.utterance(&mut peer, "item_1", 2).await;
    let context =
        vec![heard(1, "Hello", 1), self::said(2, "Good mor —", 1), heard(3, "Still there?", 2)];
    line.respond(2, context).await;
    for expected in [
        "conversation.item.create input_text Hello",
        "conversation.item.create output_text Good mor —",
        "response.create",
    ] {
        assert_eq!(sent_short(&mut peer).await, expected);
    }
}
