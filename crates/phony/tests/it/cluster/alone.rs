//! One server with its own store, killed and restarted, or stopped, under a live call.

use std::time::Duration;

use phony_simulator::callers::Caller;
use phony_simulator::openai::{Brain, OpenAiOptions, ScriptedReply};
use phony_simulator::twilio::End;
use serde_json::{Value, json};

use super::one_server::{check, greetings, texts};
use crate::support::cluster::{ClusterOptions, TestCluster};
use crate::support::manual_call::ManualCall;
use crate::support::server::{CALLED, CALLER, stored};
use crate::support::wait::cluster::eventually;

const LONG: &str = "First you need a photograph. Then you fill in the form. After that you come to \
                    us in the morning. You pay at the desk. And in two weeks it is there.";
const HELD: &str = "Yes, a refund is possible.";

async fn alone(phony_toml: &str) -> TestCluster {
    let replies = vec![
        ScriptedReply::on("thank you", "You are welcome."),
        ScriptedReply::on("passport", LONG),
        ScriptedReply::on("money back", HELD),
    ];
    let model = OpenAiOptions { brain: Brain::Script(replies), ..OpenAiOptions::default() };
    let clerk = "name = 'Clerk'\ninstructions = 'Help.'\ngreeting = 'This is the clerk.'\n\
                 [approval]\nwords = ['refund']\n";
    let files = vec![
        ("phony.toml", format!("{phony_toml}\n[agents]\nfolder = 'agents'\n")),
        ("agents/clerk.toml", clerk.to_owned()),
    ];
    let variables = vec![("PHONY_AGENT", "clerk".to_owned())];
    TestCluster::of(ClusterOptions {
        servers: 1,
        redis: false,
        model,
        files,
        variables,
        ..ClusterOptions::default()
    })
    .await
}

/// Waits until an event of this type is in the store.
pub(super) async fn is_stored(cluster: &TestCluster, call: &str, kind: &str) {
    eventually(async || {
        stored(cluster.nodes[0].data(), call)
            .await
            .iter()
            .any(|event| event["type"] == kind)
            .then_some(())
    })
    .await;
}

