//! A call that is ended here is over at the carrier, in whatever phase, and one that its caller
//! leaves is over here.

use std::time::Duration;

use phony_simulator::callers::{Caller, LiveAction};
use phony_simulator::twilio::{Answers, Callee, End, Fault};
use phony_wire::twilio::twiml::{Twiml, Verb};
use serde_json::{Value, json};

use crate::support::outbound::{OURS, OutboundApp, THEM, server_at};
use crate::support::server::{CALLED, CALLER, FakeModel, TestServer};
use crate::support::wait::outbound::LIMIT;

/// The number that calls are transferred to.
const TARGET: &str = "+12125550188";

/// A call that was transferred, up to the outcome `got`; and its model, which must be kept alive.
async fn transferred(app: &mut OutboundApp, caller: Caller, got: &str) -> (String, FakeModel) {
    let after_ms = if got == "answered" { 500 } else { 25_000 };
    let answers = Answers::Person { after_ms };
    let person = Callee { answers, talks_ms: 600_000, ..Callee::person(Caller::silent()) };
    app.twilio.set_callee(TARGET, person);
    let call = app.twilio.dial_in(THEM, OURS, caller).unwrap();
    let model = app.server.model().await;
    model.ready().await;
    app.until(&call, |call| call["phase"] != "ringing").await;
    let order = json!({ "callSid": call, "target": TARGET });
    let (status, answer) = app.server.post("/override/transfer", &order).await;
    assert_eq!(status, 200, "{answer}");
    let dialled = app.twilio.wait_for(
        &call,
        |record| record.dialled.first().is_some_and(|dialled| dialled.outcome == got),
        LIMIT,
    );
    dialled.await.unwrap();
    (call, model)
}

async fn end(server: &TestServer, call: &str) -> (u16, Value) {
    server.post("/override/end", &json!({ "callSid": call })).await
}

async fn events_of(server: &TestServer, call: &str) -> Vec<Value> {
    let mut line = server.events(&format!("?callSid={call}")).await;
    let mut events = Vec::new();
    while events.last().is_none_or(|event: &Value| event["type"] != "session_end") {
        events.push(line.next().await);
    }
    events
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_end_of_a_transferred_call_ends_both_legs() {
    for (got, becomes) in [("answered", "completed"), ("ringing", "canceled")] {
        let mut app = OutboundApp::start().await;
        let (call, _model) = transferred(&mut app, Caller::silent(), got).await;
        let (status, answer) = end(&app.server, &call).await;
        assert_eq!((status, answer), (200, json!({ "status": "ok" })));
        let record = app.twilio.wait_for_end(&call, LIMIT).await.unwrap();
        assert_eq!(record.end, Some(End::ApiEnded));
        assert_eq!(record.dialled[0].outcome, becomes);
        assert!(record.dialled[0].over_ms.is_some(), "the dialled party's leg is over as well");
        let action = record.webhooks_for("dial-action").next().unwrap();
        assert_eq!(action.param("CallStatus"), Some("completed"));
        assert_eq!(action.param("DialCallStatus"), Some(becomes));
        assert_eq!(app.over(&call).await["endReason"], "supervisor_ended");
        assert_eq!(end(&app.server, &call).await.0, 409);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_end_that_the_carrier_does_not_take_is_said_and_tried_again() {
    let mut app = OutboundApp::start().await;
    let (call, _model) = transferred(&mut app, Caller::silent(), "answered").await;
    app.twilio.fail_next(Fault::ServerError);
    app.twilio.fail_next(Fault::ServerError);
    let (status, answer) = end(&app.server, &call).await;
    let error = &answer["error"];
    assert_eq!((status, error["code"].as_str()), (502, Some("TWILIO_ERROR")), "{answer}");
    assert_eq!(error["details"]["retried"], true, "{answer}");
    let (_, live) = app.server.get(&format!("/calls/{call}")).await;
    assert_eq!((&live["endReason"], &live["phase"]), (&Value::Null, &json!("ending")), "{live}");
    let record = app.twilio.wait_for_end(&call, LIMIT).await.unwrap();
    assert_eq!(record.end, Some(End::ApiEnded), "it is ended behind");
    assert_eq!(app.over(&call).await["endReason"], "supervisor_ended");
    let events = events_of(&app.server, &call).await;
    let errors = events.iter().filter(|event| event["type"] == "error");
    let places: Vec<_> = errors.map(|event| event["where"].as_str().unwrap()).collect();
    assert_eq!(places, ["carrier"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_cannot_be_ended_at_the_carrier_ends_when_that_asks() {
    let account = "AC00000000000000000000000000000001";
    // Nothing listens there.
    let server = server_at(account, "http://127.0.0.1:9", &[]).await;
    server.ring("CA1").await;
    let (status, answer) = end(&server, "CA1").await;
    assert_eq!((status, answer["error"]["code"].as_str()), (502, Some("TWILIO_ERROR")));
    assert_eq!(server.running.app.calls.count(), 1, "it is not over");
    let form = [
        ("CallSid", "CA1"),
        ("From", CALLER),
        ("To", CALLED),
        ("SessionStatus", "failed"),
        ("CallStatus", "in-progress"),
    ];
    let (_, body) = server.webhook("/call_ended", &form).await;
    assert_eq!(Twiml::parse(&body).unwrap().twiml.verbs, [Verb::Hangup]);
    server.until_live(0).await;
    let (_, call) = server.get("/calls/CA1").await;
    assert_eq!(call["endReason"], "supervisor_ended");
    let (_, body) = server.webhook("/call_ended", &form).await;
    assert_eq!(Twiml::parse(&body).unwrap().twiml.verbs, [Verb::Hangup], "no apology");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_who_hangs_up_while_the_transfer_rings_is_not_waited_for() {
    let mut app = OutboundApp::start().await;
    let (caller, line) = Caller::live();
    let (call, _model) = transferred(&mut app, caller, "ringing").await;
    assert!(line.act(LiveAction::HangUp).await);
    // Shorter than the wait for a lost line.
    let over = tokio::time::timeout(Duration::from_secs(15), app.over(&call)).await;
    assert_eq!(over.expect("it is over soon")["endReason"], "caller_hung_up");
    let record = app.twilio.wait_for_end(&call, LIMIT).await.unwrap();
    assert_eq!((record.end, record.sessions.len()), (Some(End::FarEndHungUp), 1));
    assert_eq!(record.dialled[0].outcome, "canceled");
}
