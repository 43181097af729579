//! Redis is slow, gone, or comes back empty: callers notice nothing.

use std::time::Duration;

use phony_simulator::callers::Caller;
use phony_simulator::openai::Brain;
use serde_json::json;

use super::one_server::{check, hangs_up, says, texts};
use crate::support::cluster::{TestCluster, action};
use crate::support::server::{CALLED, CALLER};
use crate::support::wait::cluster::{eventually, in_time};

const SAID: [&str; 2] = ["I lost my debit card", "Just send me a new one"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_goes_on_while_redis_is_paused_and_is_written_then() {
    let cluster = TestCluster::start(2, 4.0, Brain::Echo).await;
    let call = begin(&cluster).await;
    let owner = cluster.owner().await;
    cluster.redis().pause();
    eventually(async || (cluster.get(owner, "/readyz").await.0 == 503).then_some(())).await;
    let whisper = action(&call, &json!({ "text": "be brief" }));
    let (status, body) = cluster.post(1 - owner, "/override/whisper", &whisper).await;
    assert_eq!((status, &body["error"]["code"]), (503, &json!("UNAVAILABLE")));
    let (status, _) = cluster.post(owner, "/override/whisper", &whisper).await;
    assert_eq!(status, 200, "one's own calls are there all the same");
    let record = cluster.twilio.wait_for_end(&call, Duration::from_mins(1)).await;
    assert_eq!(record.unwrap().sessions.len(), 1, "the line never dropped");
    cluster.redis().go_on();
    eventually(async || (cluster.get(1 - owner, "/readyz").await.0 == 200).then_some(())).await;
    let events = eventually(async || {
        let events = cluster.history(1 - owner, &call).await;
        (events.last()?["type"] == "session_end").then_some(events)
    })
    .await;
    check(&events);
    assert_eq!(texts(&events, "transcript"), SAID);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn live_calls_write_themselves_again_into_an_empty_redis() {
    let mut cluster = TestCluster::start(2, 4.0, Brain::Echo).await;
    let call = begin(&cluster).await;
    let owner = cluster.owner().await;
    cluster.redis_mut().restart_empty().await;
    let (_, line) = eventually(async || {
        let found = cluster.get(1 - owner, &format!("/calls/{call}")).await;
        (found.0 == 200).then_some(found)
    })
    .await;
    assert_eq!(line["status"], "live");
    cluster.twilio.wait_for_end(&call, Duration::from_mins(1)).await.unwrap();
    let events = cluster.history(1 - owner, &call).await;
    check(&events);
    assert_eq!(texts(&events, "transcript"), SAID);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_server_that_lost_its_call_is_silent_when_it_wakes() {
    let cluster = TestCluster::start(2, 8.0, Brain::Echo).await;
    let call = begin(&cluster).await;
    let owner = cluster.owner().await;
    let mut view = cluster.view(1 - owner, &format!("?callSid={call}")).await;
    while in_time(view.next()).await.unwrap()["type"] != "assistant_response" {}
    cluster.nodes[owner].signal("-STOP");
    // The carrier gives the line up, and asks any server.
    cluster.balancer.set(vec![cluster.nodes[1 - owner].port]);
    assert!(cluster.twilio.drop_socket(&call));
    while in_time(view.next()).await.unwrap()["type"] != "resumed" {}
    cluster.nodes[owner].signal("-CONT");
    cluster.twilio.wait_for_end(&call, Duration::from_mins(1)).await.unwrap();
    let events = cluster.history(owner, &call).await;
    check(&events);
    assert_eq!(texts(&events, "transcript"), SAID);
    eventually(async || {
        let (_, health) = cluster.get(owner, "/healthz").await;
        (health["activeCalls"] == 0).then_some(())
    })
    .await;
    let ends = events.iter().filter(|event| event["type"] == "session_end").count();
    assert_eq!(ends, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_looks_at_all_calls_is_told_what_was_missed() {
    let mut cluster = TestCluster::start(2, 8.0, Brain::Echo).await;
    let call = cluster.twilio.dial_in(CALLER, CALLED, Caller::silent()).unwrap();
    let mut first =
        cluster.view(0, &format!("?callSid={}", until_known(&cluster, &call).await)).await;
    while in_time(first.next()).await.unwrap()["source"] != "greeting" {}
    let owner = cluster.owner().await;
    let mut view = cluster.view(1 - owner, "").await;
    while in_time(view.next()).await.unwrap()["source"] != "greeting" {}
    // Redis goes, and an event is written while the other server does not listen.
    cluster.nodes[1 - owner].signal("-STOP");
    cluster.redis_mut().kill();
    let whisper = action(&call, &json!({ "text": "be brief" }));
    let (status, _) = cluster.post(owner, "/override/whisper", &whisper).await;
    assert_eq!(status, 200);
    cluster.redis_mut().restart_empty().await;
    eventually(async || {
        let mut connection = cluster.redis().connection();
        let mut read = redis::cmd("XRANGE");
        read.arg(format!("phony:call:{call}:events")).arg("-").arg("+");
        let events: redis::Value = read.query_async(&mut connection).await.ok()?;
        format!("{events:?}").contains("be brief").then_some(())
    })
    .await;
    cluster.nodes[1 - owner].signal("-CONT");
    // No other event follows within that time that would bring it along.
    while in_time(view.next()).await.unwrap()["type"] != "whisper" {}
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_redis_a_new_call_is_taken_though_its_socket_reaches_another_server() {
    let mut cluster = TestCluster::start(2, 8.0, Brain::Echo).await;
    cluster.redis_mut().kill();
    for node in 0..2 {
        eventually(async || (cluster.get(node, "/readyz").await.0 == 503).then_some(())).await;
    }
    let ports: Vec<_> = cluster.nodes.iter().map(|node| node.port).collect();
    // The webhook reaches one server, the socket the other.
    cluster.balancer.set(vec![ports[0]]);
    cluster.balancer.hold(true);
    let mut steps: Vec<_> = SAID.iter().map(|text| says(text)).collect();
    steps.push(hangs_up());
    let call = cluster.twilio.dial_in(CALLER, CALLED, Caller::Script(steps)).unwrap();
    assert_eq!(cluster.owner().await, 0);
    cluster.balancer.set(vec![ports[1]]);
    cluster.balancer.hold(false);
    let mut view = cluster.view(1, "").await;
    while in_time(view.next()).await.unwrap()["type"] != "transcript" {}
    cluster.redis_mut().restart_empty().await;
    let record = cluster.twilio.wait_for_end(&call, Duration::from_mins(1)).await;
    let record = record.unwrap();
    assert_eq!(record.sessions.len(), 1, "the line never dropped: {record:#?}");
    let events = eventually(async || {
        let events = cluster.history(0, &call).await;
        (events.last()?["type"] == "session_end").then_some(events)
    })
    .await;
    check(&events);
    assert_eq!(texts(&events, "transcript"), SAID, "{events:#?}");
    assert_eq!(events.last().unwrap()["reason"], "caller_hung_up");
    eventually(async || (cluster.get(0, "/healthz").await.1["activeCalls"] == 0).then_some(()))
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_redis_a_line_that_drops_finds_its_call_again() {
    let mut cluster = TestCluster::start(2, 8.0, Brain::Echo).await;
    let call = begin(&cluster).await;
    let owner = cluster.owner().await;
    cluster.redis_mut().kill();
    eventually(async || (cluster.get(1 - owner, "/readyz").await.0 == 503).then_some(())).await;
    // Who is asked does not have the call, and cannot ask; then the carrier is let in everywhere.
    cluster.balancer.set(vec![cluster.nodes[1 - owner].port]);
    assert!(cluster.twilio.drop_socket(&call));
    let asked = cluster.twilio.wait_for(
        &call,
        |record| record.webhooks_for("action").count() > 0,
        Duration::from_secs(20),
    );
    asked.await.unwrap();
    cluster.open_to_all();
    let record = cluster.twilio.wait_for_end(&call, Duration::from_mins(1)).await;
    assert!(record.unwrap().sessions.len() > 1);
    cluster.redis_mut().restart_empty().await;
    let events = eventually(async || {
        let events = cluster.history(owner, &call).await;
        (events.last()?["type"] == "session_end").then_some(events)
    })
    .await;
    check(&events);
    let said = texts(&events, "transcript");
    assert_eq!(said, SAID, "{events:#?}");
    let resumed = events.iter().filter(|event| event["type"] == "resumed").count();
    assert_eq!(resumed, 1, "{events:#?}");
}

/// Waits until the servers know of a call.
async fn until_known<'a>(cluster: &TestCluster, call: &'a str) -> &'a str {
    eventually(async || (cluster.get(0, &format!("/calls/{call}")).await.0 == 200).then_some(()))
        .await;
    call
}

/// A call whose first event is in the store.
async fn begin(cluster: &TestCluster) -> String {
    let mut steps: Vec<_> = SAID.iter().map(|text| says(text)).collect();
    steps.push(hangs_up());
    let call = cluster.twilio.dial_in(CALLER, CALLED, Caller::Script(steps)).unwrap();
    let mut view = cluster.view(0, "").await;
    while in_time(view.next()).await.unwrap()["type"] != "connected" {}
    call
}
