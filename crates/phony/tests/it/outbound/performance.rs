//! What placing calls may cost: `make measure`.

use std::time::Duration;

use futures_util::future::join_all;
use phony::safety::hours::may_call;
use phony::safety::ledger::{Entry, EntryKind, Ledger, verify};
use phony_call::{Country, PhoneNumber, check_dialled};
use serde_json::json;

use crate::support::outbound::{OutboundApp, order_with};
use crate::support::program::timed;

#[tokio::test]
#[ignore = "measures"]
async fn fifty_orders_are_placed_within_seconds() {
    let app = OutboundApp::with(&[("PHONY_CALLING_HOURS", "off"), ("PHONY_DIAL_RATE", "0")]).await;
    app.placed(&order_with(&json!({}))).await;
    let began = tokio::time::Instant::from_std(now());
    let orders = (0..50).map(|n| {
        let (app, order) = (&app, order_with(&json!({ "to": format!("+1212555{n:04}") })));
        async move { app.placed(&order).await }
    });
    assert_eq!(join_all(orders).await.len(), 50);
    let took = began.elapsed();
    assert!(took < Duration::from_secs(15), "{took:?}");
    println!("50 orders: {took:?}");
}

#[test]
#[ignore = "measures"]
fn the_rules_of_a_number_cost_next_to_nothing() {
    let home = Country::parse("US");
    let at = "2026-01-15T18:00:00Z".parse().unwrap();
    let look = |n: u32| {
        let number = PhoneNumber::typed(&format!("(212) 555-{n:04}"), home).unwrap();
        let allowed = check_dialled(&number, &home.into_iter().collect()).is_ok();
        allowed && may_call(&number, at, phony::config::CallingHours::default()).is_ok()
    };
    // The numbering plans are parsed at their first use.
    assert!(look(0));
    let (all, took) = timed(|| (0..500).all(look));
    assert!(all && took < Duration::from_secs(5), "{took:?}");
    println!("500 numbers: {took:?}");
}

#[tokio::test]
#[ignore = "measures"]
async fn lines_of_the_ledger_share_their_way_to_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let at = "2026-01-15T18:00:00Z".parse().unwrap();
    let ledger = Ledger::open(folder.path(), at).unwrap();
    let began = tokio::time::Instant::from_std(now());
    let lines = (0..500).map(|_| ledger.write(Entry::new(at, EntryKind::Placed, "test")));
    assert!(join_all(lines).await.iter().all(Result::is_ok));
    let took = began.elapsed();
    assert!(took < Duration::from_secs(10), "{took:?}");
    println!("500 lines: {took:?}");
}

#[tokio::test]
#[ignore = "measures"]
async fn a_ledger_of_a_year_is_checked_in_a_moment() {
    let folder = tempfile::tempdir().unwrap();
    let at = "2026-01-15T18:00:00Z".parse().unwrap();
    let ledger = Ledger::open(folder.path(), at).unwrap();
    for _ in 0..20 {
        let lines = (0..1000).map(|_| ledger.write(Entry::new(at, EntryKind::Placed, "test")));
        join_all(lines).await;
    }
    let path = folder.path().join(phony::safety::ledger::FILE);
    let (report, took) = timed(|| verify(&path, None).unwrap());
    assert!(report.broken.is_empty() && report.lines > 5_000, "{}", report.lines);
    assert!(took < Duration::from_secs(20), "{took:?}");
    println!("{} lines: {took:?}", report.lines);
}

#[expect(clippy::disallowed_methods, reason = "a test measures time")]
fn now() -> std::time::Instant {
    std::time::Instant::now()
}
