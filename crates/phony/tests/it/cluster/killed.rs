//! A server is killed at every event of a call: the caller is answered on another.

use std::time::Duration;

use phony_simulator::callers::Caller;
use phony_simulator::openai::Brain;

use super::one_server::{answers, check, greetings, hangs_up, says, texts};
use crate::support::cluster::TestCluster;
use crate::support::server::{CALLED, CALLER};
use crate::support::wait::cluster::in_time;

/// Clusters in which calls are made at the same time.
const CLUSTERS: u64 = 4;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_every_event_the_call_goes_on_elsewhere() {
    let waits = waits_when_killed_at_every_event().await;
    assert!(waits.len() >= 10, "only {} calls were disturbed", waits.len());
}

/// How long their callers wait, in their own time: `make measure`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "measures"]
async fn at_every_event_the_caller_waits_less_than_ten_seconds() {
    let waits = waits_when_killed_at_every_event().await;
    let longest = waits.iter().max().unwrap();
    println!("callers waited up to {longest} ms of their time");
    assert!(*longest < 10_000, "a caller waited {longest} ms");
}

/// Makes a call for each event, at which its server is killed; how long each caller was without a
/// line, in ms.
async fn waits_when_killed_at_every_event() -> Vec<u64> {
    let clusters = (0..CLUSTERS).map(|first| async move {
        let mut cluster = TestCluster::start(2, 10.0, Brain::Echo).await;
        let mut at = 1 + first;
        let mut waits = Vec::new();
        // An undisturbed call has about this many events.
        while at <= 16 {
            if let Some(waited_ms) = kill_at(&mut cluster, at).await {
                waits.push(waited_ms);
            }
            at += CLUSTERS;
        }
        waits
    });
    futures_util::future::join_all(clusters).await.concat()
}

/// Kills the owner of a call when event number `at` is seen on the other node; how long the caller
/// waited for the new line, in ms, or nothing if the call ended first.
async fn kill_at(cluster: &mut TestCluster, at: u64) -> Option<u64> {
    let mut views = [cluster.view(0, "").await, cluster.view(1, "").await];
    let steps = vec![says("I lost my debit card"), says("Just send me a new one"), hangs_up()];
    let call = cluster.twilio.dial_in(CALLER, CALLED, Caller::Script(steps)).unwrap();
    // Both nodes have the event, so the killed one cannot take it back.
    for view in &mut views {
        loop {
            let event = in_time(view.next()).await.unwrap();
            if event["callSid"] == call.as_str() && event["type"] == "session_end" {
                return None;
            }
            if event["callSid"] == call.as_str() && event["seq"] == at {
                break;
            }
        }
    }
    let owner = cluster.owner().await;
    cluster.nodes[owner].kill();
    let record = cluster.twilio.wait_for_end(&call, Duration::from_secs(90)).await;
    let record = record.unwrap();
    let events = cluster.history(1 - owner, &call).await;
    let node = cluster.new_node(&[]).await;
    cluster.nodes[owner] = node;
    cluster.open_to_all();
    let why = |what: &str| format!("{what}, killed at {at}: {events:#?}\n{record:#?}");
    check(&events);
    let said = ["I lost my debit card", "Just send me a new one"];
    assert_eq!(texts(&events, "transcript"), said, "{}", why("no turn is lost or doubled"));
    assert_eq!(answers(&events), said.len(), "{}", why("each turn is answered once"));
    assert!(greetings(&events) <= 1, "{}", why("greeted twice"));
    assert_eq!(events.last().unwrap()["reason"], "caller_hung_up", "{}", why("the end"));
    let mut gaps = record.sessions.windows(2).map(|two| two[1].at_ms - two[0].ended_ms.unwrap());
    gaps.next().or(Some(0))
}
