//! A call that we placed goes on in another process: it keeps its place among the live ones, and the
//! day's budget still ends it.

use std::time::Duration;

use phony_simulator::callers::Caller;
use phony_simulator::twilio::Callee;
use serde_json::{Value, json};

use crate::support::cluster::{Plan, Town, bounded, until};

const THEM: &str = "+12125550123";

async fn town(servers: usize, redis: bool, phony_toml: &str) -> Town {
    let files = vec![("phony.toml", phony_toml.to_owned())];
    let town = Town::of(Plan { servers, redis, files, ..Plan::default() }).await;
    town.twilio.set_callee(THEM, Callee::person(Caller::silent()));
    town
}

fn order() -> Value {
    let variables = json!({ "business": "Acme" });
    json!({ "to": THEM, "scenario": "survey", "consent": true, "variables": variables })
}

/// Places a call, and waits until somebody has answered.
async fn answered(town: &Town) -> String {
    let (status, answer) = town.post(0, "/calls", &order()).await;
    assert_eq!(status, 201, "{answer}");
    let call = answer["callSid"].as_str().unwrap().to_owned();
    let mut view = town.view(0, &format!("?callSid={call}")).await;
    while bounded(20, view.next()).await.unwrap()["type"] != "assistant_heard" {}
    call
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_keeps_its_place_after_a_restart() {
    let mut town = town(1, false, "[dialing]\nconcurrent = 1\n").await;
    let call = answered(&town).await;
    town.nodes[0].kill();
    town.again(0);
    let resumed = async || {
        let events = town.http.get(town.nodes[0].url("/healthz")).send().await.ok()?;
        let health: Value = events.json().await.ok()?;
        (health["activeCalls"] == 1).then_some(())
    };
    until(20, resumed).await;
    let (status, answer) = town.post(0, "/calls", &order()).await;
    assert_eq!((status, &answer["error"]["details"]["rule"]), (429, &json!("concurrent_calls")));
    let end = json!({ "callSid": call });
    until(20, async || (town.post(0, "/override/end", &end).await.0 == 200).then_some(())).await;
    let free = async || (town.post(0, "/calls", &order()).await.0 == 201).then_some(());
    until(20, free).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_budget_ends_it_on_another_server() {
    // A dollar a second.
    let file = "[prices]\nminute = 60.0\n\
                [spend]\nday_soft = 0.0\nday_hard = 8.0\ncall_soft = 0.0\ncall_hard = 0.0\n";
    let mut town = town(2, true, file).await;
    let call = answered(&town).await;
    let owner = town.owner().await;
    town.nodes[owner].kill();
    let ended = town.twilio.wait_for_end(&call, Duration::from_secs(40));
    let record = bounded(40, ended).await.unwrap();
    assert!(record.sessions.len() > 1, "it went on elsewhere: {record:#?}");
    let events = town.history(1 - owner, &call).await;
    assert_eq!(events.last().unwrap()["reason"], "spend_limit", "{events:#?}");
}
