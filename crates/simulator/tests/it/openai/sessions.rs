//! `session.update`, and frames that are not events.

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use super::client::{Client, echo, request};

fn update(session: &Value) -> Value {
    json!({"type": "session.update", "session": session})
}

#[tokio::test]
async fn an_update_changes_what_it_names_and_shows_the_whole_session() {
    let server = echo().await;
    let mut client = Client::connect(&server).await;
    let before = client.events[0]["session"].clone();
    assert_eq!(before["output_modalities"], json!(["audio"]));
    assert_eq!(before["audio"]["input"]["turn_detection"]["type"], "server_vad");
    client
        .send(update(&json!({
            "type": "realtime",
            "model": "gpt-realtime",
            "instructions": "Speak slowly.",
            "audio": {
                "input": {"format": {"type": "audio/pcmu"}, "turn_detection": null},
                "output": {"format": {"type": "audio/pcm"}, "voice": "cedar"},
            },
            "tools": [{"type": "function", "name": "end_call", "parameters": {"type": "object"}}],
        })))
        .await;
    let event = client.event().await;
    assert_eq!(event["type"], "session.updated");
    let mut expected = before;
    expected["instructions"] = json!("Speak slowly.");
    expected["audio"]["input"]["format"] = json!({"type": "audio/pcmu"});
    expected["audio"]["input"]["turn_detection"] = Value::Null;
    expected["audio"]["output"]["voice"] = json!("cedar");
    expected["tools"] =
        json!([{"type": "function", "name": "end_call", "parameters": {"type": "object"}}]);
    assert_eq!(event["session"], expected);
    server.stop().await;
}

#[tokio::test]
async fn a_part_of_turn_detection_leaves_the_rest_of_it() {
    let server = echo().await;
    let mut client = Client::connect(&server).await;
    let vad = json!({"type": "server_vad", "silence_duration_ms": 700});
    client
        .send(update(&json!({"type": "realtime", "audio": {"input": {"turn_detection": vad}}})))
        .await;
    let event = client.event().await;
    let vad = &event["session"]["audio"]["input"]["turn_detection"];
    assert_eq!((&vad["silence_duration_ms"], &vad["threshold"]), (&json!(700), &json!(0.5)));
    let vad = json!({"type": "semantic_vad"});
    client
        .send(update(&json!({"type": "realtime", "audio": {"input": {"turn_detection": vad}}})))
        .await;
    let event = client.event().await;
    let vad = &event["session"]["audio"]["input"]["turn_detection"];
    assert_eq!((&vad["eagerness"], &vad["threshold"]), (&json!("auto"), &Value::Null));
    server.stop().await;
}

#[tokio::test]
async fn a_wrong_update_is_refused_by_name_and_nothing_of_it_is_applied() {
    let server = echo().await;
    let mut client = Client::connect(&server).await;
    let pcmu = json!({"type": "audio/pcmu", "rate": 8000});
    let cases = [
        (json!({}), "missing_required_parameter", "session.type"),
        (json!({"type": "transcription"}), "invalid_value", "session.type"),
        (json!({"temperature": 0.8}), "unknown_parameter", "session.temperature"),
        (json!({"modalities": ["text"]}), "unknown_parameter", "session.modalities"),
        (json!({"voice": "alloy"}), "unknown_parameter", "session.voice"),
        (
            json!({"audio": {"input": {"format": pcmu}}}),
            "unknown_parameter",
            "session.audio.input.format.rate",
        ),
        (
            json!({"audio": {"input": {"format": {"type": "g711_ulaw"}}}}),
            "invalid_value",
            "session.audio.input.format.type",
        ),
        (
            json!({"audio": {"output": {"voice": "nova"}}}),
            "invalid_value",
            "session.audio.output.voice",
        ),
        (json!({"audio": {"output": {"speed": 9}}}), "invalid_value", "session.audio.output.speed"),
        (
            json!({"output_modalities": ["text", "audio"]}),
            "invalid_value",
            "session.output_modalities",
        ),
        (json!({"output_modalities": "text"}), "invalid_value", "session.output_modalities"),
        (json!({"max_output_tokens": 0}), "invalid_value", "session.max_output_tokens"),
        (json!({"instructions": null}), "invalid_value", "session.instructions"),
        (
            json!({"tools": [{"type": "function", "name": "x", "strict": true}]}),
            "unknown_parameter",
            "session.tools[0].strict",
        ),
        (
            json!({"tools": [{"type": "function", "function": {"name": "x"}}]}),
            "missing_required_parameter",
            "session.tools[0].name",
        ),
        (json!({"prompt": {"id": "pmpt_1"}}), "invalid_value", "session.prompt"),
    ];
    for (mut patch, code, param) in cases {
        if param != "session.type" {
            patch["type"] = json!("realtime");
            if param != "session.instructions" {
                patch["instructions"] = json!("changed");
            }
        }
        let error = client.refused(update(&patch)).await;
        assert_eq!((&error["code"], &error["param"]), (&json!(code), &json!(param)), "{patch}");
    }
    client.send(update(&json!({"type": "realtime"}))).await;
    let event = client.event().await;
    assert_eq!(event["session"], client.events[0]["session"]);
    server.stop().await;
}

