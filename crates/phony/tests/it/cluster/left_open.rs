//! One server with its own store is killed, or stopped, while a call has no line to it: the call is
//! to be ended at the carrier, was transferred, or rings.

use std::time::Duration;

use phony_simulator::callers::Caller;
use phony_simulator::openai::{Brain, OpenAiOptions};
use phony_simulator::twilio::{Answers, CallRecord, Callee, End, Fault};
use serde_json::{Value, json};

use super::alone::is_stored;
use crate::support::cluster::{ClusterOptions, TestCluster};
use crate::support::server::{CALLED, CALLER};
use crate::support::wait::cluster::eventually;

/// The number that calls are transferred to.
const TARGET: &str = "+12125550188";
/// The number that is called.
const THEM: &str = "+12125550123";

async fn alone(speed: f64, phony_toml: &str) -> TestCluster {
    let model = OpenAiOptions { brain: Brain::Echo, ..OpenAiOptions::default() };
    let files = vec![("phony.toml", phony_toml.to_owned())];
    TestCluster::of(ClusterOptions {
        servers: 1,
        redis: false,
        speed,
        model,
        files,
        ..ClusterOptions::default()
    })
    .await
}

/// A call that was transferred, up to the outcome `got`.
async fn transferred(cluster: &TestCluster, answers: Answers, got: &str) -> String {
    let callee = Callee { answers, talks_ms: 6_000_000, ..Callee::person(Caller::silent()) };
    cluster.twilio.set_callee(TARGET, callee);
    let call = cluster.twilio.dial_in(CALLER, CALLED, Caller::silent()).unwrap();
    in_phase(cluster, &call, "listening").await;
    let order = json!({ "callSid": call, "target": TARGET });
    let (status, answer) = cluster.post(cluster.owner().await, "/override/transfer", &order).await;
    assert_eq!(status, 200, "{answer}");
    let dialled =
        |record: &CallRecord| record.dialled.first().is_some_and(|dialled| dialled.outcome == got);
    let dialled = cluster.twilio.wait_for(&call, dialled, Duration::from_secs(20));
    dialled.await.unwrap();
    call
}

/// An outbound call that rings.
async fn rings(cluster: &TestCluster, answers: Answers) -> String {
    cluster.twilio.set_callee(THEM, Callee { answers, ..Callee::person(Caller::silent()) });
    let variables = json!({ "business": "Acme" });
    let order =
        json!({ "to": THEM, "scenario": "survey", "consent": true, "variables": variables });
    let (status, answer) = cluster.post(0, "/calls", &order).await;
    assert_eq!(status, 201, "{answer}");
    let call = answer["callSid"].as_str().unwrap().to_owned();
    eventually(async || {
        let call = cluster.get(0, &format!("/calls/{call}")).await.1;
        (call["progress"] == "ringing").then_some(())
    })
    .await;
    call
}

async fn in_phase(cluster: &TestCluster, call: &str, phase: &str) {
    eventually(async || {
        let at = cluster.owner().await;
        (cluster.get(at, &format!("/calls/{call}")).await.1["phase"] == phase).then_some(())
    })
    .await;
}

async fn end(cluster: &TestCluster, call: &str) -> (u16, Value) {
    cluster.post(0, "/override/end", &json!({ "callSid": call })).await
}

async fn killed_and_started(cluster: &mut TestCluster) {
    cluster.nodes[0].kill();
    cluster.again(0);
    cluster.until_ready(&cluster.nodes[0]).await;
}

async fn ended(cluster: &TestCluster, call: &str, seconds: u64) -> Box<CallRecord> {
    let ended = cluster.twilio.wait_for_end(call, Duration::from_secs(seconds));
    Box::new(ended.await.unwrap())
}

