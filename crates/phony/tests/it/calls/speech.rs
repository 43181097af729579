//! Which of a model's words and commands reach the line.

use phony_call::{Fault, FromModel, TurnId};
use serde_json::json;

use crate::support::server::{FakeModel, JsonSocket, TestServer};

/// A call whose caller has spoken: its line, its model, and the requested turn.
async fn asked(server: &mut TestServer) -> (JsonSocket, FakeModel, TurnId) {
    let twiml = server.ring("CA1").await;
    let mut line = server.connect("CA1", &twiml).await;
    line.utterance().await;
    let mut model = server.model().await;
    model.ready().await;
    line.prompt("Hello").await;
    let (turn, _) = model.asked().await;
    (line, model, turn)
}

async fn text(model: &FakeModel, turn: TurnId, text: &str) {
    model.facts.send(FromModel::Text { turn, text: text.into() }).await.unwrap();
}

async fn tool(model: &FakeModel, turn: TurnId, name: &str, arguments: &str) {
    let (call_id, name, arguments) = ("call_1".into(), name.into(), arguments.into());
    model.facts.send(FromModel::Tool { turn, call_id, name, arguments }).await.unwrap();
}

#[tokio::test]
async fn markup_controls_and_commands_as_functions_are_not_spoken() {
    let mut server = TestServer::start().await;
    let (mut line, model, turn) = asked(&mut server).await;
    for part in ["**Of cou", "rse**, <b", ">one</b> mo\u{0}ment. tran", "sfer({\"number\": \"+1"] {
        text(&model, turn, part).await;
    }
    model.reply(turn, "5005550006\"})\u{fffd}").await;
    assert_eq!(line.utterance().await, "Of course, one moment. ");
}

#[tokio::test]
async fn an_attempt_that_failed_hangs_nobody_up() {
    let mut server = TestServer::start().await;
    let (mut line, mut model, turn) = asked(&mut server).await;
    text(&model, turn, "Very well. ").await;
    tool(&model, turn, "end_call", "{}").await;
    let (code, message) = ("server_error".into(), "It failed.".into());
    let failed =
        FromModel::Failed { turn: Some(turn), fault: Fault::Passing, code, message, usage: None };
    model.facts.send(failed).await.unwrap();
    let (turn, context) = model.asked().await;
    assert!(!context.contains("end_call"), "{context}");
    model.reply(turn, "What else?").await;
    assert_eq!(line.utterance().await, "Very well. What else?");
    line.send(&json!({ "type": "info", "name": "tokensPlayed", "value": "Very well. What else?" }))
        .await;
    line.prompt("A refund").await;
    assert!(model.asked().await.0 > turn, "the call goes on");
}

#[tokio::test]
async fn a_key_in_the_text_and_as_a_tool_is_pressed_once() {
    let mut server = TestServer::start().await;
    let (mut line, model, turn) = asked(&mut server).await;
    text(&model, turn, "[[press:1]]").await;
    tool(&model, turn, "press", r#"{"digits":"1"}"#).await;
    model.reply(turn, "[[press:2]]").await;
    assert_eq!(line.next_of("sendDigits").await["digits"], "1");
    assert_eq!(line.next_of("sendDigits").await["digits"], "2");
}

#[tokio::test]
async fn a_question_ends_with_its_call() {
    let mut server = TestServer::start().await;
    let (_line, model, turn) = asked(&mut server).await;
    let mut events = server.events("?callSid=CA1").await;
    model.reply(turn, "[[request_user:May I?]]").await;
    events.next_of("query").await;
    assert_eq!(server.get("/calls/CA1").await.1["question"], "May I?");
    server.webhook("/call_status", &[("CallSid", "CA1"), ("CallStatus", "completed")]).await;
    server.until_live(0).await;
    let call = server.get("/calls/CA1").await.1;
    assert!(call["question"].is_null() && call["endReason"].is_string(), "{call}");
}