#[tokio::test]
async fn reasoning_is_for_models_that_reason() {
    let server = echo().await;
    let reasoning = update(&json!({"type": "realtime", "reasoning": {"effort": "high"}}));
    let mut client = Client::connect(&server).await;
    client.send(reasoning.clone()).await;
    assert_eq!(client.event().await["session"]["reasoning"]["effort"], "high");
    let mut client = Client::with(request(server.addr(), "gpt-realtime-1.5")).await;
    assert_eq!(client.event().await["session"]["reasoning"], Value::Null);
    assert_eq!(client.refused(reasoning).await["param"], "session.reasoning");
    server.stop().await;
}

#[tokio::test]
async fn frames_that_are_not_events_are_refused_and_the_session_continues() {
    let server = echo().await;
    let mut client = Client::text_mode(&server).await;
    let frames = [
        (Message::Text("{".into()), "invalid_event"),
        (Message::Text("[]".into()), "invalid_event"),
        (Message::Text("".into()), "invalid_event"),
        (Message::Binary(vec![0, 159, 146].into()), "invalid_event"),
        (Message::Text("{}".into()), "missing_required_parameter"),
        (Message::Text(r#"{"type":7}"#.into()), "invalid_value"),
        (Message::Text(r#"{"type":"response.crate"}"#.into()), "invalid_value"),
        (Message::Text(r#"{"type":"output_audio_buffer.clear"}"#.into()), "invalid_value"),
        (Message::Text(r#"{"type":"response.cancel","foo":1}"#.into()), "unknown_parameter"),
        (Message::Text(r#"{"type":"response.create","event_id":7}"#.into()), "invalid_value"),
        (Message::Text(format!("[{}]", "1,".repeat(500_000)).into()), "invalid_event"),
    ];
    for (frame, code) in frames {
        client.send_frame(frame).await;
        let event = client.event().await;
        assert_eq!(event["error"]["code"], code);
        assert_eq!(event["error"]["type"], "invalid_request_error");
    }
    let error = client.refused(json!({"type": "session.updated"})).await;
    assert_eq!((&error["code"], &error["param"]), (&json!("invalid_value"), &json!("type")));
    assert_eq!(client.ask("still there").await, "You said: still there");
    server.stop().await;
}

#[tokio::test]
async fn client_events_are_kept_for_tests_to_read() {
    let server = echo().await;
    let mut client = Client::text_mode(&server).await;
    client.send_frame(Message::Text("{".into())).await;
    client.event().await;
    let received = server.received();
    assert_eq!(received[0].event["type"], "session.update");
    assert_eq!((received[1].connection, &received[1].event), (0, &json!("{")));
    assert_eq!(server.stats().client_events, 2);
    server.stop().await;
}
