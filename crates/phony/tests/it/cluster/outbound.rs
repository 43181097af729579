//! Calls that one node places: keys, scenarios, lists, limits and log-ins are shared by all nodes.

use std::time::Duration;

use phony_simulator::callers::{Caller, Step};
use phony_simulator::openai::{Brain, ScriptedReply};
use phony_simulator::twilio::{Answers, Callee, Fault};
use serde_json::{Value, json};

use super::one_server::{check, texts};
use crate::support::cluster::{Node, TOKEN, TestCluster};
use crate::support::program::{Done, Run};
use crate::support::redis::RedisServer;
use crate::support::server::{CALLED, TestServer};
use crate::support::wait::cluster::eventually;

const THEM: &str = "+12125550123";
const OTHERS: &str = "+12125550199";
const ACCOUNT: &str = "AC00000000000000000000000000000001";

/// Nodes that may call the United States at any hour, with a further configuration.
async fn cluster_of_callers(
    count: usize,
    brain: Brain,
    file: &str,
) -> (TestCluster, tempfile::TempDir) {
    cluster_at(20.0, count, brain, file).await
}

/// The same with calls at this multiple of real time.
async fn cluster_at(
    speed: f64,
    count: usize,
    brain: Brain,
    file: &str,
) -> (TestCluster, tempfile::TempDir) {
    let mut cluster = TestCluster::start(0, speed, brain).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("phony.toml");
    std::fs::write(&path, file).unwrap();
    for _ in 0..count {
        let node = caller(&cluster, &path.display().to_string()).await;
        cluster.nodes.push(node);
    }
    for node in 0..count {
        // A server parses the numbering plans at the first number, which takes long in a test
        // build; no call has to wait for that.
        let (status, _) = cluster.post(node, "/calls", &order_to("+1212")).await;
        assert!(status >= 400, "no such number");
    }
    cluster.open_to_all();
    (cluster, folder)
}

async fn caller(cluster: &TestCluster, config: &str) -> Node {
    let base = cluster.api.base_url();
    let more = [
        ("TWILIO_ACCOUNT_SID", ACCOUNT),
        ("TWILIO_PHONE_NUMBER", CALLED),
        ("TWILIO_API_BASE_URL", base.as_str()),
        ("PHONY_CALLING_HOURS", "off"),
        ("PHONY_CONFIG", config),
    ];
    cluster.new_node(&more).await
}

fn order() -> Value {
    order_to(THEM)
}

fn order_to(to: &str) -> Value {
    let variables = json!({ "business": "Acme" });
    json!({ "to": to, "scenario": "survey", "consent": true, "variables": variables })
}

/// The answer of a node to an order under a key.
async fn keyed(cluster: &TestCluster, node: usize, key: &str, order: &Value) -> (u16, Value) {
    let request = cluster.http.post(cluster.nodes[node].url("/calls")).bearer_auth(TOKEN);
    let answer = request.header("idempotency-key", key).json(order).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

/// Places a call on a node; its id.
async fn placed(cluster: &TestCluster, node: usize, order: &Value) -> String {
    let (status, answer) = cluster.post(node, "/calls", order).await;
    assert_eq!(status, 201, "{answer}");
    answer["callSid"].as_str().unwrap().to_owned()
}

/// The rule by which a node refuses an order.
async fn refused(cluster: &TestCluster, node: usize, order: &Value) -> Option<(u16, String)> {
    let (status, answer) = cluster.post(node, "/calls", order).await;
    let rule = answer["error"]["details"]["rule"].as_str()?;
    Some((status, rule.to_owned()))
}

fn of_type<'a>(events: &'a [Value], kind: &str) -> Vec<&'a Value> {
    events.iter().filter(|event| event["type"] == kind).collect()
}

