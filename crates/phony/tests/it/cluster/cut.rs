//! Redis closes connections while a supervisor sends an action to a server that does not hold the
//! call: the action is done exactly once, and a log-in link works exactly once.

use std::time::Duration;

use phony_simulator::callers::{Caller, LiveAction, LiveHandle};
use phony_simulator::openai::Brain;
use serde_json::{Value, json};

use super::one_server::check;
use crate::support::cluster::{TestCluster, action};
use crate::support::redis::RedisServer;
use crate::support::server::{CALLED, CALLER, TestServer};
use crate::support::wait::cluster::in_time;

/// Which connections are closed: those for commands, or those on which servers hear each other.
const KINDS: [&str; 2] = ["normal", "pubsub"];
/// How long after the order was sent the connections are closed. An order takes a few milliseconds.
const MOMENTS_MS: [u64; 7] = [0, 1, 2, 3, 5, 8, 20];

/// Closes all connections of a kind.
async fn cut(redis: &RedisServer, kind: &str) {
    let mut kill = redis::cmd("CLIENT");
    kill.arg("KILL").arg("TYPE").arg(kind).arg("SKIPME").arg("yes");
    let _: i64 = kill.query_async(&mut redis.connection()).await.unwrap();
}

/// A call that was greeted: its id, its caller, and the server that holds it.
pub(super) async fn begin(cluster: &TestCluster) -> (String, LiveHandle, usize) {
    let (caller, line) = Caller::live();
    let call = cluster.twilio.dial_in(CALLER, CALLED, caller).unwrap();
    let owner = cluster.owner().await;
    let mut view = cluster.view(owner, &format!("?callSid={call}")).await;
    while in_time(view.next()).await.unwrap()["source"] != "greeting" {}
    // It may have moved to the server that its socket reached.
    (call, line, cluster.owner().await)
}

