//! What the Realtime adapter sends, and how little.

#![expect(clippy::wildcard_enum_match_arm, reason = "whatever else comes is a failure")]

use std::sync::Arc;
use std::time::Duration;

use phony_call::{FromModel, Item, ItemBody, ToolRef};
use phony_simulator::openai::{Brain, ScriptedReply};
use serde_json::json;

use crate::support::model::{Bench, assistant, item_id, note, quick, slow, user};

#[tokio::test]
async fn the_session_is_set_up_once_and_for_text() {
    let mut bench = Bench::start(quick(Brain::Echo, Vec::new())).await;
    bench.ready().await;
    let received = bench.sim.received();
    assert_eq!(received.len(), 1);
    let session = &received[0].event["session"];
    assert_eq!(session["type"], "realtime");
    assert_eq!(session["output_modalities"], json!(["text"]));
    assert_eq!(session["instructions"], "You answer the telephone.");
    assert_eq!(session["tool_choice"], "auto");
    assert!(session["audio"]["input"]["turn_detection"].is_null());
    let names: Vec<&str> = (session["tools"].as_array().unwrap().iter())
        .map(|tool| tool["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["press", "transfer", "end_call", "request_user", "do_not_call"]);
}

#[tokio::test]
async fn a_plain_turn_sends_the_callers_words_and_the_request() {
    let mut bench = Bench::start(quick(Brain::Echo, Vec::new())).await;
    bench.ready().await;
    let mut context: Vec<Item> = Vec::new();
    for turn in 1..=5 {
        let before = bench.sent_so_far();
        context.push(user(&format!("u{turn}"), &format!("sentence {turn}")));
        let reply = bench.ask(turn, &context).await;
        assert_eq!(reply.text, format!("You said: sentence {turn}"));
        let created = format!("create user {:?}", format!("sentence {turn}"));
        assert_eq!(bench.sent(before), [created.as_str(), "response.create"]);
        context.push(assistant(&format!("a{turn}"), &reply.text, Some(turn)));
    }
    assert_eq!(bench.sim.stats().connections, 1);
}

#[tokio::test]
async fn every_event_of_ours_has_an_id() {
    let mut bench = Bench::start(quick(Brain::Echo, Vec::new())).await;
    bench.ready().await;
    bench.ask(1, &[user("u1", "One")]).await;
    bench.ask(2, &[user("u2", "Two")]).await;
    bench.cancel(2).await;
    let received = bench.sim.received();
    let mut ids: Vec<&str> =
        received.iter().map(|received| received.event["event_id"].as_str().unwrap()).collect();
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), count);
}

#[tokio::test]
async fn what_was_not_heard_is_replaced_in_place_after_an_interruption() {
    let mut bench = Bench::start(quick(Brain::Echo, Vec::new())).await;
    bench.ready().await;
    let first = user("u1", "I lost my card");
    bench.ask(1, std::slice::from_ref(&first)).await;
    let before = bench.sent_so_far();
    let context = [first, assistant("a1", "You said: I", None), user("u2", "Listen")];
    assert_eq!(bench.ask(2, &context).await.text, "You said: Listen");
    let edits = ["delete", "create assistant \"You said: I\"", "create user \"Listen\""];
    assert_eq!(bench.sent(before), [&edits[..], &["response.create"]].concat());
}

#[tokio::test]
async fn a_later_correction_names_the_item_before_it() {
    let mut bench = Bench::start(quick(Brain::Echo, Vec::new())).await;
    bench.ready().await;
    let (one, two) = (user("u1", "One"), user("u2", "Two"));
    bench.ask(1, std::slice::from_ref(&one)).await;
    let context = [one.clone(), assistant("a1", "You said: One", Some(1)), two.clone()];
    let second = bench.ask(2, &context).await;
    let before = bench.sent_so_far();
    let corrected = [
        one,
        assistant("a3", "You", None),
        two,
        assistant("a2", &second.text, Some(2)),
        user("u3", "Three"),
    ];
    bench.ask(3, &corrected).await;
    let sent = ["delete", "create assistant \"You\" in place", "create user \"Three\""];
    assert_eq!(bench.sent(before), [&sent[..], &["response.create"]].concat());
}

