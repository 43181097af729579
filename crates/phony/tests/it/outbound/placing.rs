//! From the order to the record of the call.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::extract::{Form, State};
use axum::http::StatusCode;
use phony_simulator::callers::{Caller, Step};
use phony_simulator::twilio::{Answers, Callee, Fault};
use serde_json::{Value, json};

use crate::support::http;
use crate::support::outbound::{
    OURS, OutboundApp, THEM, ledger_of, order, order_with, server_at, until,
};
use crate::support::server::TestServer;
use crate::support::twilio_spec::Checked;
use crate::support::wait::outbound::LIMIT;

fn statuses(events: &[Value]) -> Vec<&str> {
    let of_status = events.iter().filter(|event| event["type"] == "status");
    of_status.map(|event| event["status"].as_str().unwrap()).collect()
}

async fn events_of(server: &TestServer, sid: &str) -> Vec<Value> {
    let mut line = server.events(&format!("?callSid={sid}")).await;
    let mut events = Vec::new();
    loop {
        let event = line.next().await;
        let last = event["type"] == "session_end";
        events.push(event);
        if last {
            return events;
        }
    }
}

#[tokio::test]
async fn the_ai_speaks_first_and_the_call_is_followed_to_its_end() {
    let mut app = OutboundApp::start().await;
    let person = Caller::Script(vec![
        Step::reply("Who is calling?"),
        Step::reply("Goodbye."),
        Step::hang_up(),
    ]);
    app.twilio.set_callee(THEM, Callee::person(person));
    let variables = json!({ "variables": { "business": "Acme", "name": "Ms. Miller" } });
    let sid = app.placed(&order_with(&variables)).await;
    let mut model = app.server.model().await;
    model.ready().await;
    let (turn, words) = model.asked().await;
    assert_eq!(words, "Who is calling?");
    model.reply(turn, "A machine, for Acme.").await;
    let call = app.over(&sid).await;
    let events = events_of(&app.server, &sid).await;
    assert_eq!(statuses(&events), ["queued", "ringing", "in-progress", "completed"]);
    assert_eq!(call["direction"], "outbound");
    assert_eq!((call["from"].as_str(), call["to"].as_str()), (Some(OURS), Some(THEM)));
    assert_eq!(call["scenario"], "survey");
    assert!(call["disclosedAt"].is_string(), "it was heard that it is a machine: {call}");
    let record = app.twilio.wait_for_end(&sid, LIMIT).await.unwrap();
    let heard = record.heard_text();
    assert!(heard.starts_with("Hello, this is an automated assistant calling for Acme"), "{heard}");
    let voice = record.webhooks_for("voice").next().unwrap();
    assert!(voice.url.ends_with("/start_call"), "nothing more in the URL: {}", voice.url);
    let lines = app.ledger();
    let what: Vec<_> = lines.iter().map(|line| line["what"].as_str().unwrap()).collect();
    assert_eq!(what, ["dialling", "placed"]);
    assert_eq!(lines[1]["callSid"], sid.as_str());
    assert_eq!(
        (lines[1]["to"].as_str(), lines[1]["scenario"].as_str()),
        (Some(THEM), Some("survey"))
    );
    let by = lines[1]["by"].as_str().unwrap();
    assert!(by.starts_with("token:") && by.len() == 14, "{by}");
    let text = std::fs::read_to_string(app.server.data().join("ledger.jsonl")).unwrap();
    assert!(!text.contains(&TestServer::token()), "the token itself is nowhere");
}

#[tokio::test]
async fn a_call_that_nobody_takes_has_a_record_that_says_why() {
    let app = OutboundApp::start().await;
    for (answers, status, reason) in [
        (Answers::Busy, "busy", "busy"),
        (Answers::Nobody, "no-answer", "no_answer"),
        (Answers::Fails { sip_code: 404 }, "failed", "failed"),
    ] {
        app.twilio.set_callee(THEM, Callee::absent(answers));
        let sid = app.placed(&order()).await;
        let call = app.over(&sid).await;
        assert_eq!(
            (call["progress"].as_str(), call["endReason"].as_str()),
            (Some(status), Some(reason))
        );
        assert_eq!(call["status"], status, "{call}");
        let (_, page) = app.server.get(&format!("/calls?q={sid}")).await;
        assert_eq!(page["calls"][0]["status"], status, "{page}");
        assert_eq!(page["calls"][0]["endReason"], reason, "{page}");
        assert_eq!(statuses(&events_of(&app.server, &sid).await).last(), Some(&status));
    }
}

