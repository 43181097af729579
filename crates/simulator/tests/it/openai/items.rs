//! The items of a conversation, and the caller's audio.

use serde_json::{Value, json};

use super::client::{Client, echo, message};

fn with_id(mut item: Value, id: &str) -> Value {
    item["id"] = json!(id);
    item
}

#[tokio::test]
async fn items_keep_their_place() {
    let server = echo().await;
    let mut client = Client::text_mode(&server).await;
    let create = |item: Value, previous: Option<&str>| {
        let mut event = json!({"type": "conversation.item.create", "item": item});
        if let Some(previous) = previous {
            event["previous_item_id"] = json!(previous);
        }
        event
    };
    let cases = [
        ("b", None, Value::Null),
        ("d", None, json!("b")),
        ("a", Some("root"), Value::Null),
        ("c", Some("b"), json!("b")),
        ("b2", Some("b"), json!("b")),
    ];
    for (id, previous, expected) in cases {
        client.send(create(with_id(message("user", id), id), previous)).await;
        for kind in ["conversation.item.added", "conversation.item.done"] {
            let event = client.event().await;
            assert_eq!(event["type"], kind);
            assert_eq!((&event["item"]["id"], &event["previous_item_id"]), (&json!(id), &expected));
            assert_eq!(event["item"]["status"], "completed");
        }
    }
    let error = client.refused(create(message("user", "x"), Some("gone"))).await;
    assert_eq!(error["param"], "previous_item_id");
    let error = client.refused(create(with_id(message("user", "x"), "a"), None)).await;
    assert_eq!(error["param"], "item.id");
    server.stop().await;
}

#[tokio::test]
async fn an_item_can_be_read_and_deleted_once() {
    let server = echo().await;
    let mut client = Client::text_mode(&server).await;
    client.item(with_id(message("user", "hello"), "u1")).await;
    let retrieve = json!({"type": "conversation.item.retrieve", "item_id": "u1"});
    client.send(retrieve.clone()).await;
    let event = client.event().await;
    assert_eq!(event["type"], "conversation.item.retrieved");
    assert_eq!(event["item"]["content"], json!([{"type": "input_text", "text": "hello"}]));
    let delete = json!({"type": "conversation.item.delete", "item_id": "u1"});
    client.send(delete.clone()).await;
    let event = client.event().await;
    assert_eq!(
        (&event["type"], &event["item_id"]),
        (&json!("conversation.item.deleted"), &json!("u1"))
    );
    assert_eq!(client.refused(retrieve).await["code"], "item_retrieve_invalid_item_id");
    assert_eq!(client.refused(delete).await["param"], "item_id");
    server.stop().await;
}

#[tokio::test]
async fn an_item_that_does_not_fit_the_schema_is_refused_by_name() {
    let server = echo().await;
    let mut client = Client::text_mode(&server).await;
    let content =
        |role: &str, content: Value| json!({"type": "message", "role": role, "content": [content]});
    let cases = [
        (json!({}), "missing_required_parameter", "item.type"),
        (json!({"type": "song"}), "invalid_value", "item.type"),
        (json!({"type": "message", "content": []}), "missing_required_parameter", "item.role"),
        (
            content("assistant", json!({"type": "output_audio", "transcript": "x"})),
            "missing_required_parameter",
            "item.content[0].text",
        ),
        (
            content("assistant", json!({"type": "text", "text": "x"})),
            "invalid_value",
            "item.content[0].type",
        ),
        (
            content("system", json!({"type": "output_text", "text": "x"})),
            "invalid_value",
            "item.content[0].type",
        ),
        (
            content("user", json!({"type": "input_text", "text": 7})),
            "invalid_value",
            "item.content[0].text",
        ),
        (
            json!({"type": "function_call", "name": "f", "arguments": {}}),
            "invalid_value",
            "item.arguments",
        ),
        (
            json!({"type": "function_call_output", "call_id": "none", "output": "{}"}),
            "invalid_tool_call_id",
            "item.call_id",
        ),
        (json!({"type": "item_reference", "id": "u1"}), "invalid_value", "item.type"),
        (with_id(message("user", "x"), &"x".repeat(33)), "invalid_value", "item.id"),
    ];
    for (item, code, param) in cases {
        let event = json!({"type": "conversation.item.create", "item": item});
        let error = client.refused(event).await;
        assert_eq!((&error["code"], &error["param"]), (&json!(code), &json!(param)), "{item}");
    }
    assert_eq!(client.ask("hi").await, "You said: hi");
    server.stop().await;
}

#[tokio::test]
async fn a_conversation_can_be_replayed_on_a_new_socket() {
    let server = echo().await;
    let mut client = Client::text_mode(&server).await;
    for item in [
        message("system", "The caller is Ann."),
        message("user", "hello"),
        message("assistant", "Hi Ann."),
        json!({"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"}),
        json!({"type": "function_call_output", "call_id": "c1", "output": "done"}),
    ] {
        let event = client.item(item.clone()).await;
        for (name, value) in item.as_object().unwrap() {
            assert_eq!(&event["item"][name], value);
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn text_cannot_be_truncated() {
    let server = echo().await;
    let mut client = Client::text_mode(&server).await;
    client.item(with_id(message("assistant", "hello"), "a1")).await;
    let truncate = json!({
        "type": "conversation.item.truncate", "item_id": "a1", "content_index": 0,
        "audio_end_ms": 100,
    });
    assert_eq!(client.refused(truncate).await["code"], "unsupported_content_type");
    server.stop().await;
}

#[tokio::test]
async fn audio_is_committed_when_there_is_enough() {
    let server = echo().await;
    let mut client = Client::connect(&server).await;
    client
        .send(json!({"type": "session.update", "session": {"type": "realtime", "audio": {"input": {
            "format": {"type": "audio/pcmu"}, "transcription": {"model": "gpt-transcribe"},
        }}}}))
        .await;
    client.event().await;
    let commit = json!({"type": "input_audio_buffer.commit"});
    let empty = "input_audio_buffer_commit_empty";
    assert_eq!(client.refused(commit.clone()).await["code"], empty);
    // 100 ms of µ-law silence.
    let append = json!({"type": "input_audio_buffer.append", "audio": "/".repeat(1_068)});
    client.send(append.clone()).await;
    client.send(json!({"type": "input_audio_buffer.clear"})).await;
    assert_eq!(client.event().await["type"], "input_audio_buffer.cleared");
    assert_eq!(client.refused(commit.clone()).await["code"], empty);
    client.send(append).await;
    client.send(commit).await;
    let committed = client.event().await;
    assert_eq!(committed["type"], "input_audio_buffer.committed");
    let added = client.event().await;
    assert_eq!(added["item"]["id"], committed["item_id"]);
    assert_eq!(added["item"]["content"][0]["type"], "input_audio");
    let events = client.until("conversation.item.input_audio_transcription.completed").await;
    assert_eq!(events[events.len() - 1]["transcript"], "(sound of 0.1 s)");
    let wrong = json!({"type": "input_audio_buffer.append", "audio": "§"});
    assert_eq!(client.refused(wrong).await["param"], "audio");
    server.stop().await;
}
