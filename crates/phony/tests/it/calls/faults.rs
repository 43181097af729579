//! One call's misfortune is its own.

use phony::calls::registry::CallMessage;
use phony::ports;
use phony_call::{CallSid, FromCarrier, FromModel};
use serde_json::json;

use crate::support::server::{CALLED, CALLER, house, soon};

#[tokio::test]
async fn a_call_whose_task_panics_ends_alone_and_with_a_reason() {
    let mut house = house().await;
    house.ring("CA1").await;
    house.ring("CA2").await;
    let (first, _second) = (house.model().await, house.model().await);
    let mut events = house.events("?callSid=CA1").await;
    // Opening a model fails from now on, with a panic: in the test's own place of the model.
    house.no_more_models();
    drop(first);
    let end = events.next_of("session_end").await;
    assert_eq!(end["reason"], "internal");
    house.until_live(1).await;
    let (_, call) = house.get("/calls/CA2").await;
    assert_eq!(call["status"], "live");
    let (_, calls) = house.get("/calls?live=false").await;
    assert_eq!(calls["calls"][0]["endReason"], "internal");
}

#[tokio::test]
async fn a_line_that_takes_no_words_is_let_go() {
    let mut house = house().await;
    house.ring("CA1").await;
    let model = house.model().await;
    model.ready().await;
    let call = CallSid::parse("CA1").unwrap();
    let (port, end) = ports::carrier();
    end.events.send(FromCarrier::Connected).await.unwrap();
    let handle = house.running.app.calls.find(&call).unwrap();
    assert!(handle.send(CallMessage::Attach(port)).await);
    let press = async || {
        let order = json!({ "callSid": "CA1", "digit": "1" });
        house.post("/override/dtmf", &order).await.0
    };
    // The call runs elsewhere: it may not have seen its line yet.
    soon(async { while press().await != 200 {} }).await;
    for n in 1..ports::CARRIER_COMMANDS * 2 {
        if press().await != 200 {
            assert!(n >= ports::CARRIER_COMMANDS / 2, "let go too early: {n}");
            break;
        }
    }
    soon(end.events.closed()).await;
    let (_, call) = house.get("/calls/CA1").await;
    assert_eq!(call["status"], "live", "its line may come back");
}

#[tokio::test]
async fn a_stopping_server_takes_no_new_calls() {
    let house = house().await;
    house.ring("CA1").await;
    let mut line = house.connect("CA1", &house.ring("CA1").await).await;
    line.utterance().await;
    house.running.stop();
    let form = [("CallSid", "CA2"), ("From", CALLER), ("To", CALLED)];
    let (status, body) = house.webhook("/receive_call", &form).await;
    assert_eq!(status, 200);
    assert!(body.contains("<Reject reason=\"busy\"/>"), "{body}");
}

#[tokio::test]
async fn a_killed_server_leaves_no_call_without_an_end() {
    let mut house = house().await;
    house.ring("CA1").await;
    let model = house.model().await;
    house.running.kill();
    let hub = std::sync::Arc::clone(house.running.app.history.hub());
    soon(house.running.join()).await;
    let events = hub.events(&CallSid::parse("CA1").unwrap(), 0).unwrap();
    let last: serde_json::Value = serde_json::from_str(events.last().unwrap()).unwrap();
    assert_eq!((&last["type"], &last["reason"]), (&json!("session_end"), &json!("shutdown")));
    assert!(model.facts.send(FromModel::Ready).await.is_err(), "its model is let go, too");
}