#[tokio::test]
async fn a_machine_is_hung_up_on_or_left_a_message() {
    let app = OutboundApp::start().await;
    let kind = "machine_end_beep".to_owned();
    let machine = Answers::Machine { after_ms: 500, kind, detected_ms: 4_000 };
    let callee = Callee { answers: machine, ..Callee::person(Caller::silent()) };
    app.twilio.set_callee(THEM, callee);
    let sid = app.placed(&order()).await;
    assert_eq!(app.over(&sid).await["endReason"], "machine");
    let variables = json!({ "scenario": "appointment", "variables": { "name": "Jo Lee" } });
    let sid = app.placed(&order_with(&variables)).await;
    let call = app.over(&sid).await;
    assert_eq!(call["endReason"], "voicemail_left", "{call}");
    let record = app.twilio.wait_for_end(&sid, LIMIT).await.unwrap();
    let heard = record.heard_text();
    assert!(heard.ends_with("we will try again later. Goodbye."), "{heard}");
    assert!(heard.contains("this is an automated assistant calling for Jo Lee about"), "{heard}");
}

#[tokio::test]
async fn a_supervisor_hangs_up_while_it_rings() {
    let app = OutboundApp::start().await;
    app.twilio.set_callee(THEM, Callee::absent(Answers::Nobody));
    let sid = app.placed(&order()).await;
    app.until(&sid, |call| call["progress"] == "ringing").await;
    let (status, answer) = app.server.post("/override/end", &json!({ "callSid": sid })).await;
    assert_eq!(status, 200, "{answer}");
    let call = app.over(&sid).await;
    assert_eq!(
        (call["endReason"].as_str(), call["progress"].as_str()),
        (Some("supervisor_ended"), Some("canceled"))
    );
    let record = app.twilio.wait_for_end(&sid, LIMIT).await.unwrap();
    assert_eq!(record.status, "canceled", "the network was told as well");
}

#[tokio::test]
async fn a_repeat_under_the_same_key_is_the_first_call() {
    let app = OutboundApp::start().await;
    let send = async |key: &str, body: Value| {
        let request =
            app.server.http.post(app.server.url("/calls")).bearer_auth(TestServer::token());
        let answer = request.header("idempotency-key", key).json(&body).send().await.unwrap();
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap())
    };
    let five = (0..5).map(|_| send("one", order()));
    let answers = futures_util::future::join_all(five).await;
    let first = answers[0].1["callSid"].clone();
    for (status, answer) in &answers {
        assert_eq!((*status, &answer["callSid"]), (201, &first));
    }
    assert_eq!(app.twilio.calls().len(), 1, "one call for five orders");
    let (status, answer) = send("one", order_with(&json!({ "to": "+12125550199" }))).await;
    assert_eq!((status, answer["error"]["code"].as_str()), (409, Some("CONFLICT")));
    let (status, answer) = send("two", order()).await;
    assert_eq!(status, 201);
    assert_ne!(answer["callSid"], first);
    let (status, _) = send(&"x".repeat(300), order()).await;
    assert_eq!(status, 400);
    assert_eq!(app.twilio.calls().len(), 2);
}

#[tokio::test]
async fn a_dial_is_never_repeated_blindly() {
    let app = OutboundApp::start().await;
    // The answer is lost, and the call exists: it is found.
    app.twilio.fail_next(Fault::CreateFails { call_exists: true });
    let sid = app.placed(&order()).await;
    assert_eq!(app.twilio.calls().len(), 1);
    app.over(&sid).await;
    // The answer is lost, and there is no call: that is reported, and nothing is dialled again.
    app.twilio.fail_next(Fault::CreateFails { call_exists: false });
    let request = || {
        let request =
            app.server.http.post(app.server.url("/calls")).bearer_auth(TestServer::token());
        request.header("idempotency-key", "lost").json(&order()).send()
    };
    let answer = request().await.unwrap();
    assert_eq!(answer.status(), 502);
    let answer = answer.json::<Value>().await.unwrap();
    assert_eq!(answer["error"]["code"], "TWILIO_ERROR");
    assert_eq!(answer["error"]["details"]["outcome"], "unknown");
    assert!(answer["error"]["details"]["advice"].is_string());
    assert_eq!(app.twilio.calls().len(), 1);
    assert_eq!(app.ledger().last().unwrap()["what"], "failed");
    // A repeat under the same key places one call.
    assert_eq!(request().await.unwrap().status(), 201);
    assert_eq!(request().await.unwrap().status(), 201);
    assert_eq!(app.twilio.calls().len(), 2);
}