#[tokio::test]
async fn notes_are_told_as_system_messages() {
    let mut bench = Bench::start(quick(Brain::Echo, Vec::new())).await;
    bench.ready().await;
    let first = user("u1", "Is it open");
    let reply = bench.ask(1, std::slice::from_ref(&first)).await;
    let before = bench.sent_so_far();
    let whisper = note("w1", "Offer a discount.");
    let context = [first, assistant("a1", &reply.text, Some(1)), whisper, user("u2", "Well")];
    bench.ask(2, &context).await;
    let sent = ["create system \"Offer a discount.\"", "create user \"Well\"", "response.create"];
    assert_eq!(bench.sent(before), sent);
}

#[tokio::test]
async fn a_tool_call_makes_its_round_trip() {
    let script = vec![
        ScriptedReply::on("two", "Pressing two. ").with_call("press", r#"{"digits":"2"}"#),
        ScriptedReply::on("pressed", "Done."),
    ];
    let mut bench = Bench::start(quick(Brain::Script(script), Vec::new())).await;
    bench.ready().await;
    let asked = user("u1", "Press two");
    let reply = bench.ask(1, std::slice::from_ref(&asked)).await;
    assert_eq!(reply.text.trim(), "Pressing two.");
    let [(call_id, name, arguments)] = &reply.tools[..] else { panic!("{reply:?}") };
    assert_eq!((name.as_str(), arguments.as_str()), ("press", r#"{"digits":"2"}"#));

    let before = bench.sent_so_far();
    let (call_id, name, arguments) = (call_id.clone(), name.clone(), arguments.clone());
    let result = call_id.as_str().into();
    let context = [
        asked,
        assistant("a1", &reply.text, Some(1)),
        Item {
            id: item_id("t1"),
            body: ItemBody::ToolCall(Arc::new(ToolRef { call_id, name, arguments })),
        },
        Item {
            id: item_id("r1"),
            body: ItemBody::ToolResult { call_id: result, output: r#"{"ok":"pressed"}"#.into() },
        },
    ];
    assert_eq!(bench.ask(2, &context).await.text, "Done.");
    assert_eq!(bench.sent(before), ["create function_call_output \"\"", "response.create"]);
}

#[tokio::test]
async fn the_next_request_waits_for_the_end_of_the_cancelled_reply() {
    let mut bench = Bench::start(slow(Brain::Echo, Duration::from_millis(25))).await;
    bench.ready().await;
    for turn in 1..=6 {
        let words = user(&format!("u{turn}"), "a b c d e f g h i j k l m n o p");
        bench.respond(turn, &[words]).await;
        bench.first_words(turn).await;
        bench.cancel(turn).await;
    }
    bench.respond(7, &[user("u7", "Last")]).await;
    while let fact = bench.next().await
        && !matches!(fact, FromModel::Done { turn, .. } if turn.0 == 7)
    {
        assert!(!matches!(fact, FromModel::Failed { .. }), "{fact:?}");
    }
    // A request that does not wait is refused as a second active response, and counts as none.
    assert_eq!(bench.sim.stats().responses, 7);
    assert_eq!(bench.sim.stats().connections, 1);
}

#[tokio::test]
async fn a_cancel_right_after_the_request_leaves_nothing_behind() {
    let mut bench = Bench::start(slow(Brain::Echo, Duration::from_millis(5))).await;
    bench.ready().await;
    for turn in 1..=30 {
        bench.respond(turn, &[user(&format!("u{turn}"), "Never")]).await;
        bench.cancel(turn).await;
    }
    bench.respond(31, &[user("u31", "Now")]).await;
    let mut text = String::new();
    loop {
        match bench.next().await {
            FromModel::Text { turn, text: words } if turn.0 == 31 => text += &words,
            FromModel::Done { turn, .. } if turn.0 == 31 => break,
            FromModel::Done { .. } => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(text, "You said: Now");
    assert_eq!(bench.sim.stats().connections, 1);
}
