//! The conformance suite of model adapters. A new adapter is added to [`every_model`].

#![expect(clippy::wildcard_enum_match_arm, reason = "whatever else comes is a failure")]

use std::time::Duration;

use phony::ports::MODEL_EVENTS;
use phony::runtime::channel::channel;
use phony_call::{Fault as Why, FromModel, Outcome, ToModel, TurnId};
use phony_simulator::openai::{Brain, Counted, Fault, FaultKind};

use crate::support::model::{Bench, assistant, note, quick, slow, user};
use crate::support::wait::model::eventually;

/// One test for each promise and model.
macro_rules! every_model {
    ($($promise:ident),+ $(,)?) => {
        mod realtime {
            $(
                #[tokio::test]
                async fn $promise() {
                    super::$promise().await;
                }
            )+
        }
    };
}

every_model!(
    a_turn_is_answered_to_its_end,
    the_whole_conversation_is_known_to_the_model,
    an_order_given_before_it_is_ready_waits,
    only_the_latest_of_several_orders_counts,
    a_cancelled_turn_says_no_more_and_the_next_is_answered,
    a_cancelled_order_that_still_waits_is_forgotten,
    a_lost_connection_is_told_and_replaced_and_the_turn_can_be_asked_again,
    a_slow_call_loses_no_word,
    a_dropped_port_ends_the_task_in_the_middle_of_a_turn,
);

async fn a_turn_is_answered_to_its_end() {
    let mut bench = Bench::start(quick(Brain::Echo, Vec::new())).await;
    bench.ready().await;
    let reply = bench.ask(1, &[user("u1", "Good morning to you")]).await;
    assert_eq!(reply.text, "You said: Good morning to you");
    assert_eq!(reply.outcome, Some(Outcome::Complete));
    let usage = reply.usage.expect("a price");
    assert!(usage.input_text_tokens > 0 && usage.output_text_tokens > 0);
}

async fn the_whole_conversation_is_known_to_the_model() {
    let mut bench = Bench::start(quick(Brain::Echo, Vec::new())).await;
    let context = [
        note("n1", "The caller is called Ada."),
        assistant("a0", "Hello, who is there?", None),
        user("u1", "It is Ada"),
        assistant("a1", "What can I", None),
        user("u2", "Listen to me"),
    ];
    bench.ready().await;
    assert_eq!(bench.ask(1, &context).await.text, "You said: Listen to me");
}

async fn an_order_given_before_it_is_ready_waits() {
    let mut bench = Bench::start(quick(Brain::Echo, Vec::new())).await;
    bench.respond(1, &[user("u1", "Quick")]).await;
    bench.ready().await;
    assert_eq!(bench.reply(1).await.text, "You said: Quick");
}

async fn only_the_latest_of_several_orders_counts() {
    let mut bench = Bench::start(slow(Brain::Echo, Duration::from_millis(20))).await;
    bench.ready().await;
    for turn in 1..=20 {
        bench.respond(turn, &[user(&format!("u{turn}"), &format!("number {turn}"))]).await;
    }
    let mut text = String::new();
    loop {
        match bench.next().await {
            FromModel::Text { turn: TurnId(20), text: words } => text += &words,
            FromModel::Done { turn: TurnId(20), .. } => break,
            FromModel::Text { .. } | FromModel::Done { .. } => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(text, "You said: number 20");
}

async fn a_cancelled_turn_says_no_more_and_the_next_is_answered() {
    let mut bench = Bench::start(slow(Brain::Echo, Duration::from_millis(30))).await;
    bench.ready().await;
    let long = user("u1", "one two three four five six seven eight nine ten eleven twelve");
    bench.respond(1, std::slice::from_ref(&long)).await;
    assert_eq!(bench.first_words(1).await, "You ");
    bench.cancel(1).await;
    bench.respond(2, &[long, assistant("a1", "You", None), user("u2", "Stop")]).await;
    let mut text = String::new();
    loop {
        match bench.next().await {
            FromModel::Text { turn: TurnId(2), text: words } => text += &words,
            FromModel::Done { turn: TurnId(2), .. } => break,
            // What was under way, and the usage.
            FromModel::Text { turn: TurnId(1), .. } if text.is_empty() => {}
            FromModel::Done { turn: TurnId(1), usage: Some(_), .. } => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(text, "You said: Stop");
}

async fn a_cancelled_order_that_still_waits_is_forgotten() {
    let mut bench = Bench::start(quick(Brain::Echo, Vec::new())).await;
    bench.respond(1, &[user("u1", "Never mind")]).await;
    bench.cancel(1).await;
    bench.ready().await;
    assert_eq!(bench.ask(2, &[user("u2", "This")]).await.text, "You said: This");
}

async fn a_lost_connection_is_told_and_replaced_and_the_turn_can_be_asked_again() {
    let drop = FaultKind::Drop { event: 5, of: Counted::Response, close: None };
    let mut bench = Bench::start(quick(Brain::Echo, vec![Fault::once(drop)])).await;
    bench.ready().await;
    let context = [user("u1", "Are you there still")];
    bench.respond(1, &context).await;
    loop {
        match bench.next().await {
            FromModel::Text { turn: TurnId(1), .. } => {}
            FromModel::Failed { turn: Some(TurnId(1)), fault: Why::Lost, .. } => break,
            other => panic!("{other:?}"),
        }
    }
    bench.ready().await;
    assert_eq!(bench.ask(2, &context).await.text, "You said: Are you there still");
}

async fn a_slow_call_loses_no_word() {
    let mut bench = Bench::start(quick(Brain::Echo, Vec::new())).await;
    bench.ready().await;
    let words = vec!["word"; MODEL_EVENTS * 3].join(" ");
    bench.respond(1, &[user("u1", &words)]).await;
    // The call does not read until the port is full, and still sends orders.
    eventually(async || (bench.port.rx.len() >= MODEL_EVENTS).then_some(())).await;
    bench.order(ToModel::Cancel { turn: TurnId(9) }).await;
    assert_eq!(bench.reply(1).await.text, format!("You said: {words}"));
}

async fn a_dropped_port_ends_the_task_in_the_middle_of_a_turn() {
    let mut bench = Bench::start(slow(Brain::Echo, Duration::from_millis(30))).await;
    bench.ready().await;
    bench.respond(1, &[user("u1", "This takes longer than you would like")]).await;
    bench.first_words(1).await;
    let ((tx, _), (_, rx)) = (channel(1), channel(1));
    drop(std::mem::replace(&mut bench.port, phony::ports::ModelPort { tx, rx, task: None }));
    bench.ended().await;
    bench.eventually("no open socket", |sim| sim.stats().open == 0).await;
}