#[tokio::test]
async fn two_orders_for_one_number_whose_answers_are_lost_are_not_swapped() {
    let app = OutboundApp::start().await;
    app.twilio.set_callee(THEM, Callee::person(Caller::silent()));
    for _ in 0..3 {
        for _ in 0..2 {
            app.twilio.fail_next(Fault::CreateFails { call_exists: true });
        }
        let orders = ["Acme", "Bolt"].map(|business| {
            let app = &app;
            async move {
                let variables = json!({ "variables": { "business": business } });
                (app.placed(&order_with(&variables)).await, business)
            }
        });
        let placed = futures_util::future::join_all(orders).await;
        assert_ne!(placed[0].0, placed[1].0, "each order has a call of its own");
        for (sid, business) in &placed {
            let opening = format!("calling for {business} ");
            let heard = |record: &phony_simulator::twilio::CallRecord| {
                record.heard_text().contains("short survey")
            };
            let record = app.twilio.wait_for(sid, heard, LIMIT).await.unwrap();
            let heard = record.heard_text();
            assert!(heard.contains(&opening), "{business}: {heard}");
            let (_, call) = app.server.get(&format!("/calls/{sid}")).await;
            assert_eq!(call["scenario"], "survey");
            app.server.post("/override/end", &json!({ "callSid": sid })).await;
            app.over(sid).await;
        }
    }
    assert_eq!(app.twilio.calls().len(), 6, "one call an order");
}

#[tokio::test]
async fn a_call_that_may_be_another_orders_is_nobodys() {
    let app = OutboundApp::start().await;
    let send = async |key: &str, business: &str| {
        let body = order_with(&json!({ "variables": { "business": business } }));
        let request =
            app.server.http.post(app.server.url("/calls")).bearer_auth(TestServer::token());
        let answer = request.header("idempotency-key", key).json(&body).send().await.unwrap();
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap())
    };
    // The first answer is lost, and no call is seen: it may still come.
    app.twilio.fail_next(Fault::CreateFails { call_exists: false });
    let (status, answer) = send("first", "Acme").await;
    assert_eq!((status, &answer["error"]["details"]["outcome"]), (502, &json!("unknown")));
    // The second answer is lost, and there is a call of one of the two.
    app.twilio.fail_next(Fault::CreateFails { call_exists: true });
    let (status, answer) = send("second", "Bolt").await;
    assert_eq!((status, &answer["error"]["details"]["outcome"]), (502, &json!("unknown")));
    // Neither order claims it, and neither dials again while it exists.
    for (key, business) in [("first", "Acme"), ("second", "Bolt")] {
        let (status, answer) = send(key, business).await;
        assert_eq!((status, &answer["error"]["details"]["outcome"]), (502, &json!("unknown")));
        let message = answer["error"]["message"].as_str().unwrap();
        assert!(message.contains("which of two orders"), "{message}");
    }
    assert_eq!(app.twilio.calls().len(), 1, "nobody was dialled again");
    // Other numbers are not affected.
    app.placed(&order_with(&json!({ "to": "+12125550199" }))).await;
}

