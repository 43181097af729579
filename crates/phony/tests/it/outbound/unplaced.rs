//! Orders that became no call are listed, with the reason and who gave them.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use phony_simulator::twilio::Fault;
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::placing::{ACCOUNT, checked, resource};
use crate::support::http;
use crate::support::outbound::{OURS, OutboundApp, THEM, order, order_with};
use crate::support::program::{Run, Serving};
use crate::support::server::TestServer;
use crate::support::wait::outbound::in_time;

async fn keyed(server: &TestServer, key: &str, body: &Value) -> (u16, Value) {
    let request = server.http.post(server.url("/calls")).bearer_auth(TestServer::token());
    let answer = request.header("idempotency-key", key).json(body).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

async fn listed(server: &TestServer, query: &str) -> Vec<Value> {
    let (status, page) = server.get(&format!("/calls?{query}")).await;
    assert_eq!(status, 200, "{page}");
    page["calls"].as_array().unwrap().clone()
}

async fn text(server: &TestServer, path: &str) -> String {
    let request = server.http.get(server.url(path)).bearer_auth(TestServer::token());
    request.send().await.unwrap().text().await.unwrap()
}

/// Gives one order of each kind that becomes no call, and one whose call is not connected.
async fn some(app: &OutboundApp) {
    let refused = [json!({ "to": "911" }), json!({ "consent": false }), json!({ "scenario": "x" })];
    for (change, status) in refused.iter().zip([422, 422, 400]) {
        assert_eq!(app.order(&order_with(change)).await.0, status);
    }
    let strange = order_with(&json!({ "from": "+15005550099" }));
    assert_eq!(app.order(&strange).await.0, 502);
    app.twilio.fail_next(Fault::CreateFails { call_exists: false });
    assert_eq!(app.order(&order()).await.0, 502);
    let fails = phony_simulator::twilio::Answers::Fails { sip_code: 404 };
    app.twilio.set_callee(THEM, phony_simulator::twilio::Callee::absent(fails));
    let sid = app.placed(&order()).await;
    app.over(&sid).await;
}

#[tokio::test]
async fn orders_that_became_no_call_are_listed_by_what_came_of_them() {
    let app = OutboundApp::start().await;
    some(&app).await;
    let server = &app.server;
    let refused = listed(server, "status=refused").await;
    let rules: Vec<_> = refused.iter().map(|order| order["rule"].as_str().unwrap()).collect();
    assert_eq!(rules, ["invalid_request", "consent", "emergency_number"], "the newest first");
    let first = &refused[2];
    assert_eq!((&first["to"], &first["status"]), (&json!("911"), &json!("refused")));
    assert_eq!((&first["callSid"], &first["live"]), (&Value::Null, &json!(false)));
    assert_eq!((&first["scenario"], &first["who"]), (&json!("survey"), &json!("admin")));
    assert!(first["by"].as_str().unwrap().starts_with("token:"), "{first}");
    assert!(first["reason"].as_str().unwrap().contains("emergency"), "{first}");
    assert!(first["startedAt"].is_string() && first["orderId"].is_string(), "{first}");
    // The network refused one of these, and could not connect the other.
    let failed = listed(server, "status=failed").await;
    assert_eq!(failed.len(), 2, "{failed:#?}");
    assert!(failed[0]["callSid"].is_string() && failed[0]["reason"].is_null(), "{failed:#?}");
    assert_eq!((&failed[1]["callSid"], &failed[1]["to"]), (&Value::Null, &json!(THEM)));
    assert_eq!(failed[1]["rule"], "twilio_error");
    assert!(!failed[1]["reason"].as_str().unwrap().is_empty(), "{failed:#?}");
    let unknown = listed(server, "status=unknown").await;
    assert_eq!(unknown.len(), 1);
    assert!(unknown[0]["reason"].as_str().unwrap().contains("not known"), "{unknown:#?}");
    // They are no calls: no other list has them, and nothing counts them.
    for query in ["", "live=false", "status=ended", "direction=outbound", "q=911", "q=survey"] {
        for call in listed(server, query).await {
            assert!(call["callSid"].is_string(), "{query}: {call}");
        }
    }
    assert_eq!(listed(server, "").await.len(), 1);
    assert_eq!(listed(server, "status=refused&live=true").await.len(), 0);
    assert_eq!(listed(server, "status=refused&direction=inbound").await.len(), 0);
    // They are looked for by who, why and which.
    assert_eq!(listed(server, "status=refused&q=emergency").await.len(), 1);
    assert_eq!(listed(server, "status=refused&q=911").await.len(), 1);
    assert_eq!(listed(server, "status=refused&number=2125550123").await.len(), 2);
    assert_eq!(listed(server, "status=refused&q=nothing+of+it").await.len(), 0);
    let (status, answer) = server.get("/calls?status=nonsense").await;
    assert_eq!((status, &answer["error"]["details"]["field"]), (400, &json!("status")));
}

#[tokio::test]
async fn pages_of_calls_and_orders_lose_nothing_and_repeat_nothing() {
    let app = OutboundApp::start().await;
    let strange = order_with(&json!({ "from": "+15005550099" }));
    let fails = phony_simulator::twilio::Answers::Fails { sip_code: 404 };
    app.twilio.set_callee(THEM, phony_simulator::twilio::Callee::absent(fails));
    for _ in 0..3 {
        assert_eq!(app.order(&strange).await.0, 502);
        let sid = app.placed(&order()).await;
        app.over(&sid).await;
    }
    let name = |call: &Value| {
        let id = if call["callSid"].is_null() { &call["orderId"] } else { &call["callSid"] };
        id.as_str().unwrap().to_owned()
    };
    let all: Vec<_> = listed(&app.server, "status=failed").await.iter().map(name).collect();
    assert_eq!(all.len(), 6);
    for size in 1..=6 {
        let (mut found, mut cursor) = (Vec::new(), String::new());
        loop {
            let path = format!("/calls?status=failed&limit={size}&cursor={cursor}");
            let (status, page) = app.server.get(&path).await;
            assert_eq!(status, 200, "{page}");
            found.extend(page["calls"].as_array().unwrap().iter().map(name));
            let Some(next) = page["next"].as_str() else { break };
            cursor = next.to_owned();
        }
        assert_eq!(found, all, "{size} at a time");
    }
}

#[tokio::test]
async fn they_are_kept_exported_and_deleted_as_calls_are() {
    let app = OutboundApp::start().await;
    some(&app).await;
    let OutboundApp { server, twilio, .. } = app;
    let before = listed(&server, "status=refused").await;
    let server = server.restart().await;
    assert_eq!(listed(&server, "status=refused").await, before, "over a restart");
    assert_eq!(listed(&server, "status=failed").await.len(), 2);
    let table = text(&server, "/calls/export?format=csv&status=failed").await;
    let lines: Vec<_> = table.lines().collect();
    assert!(lines[0].ends_with(",orderId,scenario,rule,reason,by,who"), "{table}");
    assert_eq!(lines.len(), 3, "{table}");
    let columns = |line: &str| line.matches(',').count();
    assert_eq!(columns(lines[1]), columns(lines[0]), "a call's row is as wide: {table}");
    assert!(lines[2].contains("twilio_error") && lines[2].ends_with(",admin"), "{table}");
    let json = text(&server, "/calls/export?status=refused").await;
    let first: Value = serde_json::from_str(json.lines().next().unwrap()).unwrap();
    assert_eq!(first["rule"], "invalid_request");
    let words = text(&server, "/calls/export?format=txt&status=unknown").await;
    assert!(words.contains(THEM) && words.contains("(ordered by admin)"), "{words}");
    let calls = text(&server, "/calls/export?format=csv").await;
    assert!(!calls.contains("orderId") && calls.lines().count() == 2, "no calls: {calls}");
    // One is shown and deleted by its id.
    let id = before[0]["orderId"].as_str().unwrap();
    let (status, shown) = server.get(&format!("/calls/{id}")).await;
    assert_eq!((status, &shown["rule"]), (200, &json!("invalid_request")), "{shown}");
    assert_eq!(server.get(&format!("/calls/{id}/transcript")).await.0, 404);
    let delete = async || {
        let request = server.http.delete(server.url(&format!("/calls/{id}")));
        request.bearer_auth(TestServer::token()).send().await.unwrap().status().as_u16()
    };
    assert_eq!((delete().await, delete().await), (200, 404));
    assert_eq!(server.get(&format!("/calls/{id}")).await.0, 404);
    assert_eq!(listed(&server, "status=refused").await, before[1..]);
    drop(twilio);
}

#[tokio::test]
async fn an_order_that_becomes_a_call_after_all_is_one() {
    let app = OutboundApp::start().await;
    let server = &app.server;
    // Refused twice under one key is one order.
    let never = &server.running.app.safety.do_not_call;
    let entry = |listed: bool| phony::safety::do_not_call::DoNotCallEntry {
        number: phony_call::PhoneNumber::parse(THEM).unwrap(),
        listed,
        at: "2026-01-01T00:00:00Z".parse().unwrap(),
        by: "test".into(),
    };
    never.write(&entry(true)).unwrap();
    for _ in 0..2 {
        assert_eq!(keyed(server, "refused", &order()).await.0, 422);
    }
    assert_eq!(listed(server, "status=refused").await.len(), 1);
    never.write(&entry(false)).unwrap();
    assert_eq!(keyed(server, "refused", &order()).await.0, 201);
    assert_eq!(listed(server, "status=refused").await.len(), 0);
    // An order whose call is found later.
    app.twilio.fail_next(Fault::CreateFails { call_exists: false });
    assert_eq!(keyed(server, "lost", &order()).await.0, 502);
    assert_eq!(listed(server, "status=unknown").await.len(), 1);
    assert_eq!(keyed(server, "lost", &order()).await.0, 201);
    assert_eq!(listed(server, "status=unknown").await.len(), 0);
    // Another order under a key that is taken is refused, and the first one's call stays.
    let other = order_with(&json!({ "to": "+12125550199" }));
    assert_eq!(keyed(server, "lost", &other).await.0, 409);
    assert_eq!(listed(server, "status=refused").await[0]["rule"], "conflict");
}

#[tokio::test]
async fn the_terminal_lists_them() {
    let app = OutboundApp::start().await;
    some(&app).await;
    let server = app.server.url("");
    let run = |arguments: &'static [&'static str]| {
        let all = [&["calls"], arguments, &["--server", &server]].concat();
        let run = Run::new(&all).with("PHONY_ADMIN_TOKEN", &TestServer::token());
        tokio::task::spawn_blocking(move || run.done())
    };
    let done = run(&["list", "--status", "refused"]).await.unwrap();
    assert_eq!((done.code, done.out.lines().count()), (Some(0), 3), "{} {}", done.out, done.err);
    assert!(done.out.contains("911") && done.out.contains("emergency"), "{}", done.out);
    assert!(done.out.contains("ordered by admin"), "{}", done.out);
    let id = done.out.split_whitespace().next().unwrap().to_owned();
    let id: &'static str = id.leak();
    let shown = run(vec!["show", id].leak()).await.unwrap();
    assert!(shown.out.contains("invalid_request"), "{} {}", shown.out, shown.err);
    let gone = run(vec!["delete", id, "--yes"].leak()).await.unwrap();
    assert_eq!(gone.code, Some(0), "{}", gone.err);
    let left = run(&["list", "--status", "refused", "--json"]).await.unwrap();
    assert_eq!(serde_json::from_str::<Vec<Value>>(&left.out).unwrap().len(), 2, "{}", left.err);
}

