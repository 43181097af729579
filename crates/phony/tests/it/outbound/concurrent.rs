//! Many orders and calls from many clients at once.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use phony_simulator::callers::{Caller, Step};
use phony_simulator::twilio::{Answers, Callee};
use serde_json::{Value, json};

use crate::support::outbound::{OutboundApp, THEM, order, order_with};
use crate::support::server::TestServer;
use crate::support::wait::outbound::{LIMIT, eventually};

fn number(n: usize) -> String {
    format!("+1212555{n:04}")
}

fn to(n: usize) -> Value {
    order_with(&json!({ "to": number(100 + n) }))
}

async fn place_many(app: &OutboundApp, count: usize) -> Vec<String> {
    join_all((0..count).map(|n| async move { app.placed(&to(n)).await })).await
}

#[tokio::test]
async fn twenty_orders_at_once_are_twenty_calls() {
    let app = OutboundApp::start().await;
    let sids: BTreeSet<_> = place_many(&app, 20).await.into_iter().collect();
    assert_eq!(sids.len(), 20);
    assert_eq!(app.twilio.calls().len(), 20);
}

#[tokio::test]
async fn every_one_of_them_has_its_own_scenario() {
    let app = OutboundApp::start().await;
    let people = (0..6).map(|n| {
        let variables =
            json!({ "to": number(200 + n), "variables": { "business": format!("Shop {n}") } });
        app.twilio.set_callee(number(200 + n), Callee::person(Caller::silent()));
        let app = &app;
        async move { (n, app.placed(&order_with(&variables)).await) }
    });
    for (n, sid) in join_all(people).await {
        let heard =
            |record: &phony_simulator::twilio::CallRecord| record.heard_text().contains("Shop");
        let record = app.twilio.wait_for(&sid, heard, LIMIT).await.unwrap();
        assert!(record.heard_text().contains(&format!("Shop {n}")), "{}", record.heard_text());
    }
}

#[tokio::test]
async fn the_ledger_of_many_orders_is_whole() {
    let app = OutboundApp::start().await;
    place_many(&app, 15).await;
    let lines = app.ledger();
    let count = |what: &str| lines.iter().filter(|line| line["what"] == what).count();
    assert_eq!((count("dialling"), count("placed")), (15, 15));
    let attempts: BTreeSet<_> = lines.iter().map(|line| line["attempt"].to_string()).collect();
    assert_eq!(attempts.len(), 15, "two lines for each");
}

#[tokio::test]
async fn the_same_key_from_ten_clients_is_one_call() {
    let app = OutboundApp::start().await;
    let send = || async {
        let request =
            app.server.http.post(app.server.url("/calls")).bearer_auth(TestServer::token());
        let answer = request.header("idempotency-key", "k").json(&order()).send().await.unwrap();
        answer.json::<Value>().await.unwrap()["callSid"].to_string()
    };
    let sids: BTreeSet<_> = join_all((0..10).map(|_| send())).await.into_iter().collect();
    assert_eq!((sids.len(), app.twilio.calls().len()), (1, 1));
}

#[tokio::test]
async fn different_keys_are_different_calls() {
    let app = OutboundApp::start().await;
    let send = |n: usize| {
        let request =
            app.server.http.post(app.server.url("/calls")).bearer_auth(TestServer::token());
        let request = request.header("idempotency-key", format!("k{n}")).json(&order());
        async { request.send().await.unwrap().status().as_u16() }
    };
    assert_eq!(join_all((0..5).map(send)).await, [201; 5]);
    assert_eq!(app.twilio.calls().len(), 5);
}

#[tokio::test]
async fn the_rate_is_kept_against_many_clients() {
    let app = OutboundApp::with(&[("PHONY_CALLING_HOURS", "off"), ("PHONY_DIAL_RATE", "4")]).await;
    let answers = join_all((0..12).map(|n| {
        let order = to(n);
        let app = &app;
        async move { app.order(&order).await.0 }
    }))
    .await;
    let count = |wanted: u16| answers.iter().filter(|status| **status == wanted).count();
    assert_eq!((count(201), count(429)), (4, 8), "{answers:?}");
    assert_eq!(app.twilio.calls().len(), 4);
}

#[tokio::test]
async fn places_come_back_when_calls_end() {
    let app = OutboundApp::start().await;
    let sids = place_many(&app, 8).await;
    for sid in &sids {
        app.over(sid).await;
    }
    let limits = &app.server.running.app.safety.dial_limits;
    eventually(async || (limits.live() == 0).then_some(())).await;
}

#[tokio::test]
async fn busy_and_answered_calls_do_not_disturb_each_other() {
    let app = OutboundApp::start().await;
    for n in 0..10 {
        let callee = if n % 2 == 0 {
            Callee::absent(Answers::Busy)
        } else {
            Callee::person(Caller::Script(vec![Step::hang_up()]))
        };
        app.twilio.set_callee(number(100 + n), callee);
    }
    for (n, sid) in place_many(&app, 10).await.iter().enumerate() {
        let wanted = if n % 2 == 0 { "busy" } else { "completed" };
        assert_eq!(app.over(sid).await["progress"], wanted, "{n}");
    }
}

#[tokio::test]
async fn supervisors_hang_up_ten_calls_at_once() {
    let app = OutboundApp::start().await;
    for n in 0..10 {
        app.twilio.set_callee(number(100 + n), Callee::person(Caller::silent()));
    }
    let sids = place_many(&app, 10).await;
    let ends = sids.iter().map(|sid| {
        let app = &app;
        async move {
            app.until(sid, |call| call["progress"] == "in-progress").await;
            app.server.post("/override/end", &json!({ "callSid": sid })).await.0
        }
    });
    assert_eq!(join_all(ends).await, [200; 10]);
    for sid in &sids {
        assert_eq!(app.over(sid).await["endReason"], "supervisor_ended");
    }
}

#[tokio::test]
async fn orders_and_refusals_mix() {
    let app = OutboundApp::start().await;
    let orders = (0..10).map(|n| {
        let order = if n % 2 == 0 { to(n) } else { order_with(&json!({ "to": "911" })) };
        let app = &app;
        async move { app.order(&order).await.0 }
    });
    let answers = join_all(orders).await;
    assert_eq!(answers, [201, 422, 201, 422, 201, 422, 201, 422, 201, 422]);
    assert_eq!(app.twilio.calls().len(), 5);
    app.ledger();
}

#[tokio::test]
async fn a_number_is_listed_while_it_is_being_called() {
    let app = OutboundApp::start().await;
    let list = &app.server.running.app.safety.do_not_call;
    let number = phony_call::PhoneNumber::parse(THEM).unwrap();
    let at = "2026-01-01T00:00:00Z".parse().unwrap();
    let entry =
        phony::safety::do_not_call::DoNotCallEntry { number, listed: true, at, by: "test".into() };
    let orders = (0..10).map(|n| {
        let (app, entry) = (&app, &entry);
        async move {
            if n == 5 {
                list.write(entry).unwrap();
            }
            app.order(&order()).await.0
        }
    });
    let answers = join_all(orders).await;
    assert!(answers.iter().all(|status| matches!(status, 201 | 422)), "{answers:?}");
    assert_eq!(app.order(&order()).await.0, 422, "from then on it is refused");
}
