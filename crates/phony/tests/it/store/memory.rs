//! A store in memory, which fails on demand.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use phony::config::Retention;
use phony::store::{
    Appended, CallSummary, Chunk, Entry, ListQuery, MOST_ORDERS, Page, Store, StoreError,
    StoreFuture, UnplacedOrder,
};
use phony_call::CallSid;

use super::conforms;

/// Calls by their ids.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    calls: Mutex<BTreeMap<CallSid, Kept>>,
    orders: Mutex<BTreeMap<CallSid, UnplacedOrder>>,
    /// Set while nothing can be written or read.
    pub(crate) broken: AtomicBool,
}

#[derive(Debug)]
struct Kept {
    term: u64,
    summary: CallSummary,
    entries: Vec<Entry>,
}

impl Memory {
    fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut BTreeMap<CallSid, Kept>) -> T,
    ) -> StoreFuture<'_, T> {
        let done = if self.broken.load(Ordering::Relaxed) {
            Err(StoreError::failed("calls cannot be kept", "the test says so"))
        } else {
            Ok(work(&mut self.calls.lock().unwrap()))
        };
        Box::pin(std::future::ready(done))
    }
}

impl Memory {
    fn with_orders<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut BTreeMap<CallSid, UnplacedOrder>) -> T,
    ) -> StoreFuture<'_, T> {
        let done = if self.broken.load(Ordering::Relaxed) {
            Err(StoreError::failed("orders cannot be kept", "the test says so"))
        } else {
            Ok(work(&mut self.orders.lock().unwrap()))
        };
        Box::pin(std::future::ready(done))
    }
}

