//! A fault of one call does not touch the others.

use phony::calls::registry::CallMessage;
use phony::ports;
use phony_call::{CallSid, FromCarrier, FromModel};
use serde_json::json;

use crate::support::server::{CALLED, CALLER, TestServer};
use crate::support::wait::in_time;

#[tokio::test]
async fn a_call_whose_task_panics_ends_alone_and_with_a_reason() {
    let mut server = TestServer::start().await;
    server.ring("CA1").await;
    server.ring("CA2").await;
    let (first, _second) = (server.model().await, server.model().await);
    let mut events = server.events("?callSid=CA1").await;
    // Opening a model panics from now on, in the test's stand-in for it.
    server.no_more_models();
    drop(first);
    let end = events.next_of("session_end").await;
    assert_eq!(end["reason"], "internal");
    server.until_live(1).await;
    let (_, call) = server.get("/calls/CA2").await;
    assert_eq!(call["status"], "live");
    let (_, calls) = server.get("/calls?live=false").await;
    assert_eq!(calls["calls"][0]["endReason"], "internal");
}

#[tokio::test]
async fn a_line_that_takes_no_words_is_let_go() {
    let mut server = TestServer::start().await;
    server.ring("CA1").await;
    let model = server.model().await;
    model.ready().await;
    let call = CallSid::parse("CA1").unwrap();
    let (port, end) = ports::carrier();
    end.events.send(FromCarrier::Connected { line: None }).await.unwrap();
    let handle = server.running.app.calls.find(&call).unwrap();
    assert!(handle.send(CallMessage::Attach(port)).await);
    let press = async || {
        let order = json!({ "callSid": "CA1", "digit": "1" });
        server.post("/override/dtmf", &order).await.0
    };
    // The call runs on another thread and may not have seen its line yet.
    in_time(async { while press().await != 200 {} }).await;
    for n in 1..ports::CARRIER_COMMANDS * 2 {
        if press().await != 200 {
            assert!(n >= ports::CARRIER_COMMANDS / 2, "let go too early: {n}");
            break;
        }
    }
    in_time(end.events.closed()).await;
    let (_, call) = server.get("/calls/CA1").await;
    assert_eq!(call["status"], "live", "its line may come back");
}

#[tokio::test]
async fn a_stopping_server_takes_no_new_calls() {
    let server = TestServer::start().await;
    server.ring("CA1").await;
    let mut line = server.connect("CA1", &server.ring("CA1").await).await;
    line.utterance().await;
    server.running.stop();
    let form = [("CallSid", "CA2"), ("From", CALLER), ("To", CALLED)];
    let (status, body) = server.webhook("/receive_call", &form).await;
    assert_eq!(status, 200);
    assert!(body.contains("<Reject reason=\"busy\"/>"), "{body}");
}

#[tokio::test]
async fn a_killed_server_leaves_no_call_without_an_end() {
    let mut server = TestServer::start().await;
    server.ring("CA1").await;
    let model = server.model().await;
    server.running.kill();
    let hub = std::sync::Arc::clone(server.running.app.history.hub());
    in_time(server.running.join()).await;
    let events = hub.events(&CallSid::parse("CA1").unwrap(), 0).unwrap();
    let last: serde_json::Value = serde_json::from_str(events.last().unwrap()).unwrap();
    assert_eq!((&last["type"], &last["reason"]), (&json!("session_end"), &json!("shutdown")));
    assert!(model.facts.send(FromModel::Ready).await.is_err(), "its model is let go, too");
}
