//! The history of calls, live and ended: the event hub and the store as one.
//!
//! The hub has the live calls of this process and everything that the store does not have yet; the
//! store has the rest. Queries merge both. If the store does not answer, lists come from the hub
//! alone and say so.

mod details;
mod export;
mod filter_params;
mod open_calls;
mod orders;
mod writer;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use phony_call::CallSid;
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Utf8Bytes;
use tokio_util::sync::CancellationToken;

pub use crate::store::{
    BadCursor, CallFilter, CallSummary, Cursor, End, ListQuery, Match, Outcome, Page, Query,
    StoreError, UnplacedOrder,
};
pub use details::{details, latencies, transcript};
pub use export::{Export, Form};
pub use filter_params::{FilterParams, InvalidFilter};
pub use open_calls::close_abandoned;
pub use writer::Writer;

use self::orders::PendingOrders;
use crate::events::{Hub, View};
use crate::store::{Entry, Store};

/// How long a deletion waits for the call to be written first.
const SETTLING: Duration = Duration::from_secs(2);

/// The history of calls.
#[derive(Debug, Clone)]
pub struct History {
    hub: Arc<Hub>,
    store: Option<Arc<dyn Store>>,
    health: StoreHealth,
    orders: PendingOrders,
}

/// Why the store does not work, if it does not.
#[derive(Debug, Clone, Default)]
pub struct StoreHealth(Arc<Mutex<Option<String>>>);

/// A page of calls, newest first.
#[derive(Debug, Default)]
pub struct Listing {
    /// The calls, each with its first match if words were searched for and found.
    pub calls: Vec<(CallSummary, Option<Match>)>,
    /// Orders that became no call, if they were asked for, to be merged with the calls by cursor.
    pub orders: Vec<UnplacedOrder>,
    /// The cursor of the next page, if there is one.
    pub next: Option<Cursor>,
    /// The store does not answer: the list has only what is in memory here.
    pub incomplete: bool,
}

/// The outcome of a deletion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deletion {
    /// The call was deleted.
    Done,
    /// There is no such call.
    Unknown,
    /// The call is live, and cannot be deleted.
    Live,
}

impl History {
    /// The history of a hub without a store, which is lost with the process.
    #[must_use]
    pub fn in_memory(hub: Arc<Hub>) -> Self {
        Self { hub, store: None, health: StoreHealth::default(), orders: PendingOrders::default() }
    }

    /// The history of a new hub and a store, and the writer from the one to the other.
    #[must_use]
    pub fn new(store: Arc<dyn Store>) -> (Self, Writer) {
        let (hub, news) = Hub::with_writer();
        let (hub, health) = (Arc::new(hub), StoreHealth::default());
        let orders = PendingOrders::default();
        let targets = (Arc::clone(&store), orders.clone());
        let writer = Writer::new(Arc::clone(&hub), targets, news, health.clone());
        (Self { hub, store: Some(store), health, orders }, writer)
    }

    /// The events of calls in this process.
    #[must_use]
    pub fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }

    /// The store, if there is one.
    #[must_use]
    pub fn store(&self) -> Option<&Arc<dyn Store>> {
        self.store.as_ref()
    }

    /// Why the store does not work, if it does not.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        self.health.get()
    }

    /// A page of calls, newest first, and of orders that became no call if those are asked for.
    pub async fn list(&self, wanted: &ListQuery) -> Listing {
        let mut listing =
            if wanted.filter.wants_calls() { self.calls(wanted).await } else { Listing::default() };
        if wanted.filter.wants_orders() {
            self.add_orders(&mut listing, wanted).await;
        }
        listing
    }

    async fn calls(&self, wanted: &ListQuery) -> Listing {
        let own = self.hub.find(&wanted.filter);
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
        let own = own.into_iter().filter(|(summary, _)| after(summary));
        let mut calls: BTreeMap<_, _> =
            own.map(|(summary, place)| (summary.cursor(), (summary, place))).collect();
        for (summary, place) in page.calls {
            // The summary in the hub is newer than that in the store.
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

    /// The summary of a call.
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

    /// Views a call from the event after number `after` on. The view of a call without a log here
    /// has past events only.
    pub async fn view(&self, call: &CallSid, after: u64) -> Result<Option<View>, StoreError> {
        if let Some(view) = self.hub.view(call, after) {
            return Ok(Some(view));
        }
        let past = self.events(call, after).await?;
        let live = mpsc::channel(1).1;
        Ok(past.map(|past| View { past, live, cut: CancellationToken::new() }))
    }

    /// Sets the carrier's status of a call; false if there is no such call.
    pub async fn set_status(&self, call: &CallSid, status: &str) -> Result<bool, StoreError> {
        match (self.hub.set_status(call, status), &self.store) {
            (true, _) => Ok(true),
            (false, Some(store)) => store.set_status(call, status).await,
            (false, None) => Ok(false),
        }
    }

    /// Deletes a call for good, or an order that became no call.
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
        // Events still to be written would bring the call back.
        if !self.hub.settled(call, SETTLING).await {
            let why = self.trouble().unwrap_or_else(|| "it is busy".into());
            return Err(StoreError::failed("the call is not written yet", why));
        }
        self.hub.forget(call);
        store.delete(call).await?;
        Ok(Deletion::Done)
    }
}

impl StoreHealth {
    /// Why the store does not work, if it does not.
    #[must_use]
    pub fn get(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, why: Option<String>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = why;
    }
}

/// Parses the numbers of stored events, to append or restore them.
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