#[tokio::test]
async fn a_call_that_was_answered_before_it_was_found_is_found_and_not_dialled_again() {
    // The carrier takes the call, its answer is lost, and for a while its list does not have it.
    let calls = Arc::new(std::sync::Mutex::new(Vec::<Value>::new()));
    let listed = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let (taken, shown) = (Arc::clone(&calls), (Arc::clone(&calls), Arc::clone(&listed)));
    let create = async move || {
        taken.lock().unwrap().push(resource(&format!("CA{:032x}", 7), THEM, OURS));
        (StatusCode::INTERNAL_SERVER_ERROR, "<html>500</html>")
    };
    let list = async move || {
        let calls = if shown.1.load(Ordering::SeqCst) {
            shown.0.lock().unwrap().clone()
        } else {
            Vec::new()
        };
        let uri = format!("/2010-04-01/Accounts/{ACCOUNT}/Calls.json?PageSize=50&Page=0");
        let page = json!({
            "calls": calls, "end": calls.len().saturating_sub(1), "first_page_uri": uri,
            "next_page_uri": null, "page": 0, "page_size": 50, "previous_page_uri": null,
            "start": 0, "uri": uri,
        });
        ([("content-type", "application/json")], page.to_string())
    };
    let path = "/2010-04-01/Accounts/{account}/Calls.json";
    let router = axum::Router::new().route(path, axum::routing::post(create).get(list));
    let api = checked(router).await;
    let server = server_at(ACCOUNT, &api.base_url(), &[("PHONY_CALLING_HOURS", "off")]).await;
    let send = async || {
        let request = server.http.post(server.url("/calls")).bearer_auth(TestServer::token());
        let answer = request.header("idempotency-key", "k").json(&order()).send().await.unwrap();
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap())
    };
    let (status, answer) = send().await;
    assert_eq!((status, &answer["error"]["details"]["outcome"]), (502, &json!("unknown")));
    // It rings all the same, and is answered: the callee must not hear silence.
    let sid = calls.lock().unwrap()[0]["sid"].as_str().unwrap().to_owned();
    let (status, twiml) = server.webhook("/start_call", &status_form(&sid, "in-progress")).await;
    assert_eq!(status, 200, "{twiml}");
    listed.store(true, Ordering::SeqCst);
    let (status, answer) = send().await;
    assert_eq!((status, answer["callSid"].as_str()), (201, Some(sid.as_str())), "{answer}");
    assert_eq!(calls.lock().unwrap().len(), 1, "nobody was called twice");
}

#[tokio::test]
async fn what_twilio_says_comes_through_with_advice() {
    let app = OutboundApp::start().await;
    app.twilio.fail_next(Fault::TooManyRequests);
    let sid = app.placed(&order()).await;
    app.over(&sid).await;
    let (status, answer) = app.order(&order_with(&json!({ "from": "+15005550099" }))).await;
    assert_eq!(status, 502, "{answer}");
    let details = &answer["error"]["details"];
    assert_eq!((details["code"].as_u64(), details["status"].as_u64()), (Some(21210), Some(400)));
    assert!(details["advice"].as_str().unwrap().contains("TWILIO_PHONE_NUMBER"));
}

/// A REST API that does as the test says.
#[derive(Clone)]
struct ByHand {
    /// Called for every request for a call; it decides when to answer.
    hook: Arc<dyn Fn(String) -> futures_util::future::BoxFuture<'static, ()> + Send + Sync>,
    placed: Arc<AtomicUsize>,
}

/// Checks requests and answers against Twilio's description.
pub(super) async fn by_hand(
    hook: impl Fn(String) -> futures_util::future::BoxFuture<'static, ()> + Send + Sync + 'static,
) -> (Checked, Arc<AtomicUsize>) {
    let state = ByHand { hook: Arc::new(hook), placed: Arc::default() };
    let placed = Arc::clone(&state.placed);
    let create = async |State(state): State<ByHand>, Form(form): Form<Vec<(String, String)>>| {
        let number = state.placed.fetch_add(1, Ordering::SeqCst);
        let sid = format!("CA{number:032x}");
        (state.hook)(sid.clone()).await;
        let given = |wanted: &str| form.iter().find(|(name, _)| name == wanted).unwrap().1.clone();
        let body = resource(&sid, &given("To"), &given("From")).to_string();
        (StatusCode::CREATED, [("content-type", "application/json")], body)
    };
    let path = "/2010-04-01/Accounts/{account}/Calls.json";
    let router = axum::Router::new().route(path, axum::routing::post(create)).with_state(state);
    (checked(router).await, placed)
}

/// A REST API of the test, whose requests and answers are checked against Twilio's description.
pub(super) async fn checked(router: axum::Router) -> Checked {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    #[expect(clippy::disallowed_methods, reason = "ends with the test's runtime")]
    tokio::spawn(async move { axum::serve(listener, router).await });
    Checked::before(&base).await
}