async fn reason(cluster: &TestCluster, call: &str) -> Value {
    eventually(async || {
        let call = cluster.get(0, &format!("/calls/{call}")).await.1;
        (!call["endReason"].is_null()).then(|| call["endReason"].clone())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_is_being_ended_is_ended_by_the_server_that_starts_again() {
    let mut cluster = alone(8.0, "").await;
    let call = transferred(&cluster, Answers::Person { after_ms: 500 }, "answered").await;
    cluster.twilio.fail_next(Fault::ServerError);
    let (status, answer) = end(&cluster, &call).await;
    assert_eq!((status, &answer["error"]["details"]["retried"]), (502, &json!(true)), "{answer}");
    is_stored(&cluster, &call, "hanging_up").await;
    killed_and_started(&mut cluster).await;
    let record = ended(&cluster, &call, 20).await;
    assert_eq!(record.end, Some(End::ApiEnded), "{record:#?}");
    assert_eq!(reason(&cluster, &call).await, "supervisor_ended");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_end_that_was_promised_is_kept_by_a_server_that_is_killed_right_after() {
    let mut cluster = alone(8.0, "").await;
    let call = transferred(&cluster, Answers::Person { after_ms: 500 }, "answered").await;
    cluster.twilio.fail_next(Fault::ServerError);
    let (status, answer) = end(&cluster, &call).await;
    cluster.nodes[0].kill();
    assert_eq!((status, &answer["error"]["details"]["retried"]), (502, &json!(true)), "{answer}");
    cluster.again(0);
    let record = ended(&cluster, &call, 20).await;
    assert_eq!(record.end, Some(End::ApiEnded), "{record:#?}");
    assert_eq!(reason(&cluster, &call).await, "supervisor_ended");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_was_placed_is_known_after_its_server_is_killed_right_after_the_answer() {
    let mut cluster = alone(8.0, "").await;
    cluster.twilio.set_callee(THEM, Callee::person(Caller::silent()));
    let variables = json!({ "business": "Acme" });
    let order =
        json!({ "to": THEM, "scenario": "survey", "consent": true, "variables": variables });
    let (status, answer) = cluster.post(0, "/calls", &order).await;
    cluster.nodes[0].kill();
    assert_eq!(status, 201, "{answer}");
    let call = answer["callSid"].as_str().unwrap();
    cluster.again(0);
    cluster.until_ready(&cluster.nodes[0]).await;
    let (status, known) = cluster.get(0, &format!("/calls/{call}")).await;
    assert_eq!((status, &known["scenario"]), (200, &json!("survey")), "{known}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transferred_call_is_ended_after_a_restart() {
    let mut cluster = alone(8.0, "").await;
    let call = transferred(&cluster, Answers::Person { after_ms: 500 }, "answered").await;
    killed_and_started(&mut cluster).await;
    let (status, answer) = end(&cluster, &call).await;
    assert_eq!(status, 200, "{answer}");
    let record = ended(&cluster, &call, 20).await;
    assert_eq!(record.end, Some(End::ApiEnded), "{record:#?}");
    assert_eq!(reason(&cluster, &call).await, "supervisor_ended");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_whose_transfer_rings_over_a_restart_comes_back() {
    for stopped in [false, true] {
        // Without further events the record used to be closed after this time.
        let settings = "drain = '100ms'\n[policy]\nreconnect = '1s'\n";
        let mut cluster = alone(4.0, settings).await;
        let call = transferred(&cluster, Answers::Nobody, "ringing").await;
        if stopped {
            cluster.nodes[0].signal("-TERM");
            assert_eq!(cluster.nodes[0].ended().await, Some(0), "nobody is cut off");
        } else {
            cluster.nodes[0].kill();
        }
        cluster.again(0);
        cluster.until_ready(&cluster.nodes[0]).await;
        in_phase(&cluster, &call, "transferring").await;
        let back = |record: &CallRecord| record.sessions.len() > 1;
        let back = cluster.twilio.wait_for(&call, back, Duration::from_secs(30));
        back.await.unwrap();
        eventually(async || {
            let call = cluster.get(0, &format!("/calls/{call}")).await.1;
            (call["resumed"] == 1).then_some(())
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_callee_who_rings_over_a_restart_is_spoken_to() {
    let settings = "[policy]\nreconnect = '1s'\n";
    let mut cluster = alone(1.0, settings).await;
    let call = rings(&cluster, Answers::Person { after_ms: 6_000 }).await;
    killed_and_started(&mut cluster).await;
    in_phase(&cluster, &call, "ringing").await;
    let answered = |record: &CallRecord| !record.sessions.is_empty();
    let answered = cluster.twilio.wait_for(&call, answered, Duration::from_secs(20));
    answered.await.unwrap();
    eventually(async || {
        let call = cluster.get(0, &format!("/calls/{call}")).await.1;
        call["turns"].as_array().is_some_and(|turns| !turns.is_empty()).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_of_ours_that_rings_is_ended_after_a_restart() {
    let mut cluster = alone(1.0, "").await;
    let call = rings(&cluster, Answers::Person { after_ms: 25_000 }).await;
    killed_and_started(&mut cluster).await;
    let (status, answer) = end(&cluster, &call).await;
    assert_eq!(status, 200, "{answer}");
    let record = ended(&cluster, &call, 10).await;
    assert!(record.sessions.is_empty(), "nobody was reached: {record:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transferred_call_of_a_dead_server_is_ended_by_another() {
    let mut cluster = TestCluster::start(2, 8.0, Brain::Echo).await;
    let call = transferred(&cluster, Answers::Person { after_ms: 500 }, "answered").await;
    let owner = cluster.owner().await;
    cluster.nodes[owner].kill();
    let order = json!({ "callSid": call });
    let mut answers = Vec::new();
    eventually(async || {
        let (status, answer) = cluster.post(1 - owner, "/override/end", &order).await;
        answers.push((status, answer));
        // As long as the call may be alive, nothing is done.
        (status != 503).then_some(())
    })
    .await;
    assert_eq!(answers.last().unwrap().0, 200, "{answers:?}");
    let record = ended(&cluster, &call, 20).await;
    assert_eq!(record.end, Some(End::ApiEnded), "{record:#?}");
    let events = cluster.history(1 - owner, &call).await;
    assert_eq!(events.last().unwrap()["reason"], "supervisor_ended", "{events:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_end_through_another_server_is_answered_as_late_as_the_carrier() {
    // A client that connects there is not answered.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let api = format!("http://{}", silent.local_addr().unwrap());
    let variables = vec![("TWILIO_API_BASE_URL", api)];
    let cluster = TestCluster::of(ClusterOptions { variables, ..ClusterOptions::default() }).await;
    let call = transferred(&cluster, Answers::Person { after_ms: 500 }, "answered").await;
    let owner = cluster.owner().await;
    let order = json!({ "callSid": call });
    let (status, answer) = cluster.post(1 - owner, "/override/end", &order).await;
    let error = &answer["error"];
    assert_eq!((status, &error["code"]), (502, &json!("TWILIO_ERROR")), "{answer}");
    assert_eq!(error["details"]["retried"], true, "{answer}");
}
