//! The holder of a takeover is seen on every server, whichever their page is connected to.

use std::time::Duration;

use phony_simulator::callers::LiveAction;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

use super::cut::begin;
use super::one_server::check;
use crate::support::cluster::{ClusterOptions, TOKEN, TestCluster, Viewer, action};
use crate::support::server::Socket;
use crate::support::wait::cluster::{eventually, in_time};

/// Time-outs short enough for a test.
const POLICY: &str = "[policy]\ntakeover_unattended = '3s'\ntakeover_abandoned = '15s'\n";

/// A supervisor's browser.
struct Browser<'a> {
    cluster: &'a TestCluster,
    cookie: String,
}

impl<'a> Browser<'a> {
    async fn log_in(cluster: &'a TestCluster) -> Self {
        let url = cluster.nodes[0].url("/login");
        let answer = cluster.http.post(url).json(&json!({ "token": TOKEN })).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        let cookie = answer.headers()["set-cookie"].to_str().unwrap();
        Self { cluster, cookie: cookie.split(';').next().unwrap().to_owned() }
    }

    /// Opens the event socket of a page.
    async fn opens(&self, node: usize) -> Socket {
        let url = format!("ws://127.0.0.1:{}/events/ws", self.cluster.nodes[node].port);
        let mut request = url.as_str().into_client_request().unwrap();
        request.headers_mut().insert("cookie", self.cookie.parse().unwrap());
        tokio_tungstenite::connect_async(request).await.unwrap().0
    }

    async fn acts(&self, node: usize, what: &str, body: &Value) -> u16 {
        let url = self.cluster.nodes[node].url(&format!("/override/{what}"));
        let request = self.cluster.http.post(url).header("cookie", &self.cookie).json(body);
        request.send().await.unwrap().status().as_u16()
    }

    async fn session(&self, node: usize) -> String {
        let url = self.cluster.nodes[node].url("/session");
        let request = self.cluster.http.get(url).header("cookie", &self.cookie);
        let answer: Value = request.send().await.unwrap().json().await.unwrap();
        answer["session"].as_str().unwrap().to_owned()
    }
}

/// Waits for an event of type `wanted`, and fails if one of the types `not` comes first.
async fn comes(view: &mut Viewer, wanted: &str, not: &[&str]) -> Value {
    in_time(async {
        loop {
            let event = view.next().await.expect("the call goes on");
            if event["type"] == wanted {
                return event;
            }
            let unwanted = not.iter().any(|kind| event["type"] == *kind);
            assert!(!unwanted, "{wanted} was to come first: {event}");
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_holder_is_seen_on_every_server_and_missed_when_the_last_page_closes() {
    let files = vec![("phony.toml", POLICY.to_owned())];
    let cluster =
        TestCluster::of(ClusterOptions { speed: 8.0, files, ..ClusterOptions::default() }).await;
    let (call, line, owner) = begin(&cluster).await;
    let other = 1 - owner;
    let mut view = cluster.view(owner, &format!("?callSid={call}")).await;
    let ann = Browser::log_in(&cluster).await;
    // Neither page is connected to the server that holds the call.
    let (one, two) = (ann.opens(other).await, ann.opens(other).await);
    let of_call = action(&call, &json!({}));
    assert_eq!(ann.acts(other, "takeover", &of_call).await, 200);
    let taken = comes(&mut view, "takeover", &[]).await;
    assert_eq!(taken["holder"], ann.session(owner).await, "on every server the same");
    assert_eq!(ann.acts(other, "takeover", &of_call).await, 409, "they hold it");
    drop(one);
    // One page is left, for longer than the alarm takes; then it is reloaded.
    tokio::time::sleep(Duration::from_secs(5)).await;
    drop(two);
    let again = ann.opens(owner).await;
    tokio::time::sleep(Duration::from_secs(4)).await;
    let (_, record) = cluster.get(other, &format!("/calls/{call}")).await;
    assert_eq!(record["holder"], taken["holder"], "{record:#}");
    assert_eq!(record["unattendedSince"], Value::Null, "{record:#}");
    drop(again);
    let alarm = comes(&mut view, "takeover_unattended", &["release"]).await;
    assert_eq!((&alarm["holder"], &alarm["timeoutMs"]), (&taken["holder"], &json!(12_000)));
    // The page is back on another server.
    let back = ann.opens(other).await;
    comes(&mut view, "takeover_attended", &["release"]).await;
    drop(back);
    comes(&mut view, "takeover_unattended", &["release"]).await;
    let release = comes(&mut view, "release", &["takeover_attended"]).await;
    assert_eq!(release["by"], "policy");
    comes(&mut view, "assistant_response", &[]).await;
    // A client without a socket is present as long as it sends actions; another may take over.
    let path = "/override/takeover";
    assert_eq!(cluster.post(owner, path, &of_call).await.0, 200);
    let holder = comes(&mut view, "takeover", &[]).await["holder"].clone();
    for n in 0..4 {
        tokio::time::sleep(Duration::from_millis(1500)).await;
        let words = action(&call, &json!({ "text": format!("word {n}") }));
        assert_eq!(cluster.post(other, "/override/text", &words).await.0, 200);
        comes(&mut view, "assistant_override", &["takeover_unattended"]).await;
    }
    let _page = ann.opens(other).await;
    assert_eq!(ann.acts(owner, "takeover", &of_call).await, 200);
    let next = comes(&mut view, "takeover", &["release"]).await["holder"].clone();
    assert_ne!(next, holder);
    assert_eq!(next, taken["holder"]);
    // Any supervisor may release it.
    assert_eq!(cluster.post(owner, "/override/release", &of_call).await.0, 200);
    comes(&mut view, "release", &["takeover_unattended"]).await;
    assert!(line.act(LiveAction::HangUp).await);
    let events = cluster.history(owner, &call).await;
    check(&events);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_holder_is_found_by_the_server_that_goes_on_with_the_call() {
    let files = vec![("phony.toml", POLICY.to_owned())];
    let mut cluster =
        TestCluster::of(ClusterOptions { speed: 8.0, files, ..ClusterOptions::default() }).await;
    let (call, line, owner) = begin(&cluster).await;
    let other = 1 - owner;
    let mut view = cluster.view(other, &format!("?callSid={call}")).await;
    let (page, ann_cookie) = {
        let ann = Browser::log_in(&cluster).await;
        let page = ann.opens(other).await;
        assert_eq!(ann.acts(other, "takeover", &action(&call, &json!({}))).await, 200);
        (page, ann.cookie)
    };
    comes(&mut view, "takeover", &[]).await;
    cluster.nodes[owner].kill();
    comes(&mut view, "resumed", &["release"]).await;
    let ann = Browser { cluster: &cluster, cookie: ann_cookie };
    // Longer than the alarm would take.
    tokio::time::sleep(Duration::from_secs(5)).await;
    let words = action(&call, &json!({ "text": "I am still here." }));
    assert_eq!(ann.acts(other, "text", &words).await, 200);
    comes(&mut view, "assistant_override", &["takeover_unattended", "release"]).await;
    drop(page);
    comes(&mut view, "takeover_unattended", &["release"]).await;
    comes(&mut view, "release", &[]).await;
    assert!(line.act(LiveAction::HangUp).await);
    eventually(async || (cluster.get(other, "/healthz").await.1["activeCalls"] == 0).then_some(()))
        .await;
}