/// A call that was just queued, as Twilio returns it.
pub(super) fn resource(sid: &str, to: &str, from: &str) -> Value {
    json!({
        "account_sid": ACCOUNT, "annotation": null, "answered_by": null,
        "api_version": "2010-04-01", "caller_name": null, "date_created": null,
        "date_updated": null, "direction": "outbound-api", "duration": null, "end_time": null,
        "forwarded_from": null, "from": from, "from_formatted": from, "group_sid": null,
        "parent_call_sid": null, "phone_number_sid": null, "price": null, "price_unit": "USD",
        "queue_time": "0", "sid": sid, "start_time": null, "status": "queued",
        "subresource_uris": {}, "to": to, "to_formatted": to, "trunk_sid": null,
        "uri": format!("/2010-04-01/Accounts/{ACCOUNT}/Calls/{sid}.json"),
    })
}

pub(super) const ACCOUNT: &str = "AC00000000000000000000000000000001";

fn status_form<'a>(sid: &'a str, status: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        ("CallSid", sid),
        ("CallStatus", status),
        ("Direction", "outbound-api"),
        ("From", OURS),
        ("To", THEM),
    ]
}

#[tokio::test]
async fn a_webhook_that_is_faster_than_the_answer_waits_for_the_call() {
    let (ask, asked) = tokio::sync::oneshot::channel::<String>();
    let (go, gone) = tokio::sync::oneshot::channel::<()>();
    let once = Arc::new(std::sync::Mutex::new(Some((ask, gone))));
    let (api, _) = by_hand(move |sid| {
        let once = once.lock().unwrap().take();
        Box::pin(async move {
            let (ask, gone) = once.unwrap();
            ask.send(sid).unwrap();
            gone.await.unwrap();
        })
    })
    .await;
    let server = server_at(ACCOUNT, &api.base_url(), &[("PHONY_CALLING_HOURS", "off")]).await;
    let body = order_with(&json!({ "variables": { "business": "Acme" } }));
    let ordered = server.post("/calls", &body);
    let webhooks = async {
        let sid = asked.await.unwrap();
        let (ringing, started) = (status_form(&sid, "ringing"), status_form(&sid, "in-progress"));
        let ring = server.webhook("/call_status", &ringing);
        let start = server.webhook("/start_call", &started);
        let answer = async {
            // Both webhooks are under way before the answer is; the test expects the same if they
            // are not.
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
            go.send(()).unwrap();
        };
        let ((ring, _), (start, twiml), ()) = tokio::join!(ring, start, answer);
        assert_eq!((ring, start), (204, 200), "{twiml}");
        (sid, twiml)
    };
    let ((status, answer), (sid, twiml)) = tokio::join!(ordered, webhooks);
    assert_eq!((status, answer["callSid"].as_str()), (201, Some(sid.as_str())));
    let call = until(&server, &sid, |call| call["progress"] == "ringing").await;
    assert_eq!(call["scenario"], "survey", "the scenario, not the default agent");
    let twiml = phony_wire::twilio::twiml::Twiml::parse(&twiml).unwrap().twiml;
    let mut line = server.connect(&sid, &twiml).await;
    assert!(line.utterance().await.contains("automated assistant calling for Acme"));
}

#[tokio::test]
async fn reports_out_of_order_and_repeated_ones_change_nothing() {
    let (api, _) = by_hand(|_| Box::pin(async {})).await;
    let server = server_at(ACCOUNT, &api.base_url(), &[("PHONY_CALLING_HOURS", "off")]).await;
    let (status, answer) = server.post("/calls", &order()).await;
    assert_eq!((status, answer["status"].as_str()), (201, Some("queued")), "{answer}");
    let sid = answer["callSid"].as_str().unwrap().to_owned();
    for report in ["in-progress", "ringing", "initiated", "in-progress", "ringing"] {
        assert_eq!(server.webhook("/call_status", &status_form(&sid, report)).await.0, 204);
    }
    until(&server, &sid, |call| call["progress"] == "in-progress").await;
    for report in ["no-answer", "no-answer", "ringing", "completed"] {
        assert_eq!(server.webhook("/call_status", &status_form(&sid, report)).await.0, 204);
    }
    let call = until(&server, &sid, |call| !call["endReason"].is_null()).await;
    assert_eq!(
        (call["endReason"].as_str(), call["progress"].as_str()),
        (Some("no_answer"), Some("no-answer"))
    );
    let events = events_of(&server, &sid).await;
    assert_eq!(statuses(&events), ["queued", "in-progress", "no-answer"]);
    let seqs: Vec<_> = events.iter().map(|event| event["seq"].as_u64().unwrap()).collect();
    assert_eq!(seqs, (1..=events.len() as u64).collect::<Vec<_>>());
}

