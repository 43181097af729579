//! The embedded store.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use phony::config::Retention;
use phony::store::{Appended, CallFilter, ListQuery, Query, Sqlite, Store};

use super::conformance::{append, at, begins, chunk, conforms, ends, keep, listed, says, sid};

#[tokio::test]
async fn the_suite_holds() {
    let folder = tempfile::tempdir().unwrap();
    let count = AtomicU32::new(0);
    conforms(async || {
        let path = folder.path().join(format!("{}.db", count.fetch_add(1, Ordering::Relaxed)));
        Arc::new(Sqlite::open(&path).unwrap()) as Arc<dyn Store>
    })
    .await;
}

#[tokio::test]
async fn a_file_is_opened_again_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("phony.db");
    let store = Sqlite::open(&path).unwrap();
    keep(&store, "CA1", 0, "hello").await;
    append(&store, chunk("CA2", 0, vec![begins("CA2", 1)])).await;
    let term = store.claim(&sid("CA2")).await.unwrap();
    drop(store);
    let store = Sqlite::open(&path).unwrap();
    let hello = CallFilter { query: Query::parse("hello"), ..CallFilter::default() };
    assert_eq!(listed(&store, hello).await, ["CA1"]);
    let late = append(&store, chunk("CA2", 1, vec![says("CA2", 2, "late")])).await;
    assert_eq!(Some(late), term.map(Appended::Stale), "terms are kept as well");
}

#[tokio::test]
async fn events_are_the_same_before_and_after_they_are_put_into_their_places() {
    const CALLS: u32 = 50;
    const ROUNDS: u32 = 45;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("phony.db");
    let mut store = Sqlite::open(&path).unwrap();
    let name = |n| format!("CA{n:02}");
    let begin = |n: u32| chunk(&name(n), 0, vec![begins(&name(n), n.into())]);
    store.append((0..CALLS).map(begin).collect()).await.unwrap();
    // Twice as many as stand apart: all calls have some here and some there.
    for round in 0..ROUNDS {
        let say = |n: u32| {
            let (first, name) = (u64::from(round) * 2 + 2, name(n));
            let text = format!("call {n} in round{round}");
            chunk(&name, first - 1, vec![says(&name, first, &text), says(&name, first + 1, "m")])
        };
        store.append((0..CALLS).map(say).collect()).await.unwrap();
        if round % 10 == 0 {
            store = Sqlite::open(&path).unwrap();
        }
        for found in [0, round / 2, round] {
            let query = Query::parse(&format!("round{found} "));
            let filter = CallFilter {
                query,
                live: (round % 2 == 0).then_some(true),
                ..CallFilter::default()
            };
            let wanted = ListQuery { filter, after: None, limit: 3 };
            let page = store.list(&wanted).await.unwrap();
            let hits: Vec<_> = (page.calls.iter())
                .map(|(line, hit)| (line.sid.to_string(), hit.as_ref().map(|hit| hit.seq)))
                .collect();
            let seq = Some(u64::from(found) * 2 + 2);
            assert_eq!(hits, [49, 48, 47].map(|n| (name(n), seq)), "round {found} after {round}");
        }
    }
    let last = u64::from(ROUNDS) * 2 + 1;
    for n in 0..CALLS {
        let events = store.events(&sid(&name(n)), 3).await.unwrap().unwrap();
        let seqs: Vec<_> = events.iter().map(|json| seq_of(json)).collect();
        assert_eq!(seqs, (4..=last).collect::<Vec<_>>(), "{n}");
    }
    assert!(store.delete(&sid("CA49")).await.unwrap());
    assert_eq!(store.events(&sid("CA49"), 0).await.unwrap(), None);
    for found in [0, ROUNDS - 1] {
        let query = Query::parse(&format!("round{found} call"));
        let found = listed(&store, CallFilter { query, ..CallFilter::default() }).await;
        assert_eq!((found.len(), found[0].as_str()), (49, "CA48"));
    }
}

#[tokio::test]
async fn the_oldest_calls_go_when_the_file_is_too_large_and_it_shrinks() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("phony.db");
    let store = Sqlite::open(&path).unwrap();
    let words = "a great many words about nothing ".repeat(100);
    for n in 0..200 {
        keep(&store, &format!("CA{n:03}"), n, &words).await;
    }
    append(&store, chunk("open", 0, vec![begins("open", -5)])).await;
    let size = || std::fs::metadata(&path).unwrap().len();
    let retention = Retention { age: None, bytes: Some(400_000) };
    let gone = store.retain(&retention, at(1000)).await.unwrap();
    assert!((50..200).contains(&gone), "{gone}");
    assert!(size() < 600_000, "{}", size());
    let left = listed(&store, CallFilter::default()).await;
    assert_eq!(left.first().map(String::as_str), Some("CA199"), "the newest stay");
    assert_eq!(left.last().map(String::as_str), Some("open"), "and what is open");
    assert_eq!(left.len() as u64, 201 - gone);
    let page = ListQuery { limit: 500, ..ListQuery::default() };
    assert!(!store.list(&page).await.unwrap().more);
}

#[tokio::test]
async fn a_full_file_takes_nothing_halfway_and_everything_later() {
    let folder = tempfile::tempdir().unwrap();
    let store = Sqlite::open(&folder.path().join("phony.db")).unwrap();
    keep(&store, "CA1", 0, "hello").await;
    store.cap(Some(0)).await.unwrap();
    let words = "more than fits ".repeat(10_000);
    let big = || {
        vec![
            chunk("CA2", 0, vec![begins("CA2", 1), says("CA2", 2, "small")]),
            chunk("CA3", 0, vec![begins("CA3", 2), says("CA3", 2, &words), ends("CA3", 3, 3)]),
        ]
    };
    let error = store.append(big()).await.unwrap_err();
    assert!(error.cause().contains("full"), "{}", error.chain());
    assert_eq!(store.summary(&sid("CA2")).await.unwrap(), None, "not even what would have fitted");
    assert_eq!(listed(&store, CallFilter::default()).await, ["CA1"], "what was there can be read");
    store.cap(None).await.unwrap();
    let done = store.append(big()).await.unwrap();
    assert_eq!(done, [Appended::Kept(2), Appended::Kept(3)]);
}

#[tokio::test]
async fn two_processes_may_have_the_file_open() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("phony.db");
    let (one, two) = (Sqlite::open(&path).unwrap(), Sqlite::open(&path).unwrap());
    keep(&one, "CA1", 0, "hello").await;
    keep(&two, "CA2", 1, "hello").await;
    assert_eq!(listed(&one, CallFilter::default()).await, ["CA2", "CA1"]);
    assert!(two.delete(&sid("CA1")).await.unwrap());
    assert_eq!(listed(&one, CallFilter::default()).await, ["CA2"]);
}

fn seq_of(json: &str) -> u64 {
    let event: serde_json::Value = serde_json::from_str(json).unwrap();
    event["seq"].as_u64().unwrap()
}
