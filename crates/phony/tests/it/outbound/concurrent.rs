//! Many orders, many calls, many hands at once.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use phony_simulator::callers::{Caller, Step};
use phony_simulator::twilio::{Answers, Callee};
use serde_json::{Value, json};

use super::world::{SOON, THEM, World, order, order_with, world, world_with};
use crate::house::House;

fn number(n: usize) -> String {
    format!("+1212555{n:04}")
}

fn to(n: usize) -> Value {
    order_with(&json!({ "to": number(100 + n) }))
}

async fn place_many(world: &World, count: usize) -> Vec<String> {
    join_all((0..count).map(|n| async move { world.placed(&to(n)).await })).await
}

#[tokio::test]
async fn twenty_orders_at_once_are_twenty_calls() {
    let world = world().await;
    let sids: BTreeSet<_> = place_many(&world, 20).await.into_iter().collect();
    assert_eq!(sids.len(), 20);
    assert_eq!(world.twilio.calls().len(), 20);
}

#[tokio::test]
async fn every_one_of_them_has_its_own_errand() {
    let world = world().await;
    let people = (0..6).map(|n| {
        let variables =
            json!({ "to": number(200 + n), "variables": { "business": format!("Shop {n}") } });
        world.twilio.set_callee(number(200 + n), Callee::person(Caller::silent()));
        let world = &world;
        async move { (n, world.placed(&order_with(&variables)).await) }
    });
    for (n, sid) in join_all(people).await {
        let heard =
            |record: &phony_simulator::twilio::CallRecord| record.heard_text().contains("Shop");
        let record = world.twilio.wait_for(&sid, heard, SOON).await.unwrap();
        assert!(record.heard_text().contains(&format!("Shop {n}")), "{}", record.heard_text());
    }
}

#[tokio::test]
async fn the_ledger_of_many_orders_is_whole() {
    let world = world().await;
    place_many(&world, 15).await;
    let lines = world.ledger();
    let count = |what: &str| lines.iter().filter(|line| line["what"] == what).count();
    assert_eq!((count("dialling"), count("placed")), (15, 15));
    let attempts: BTreeSet<_> = lines.iter().map(|line| line["attempt"].to_string()).collect();
    assert_eq!(attempts.len(), 15, "two lines for each");
}

#[tokio::test]
async fn the_same_key_from_ten_hands_is_one_call() {
    let world = world().await;
    let send = || async {
        let request = world.house.http.post(world.house.url("/calls")).bearer_auth(House::token());
        let answer = request.header("idempotency-key", "k").json(&order()).send().await.unwrap();
        answer.json::<Value>().await.unwrap()["callSid"].to_string()
    };
    let sids: BTreeSet<_> = join_all((0..10).map(|_| send())).await.into_iter().collect();
    assert_eq!((sids.len(), world.twilio.calls().len()), (1, 1));
}

#[tokio::test]
async fn different_keys_are_different_calls() {
    let world = world().await;
    let send = |n: usize| {
        let request = world.house.http.post(world.house.url("/calls")).bearer_auth(House::token());
        let request = request.header("idempotency-key", format!("k{n}")).json(&order());
        async { request.send().await.unwrap().status().as_u16() }
    };
    assert_eq!(join_all((0..5).map(send)).await, [201; 5]);
    assert_eq!(world.twilio.calls().len(), 5);
}

#[tokio::test]
async fn the_rate_is_kept_against_many_hands() {
    let world = world_with(&[("PHONY_CALLING_HOURS", "off"), ("PHONY_DIAL_RATE", "4")]).await;
    let answers = join_all((0..12).map(|n| {
        let order = to(n);
        let world = &world;
        async move { world.order(&order).await.0 }
    }))
    .await;
    let count = |wanted: u16| answers.iter().filter(|status| **status == wanted).count();
    assert_eq!((count(201), count(429)), (4, 8), "{answers:?}");
    assert_eq!(world.twilio.calls().len(), 4);
}

#[tokio::test]
async fn places_come_back_when_calls_end() {
    let world = world().await;
    let sids = place_many(&world, 8).await;
    for sid in &sids {
        world.over(sid).await;
    }
    let limits = &world.house.running.app.safety.dial_limits;
    let given_back = async {
        while limits.live() > 0 {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(SOON, given_back).await.unwrap();
}

#[tokio::test]
async fn busy_and_answered_calls_do_not_disturb_each_other() {
    let world = world().await;
    for n in 0..10 {
        let callee = if n % 2 == 0 {
            Callee::absent(Answers::Busy)
        } else {
            Callee::person(Caller::Script(vec![Step::hang_up()]))
        };
        world.twilio.set_callee(number(100 + n), callee);
    }
    for (n, sid) in place_many(&world, 10).await.iter().enumerate() {
        let wanted = if n % 2 == 0 { "busy" } else { "completed" };
        assert_eq!(world.over(sid).await["progress"], wanted, "{n}");
    }
}

#[tokio::test]
async fn supervisors_hang_up_ten_calls_at_once() {
    let world = world().await;
    for n in 0..10 {
        world.twilio.set_callee(number(100 + n), Callee::person(Caller::silent()));
    }
    let sids = place_many(&world, 10).await;
    let ends = sids.iter().map(|sid| {
        let world = &world;
        async move {
            world.until(sid, |call| call["progress"] == "in-progress").await;
            world.house.post("/override/end", &json!({ "callSid": sid })).await.0
        }
    });
    assert_eq!(join_all(ends).await, [200; 10]);
    for sid in &sids {
        assert_eq!(world.over(sid).await["endReason"], "supervisor_ended");
    }
}

#[tokio::test]
async fn orders_and_refusals_mix() {
    let world = world().await;
    let orders = (0..10).map(|n| {
        let order = if n % 2 == 0 { to(n) } else { order_with(&json!({ "to": "911" })) };
        let world = &world;
        async move { world.order(&order).await.0 }
    });
    let answers = join_all(orders).await;
    assert_eq!(answers, [201, 422, 201, 422, 201, 422, 201, 422, 201, 422]);
    assert_eq!(world.twilio.calls().len(), 5);
    world.ledger();
}

#[tokio::test]
async fn a_number_is_listed_while_it_is_being_called() {
    let world = world().await;
    let list = &world.house.running.app.safety.do_not_call;
    let number = phony_call::PhoneNumber::parse(THEM).unwrap();
    let at = "2026-01-01T00:00:00Z".parse().unwrap();
    let entry =
        phony::safety::do_not_call::DoNotCallEntry { number, listed: true, at, by: "test".into() };
    let orders = (0..10).map(|n| {
        let (world, entry) = (&world, &entry);
        async move {
            if n == 5 {
                list.write(entry).unwrap();
            }
            world.order(&order()).await.0
        }
    });
    let answers = join_all(orders).await;
    assert!(answers.iter().all(|status| matches!(status, 201 | 422)), "{answers:?}");
    assert_eq!(world.order(&order()).await.0, 422, "from then on it is refused");
}