impl Store for Memory {
    fn append(&self, chunks: Vec<Chunk>) -> StoreFuture<'_, Vec<Appended>> {
        self.with(|calls| chunks.into_iter().map(|chunk| take(calls, chunk)).collect())
    }

    fn claim<'a>(&'a self, call: &'a CallSid) -> StoreFuture<'a, Option<u64>> {
        self.with(|calls| {
            let kept = calls.get_mut(call).filter(|kept| kept.summary.end.is_none())?;
            kept.term += 1;
            Some(kept.term)
        })
    }

    fn events<'a>(
        &'a self,
        call: &'a CallSid,
        after: u64,
    ) -> StoreFuture<'a, Option<Vec<tokio_tungstenite::tungstenite::Utf8Bytes>>> {
        self.with(|calls| {
            let later = calls.get(call)?.entries.iter().filter(|entry| entry.seq > after);
            Some(later.map(|entry| entry.json.clone()).collect())
        })
    }

    fn summary<'a>(&'a self, call: &'a CallSid) -> StoreFuture<'a, Option<CallSummary>> {
        self.with(|calls| Some(calls.get(call)?.summary.clone()))
    }

    fn list<'a>(&'a self, wanted: &'a ListQuery) -> StoreFuture<'a, Page> {
        self.with(|calls| {
            let mut found: Vec<_> = calls
                .values()
                .filter(|kept| wanted.after.as_ref().is_none_or(|at| kept.summary.cursor() < *at))
                .filter_map(|kept| {
                    let events = kept.entries.iter().map(|entry| (entry.seq, entry.json.as_str()));
                    Some((kept.summary.clone(), wanted.filter.find(&kept.summary, events)?))
                })
                .collect();
            found.sort_by_key(|(summary, _)| std::cmp::Reverse(summary.cursor()));
            let more = found.len() > wanted.limit;
            found.truncate(wanted.limit);
            Page { calls: found, more }
        })
    }

    fn open_calls(&self) -> StoreFuture<'_, Vec<CallSummary>> {
        self.with(|calls| {
            let open = calls.values().filter(|kept| kept.summary.end.is_none());
            let mut open: Vec<_> = open.map(|kept| kept.summary.clone()).collect();
            open.sort_by_key(|summary| std::cmp::Reverse(summary.cursor()));
            open
        })
    }

    fn set_status<'a>(&'a self, call: &'a CallSid, status: &'a str) -> StoreFuture<'a, bool> {
        self.with(|calls| {
            let kept = calls.get_mut(call);
            kept.map(|kept| kept.summary.status = Some(status.to_owned())).is_some()
        })
    }

    fn delete<'a>(&'a self, call: &'a CallSid) -> StoreFuture<'a, bool> {
        self.with(|calls| calls.remove(call).is_some())
    }

    fn put_orders(&self, orders: Vec<UnplacedOrder>) -> StoreFuture<'_, ()> {
        self.with_orders(|kept| {
            kept.extend(orders.into_iter().map(|order| (order.id.clone(), order)));
            while kept.len() > MOST_ORDERS {
                let oldest = kept.values().min_by_key(|order| order.cursor()).unwrap().id.clone();
                kept.remove(&oldest);
            }
        })
    }

    fn orders<'a>(&'a self, wanted: &'a ListQuery) -> StoreFuture<'a, Vec<UnplacedOrder>> {
        self.with_orders(|kept| {
            let mut found: Vec<_> = kept
                .values()
                .filter(|order| wanted.after.as_ref().is_none_or(|at| order.cursor() < *at))
                .filter(|order| wanted.filter.admits_order(order))
                .cloned()
                .collect();
            found.sort_by_key(|order| std::cmp::Reverse(order.cursor()));
            found.truncate(wanted.limit + 1);
            found
        })
    }

    fn order<'a>(&'a self, id: &'a CallSid) -> StoreFuture<'a, Option<UnplacedOrder>> {
        self.with_orders(|kept| kept.get(id).cloned())
    }

    fn delete_order<'a>(&'a self, id: &'a CallSid) -> StoreFuture<'a, bool> {
        self.with_orders(|kept| kept.remove(id).is_some())
    }

    fn retain<'a>(&'a self, retention: &'a Retention, now: Timestamp) -> StoreFuture<'a, u64> {
        if let Some(age) = retention.age {
            self.orders.lock().unwrap().retain(|_, order| order.at >= now - age);
        }
        self.with(|calls| {
            let before = calls.len();
            let oldest = retention.age.map(|age| now - age);
            calls.retain(|_, kept| {
                kept.summary.end.zip(oldest).is_none_or(|(end, oldest)| end.at >= oldest)
            });
            (before - calls.len()) as u64
        })
    }

    fn check(&self) -> StoreFuture<'_, ()> {
        self.with(|_| ())
    }
}

fn take(calls: &mut BTreeMap<CallSid, Kept>, chunk: Chunk) -> Appended {
    let begun = |chunk: &Chunk| {
        let first = chunk.entries.first()?;
        let summary = CallSummary::begin(&first.event()?)?;
        Some(Kept { term: chunk.term, summary, entries: vec![first.clone()] })
    };
    let kept = match calls.get_mut(&chunk.call) {
        Some(kept) => kept,
        None if chunk.after > 0 => return Appended::Behind(0),
        None => match begun(&chunk) {
            Some(kept) => calls.entry(chunk.call.clone()).or_insert(kept),
            None => return Appended::Behind(0),
        },
    };
    if kept.term > chunk.term {
        return Appended::Stale(kept.term);
    }
    let last = kept.summary.last_seq;
    if last < chunk.after {
        return Appended::Behind(last);
    }
    kept.term = chunk.term;
    for entry in chunk.entries.into_iter().filter(|entry| entry.seq > last) {
        kept.summary.last_seq = entry.seq;
        if let Some(event) = entry.event() {
            kept.summary.apply(&event);
        }
        kept.entries.push(entry);
    }
    if chunk.status.is_some() {
        kept.summary.status = chunk.status;
    }
    Appended::Kept(kept.summary.last_seq)
}

#[tokio::test]
async fn the_suite_holds_for_the_simplest_store() {
    conforms(async || Arc::new(Memory::default()) as Arc<dyn Store>).await;
}