fn statuses(events: &[Value]) -> Vec<&str> {
    of_type(events, "status").iter().map(|event| event["status"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_key_on_two_servers_at_once_calls_once() {
    let (cluster, _config) = cluster_of_callers(2, Brain::Echo, "").await;
    cluster.twilio.set_callee(THEM, Callee::person(Caller::silent()));
    for round in 0..5 {
        let key = format!("round {round}");
        let order = order();
        let six = (0..6).map(|n| keyed(&cluster, n % 2, &key, &order));
        let answers = futures_util::future::join_all(six).await;
        let first = &answers[0].1["callSid"];
        assert!(first.is_string(), "{answers:?}");
        for (status, answer) in &answers {
            assert_eq!((*status, &answer["callSid"]), (201, first), "{answers:?}");
        }
        assert_eq!(cluster.twilio.calls().len(), round + 1, "one call for six orders");
        for node in 0..2 {
            let (status, answer) = keyed(&cluster, node, &key, &order_to(OTHERS)).await;
            assert_eq!((status, &answer["error"]["code"]), (409, &json!("CONFLICT")));
        }
    }
    // An emptied Redis is filled again by the node that placed the call.
    let (_, first) = keyed(&cluster, 0, "remembered", &order()).await;
    let placed = cluster.twilio.calls().len();
    cluster.redis().empty().await;
    let told = async || {
        let mut connection = cluster.redis().connection();
        let mut keys = redis::cmd("KEYS");
        let keys: Vec<String> = keys.arg("phony:key:*").query_async(&mut connection).await.unwrap();
        (keys.len() >= 6).then_some(())
    };
    eventually(told).await;
    let again = keyed(&cluster, 1, "remembered", &order()).await.1;
    assert_eq!(again["callSid"], first["callSid"]);
    assert_ne!(again["status"], "deleted", "any server knows how it stands");
    assert_eq!(cluster.twilio.calls().len(), placed);
    // An order with an unknown outcome is looked up, whichever node is asked again.
    cluster.twilio.fail_next(Fault::CreateFails { call_exists: false });
    let before = cluster.twilio.calls().len();
    let (status, answer) = keyed(&cluster, 0, "lost", &order()).await;
    assert_eq!((status, &answer["error"]["details"]["outcome"]), (502, &json!("unknown")));
    let (status, second) = keyed(&cluster, 1, "lost", &order()).await;
    assert_eq!(status, 201, "{second}");
    assert_eq!(keyed(&cluster, 0, "lost", &order()).await.1["callSid"], second["callSid"]);
    assert_eq!(cluster.twilio.calls().len(), before + 1);
    // A refused order leaves the key free on every node.
    let mut without = order();
    without["consent"] = json!(false);
    assert_eq!(keyed(&cluster, 0, "refused", &without).await.0, 422);
    assert_eq!(keyed(&cluster, 1, "refused", &order()).await.0, 201);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_server_tells_of_orders_that_became_no_call_and_how_a_call_stands_now() {
    let (cluster, _config) = cluster_of_callers(2, Brain::Echo, "").await;
    let mut without = order();
    without["consent"] = json!(false);
    assert_eq!(keyed(&cluster, 0, "k", &without).await.0, 422);
    let consent = async |node: usize| {
        let (_, page) = cluster.get(node, "/calls?status=refused&q=consent").await;
        page["calls"].as_array().cloned().unwrap_or_default()
    };
    let order_id = eventually(async || {
        let orders = consent(1).await;
        let order = orders.first()?;
        assert_eq!((&order["to"], &order["who"]), (&json!(THEM), &json!("admin")), "{order}");
        order["orderId"].as_str().map(str::to_owned)
    })
    .await;
    // The same order under the same key is one order, on whichever node.
    assert_eq!(keyed(&cluster, 1, "k", &without).await.0, 422);
    for node in 0..2 {
        let orders = consent(node).await;
        assert_eq!((orders.len(), &orders[0]["orderId"]), (1, &json!(order_id)));
    }
    let delete = async |node: usize, path: &str| {
        let request = cluster.http.delete(cluster.nodes[node].url(path)).bearer_auth(TOKEN);
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!(delete(0, &format!("/calls/{order_id}")).await, 200);
    assert!(consent(1).await.is_empty());

    cluster.twilio.set_callee(THEM, Callee::absent(Answers::Busy));
    let (status, first) = keyed(&cluster, 0, "busy", &order()).await;
    assert_eq!((status, &first["status"]), (201, &json!("queued")));
    let call = first["callSid"].as_str().unwrap();
    assert_eq!(cluster.history(1, call).await.last().unwrap()["reason"], "busy");
    for (state, node) in [("busy", 1), ("busy", 0)] {
        let until_told = async || {
            let (status, again) = keyed(&cluster, node, "busy", &order()).await;
            assert_eq!((status, &again["callSid"]), (201, &first["callSid"]));
            (again["status"] == state).then_some(())
        };
        eventually(until_told).await;
    }
    assert_eq!(delete(0, &format!("/calls/{call}")).await, 200);
    assert_eq!(keyed(&cluster, 1, "busy", &order()).await.1["status"], "deleted");
    assert_eq!(cluster.twilio.calls().len(), 1, "nobody was called again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn webhooks_and_sockets_of_a_call_of_ours_may_reach_another_server() {
    let (cluster, _config) = cluster_of_callers(2, Brain::Echo, "").await;
    let person = || {
        let steps = vec![Step::reply("Who is calling?"), Step::reply("Goodbye."), Step::hang_up()];
        // It rings for longer than a busy machine takes to announce the call.
        let answers = Answers::Person { after_ms: 12_000 };
        Callee { answers, ..Callee::person(Caller::Script(steps)) }
    };
    cluster.twilio.set_callee(THEM, person());
    // All requests of Twilio reach the server that did not place the call.
    cluster.balancer.set(vec![cluster.nodes[1].port]);
    let mut order = order();
    order["agent"] = json!("hotline");
    for _ in 0..3 {
        let call = placed(&cluster, 0, &order).await;
        let (status, line) = cluster.get(1, &format!("/calls/{call}")).await;
        assert_eq!((status, &line["live"]), (200, &json!(true)), "any server knows it at once");
        let ended = cluster.twilio.wait_for_end(&call, Duration::from_secs(30));
        let record = ended.await.unwrap();
        let heard = record.heard_text();
        let opening = "Hello, this is an automated assistant calling for Acme";
        assert!(heard.starts_with(opening), "{heard}");
        let events = cluster.history(1, &call).await;
        check(&events);
        assert_eq!(of_type(&events, "session_start").len(), 1, "one call: {events:#?}");
        assert_eq!(events[0]["scenario"], "survey");
        assert_eq!(events[0]["companion"], "hotline");
        assert_eq!(statuses(&events), ["queued", "ringing", "in-progress", "completed"]);
        assert_eq!(of_type(&events, "disclosure").len(), 1, "{events:#?}");
        assert_eq!(texts(&events, "transcript")[0], "Who is calling?");
        assert_eq!(events, cluster.history(0, &call).await, "both tell the same");
        let (_, call) = cluster.get(0, &format!("/calls/{call}")).await;
        assert_eq!((&call["scenario"], &call["status"]), (&json!("survey"), &json!("completed")));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_answers_while_redis_is_away_waits_until_the_right_server_is_asked() {
    // Slow enough to wait until a server has given up on Redis.
    let (cluster, _config) = cluster_at(4.0, 2, Brain::Echo, "").await;
    let steps = vec![Step::reply("Who is calling?"), Step::hang_up()];
    let answers = Answers::Person { after_ms: 4_000 };
    let person = Callee { answers, ..Callee::person(Caller::Script(steps)) };
    cluster.twilio.set_callee(THEM, person);
    // Connections are kept alive, so all lead to the server that did not place it.
    cluster.balancer.set(vec![cluster.nodes[1].port]);
    let call = placed(&cluster, 0, &order()).await;
    cluster.redis().pause();
    let told_to_come_again = async || {
        let record = cluster.twilio.call(&call)?;
        record.webhooks.iter().any(|webhook| webhook.purpose == "redirect").then_some(())
    };
    eventually(told_to_come_again).await;
    cluster.balancer.set(vec![cluster.nodes[0].port]);
    let record = cluster.twilio.wait_for_end(&call, Duration::from_mins(1)).await;
    let record = record.unwrap();
    cluster.redis().go_on();
    let heard = record.heard_text();
    let opening = "Hello, this is an automated assistant calling for Acme";
    assert!(heard.starts_with(opening), "{record:#?}");
    let events = eventually(async || {
        let events = cluster.history(1, &call).await;
        (events.last()?["type"] == "session_end").then_some(events)
    })
    .await;
    check(&events);
    assert_eq!(of_type(&events, "session_start").len(), 1, "one call: {events:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_network_says_of_a_call_reaches_it_through_any_server() {
    let (cluster, _config) = cluster_of_callers(2, Brain::Echo, "").await;
    cluster.balancer.set(vec![cluster.nodes[1].port]);
    for (answers, status, reason) in [
        (Answers::Busy, "busy", "busy"),
        (Answers::Nobody, "no-answer", "no_answer"),
        (Answers::Fails { sip_code: 404 }, "failed", "failed"),
    ] {
        cluster.twilio.set_callee(THEM, Callee::absent(answers));
        let call = placed(&cluster, 0, &order()).await;
        let events = cluster.history(1, &call).await;
        assert_eq!(statuses(&events).last(), Some(&status), "{events:#?}");
        assert_eq!(events.last().unwrap()["reason"], reason);
    }
    let kind = "machine_end_beep".to_owned();
    let machine = Answers::Machine { after_ms: 500, kind, detected_ms: 4_000 };
    let callee = Callee { answers: machine, ..Callee::person(Caller::silent()) };
    cluster.twilio.set_callee(THEM, callee);
    let variables = json!({ "name": "Jo Lee" });
    let order =
        json!({ "to": THEM, "scenario": "appointment", "consent": true, "variables": variables });
    let call = placed(&cluster, 0, &order).await;
    let events = cluster.history(0, &call).await;
    assert_eq!(of_type(&events, "answered_by")[0]["who"], "machine_ready", "{events:#?}");
    assert_eq!(events.last().unwrap()["reason"], "voicemail_left");
    let ended = cluster.twilio.wait_for_end(&call, Duration::from_secs(30)).await.unwrap();
    let heard = ended.heard_text();
    assert!(heard.contains("this is an automated assistant calling for Jo Lee"), "{heard}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_whose_server_dies_while_it_rings_keeps_its_scenario() {
    let (mut cluster, _config) =
        cluster_of_callers(2, Brain::Echo, "[dialing]\nring = \"2m\"\n").await;
    let person = Caller::Script(vec![Step::reply("Who is calling?"), Step::hang_up()]);
    let callee = Callee { answers: Answers::Person { after_ms: 60_000 }, ..Callee::person(person) };
    cluster.twilio.set_callee(THEM, callee);
    cluster.balancer.set(vec![cluster.nodes[1].port]);
    let call = placed(&cluster, 0, &order()).await;
    let rings = async || {
        let (_, call) = cluster.get(1, &format!("/calls/{call}")).await;
        (call["status"] == "ringing").then_some(())
    };
    eventually(rings).await;
    cluster.nodes[0].kill();
    let ended = cluster.twilio.wait_for_end(&call, Duration::from_secs(30)).await.unwrap();
    let heard = ended.heard_text();
    assert!(heard.contains("this is an automated assistant calling for Acme"), "{heard}");
    let events = cluster.history(1, &call).await;
    check(&events);
    assert_eq!(events[0]["scenario"], "survey");
    assert_eq!(texts(&events, "transcript")[0], "Who is calling?");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_asks_one_server_not_to_be_called_is_called_by_none() {
    let replies = vec![ScriptedReply::next("[[do_not_call]] I am sorry. It is done.")];
    let (mut cluster, config) = cluster_of_callers(2, Brain::Script(replies), "").await;
    let person = Caller::Script(vec![Step::reply("Never call me again!"), Step::hang_up()]);
    cluster.twilio.set_callee(THEM, Callee::person(person));
    let call = placed(&cluster, 0, &order()).await;
    cluster.twilio.wait_for_end(&call, Duration::from_secs(30)).await.unwrap();
    let events = cluster.history(0, &call).await;
    let never = Some((422, "do_not_call".to_owned()));
    let asked = |event: &&Value| event["type"] == "command_executed";
    assert!(events.iter().any(|event| asked(&event)), "{events:#?}");
    for node in 0..2 {
        eventually(async || (refused(&cluster, node, &order()).await == never).then_some(())).await;
    }

    // The command line reads the same list, and says which it is.
    let url = cluster.redis().url();
    let dnc = async |arguments: &[&str], data: &std::path::Path| {
        let arguments = [&["dnc"], arguments].concat();
        let run = Run::new(&arguments).with("REDIS_URL", &url);
        let run = run.with("PHONY_DATA_DIR", &data.display().to_string());
        tokio::task::spawn_blocking(move || run.done()).await.unwrap()
    };
    let empty = tempfile::tempdir().unwrap();
    let Done { code, out, err } = dnc(&["list"], empty.path()).await;
    assert_eq!((code, out.contains(THEM)), (Some(0), true), "{out} {err}");
    assert!(err.contains("the do-not-call list of all servers, in Redis at 127.0.0.1:"), "{err}");
    let Done { code, out, .. } = dnc(&["add", OTHERS], empty.path()).await;
    assert_eq!((code, out.contains("never called")), (Some(0), true), "{out}");
    assert_eq!(refused(&cluster, 1, &order_to(OTHERS)).await, never, "at once");
    let Done { code, .. } = dnc(&["remove", OTHERS], empty.path()).await;
    assert_eq!(code, Some(0));
    placed(&cluster, 1, &order_to(OTHERS)).await;

    // The entries of a file count for all nodes once its server is up.
    let line = format!(
        r#"{{"number":"{OTHERS}","listed":true,"at":"2099-01-01T00:00:00Z","by":"callee"}}"#
    );
    let data = tempfile::tempdir().unwrap();
    std::fs::write(data.path().join("do-not-call.jsonl"), line + "\n").unwrap();
    let folder = data.path().display().to_string();
    let base = cluster.api.base_url();
    let third = cluster
        .new_node(&[
            ("PHONY_DATA_DIR", &folder),
            ("TWILIO_ACCOUNT_SID", ACCOUNT),
            ("TWILIO_PHONE_NUMBER", CALLED),
            ("TWILIO_API_BASE_URL", &base),
            ("PHONY_CALLING_HOURS", "off"),
        ])
        .await;
    cluster.nodes.push(third);
    eventually(async || (refused(&cluster, 0, &order_to(OTHERS)).await == never).then_some(()))
        .await;

    // An emptied Redis is filled again by the nodes.
    cluster.redis().empty().await;
    for number in [THEM, OTHERS] {
        let everywhere = async || {
            let Done { out, .. } = dnc(&["list"], empty.path()).await;
            out.contains(number).then_some(())
        };
        eventually(everywhere).await;
        for node in 0..3 {
            assert_eq!(refused(&cluster, node, &order_to(number)).await, never);
        }
    }
    // A new server, in a folder of its own, knows it from the others.
    let fresh = caller(&cluster, &config.path().join("phony.toml").display().to_string()).await;
    cluster.nodes.push(fresh);
    assert_eq!(refused(&cluster, 3, &order()).await, never);

    // Without Redis no call is placed: the list of the other nodes is unknown.
    let before = cluster.twilio.calls().len();
    cluster.redis().pause();
    let (status, answer) = cluster.post(1, "/calls", &order_to("+12125550177")).await;
    cluster.redis().go_on();
    assert_eq!((status, &answer["error"]["code"]), (503, &json!("UNAVAILABLE")), "{answer}");
    assert!(answer["error"]["message"].as_str().unwrap().contains("do-not-call"), "{answer}");
    assert_eq!(cluster.twilio.calls().len(), before);
    let Done { code, err, .. } = {
        cluster.redis_mut().kill();
        dnc(&["add", OTHERS], empty.path()).await
    };
    assert_eq!(code, Some(1), "{err}");
    assert!(err.contains("cannot be reached"), "{err}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_servers_together_keep_the_limits() {
    let file = "dial_rate = 3\n[dialing]\nconcurrent = 2\n[prices]\nminute = 60.0\n\
                [spend]\nday_soft = 0.0\nday_hard = 20.0\ncall_soft = 0.0\ncall_hard = 0.0\n";
    let (cluster, _config) = cluster_of_callers(2, Brain::Echo, file).await;
    cluster.twilio.set_callee(THEM, Callee::person(Caller::silent()));
    let calls = [placed(&cluster, 0, &order()).await, placed(&cluster, 1, &order()).await];
    for node in 0..2 {
        let busy = refused(&cluster, node, &order()).await;
        assert_eq!(busy, Some((429, "concurrent_calls".to_owned())), "two at once, of both");
    }
    let end = json!({ "callSid": calls[0] });
    let connected = async || {
        let (_, call) = cluster.get(0, &format!("/calls/{}", calls[0])).await;
        (call["status"] == "in-progress").then_some(())
    };
    eventually(connected).await;
    assert_eq!(cluster.post(1, "/override/end", &end).await.0, 200);
    // The place of a call that has ended is free for any node.
    let third = async || {
        let (status, answer) = cluster.post(1, "/calls", &order()).await;
        (status == 201).then(|| answer["callSid"].as_str().unwrap().to_owned())
    };
    let third = eventually(third).await;
    // It may have been placed just now, and not be known on every node yet.
    let end = json!({ "callSid": third });
    eventually(async || (cluster.post(0, "/override/end", &end).await.0 == 200).then_some(()))
        .await;
    let rate = Some((429, "dial_rate".to_owned()));
    eventually(async || (refused(&cluster, 0, &order()).await == rate).then_some(())).await;
    assert_eq!(refused(&cluster, 1, &order()).await, rate, "three in a minute, of both");
    // A dollar a second: the cost of calls on one node counts on the other.
    let spent = Some((422, "spend".to_owned()));
    for node in 0..2 {
        eventually(async || (refused(&cluster, node, &order()).await == spent).then_some(())).await;
    }
    // The budget ends the remaining call on any node.
    cluster.twilio.wait_for_end(&calls[1], Duration::from_secs(30)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_in_link_works_once_on_whichever_server_it_reaches() {
    let redis = RedisServer::start().await;
    let url = redis.url();
    let one = TestServer::with(&[("REDIS_URL", &url)]).await;
    let two = TestServer::with(&[("REDIS_URL", &url)]).await;
    for (shown, opened) in [(&one, &two), (&one, &one), (&two, &one)] {
        let link = shown.running.login_link().await;
        let path = &link[link.find("/login").unwrap()..];
        let open = async |server: &TestServer| {
            // A look at the link does not use it up.
            let looked = server.http.get(server.url(path)).send().await.unwrap();
            assert_eq!(looked.status(), 200);
            let answer = server.http.post(server.url(path)).send().await.unwrap();
            let cookie = answer.headers().get("set-cookie")?.to_str().unwrap().to_owned();
            Some(cookie.split(';').next().unwrap().to_owned())
        };
        let cookie = open(opened).await.expect("it logs in");
        for server in [&one, &two] {
            let request = server.http.get(server.url("/calls")).header("cookie", &cookie);
            assert_eq!(request.send().await.unwrap().status(), 200, "on every server");
            assert_eq!(open(server).await, None, "once");
        }
    }
    let guess = one.http.post(two.url("/login?code=guess")).send().await.unwrap();
    assert!(guess.headers().get("set-cookie").is_none());
    // Without Redis a link still works where it was shown.
    redis.pause();
    let link = one.running.login_link().await;
    let path = &link[link.find("/login").unwrap()..];
    let answer = one.http.post(one.url(path)).send().await.unwrap();
    assert!(answer.headers().get("set-cookie").is_some());
    redis.go_on();
}
