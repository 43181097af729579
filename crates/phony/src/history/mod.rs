//! What is known of calls, live and ended: the event hub and the store as one.
//!
//! The hub knows what happens in this process and what the store does not have yet; the store knows
//! the rest. Questions are answered from both. Where the store does not answer, lists are answered
//! from the hub alone and say so.

mod export;
mod filter_params;
mod open_calls;
mod orders;
mod record;
mod writer;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::ws::Utf8Bytes;
use phony_call::CallSid;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

pub use crate::store::{
    BadCursor, CallFilter, CallSummary, Cursor, End, ListQuery, Match, Outcome, Page, Query,
    StoreError, UnplacedOrder,
};
pub use export::{Export, Form};
pub use filter_params::{FilterParams, InvalidFilter};
pub use open_calls::close_abandoned;
pub use record::{latencies, record, transcript};
pub use writer::Writer;

use self::orders::Orders;
use crate::events::{Hub, View};
use crate::store::{Entry, Store};

/// For how long a call that is deleted is waited for until it is written.
const SETTLING: Duration = Duration::from_secs(2);

/// What is known of calls.
#[derive(Debug, Clone)]
pub struct History {
    hub: Arc<Hub>,
    store: Option<Arc<dyn Store>>,
    trouble: Trouble,
    orders: Orders,
}

/// Why the store does not work, if so.
#[derive(Debug, Clone, Default)]
pub struct Trouble(Arc<Mutex<Option<String>>>);

/// A page of calls, newest first.
#[derive(Debug, Default)]
pub struct Listing {
    /// The calls; where words were looked for and found, also the place of the first.
    pub calls: Vec<(CallSummary, Option<Match>)>,
    /// Orders that became no call, where they were asked for: their places are among the calls'.
    pub orders: Vec<UnplacedOrder>,
    /// Where the next page begins, if there is one.
    pub next: Option<Cursor>,
    /// The store does not answer: only what is in memory here is listed.
    pub incomplete: bool,
}

/// What became of a call that was to be deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deletion {
    /// It is gone.
    Done,
    /// There is no such call.
    Unknown,
    /// It is live, and cannot be deleted.
    Live,
}

impl History {
    /// The history of a hub alone: it goes with the process.
    #[must_use]
    pub fn in_memory(hub: Arc<Hub>) -> Self {
        Self { hub, store: None, trouble: Trouble::default(), orders: Orders::default() }
    }

    /// The history of a new hub and of a store, and what writes the one into the other.
    #[must_use]
    pub fn new(store: Arc<dyn Store>) -> (Self, Writer) {
        let (hub, news) = Hub::with_writer();
        let (hub, trouble) = (Arc::new(hub), Trouble::default());
        let orders = Orders::default();
        let kept = (Arc::clone(&store), orders.clone());
        let writer = Writer::new(Arc::clone(&hub), kept, news, trouble.clone());
        (Self { hub, store: Some(store), trouble, orders }, writer)
    }