#[tokio::test]
async fn what_a_restart_must_not_forget_it_finds_in_the_ledger() {
    use phony::calls::Models;
    use phony::config::{Config, Sources};

    let (api, placed) = by_hand(|_| Box::pin(async {})).await;
    let data = tempfile::tempdir().unwrap();
    let folder = data.path().display().to_string();
    let start = async || {
        let environment = [
            ("PORT", "0"),
            ("PHONY_BIND", "127.0.0.1"),
            ("PHONY_DATA_DIR", folder.as_str()),
            ("PHONY_ADMIN_TOKEN", "a-token-of-this-test"),
            ("TWILIO_AUTH_TOKEN", "12345"),
            ("TWILIO_ACCOUNT_SID", ACCOUNT),
            ("TWILIO_PHONE_NUMBER", OURS),
            ("TWILIO_API_BASE_URL", &api.base_url()),
            ("PHONY_CALLING_HOURS", "off"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        let config = Config::from_sources(Sources { environment, ..Sources::default() }).unwrap();
        let models = Models::new(|_, _| unreachable!("nobody answers"));
        phony::server::start_with(config, models).await.unwrap()
    };
    let http = http::client();
    let mut calls = Vec::new();
    for _ in 0..2 {
        let server = start().await;
        let request = http.post(format!("http://{}/calls", server.addr));
        let request = request.bearer_auth("a-token-of-this-test");
        let answer = request.header("idempotency-key", "k").json(&order()).send().await.unwrap();
        assert_eq!(answer.status(), 201);
        calls.push(answer.json::<Value>().await.unwrap()["callSid"].clone());
        server.kill();
        server.join().await;
    }
    assert_eq!(calls[0], calls[1], "the key outlives the server");
    assert_eq!(placed.load(Ordering::SeqCst), 1, "nobody was called twice");
}

#[tokio::test]
async fn whoever_asks_not_to_be_called_again_is_not() {
    let mut app: OutboundApp = OutboundApp::start().await;
    let person = Caller::Script(vec![
        Step::reply("Never call me again!"),
        Step::reply("Fine."),
        Step::hang_up(),
    ]);
    app.twilio.set_callee(THEM, Callee::person(person));
    let sid = app.placed(&order()).await;
    let mut model = app.server.model().await;
    model.ready().await;
    let (turn, _) = model.asked().await;
    model.reply(turn, "I am sorry. It is done. [[do_not_call]]").await;
    app.over(&sid).await;
    let (status, answer) = app.order(&order()).await;
    assert_eq!((status, answer["error"]["details"]["rule"].as_str()), (422, Some("do_not_call")));
    let lines = ledger_of(&app.server);
    let noted = lines.iter().find(|line| line["what"] == "do_not_call").unwrap();
    assert_eq!((noted["to"].as_str(), noted["by"].as_str()), (Some(THEM), Some("callee")));
    assert_eq!(lines.last().unwrap()["rule"], "do_not_call");
}

#[tokio::test]
async fn an_agent_of_inbound_calls_can_call_as_well_and_says_what_it_is() {
    let app = OutboundApp::start().await;
    app.twilio.set_callee(THEM, Callee::person(Caller::silent()));
    let body = json!({ "to": "(212) 555-0123", "agent": "hotline", "consent": true });
    let sid = app.placed(&body).await;
    let record =
        app.twilio.wait_for(&sid, |record| record.heard_text().contains('.'), LIMIT).await.unwrap();
    assert_eq!(record.to, THEM, "a local spelling was understood");
    let heard = record.heard_text();
    assert!(heard.starts_with("Hello, this is an automated assistant."), "{heard}");
}
