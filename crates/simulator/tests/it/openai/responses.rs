//! Responses: the order of their events, how they end, and their usage.

use std::time::Duration;

use phony_simulator::openai::{
    Brain, DeltaSize, OpenAiOptions, OpenAiRunning, Pace, ScriptedReply, start,
};
use phony_simulator::voice::Voice;
use serde_json::{Value, json};

use super::client::{Client, done, echo, instant, kinds, message, text_of};

async fn scripted(replies: Vec<ScriptedReply>) -> OpenAiRunning {
    start(instant(Brain::Script(replies))).await.unwrap()
}

/// Says two words, then waits for an hour.
async fn hesitant() -> OpenAiRunning {
    let pace = Pace { between_deltas: Duration::from_hours(1), ..Pace::INSTANT };
    let reply = ScriptedReply::next("One two three.").with_call("end_call", "{}");
    let brain = Brain::Script(vec![reply]);
    start(OpenAiOptions { pace, ..instant(brain) }).await.unwrap()
}

const CANCEL: &str = "response.cancel";

#[tokio::test]
async fn a_text_response_has_its_events_in_order() {
    let server = echo().await;
    let mut client = Client::text_mode(&server).await;
    client.say("hello there").await;
    let events = client.respond(json!({"metadata": {"turn": "1"}})).await;
    assert_eq!(
        kinds(&events),
        [
            "response.created",
            "response.output_item.added",
            "conversation.item.added",
            "response.content_part.added",
            "response.output_text.delta",
            "response.output_text.done",
            "response.content_part.done",
            "response.output_item.done",
            "conversation.item.done",
            "response.done",
            "rate_limits.updated",
        ]
    );
    assert_eq!(text_of(&events), "You said: hello there");
    let created = &events[0]["response"];
    assert_eq!((&created["status"], &created["usage"]), (&json!("in_progress"), &Value::Null));
    assert_eq!(created["metadata"], json!({"turn": "1"}));
    let done = done(&events);
    assert_eq!((&done["status"], &done["id"]), (&json!("completed"), &created["id"]));
    let item = &done["output"][0];
    assert_eq!(item["content"], json!([{"type": "output_text", "text": "You said: hello there"}]));
    assert_eq!(events[1]["item"]["content"], json!([]));
    assert_eq!(events[2]["previous_item_id"], client.events[2]["item"]["id"]);
    assert_eq!(events[2]["item"]["id"], item["id"]);
    server.stop().await;
}

#[tokio::test]
async fn deltas_are_as_large_as_asked_and_lose_nothing() {
    for (delta, count) in
        [(DeltaSize::Whole, 1), (DeltaSize::Words(2), 3), (DeltaSize::Chars(4), 6)]
    {
        let pace = Pace { delta, ..Pace::INSTANT };
        let server = start(OpenAiOptions { pace, ..instant(Brain::Echo) }).await.unwrap();
        let mut client = Client::text_mode(&server).await;
        client.say("one  twö three").await;
        let events = client.respond(json!({})).await;
        assert_eq!(text_of(&events), "You said: one  twö three");
        let deltas = events.iter().filter(|event| event["type"] == "response.output_text.delta");
        assert_eq!(deltas.count(), count, "{delta:?}");
        server.stop().await;
    }
}