/// A server as a process, and its address.
async fn process(data: &Path, api: &str) -> (Serving, String) {
    let run = Run::new(&["serve"])
        .with("PORT", "0")
        .with("PHONY_BIND", "127.0.0.1")
        .with("PHONY_DATA_DIR", &data.display().to_string())
        .with("PHONY_ADMIN_TOKEN", &TestServer::token())
        .with("PHONY_CALLING_HOURS", "off")
        .with("TWILIO_ACCOUNT_SID", ACCOUNT)
        .with("TWILIO_AUTH_TOKEN", "12345")
        .with("TWILIO_PHONE_NUMBER", OURS)
        .with("TWILIO_API_BASE_URL", api);
    let serving = tokio::task::spawn_blocking(move || run.serving("Phony listens on"));
    let (server, lines) = serving.await.unwrap();
    let line = lines.iter().find(|line| line.contains("Phony listens on")).unwrap();
    let address = line.split(' ').next_back().unwrap();
    (server, format!("http://{address}"))
}

#[tokio::test]
async fn an_order_that_a_killed_server_was_placing_is_unknown_until_it_is_known() {
    // The carrier does not answer until the server is dead.
    let (asked, answers) = (Arc::new(Notify::new()), Arc::new(AtomicBool::new(false)));
    let (told, now) = (Arc::clone(&asked), Arc::clone(&answers));
    let create = async move || {
        if !now.load(Ordering::SeqCst) {
            told.notify_one();
            std::future::pending::<()>().await;
        }
        let body = resource("CA00000000000000000000000000000009", THEM, OURS).to_string();
        (StatusCode::CREATED, [("content-type", "application/json")], body).into_response()
    };
    let list = async || {
        let uri = format!("/2010-04-01/Accounts/{ACCOUNT}/Calls.json?PageSize=50&Page=0");
        let page = json!({
            "calls": [], "end": 0, "first_page_uri": uri, "next_page_uri": null, "page": 0,
            "page_size": 50, "previous_page_uri": null, "start": 0, "uri": uri,
        });
        ([("content-type", "application/json")], page.to_string())
    };
    let path = "/2010-04-01/Accounts/{account}/Calls.json";
    let router = axum::Router::new().route(path, axum::routing::post(create).get(list));
    let api = checked(router).await;
    let data = tempfile::tempdir().unwrap();
    let http = http::client();
    let send = |address: &str, key: Option<&str>| {
        let request = http.post(format!("{address}/calls")).bearer_auth(TestServer::token());
        let request = match key {
            Some(key) => request.header("idempotency-key", key),
            None => request,
        };
        request.json(&json!({ "to": THEM, "consent": true })).send()
    };
    let unknown = async |address: &str| {
        let request = http.get(format!("{address}/calls?status=unknown"));
        let answer = request.bearer_auth(TestServer::token()).send().await.unwrap();
        answer.json::<Value>().await.unwrap()["calls"].as_array().unwrap().clone()
    };
    let mut orders = Vec::new();
    for (key, count) in [(Some("k"), 1), (None, 2)] {
        let (mut server, address) = process(data.path(), &api.base_url()).await;
        tokio::select! {
            answer = send(&address, key) => panic!("{answer:?}"),
            () = in_time(asked.notified()) => {}
        }
        server.kill();
        drop(server);
        let (_server, address) = process(data.path(), &api.base_url()).await;
        orders = unknown(&address).await;
        assert_eq!(orders.len(), count, "{orders:#?}");
        assert_eq!((&orders[0]["to"], &orders[0]["rule"]), (&json!(THEM), &json!("server_ended")));
        assert!(orders[0]["by"].as_str().unwrap().starts_with("token:"), "{orders:#?}");
    }
    // They are the same over another restart, and the ledger tells of each once.
    let (mut server, address) = process(data.path(), &api.base_url()).await;
    assert_eq!(unknown(&address).await, orders);
    let ledger = std::fs::read_to_string(data.path().join("ledger.jsonl")).unwrap();
    assert_eq!(ledger.matches("server_ended").count(), 2, "{ledger}");
    // One becomes a call, the other is deleted.
    answers.store(true, Ordering::SeqCst);
    let answer = send(&address, Some("k")).await.unwrap();
    assert_eq!(answer.status(), 201, "{}", answer.text().await.unwrap());
    let left = unknown(&address).await;
    assert_eq!(left, orders[..1], "the one without a key was given last");
    let id = left[0]["orderId"].as_str().unwrap();
    let delete = http.delete(format!("{address}/calls/{id}")).bearer_auth(TestServer::token());
    assert_eq!(delete.send().await.unwrap().status(), 200);
    server.kill();
    drop(server);
    let (_server, address) = process(data.path(), &api.base_url()).await;
    assert_eq!(unknown(&address).await, [Value::Null; 0], "they do not come back");
    let verify = Run::new(&["ledger", "verify"]);
    let verify = verify.with("PHONY_DATA_DIR", &data.path().display().to_string());
    let done = tokio::task::spawn_blocking(move || verify.done()).await.unwrap();
    assert_eq!(done.code, Some(0), "{} {}", done.out, done.err);
}