    /// What happens in calls here.
    #[must_use]
    pub fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }

    /// Where calls are kept, if they are.
    #[must_use]
    pub fn store(&self) -> Option<&Arc<dyn Store>> {
        self.store.as_ref()
    }

    /// Why the store does not work, if so.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        self.trouble.get()
    }

    /// A page of calls, newest first; of orders that became no call where those are asked for.
    pub async fn list(&self, wanted: &ListQuery) -> Listing {
        let mut listing =
            if wanted.filter.wants_calls() { self.calls(wanted).await } else { Listing::default() };
        if wanted.filter.wants_orders() {
            self.add_orders(&mut listing, wanted).await;
        }
        listing
    }

    async fn calls(&self, wanted: &ListQuery) -> Listing {
        let ours = self.hub.find(&wanted.filter);
        let (page, incomplete) = match &self.store {
            None => (Page::default(), false),
            Some(store) => match store.list(wanted).await {
                Ok(page) => (page, false),
                Err(error) => {
                    tracing::debug!(error = error.chain(), "calls cannot be listed");
                    (Page::default(), true)
                }
            },
        };
        let last_stored = page.calls.last().map(|(summary, _)| summary.cursor());
        let after =
            |summary: &CallSummary| wanted.after.as_ref().is_none_or(|at| summary.cursor() < *at);
        let ours = ours.into_iter().filter(|(summary, _)| after(summary));
        let mut calls: BTreeMap<_, _> =
            ours.map(|(summary, place)| (summary.cursor(), (summary, place))).collect();
        for (summary, place) in page.calls {
            // What the hub has of a call is newer than what the store has.
            let summary = self.hub.summary(&summary.sid).unwrap_or(summary);
            if wanted.filter.admits(&summary) {
                let (_, found) = calls.entry(summary.cursor()).or_insert((summary, None));
                *found = place.or_else(|| found.take());
            }
        }
        let mut calls: Vec<_> = calls.into_values().rev().collect();
        let more = page.more || calls.len() > wanted.limit;
        calls.truncate(wanted.limit);
        let next = calls.last().map(|(summary, _)| summary.cursor()).or(last_stored);
        Listing { calls, orders: Vec::new(), next: next.filter(|_| more), incomplete }
    }

    /// The line of a call.
    pub async fn summary(&self, call: &CallSid) -> Result<Option<CallSummary>, StoreError> {
        match (self.hub.summary(call), &self.store) {
            (Some(summary), _) => Ok(Some(summary)),
            (None, Some(store)) => store.summary(call).await,
            (None, None) => Ok(None),
        }
    }

    /// The stored events of a call after number `after`, oldest first.
    pub async fn events(
        &self,
        call: &CallSid,
        after: u64,
    ) -> Result<Option<Vec<Utf8Bytes>>, StoreError> {
        match (self.hub.events(call, after), &self.store) {
            (Some(events), _) => Ok(Some(events)),
            (None, Some(store)) => store.events(call, after).await,
            (None, None) => Ok(None),
        }
    }

    /// Views a call from the event after number `after` on. One that is not live here is what has
    /// been of it.
    pub async fn view(&self, call: &CallSid, after: u64) -> Result<Option<View>, StoreError> {
        if let Some(view) = self.hub.view(call, after) {
            return Ok(Some(view));
        }
        let past = self.events(call, after).await?;
        let live = mpsc::channel(1).1;
        Ok(past.map(|past| View { past, live, cut: CancellationToken::new() }))
    }

    /// Sets what the carrier calls the state of a call; false if there is no such call.
    pub async fn set_status(&self, call: &CallSid, status: &str) -> Result<bool, StoreError> {
        match (self.hub.set_status(call, status), &self.store) {
            (true, _) => Ok(true),
            (false, Some(store)) => store.set_status(call, status).await,
            (false, None) => Ok(false),
        }
    }

    /// Forgets a call for good, or an order that became none.
    pub async fn delete(&self, call: &CallSid) -> Result<Deletion, StoreError> {
        let Some(summary) = self.summary(call).await? else {
            let was_order = self.delete_order(call).await?;
            return Ok(if was_order { Deletion::Done } else { Deletion::Unknown });
        };
        if summary.end.is_none() {
            return Ok(Deletion::Live);
        }
        let Some(store) = &self.store else {
            self.hub.forget(call);
            return Ok(Deletion::Done);
        };
        // What is on its way to the store would bring the call back.
        if !self.hub.settled(call, SETTLING).await {
            let why = self.trouble().unwrap_or_else(|| "it is busy".into());
            return Err(StoreError::failed("the call is not written yet", why));
        }
        self.hub.forget(call);
        store.delete(call).await?;
        Ok(Deletion::Done)
    }
}

impl Trouble {
    /// Why the store does not work, if so.
    #[must_use]
    pub fn get(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, why: Option<String>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = why;
    }
}

/// Stored events as they are appended and taken back.
#[must_use]
pub fn entries(events: &[Utf8Bytes]) -> Vec<Entry> {
    #[derive(serde::Deserialize)]
    struct Head {
        seq: u64,
    }
    let entry = |json: &Utf8Bytes| {
        let Head { seq } = serde_json::from_str(json).ok()?;
        Some(Entry { seq, json: json.clone() })
    };
    events.iter().filter_map(entry).collect()
}
