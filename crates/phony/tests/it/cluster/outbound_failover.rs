//! An outbound call that goes on in another process still counts as a live one, and the day's
//! budget still ends it.

use std::time::Duration;

use phony_simulator::callers::Caller;
use phony_simulator::twilio::Callee;
use serde_json::{Value, json};

use crate::support::cluster::{ClusterOptions, TestCluster};
use crate::support::wait::cluster::{eventually, in_time};

const THEM: &str = "+12125550123";

async fn cluster(servers: usize, redis: bool, phony_toml: &str) -> TestCluster {
    let files = vec![("phony.toml", phony_toml.to_owned())];
    let cluster =
        TestCluster::of(ClusterOptions { servers, redis, files, ..ClusterOptions::default() })
            .await;
    cluster.twilio.set_callee(THEM, Callee::person(Caller::silent()));
    cluster
}

fn order() -> Value {
    let variables = json!({ "business": "Acme" });
    json!({ "to": THEM, "scenario": "survey", "consent": true, "variables": variables })
}

/// Places a call, and waits until it has been answered.
async fn answered(cluster: &TestCluster) -> String {
    let (status, answer) = cluster.post(0, "/calls", &order()).await;
    assert_eq!(status, 201, "{answer}");
    let call = answer["callSid"].as_str().unwrap().to_owned();
    let mut view = cluster.view(0, &format!("?callSid={call}")).await;
    while in_time(view.next()).await.unwrap()["type"] != "assistant_heard" {}
    call
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_keeps_its_place_after_a_restart() {
    let mut cluster = cluster(1, false, "[dialing]\nconcurrent = 1\n").await;
    let call = answered(&cluster).await;
    cluster.nodes[0].kill();
    cluster.again(0);
    let resumed = async || {
        let events = cluster.http.get(cluster.nodes[0].url("/healthz")).send().await.ok()?;
        let health: Value = events.json().await.ok()?;
        (health["activeCalls"] == 1).then_some(())
    };
    eventually(resumed).await;
    let (status, answer) = cluster.post(0, "/calls", &order()).await;
    assert_eq!((status, &answer["error"]["details"]["rule"]), (429, &json!("concurrent_calls")));
    let end = json!({ "callSid": call });
    eventually(async || (cluster.post(0, "/override/end", &end).await.0 == 200).then_some(()))
        .await;
    let free = async || (cluster.post(0, "/calls", &order()).await.0 == 201).then_some(());
    eventually(free).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_budget_ends_it_on_another_server() {
    // A dollar a second.
    let file = "[prices]\nminute = 60.0\n\
                [spend]\nday_soft = 0.0\nday_hard = 8.0\ncall_soft = 0.0\ncall_hard = 0.0\n";
    let mut cluster = cluster(2, true, file).await;
    let call = answered(&cluster).await;
    let owner = cluster.owner().await;
    cluster.nodes[owner].kill();
    let ended = cluster.twilio.wait_for_end(&call, Duration::from_secs(40));
    let record = ended.await.unwrap();
    assert!(record.sessions.len() > 1, "it went on elsewhere: {record:#?}");
    let events = cluster.history(1 - owner, &call).await;
    assert_eq!(events.last().unwrap()["reason"], "spend_limit", "{events:#?}");
}