/// Asserts what is true of a call that went on after a restart.
fn judge(events: &[Value], said: &[&str], answers: &[&str]) {
    check(events);
    assert_eq!(texts(events, "transcript"), said, "{events:#?}");
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let of_model =
        |event: &&Value| event["type"] == "assistant_response" && event["source"] == "model";
    let heard: Vec<_> = events.iter().filter(of_model).collect();
    let heard: Vec<_> =
        heard.iter().flat_map(|event| words(event["text"].as_str().unwrap())).collect();
    let due: Vec<_> = answers.iter().flat_map(|answer| words(answer)).collect();
    assert_eq!(heard, due, "an answer is lost or doubled: {events:#?}");
    assert_eq!(greetings(events), 1, "greeted once: {events:#?}");
    let resumed = events.iter().filter(|event| event["type"] == "resumed").count();
    assert_eq!(resumed, 1, "{events:#?}");
    assert_eq!(events.last().unwrap()["reason"], "caller_hung_up");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_server_goes_on_within_an_answer_when_it_is_started_again() {
    let mut cluster = alone("").await;
    let mut call = ManualCall::begin(&mut cluster).await;
    call.is_in("listening").await;
    call.says("What about my passport?").await;
    is_stored(call.cluster, &call.sid, "assistant_heard").await;
    call.cluster.nodes[0].kill();
    call.cluster.again(0);
    call.hears("And in two weeks it is there.").await;
    call.is_in("listening").await;
    call.says("Thank you").await;
    call.hears("You are welcome.").await;
    call.is_in("listening").await;
    call.hangs_up().await;
    let sid = call.sid.clone();
    let events = cluster.history(0, &sid).await;
    judge(&events, &["What about my passport?", "Thank you"], &[LONG, "You are welcome."]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waited_for_a_supervisor_waits_when_a_killed_server_is_started_again() {
    let mut cluster = alone("").await;
    let mut call = ManualCall::begin(&mut cluster).await;
    call.is_in("listening").await;
    call.says("I want my money back").await;
    is_stored(call.cluster, &call.sid, "pending_response").await;
    call.cluster.nodes[0].kill();
    call.cluster.again(0);
    call.is_in("on_hold").await;
    assert_eq!(call.snapshot().await["heldReply"], HELD);
    call.acts("text", &json!({ "text": HELD })).await;
    call.hears(HELD).await;
    call.is_in("listening").await;
    call.hangs_up().await;
    let sid = call.sid.clone();
    let events = cluster.history(0, &sid).await;
    judge(&events, &["I want my money back"], &[HELD]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_stops_takes_no_new_calls_and_lets_the_live_one_finish() {
    let mut cluster = alone("drain = '60s'").await;
    let mut call = ManualCall::begin(&mut cluster).await;
    call.is_in("listening").await;
    call.cluster.nodes[0].signal("-TERM");
    eventually(async || (call.cluster.get(0, "/readyz").await.0 == 503).then_some(())).await;
    // A balancer would send nothing here any more; a call that comes all the same is told busy.
    let port = call.cluster.nodes[0].port;
    call.cluster
        .twilio
        .override_host(crate::support::server::HOST, format!("http://127.0.0.1:{port}"));
    let second = call.cluster.twilio.dial_in(CALLER, CALLED, Caller::silent()).unwrap();
    let ended = call.cluster.twilio.wait_for_end(&second, Duration::from_secs(10));
    let record = ended.await.unwrap();
    assert_eq!(record.end, Some(End::Rejected), "{record:#?}");
    // The live one is still answered.
    call.says("Thank you").await;
    call.hears("You are welcome.").await;
    call.is_in("listening").await;
    let record = call.hangs_up().await;
    assert_eq!(record.sessions.len(), 1, "the line never dropped");
    let sid = call.sid.clone();
    assert_eq!(cluster.nodes[0].ended().await, Some(0));
    cluster.again(0);
    let node = &cluster.nodes[0];
    cluster.until_ready(node).await;
    let events = cluster.history(0, &sid).await;
    check(&events);
    assert_eq!(texts(&events, "transcript"), ["Thank you"]);
    assert_eq!(events.last().unwrap()["reason"], "caller_hung_up");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_the_limit_a_server_that_stops_says_goodbye() {
    says_goodbye("drain = '1s'", 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_the_second_signal_a_server_says_goodbye_at_once() {
    says_goodbye("drain = '5m'", 2).await;
}

/// After this many signals the caller hears a goodbye before the line is hung up.
async fn says_goodbye(phony_toml: &str, signals: u32) {
    let mut cluster = alone(phony_toml).await;
    let mut call = ManualCall::begin(&mut cluster).await;
    call.is_in("listening").await;
    for _ in 0..signals {
        call.cluster.nodes[0].signal("-TERM");
        eventually(async || (call.cluster.get(0, "/readyz").await.0 == 503).then_some(())).await;
    }
    let record = call.ends().await;
    assert!(record.heard_text().contains("Goodbye"), "{}", record.heard_text());
    let sid = call.sid.clone();
    assert_eq!(cluster.nodes[0].ended().await, Some(0), "it ended in order");
    let events = stored(cluster.nodes[0].data(), &sid).await;
    check(&events);
    assert_eq!(events.last().unwrap()["reason"], "shutdown", "{events:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_the_third_signal_a_server_ends_at_once_and_says_so() {
    let mut cluster = alone("drain = '5m'").await;
    let mut call = ManualCall::begin(&mut cluster).await;
    call.is_in("listening").await;
    call.says("What about my passport?").await;
    call.is_in("speaking").await;
    call.cluster.nodes[0].signal("-TERM");
    eventually(async || (call.cluster.get(0, "/readyz").await.0 == 503).then_some(())).await;
    call.cluster.nodes[0].signal("-TERM");
    call.is_in("ending").await;
    call.cluster.nodes[0].signal("-TERM");
    let sid = call.sid.clone();
    assert_eq!(cluster.nodes[0].ended().await, Some(1), "a call was cut off");
    let events = stored(cluster.nodes[0].data(), &sid).await;
    assert_eq!(events.last().unwrap()["reason"], "shutdown", "{events:#?}");
}