#[tokio::test]
async fn a_function_is_called_and_its_result_answered() {
    let call = ScriptedReply::next("One moment.").with_call("lookup", r#"{"card": "debit card"}"#);
    let server = scripted(vec![call, ScriptedReply::next("It is blocked.")]).await;
    let mut client = Client::text_mode(&server).await;
    client.say("block it").await;
    let events = client.respond(json!({})).await;
    assert_eq!(
        kinds(&events)[9..],
        [
            "response.output_item.added",
            "conversation.item.added",
            "response.function_call_arguments.delta",
            "response.function_call_arguments.done",
            "response.output_item.done",
            "conversation.item.done",
            "response.done",
            "rate_limits.updated",
        ]
    );
    let call = &done(&events)["output"][1];
    assert_eq!(call["type"], "function_call");
    assert_eq!((&call["name"], &call["status"]), (&json!("lookup"), &json!("completed")));
    assert_eq!(call["arguments"], r#"{"card": "debit card"}"#);
    let result =
        json!({"type": "function_call_output", "call_id": call["call_id"], "output": "ok"});
    client.item(result).await;
    assert_eq!(text_of(&client.respond(json!({})).await), "It is blocked.");
    server.stop().await;
}

#[tokio::test]
async fn tool_choice_is_obeyed() {
    let server = scripted(vec![ScriptedReply::next("Bye.").with_call("end_call", "{}")]).await;
    let mut client = Client::text_mode(&server).await;
    client.say("bye").await;
    let events = client.respond(json!({"conversation": "none", "tool_choice": "none"})).await;
    assert_eq!(done(&events)["output"].as_array().unwrap().len(), 1);
    let forced = json!({
        "conversation": "none",
        "tools": [{"type": "function", "name": "transfer"}],
        "tool_choice": {"type": "function", "name": "transfer"},
    });
    // The script's reply calls a function, as `required` demands, and stays as it is.
    let events = client.respond(forced).await;
    assert_eq!(done(&events)["output"][1]["type"], "function_call");
    server.stop().await;
    let server = echo().await;
    let mut client = Client::text_mode(&server).await;
    client.say("bye").await;
    let required = json!({
        "tools": [{"type": "function", "name": "transfer"}], "tool_choice": "required",
    });
    let events = client.respond(required).await;
    assert_eq!(done(&events)["output"][0]["name"], "transfer");
    server.stop().await;
}

#[tokio::test]
async fn a_cancelled_response_keeps_what_was_said() {
    let server = hesitant().await;
    let mut client = Client::text_mode(&server).await;
    client.say("go").await;
    client.send(json!({"type": "response.create"})).await;
    let started = client.until("response.output_text.delta").await;
    let id = started[0]["response"]["id"].clone();
    let other = json!({"type": CANCEL, "response_id": "resp_other"});
    assert_eq!(client.refused(other).await["code"], "response_cancel_not_active");
    client.send(json!({"type": CANCEL, "response_id": id})).await;
    let events = client.until("rate_limits.updated").await;
    assert_eq!(
        kinds(&events),
        [
            "response.output_text.done",
            "response.content_part.done",
            "response.output_item.done",
            "conversation.item.done",
            "response.done",
            "rate_limits.updated",
        ]
    );
    let done = done(&events);
    assert_eq!(done["status"], "cancelled");
    assert_eq!(done["status_details"], json!({"type": "cancelled", "reason": "client_cancelled"}));
    let output = done["output"].as_array().unwrap();
    assert_eq!(output.len(), 1, "the call that was not begun is not there");
    assert_eq!(output[0]["status"], "incomplete");
    assert_eq!(output[0]["content"][0]["text"], "One ");
    let error = client.refused(json!({"type": CANCEL})).await;
    assert_eq!(error["code"], "response_cancel_not_active");
    assert_eq!(error["message"], "Cancellation failed: no active response found");
    server.stop().await;
}

#[tokio::test]
async fn one_response_at_a_time_writes_to_the_conversation() {
    let server = hesitant().await;
    let mut client = Client::text_mode(&server).await;
    client.say("go").await;
    client.send(json!({"type": "response.create"})).await;
    client.until("response.output_text.delta").await;
    let error = client.refused(json!({"type": "response.create"})).await;
    assert_eq!(error["code"], "conversation_already_has_active_response");
    let aside = json!({
        "conversation": "none", "metadata": {"purpose": "aside"},
        "instructions": "Say exactly: Aside.", "input": [message("user", "what is this about")],
    });
    let events = client.respond(aside).await;
    assert_eq!(text_of(&events), "Aside.");
    assert!(!kinds(&events).contains(&"conversation.item.added"));
    assert_eq!(done(&events)["conversation_id"], Value::Null);
    client.send(json!({"type": CANCEL})).await;
    client.until("response.done").await;
    server.stop().await;
}

#[tokio::test]
async fn a_response_can_have_an_input_of_its_own() {
    let server = echo().await;
    let mut client = Client::text_mode(&server).await;
    let mut first = message("user", "from the conversation");
    first["id"] = json!("u1");
    client.item(first).await;
    client.say("later").await;
    let own = json!({"conversation": "none", "input": [{"type": "item_reference", "id": "u1"}]});
    assert_eq!(text_of(&client.respond(own).await), "You said: from the conversation");
    let empty = json!({"conversation": "none", "input": []});
    assert_eq!(text_of(&client.respond(empty).await), "Hello.");
    let gone = json!({"input": [{"type": "item_reference", "id": "u2"}]});
    let error = client.refused(json!({"type": "response.create", "response": gone})).await;
    assert_eq!(error["param"], "response.input[0].id");
    server.stop().await;
}

#[tokio::test]
async fn wrong_parameters_of_a_response_are_refused_by_name() {
    let server = echo().await;
    let mut client = Client::text_mode(&server).await;
    let pairs: Value =
        (0..17).map(|n| (n.to_string(), json!("x"))).collect::<serde_json::Map<_, _>>().into();
    let cases = [
        (json!({"modalities": ["text"]}), "unknown_parameter", "response.modalities"),
        (json!({"temperature": 1}), "unknown_parameter", "response.temperature"),
        (json!({"conversation": "new"}), "invalid_value", "response.conversation"),
        (json!({"metadata": {"n": 1}}), "invalid_value", "response.metadata"),
        (json!({"metadata": pairs}), "invalid_value", "response.metadata"),
        (json!({"max_output_tokens": "all"}), "invalid_value", "response.max_output_tokens"),
        (json!({"tool_choice": "always"}), "invalid_value", "response.tool_choice"),
        (json!([]), "invalid_value", "response"),
    ];
    for (params, code, param) in cases {
        let event = json!({"type": "response.create", "response": params});
        let error = client.refused(event).await;
        assert_eq!((&error["code"], &error["param"]), (&json!(code), &json!(param)), "{params}");
    }
    assert_eq!(server.stats().responses, 0);
    server.stop().await;
}

#[tokio::test]
async fn a_response_ends_at_its_token_limit() {
    let server =
        scripted(vec![ScriptedReply::next("Twelve chars and more").with_call("f", "{}")]).await;
    let mut client = Client::text_mode(&server).await;
    client.say("go").await;
    let events = client.respond(json!({"max_output_tokens": 3})).await;
    let done = done(&events);
    assert_eq!(done["status"], "incomplete");
    assert_eq!(done["status_details"]["reason"], "max_output_tokens");
    assert_eq!(text_of(&events), "Twelve chars");
    assert_eq!(done["output"].as_array().unwrap().len(), 1);
    assert_eq!(done["output"][0]["status"], "incomplete");
    server.stop().await;
}

#[tokio::test]
async fn usage_counts_a_repeated_prompt_as_cached() {
    let server = echo().await;
    let mut client = Client::text_mode(&server).await;
    client.say("four").await;
    let first = done(&client.respond(json!({})).await)["usage"].clone();
    client.say("more").await;
    let second = done(&client.respond(json!({})).await)["usage"].clone();
    assert_eq!(first["input_token_details"]["cached_tokens"], 0);
    assert_eq!(second["input_token_details"]["cached_tokens"], first["input_tokens"]);
    // "You said: four" is 14 characters, "more" 4.
    assert_eq!(first["output_tokens"], 4);
    let grown = second["input_tokens"].as_u64().unwrap() - first["input_tokens"].as_u64().unwrap();
    assert_eq!(grown, 4 + 1);
    let total =
        second["input_tokens"].as_u64().unwrap() + second["output_tokens"].as_u64().unwrap();
    assert_eq!(second["total_tokens"], total);
    server.stop().await;
}

#[tokio::test]
async fn in_audio_mode_the_transcript_comes_with_audio_of_its_length() {
    let server = echo().await;
    let mut client = Client::connect(&server).await;
    let format = json!({"type": "audio/pcmu"});
    client
        .send(json!({"type": "session.update", "session": {
            "type": "realtime", "audio": {"output": {"format": format, "voice": "marin"}},
        }}))
        .await;
    client.event().await;
    client.say("hello").await;
    let events = client.respond(json!({})).await;
    let named = kinds(&events);
    for kind in [
        "response.output_audio_transcript.delta",
        "response.output_audio.delta",
        "response.output_audio.done",
        "response.output_audio_transcript.done",
    ] {
        assert!(named.contains(&kind), "{kind}");
    }
    let sound: usize = events
        .iter()
        .filter(|event| event["type"] == "response.output_audio.delta")
        .map(|event| {
            let base64 = event["delta"].as_str().unwrap();
            base64.len() / 4 * 3 - base64.matches('=').count()
        })
        .sum();
    assert_eq!(sound, Voice::new().speak("You said: hello").len());
    let ms = sound / 8;
    let item = done(&events)["output"][0].clone();
    assert_eq!(item["content"][0]["transcript"], "You said: hello");
    let voice = json!({"type": "session.update", "session": {
        "type": "realtime", "audio": {"output": {"voice": "cedar"}},
    }});
    assert_eq!(client.refused(voice).await["param"], "session.audio.output.voice");
    let truncate = |ms: usize| {
        json!({"type": "conversation.item.truncate", "item_id": item["id"], "content_index": 0,
            "audio_end_ms": ms})
    };
    let error = client.refused(truncate(ms + 1)).await;
    let message = format!("Audio content of {ms}ms is already shorter than {}ms", ms + 1);
    assert_eq!(error["message"], message);
    client.send(truncate(ms / 2)).await;
    assert_eq!(client.event().await["type"], "conversation.item.truncated");
    client.send(json!({"type": "conversation.item.retrieve", "item_id": item["id"]})).await;
    assert_eq!(client.event().await["item"]["content"][0]["transcript"], "");
    server.stop().await;
}
