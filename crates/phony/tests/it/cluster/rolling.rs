//! A deploy: every server is stopped and replaced, one after another, under live calls.

use std::time::Duration;

use phony_simulator::callers::Caller;
use phony_simulator::openai::Brain;

use super::one_server::{answers, check, hangs_up, says, texts};
use crate::support::cluster::{TestCluster, now};
use crate::support::server::{CALLED, CALLER};
use crate::support::wait::cluster::eventually;

const SAID: [&str; 3] = ["I lost my debit card", "Just send me a new one", "That is all"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rolling_restart_loses_no_call() {
    deploy_under(30, 2.0).await;
}

/// The same with many calls: `make measure`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes"]
async fn a_rolling_restart_under_300_calls_loses_none() {
    let longest = deploy_under(300, 1.0).await;
    assert!(longest < 10_000, "a caller waited {longest} ms");
}

/// Replaces every server under `count` calls; the longest time that a caller had no line, in ms.
#[expect(clippy::print_stdout, reason = "how long callers wait is the result")]
async fn deploy_under(count: usize, speed: f64) -> u64 {
    let mut cluster = TestCluster::start(3, speed, Brain::Echo).await;
    let mut calls = Vec::new();
    for _ in 0..count {
        let mut steps: Vec<_> = SAID.iter().map(|text| says(text)).collect();
        steps.push(hangs_up());
        calls.push(cluster.twilio.dial_in(CALLER, CALLED, Caller::Script(steps)).unwrap());
    }
    let live = async |cluster: &TestCluster| {
        let (_, page) = cluster.get(0, "/calls?live=true&limit=200").await;
        page["calls"].as_array().map_or(0, Vec::len)
    };
    eventually(async || (live(&cluster).await >= count.min(200)).then_some(())).await;
    for node in 0..3 {
        let fresh = cluster.new_node(&[]).await;
        let began = now();
        cluster.nodes[node].signal("-TERM");
        let code = cluster.nodes[node].ended().await;
        println!("server {node} stopped after {:?}", began.elapsed());
        assert_eq!(code, Some(0), "every call was handed over");
        cluster.nodes[node] = fresh;
        cluster.open_to_all();
    }
    let (mut moved, mut waits) = (0, Vec::new());
    for call in &calls {
        let ended = cluster.twilio.wait_for_end(call, Duration::from_mins(3));
        let record = ended.await.unwrap();
        let events = cluster.history(0, call).await;
        check(&events);
        assert_eq!(texts(&events, "transcript"), SAID, "{record:#?}");
        assert_eq!(answers(&events), SAID.len(), "each turn is answered once: {events:#?}");
        assert_eq!(events.last().unwrap()["reason"], "caller_hung_up");
        moved += events.iter().filter(|event| event["type"] == "handed_over").count();
        waits.extend(record.sessions.windows(2).map(|two| two[1].at_ms - two[0].ended_ms.unwrap()));
    }
    assert!(moved > 0, "no call was handed over");
    waits.sort_unstable();
    let part = |part: usize| waits[(waits.len() - 1) * part / 100];
    let (middle, most, longest) = (part(50), part(99), waits.last().unwrap());
    println!(
        "{moved} hand-overs of {count} calls; without a line for {middle} ms (p50), {most} ms (p99), \
         at most {longest} ms of a caller's time"
    );
    *longest
}
