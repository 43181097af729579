//! A repeat under an idempotency key gives the current state of the first call.

use phony_simulator::callers::Caller;
use phony_simulator::twilio::{Answers, Callee, Fault};
use serde_json::{Value, json};

use crate::support::outbound::{OutboundApp, THEM, order, order_with};
use crate::support::server::TestServer;

const REPLAY: &str = "idempotent-replay";

/// The answer to an order under a key: its status, whether it is marked as a replay, its body.
async fn keyed(server: &TestServer, key: &str, body: &Value) -> (u16, bool, Value) {
    let request = server.http.post(server.url("/calls")).bearer_auth(TestServer::token());
    let answer = request.header("idempotency-key", key).json(body).send().await.unwrap();
    let is_replay = answer.headers().get(REPLAY).is_some_and(|value| value == "true");
    (answer.status().as_u16(), is_replay, answer.json().await.unwrap())
}

#[tokio::test]
async fn a_replay_tells_how_the_call_stands_now() {
    let app = OutboundApp::start().await;
    for (answers, status) in [
        (Answers::Busy, "busy"),
        (Answers::Nobody, "no-answer"),
        (Answers::Fails { sip_code: 404 }, "failed"),
    ] {
        app.twilio.set_callee(THEM, Callee::absent(answers));
        let (code, is_replay, first) = keyed(&app.server, status, &order()).await;
        assert_eq!((code, is_replay, &first["status"]), (201, false, &json!("queued")));
        app.over(first["callSid"].as_str().unwrap()).await;
        let (code, is_replay, again) = keyed(&app.server, status, &order()).await;
        assert_eq!((code, is_replay, &again["status"]), (201, true, &json!(status)), "{again}");
        assert_eq!(again["callSid"], first["callSid"]);
    }
    // A call that is live, and then over.
    app.twilio.set_callee(THEM, Callee::person(Caller::silent()));
    let (_, _, first) = keyed(&app.server, "talks", &order()).await;
    let sid = first["callSid"].as_str().unwrap();
    app.until(sid, |call| call["status"] == "in-progress").await;
    let (_, is_replay, again) = keyed(&app.server, "talks", &order()).await;
    assert_eq!((is_replay, &again["status"]), (true, &json!("in-progress")));
    app.server.post("/override/end", &json!({ "callSid": sid })).await;
    app.until(sid, |call| call["status"] == "completed").await;
    let (_, is_replay, again) = keyed(&app.server, "talks", &order()).await;
    assert_eq!((is_replay, &again["status"]), (true, &json!("completed")));
    // Another order under the key is no replay.
    let other = order_with(&json!({ "to": "+12125550199" }));
    let (code, is_replay, _) = keyed(&app.server, "talks", &other).await;
    assert_eq!((code, is_replay), (409, false));
    // Nor is an order without a key.
    let request = app.server.http.post(app.server.url("/calls")).bearer_auth(TestServer::token());
    let answer = request.json(&order()).send().await.unwrap();
    assert!(answer.headers().get(REPLAY).is_none());
}

#[tokio::test]
async fn what_became_no_call_is_judged_anew_and_what_was_found_is_a_replay() {
    let app = OutboundApp::start().await;
    let without = order_with(&json!({ "consent": false }));
    for _ in 0..2 {
        let (code, is_replay, _) = keyed(&app.server, "refused", &without).await;
        assert_eq!((code, is_replay), (422, false));
    }
    app.twilio.fail_next(Fault::CreateFails { call_exists: false });
    let (code, is_replay, answer) = keyed(&app.server, "lost", &order()).await;
    assert_eq!((code, is_replay), (502, false));
    assert_eq!(answer["error"]["details"]["outcome"], "unknown");
    let (code, is_replay, _) = keyed(&app.server, "lost", &order()).await;
    assert_eq!((code, is_replay), (201, false), "there was none, so it is placed now");
    assert!(keyed(&app.server, "lost", &order()).await.1);
}

#[tokio::test]
async fn a_deleted_call_is_not_placed_again() {
    let app = OutboundApp::start().await;
    let OutboundApp { server, twilio, .. } = app;
    twilio.set_callee(THEM, Callee::absent(Answers::Busy));
    let (_, _, first) = keyed(&server, "k", &order()).await;
    let sid = first["callSid"].as_str().unwrap();
    crate::support::outbound::until(&server, sid, |call| !call["endReason"].is_null()).await;
    server.until_kept(sid).await;
    // What is no longer in memory is read from the files.
    let server = server.restart().await;
    let (code, is_replay, again) = keyed(&server, "k", &order()).await;
    assert_eq!((code, is_replay, &again["status"]), (201, true, &json!("busy")), "{again}");
    let delete = server.http.delete(server.url(&format!("/calls/{sid}")));
    assert_eq!(delete.bearer_auth(TestServer::token()).send().await.unwrap().status(), 200);
    let (code, is_replay, again) = keyed(&server, "k", &order()).await;
    assert_eq!((code, is_replay, &again["status"]), (201, true, &json!("deleted")), "{again}");
    assert_eq!(again["callSid"], sid);
    assert_eq!(twilio.calls().len(), 1, "nobody was called again");
}

#[tokio::test]
async fn a_key_whose_order_has_failed_is_free_after_a_restart_as_before() {
    let app = OutboundApp::start().await;
    let OutboundApp { server, twilio, .. } = app;
    // Twilio refuses with 21210: not a number of the account.
    let failing = order_with(&json!({ "from": "+15005550099" }));
    for key in ["same", "other"] {
        let (code, _, answer) = keyed(&server, key, &failing).await;
        assert_eq!((code, &answer["error"]["details"]["outcome"]), (502, &json!("failed")));
    }
    let last = crate::support::outbound::ledger_of(&server).pop().unwrap();
    assert_eq!((&last["what"], &last["outcome"]), (&json!("failed"), &json!("failed")));
    let server = server.restart().await;
    let (code, _, answer) = keyed(&server, "other", &order()).await;
    assert_eq!(code, 201, "another order may have the key: {answer}");
    let (code, _, answer) = keyed(&server, "same", &failing).await;
    assert_eq!((code, &answer["error"]["details"]["outcome"]), (502, &json!("failed")));
    // An unknown outcome is looked up, after a restart as well.
    twilio.fail_next(Fault::CreateFails { call_exists: false });
    let other = order_with(&json!({ "to": "+12125550199" }));
    let (_, _, answer) = keyed(&server, "lost", &other).await;
    assert_eq!(answer["error"]["details"]["outcome"], "unknown");
    assert_eq!(crate::support::outbound::ledger_of(&server).pop().unwrap()["outcome"], "unknown");
    let server = server.restart().await;
    assert_eq!(keyed(&server, "lost", &order()).await.0, 409, "it may have become a call");
    assert_eq!(keyed(&server, "lost", &other).await.0, 201);
}