/// Sends an action to the server that does not hold the call, and closes connections meanwhile.
async fn act_amid(
    cluster: &TestCluster,
    (call, owner): (&str, usize),
    (what, body): (&str, &Value),
    (kind, after_ms): (&str, u64),
) {
    let (path, body) = (format!("/override/{what}"), action(call, body));
    let ordered = cluster.post(1 - owner, &path, &body);
    let cutting = async {
        tokio::time::sleep(Duration::from_millis(after_ms)).await;
        cut(cluster.redis(), kind).await;
    };
    let ((status, answer), ()) = tokio::join!(ordered, cutting);
    assert_eq!(status, 200, "{what}, {kind} connections closed after {after_ms} ms: {answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_supervisor_orders_is_done_once_whichever_connection_is_closed() {
    let cluster = TestCluster::start(2, 8.0, Brain::Echo).await;
    let (call, line, owner) = begin(&cluster).await;
    let mut given = Vec::new();
    for kind in KINDS {
        for after_ms in MOMENTS_MS {
            let name = format!("{}{after_ms}", if kind == "normal" { "1" } else { "2" });
            let orders = [
                ("takeover", json!({})),
                ("text", json!({ "text": format!("word {name}") })),
                ("whisper", json!({ "text": format!("whisper {name}") })),
                ("dtmf", json!({ "digits": name })),
                ("release", json!({})),
            ];
            for (what, body) in &orders {
                act_amid(&cluster, (&call, owner), (what, body), (kind, after_ms)).await;
            }
            given.push(name);
        }
    }
    assert!(line.act(LiveAction::HangUp).await);
    let events = cluster.history(owner, &call).await;
    check(&events);
    let of = |kind: &str, field: &str, prefix: &str| -> Vec<String> {
        let events = events.iter().filter(|event| event["type"] == kind);
        let fields = events.filter_map(|event| event[field].as_str());
        fields.filter_map(|text| text.strip_prefix(prefix)).map(str::to_owned).collect()
    };
    assert_eq!(of("assistant_override", "text", "word "), given, "spoken once");
    assert_eq!(of("whisper", "text", "whisper "), given, "whispered once");
    assert_eq!(of("command_executed", "value", ""), given, "pressed once");
    for kind in ["takeover", "release"] {
        assert_eq!(of(kind, "by", "").len(), given.len(), "{kind}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_that_ends_the_call_is_done_whichever_connection_is_closed() {
    let cluster = TestCluster::start(2, 8.0, Brain::Echo).await;
    let cases = [
        ("end", json!({}), "command_executed"),
        ("transfer", json!({ "target": "+15005550123" }), "session_transfer"),
    ];
    for (what, body, event) in &cases {
        for kind in KINDS {
            for after_ms in [0, 2, 5] {
                let (call, _line, owner) = begin(&cluster).await;
                act_amid(&cluster, (&call, owner), (what, body), (kind, after_ms)).await;
                let ended = cluster.twilio.wait_for_end(&call, Duration::from_secs(30));
                ended.await.unwrap();
                let events = cluster.history(owner, &call).await;
                let done = events.iter().filter(|other| other["type"] == *event).count();
                assert_eq!(done, 1, "{what}, {kind} after {after_ms} ms: {events:#?}");
            }
        }
    }
}

/// An action that waits for a stopped server is answered with 503, and must not be carried out once
/// the server goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_that_was_answered_with_503_is_not_carried_out_later() {
    let cluster = TestCluster::start(2, 8.0, Brain::Echo).await;
    let (call, line, owner) = begin(&cluster).await;
    cluster.nodes[owner].signal("-STOP");
    let late = action(&call, &json!({ "text": "too late" }));
    let (status, answer) = cluster.post(1 - owner, "/override/text", &late).await;
    cluster.nodes[owner].signal("-CONT");
    assert_eq!((status, &answer["error"]["code"]), (503, &json!("UNAVAILABLE")), "{answer}");
    // What waited for it is read before this.
    let path = "/override/text";
    let (status, answer) =
        cluster.post(1 - owner, path, &action(&call, &json!({ "text": "in time" }))).await;
    assert_eq!(status, 200, "{answer}");
    assert!(line.act(LiveAction::HangUp).await);
    let events = cluster.history(owner, &call).await;
    assert_eq!(super::one_server::texts(&events, "assistant_override"), ["in time"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_in_link_works_once_although_connections_are_closed() {
    let redis = RedisServer::start().await;
    let url = redis.url();
    let one = TestServer::with(&[("REDIS_URL", &url)]).await;
    let two = TestServer::with(&[("REDIS_URL", &url)]).await;
    for (shown, first, second) in [(&one, &two, &one), (&one, &one, &two), (&two, &one, &two)] {
        let link = shown.running.login_link().await;
        let path = &link[link.find("/login").unwrap()..];
        let opens = async |server: &TestServer| {
            let answer = server.http.post(server.url(path)).send().await.unwrap();
            answer.headers().contains_key("set-cookie")
        };
        cut(&redis, "normal").await;
        assert!(opens(first).await, "the first command over a closed connection works");
        cut(&redis, "normal").await;
        assert!(!opens(second).await, "it was used on the other server");
        assert!(!opens(first).await, "and on this one");
    }
}

/// A server that cannot ask whether a link was used refuses it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_in_link_is_not_used_twice_while_redis_is_away() {
    let redis = RedisServer::start().await;
    let url = redis.url();
    let one = TestServer::with(&[("REDIS_URL", &url)]).await;
    let two = TestServer::with(&[("REDIS_URL", &url)]).await;
    let link = one.running.login_link().await;
    let path = &link[link.find("/login").unwrap()..];
    let opens = async |server: &TestServer| {
        let answer = server.http.post(server.url(path)).send().await.unwrap();
        answer.headers().contains_key("set-cookie")
    };
    redis.pause();
    let meanwhile = opens(&one).await;
    redis.go_on();
    let after = [opens(&two).await, opens(&one).await, opens(&two).await];
    let times = after.iter().filter(|opened| **opened).count() + usize::from(meanwhile);
    assert_eq!(times, 1, "{meanwhile} {after:?}");
}
