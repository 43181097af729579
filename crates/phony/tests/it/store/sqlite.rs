//! The embedded store.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use phony::store::{Appended, Filter, Query, Retention, Sqlite, Store, Wanted};

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
    let hello = Filter { query: Query::parse("hello"), ..Filter::default() };
    assert_eq!(listed(&store, hello).await, ["CA1"]);
    let late = append(&store, chunk("CA2", 1, vec![says("CA2", 2, "late")])).await;
    assert_eq!(Some(late), term.map(Appended::Stale), "terms are kept as well");
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
    let left = listed(&store, Filter::default()).await;
    assert_eq!(left.first().map(String::as_str), Some("CA199"), "the newest stay");
    assert_eq!(left.last().map(String::as_str), Some("open"), "and what is open");
    assert_eq!(left.len() as u64, 201 - gone);
    let page = Wanted { limit: 500, ..Wanted::default() };
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
    assert_eq!(store.line(&sid("CA2")).await.unwrap(), None, "not even what would have fitted");
    assert_eq!(listed(&store, Filter::default()).await, ["CA1"], "what was there can be read");
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
    assert_eq!(listed(&one, Filter::default()).await, ["CA2", "CA1"]);
    assert!(two.delete(&sid("CA1")).await.unwrap());
    assert_eq!(listed(&one, Filter::default()).await, ["CA2"]);
}
