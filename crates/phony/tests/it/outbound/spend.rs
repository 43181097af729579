//! Spending limits: the AI is told to wrap up, then says goodbye, and no more calls are placed.

use phony_call::Item;
use phony_simulator::callers::{Caller, Step};
use phony_simulator::twilio::Callee;
use serde_json::{Value, json};

use crate::support::outbound::{OutboundApp, THEM, order, order_with};
use crate::support::server::{FILE, FakeModel};
use crate::support::wait::outbound::{LIMIT, eventually};

const OTHER: &str = "+12125550124";
/// A thousand tokens cost ten cents, minutes are free.
const TOKENS: &str = "[prices]\noutput_text = 100\nminute = 0\n";
/// The goodbye of a call that reached its budget.
const GOODBYE: &str = "I have to end this call here. Thank you for your time. Goodbye.";

async fn app_with(file: &str) -> OutboundApp {
    OutboundApp::with(&[("PHONY_CALLING_HOURS", "off"), (FILE, file)]).await
}

/// A callee who keeps asking.
fn curious() -> Callee {
    let steps = (0..40).map(|n| Step::reply(if n == 0 { "Tell me more." } else { "And more." }));
    Callee::person(Caller::Script(steps.collect()))
}

/// Whether the AI is told to wrap up.
fn wraps_up(context: &[Item]) -> bool {
    format!("{context:?}").contains("must come to an end")
}

/// Waits until the policy has whispered to the AI.
async fn whispered(app: &OutboundApp, sid: &str) -> Value {
    app.server.events(&format!("?callSid={sid}")).await.next_of("whisper").await
}

/// The next words of the callee, answered with a reply that costs so many tokens: before the AI was
/// told to come to an end.
async fn answer(model: &mut FakeModel, tokens: u64) {
    let (turn, context) = model.asked_with().await;
    assert!(!wraps_up(&context), "nothing has been spent");
    model.reply_for(turn, "Gladly.", tokens).await;
}

/// As [`answer`], once the AI has been told; what is asked until then costs nothing.
async fn answer_once_told(model: &mut FakeModel, tokens: u64) {
    loop {
        let (turn, context) = model.asked_with().await;
        let told = wraps_up(&context);
        model.reply_for(turn, "Gladly.", if told { tokens } else { 0 }).await;
        if told {
            return;
        }
    }
}

/// Waits until the call has said goodbye because of its budget, and has ended.
async fn ends_for_money(app: &OutboundApp, sid: &str) {
    let call = app.over(sid).await;
    assert_eq!(call["endReason"], "spend_limit", "{call}");
    let record = app.twilio.wait_for_end(sid, LIMIT).await.unwrap();
    assert!(record.heard_text().ends_with(GOODBYE), "{}", record.heard_text());
    assert_eq!(record.status, "completed");
}

#[tokio::test]
async fn a_call_that_costs_too_much_is_brought_to_an_end_in_two_steps() {
    let mut app = app_with(&format!("{TOKENS}[spend]\ncall_soft = 0.2\ncall_hard = 0.5\n")).await;
    app.twilio.set_callee(THEM, curious());
    let sid = app.placed(&order()).await;
    let mut model = app.server.model().await;
    model.ready().await;
    answer(&mut model, 3_000).await;
    assert_eq!(whispered(&app, &sid).await["by"], "policy");
    answer_once_told(&mut model, 3_000).await;
    ends_for_money(&app, &sid).await;
    let (_, call) = app.server.get(&format!("/calls/{sid}")).await;
    let cost = call["costUsd"].as_f64().unwrap();
    assert!((cost - 0.6).abs() < 1e-9, "{call}");
    // One expensive call does not use up the day.
    app.placed(&order()).await;
}

#[tokio::test]
async fn a_call_that_only_lasts_costs_money_as_well() {
    let file = "[prices]\nminute = 60\n[spend]\ncall_soft = 1\ncall_hard = 2\n";
    let app = app_with(file).await;
    app.twilio.set_callee(THEM, Callee::person(Caller::silent()));
    let sid = app.placed(&order()).await;
    assert_eq!(whispered(&app, &sid).await["by"], "policy");
    ends_for_money(&app, &sid).await;
}

#[tokio::test]
async fn the_day_s_money_ends_every_call_of_ours_and_no_more_are_placed() {
    let mut app = app_with(&format!("{TOKENS}[spend]\nday_soft = 0.2\nday_hard = 0.5\n")).await;
    app.twilio.set_callee(OTHER, Callee::person(Caller::silent()));
    let bystander = app.placed(&order_with(&json!({ "to": OTHER }))).await;
    app.until(&bystander, |call| call["status"] == "in-progress").await;
    let _its_model = app.server.model().await;
    app.twilio.set_callee(THEM, curious());
    let spender = app.placed(&order()).await;
    let mut model = app.server.model().await;
    model.ready().await;
    answer(&mut model, 3_000).await;
    // The soft limit: both are told, though one has cost nothing.
    for sid in [&spender, &bystander] {
        assert_eq!(whispered(&app, sid).await["by"], "policy");
    }
    app.placed(&order_with(&json!({ "to": "+12125550125" }))).await;
    answer_once_told(&mut model, 3_000).await;
    // The hard limit: both say goodbye, and no more calls are placed.
    for sid in [&spender, &bystander] {
        ends_for_money(&app, sid).await;
    }
    let calls = app.twilio.calls().len();
    let (status, answer) = app.order(&order()).await;
    assert_eq!((status, &answer["error"]["details"]["rule"]), (422, &json!("spend")), "{answer}");
    assert_eq!(app.twilio.calls().len(), calls, "nothing was dialled");
    assert_eq!(app.ledger().last().unwrap()["rule"], "spend");
    // Inbound calls are still answered.
    app.server.ring("CA00000000000000000000000000000001").await;
    // A restart does not reset the budget.
    eventually(async || {
        let text = std::fs::read_to_string(app.server.data().join("spend.json"));
        let day: Value = serde_json::from_str(&text.unwrap_or_default()).unwrap_or_default();
        day["costUsd"].as_f64().filter(|cost| *cost >= 0.5)
    })
    .await;
    let server = app.server.restart().await;
    let (status, answer) = server.post("/calls", &order()).await;
    assert_eq!((status, &answer["error"]["details"]["rule"]), (422, &json!("spend")), "{answer}");
}
