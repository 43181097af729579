//! Orders that became no call, on their way to the store.
//!
//! An order is written at once if the store works, and the request that gave it waits a moment for
//! that. What could not be written stays here, bounded, and is retried in each round of the
//! [writer](super::Writer).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use phony_call::CallSid;
use tokio::time::timeout;

use super::{History, ListQuery, Listing, StoreError};
use crate::store::{Cursor, MOST_ORDERS, Store, UnplacedOrder};

/// Changes that may wait for the store; the oldest are dropped first. The ledger has all orders.
const WAITING: usize = 1000;
/// How long a request waits until its order is written.
const WRITING: Duration = Duration::from_millis(250);

/// Changes of orders that are not in the store yet.
#[derive(Debug, Clone, Default)]
pub(super) struct PendingOrders(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    waiting: Mutex<BTreeMap<CallSid, Change>>,
    /// Held while writing, so that writes do not overtake each other.
    writing: tokio::sync::Mutex<()>,
}

#[derive(Debug, Clone, PartialEq)]
enum Change {
    /// The order became no call.
    Put(Box<UnplacedOrder>),
    /// The order became a call after all, or was deleted.
    Forget,
}

impl History {
    /// Stores an order that became no call. Waits up to 250 ms until it is written.
    pub async fn keep_order(&self, order: UnplacedOrder) {
        let most = if self.store.is_some() { WAITING } else { MOST_ORDERS };
        self.orders.change(order.id.clone(), Change::Put(Box::new(order)), most);
        if let Some(store) = &self.store {
            // The writer retries what is not written in time.
            let _ = timeout(WRITING, self.orders.write(&**store)).await;
        }
    }

    /// Forgets an order that has become a call.
    pub fn order_was_placed(&self, id: &CallSid) {
        match &self.store {
            // The writer deletes it from the store in its next round.
            Some(_) => self.orders.change(id.clone(), Change::Forget, WAITING),
            None => drop(self.orders.lock().remove(id)),
        }
    }

    /// One order that became no call.
    pub async fn order(&self, id: &CallSid) -> Result<Option<UnplacedOrder>, StoreError> {
        let waiting = self.orders.lock().get(id).cloned();
        match (waiting, &self.store) {
            (Some(Change::Put(order)), _) => Ok(Some(*order)),
            (Some(Change::Forget), _) | (None, None) => Ok(None),
            (None, Some(store)) => store.order(id).await,
        }
    }

    /// Deletes an order that became no call; false if there is none.
    pub(super) async fn delete_order(&self, id: &CallSid) -> Result<bool, StoreError> {
        let waited = matches!(self.orders.lock().remove(id), Some(Change::Put(_)));
        let Some(store) = &self.store else { return Ok(waited) };
        // A write in progress would bring it back.
        let _writing = self.orders.0.writing.lock().await;
        Ok(store.delete_order(id).await? || waited)
    }

    /// Merges the orders that pass the filter into a page.
    pub(super) async fn add_orders(&self, listing: &mut Listing, wanted: &ListQuery) {
        // Taken first: what is written after this is found in the store.
        let waiting = self.orders.lock().clone();
        let mut orders = match &self.store {
            None => Vec::new(),
            Some(store) => {
                // More, since some may be replaced by pending changes.
                let wanted = ListQuery { limit: wanted.limit + waiting.len(), ..wanted.clone() };
                store.orders(&wanted).await.unwrap_or_else(|error| {
                    tracing::debug!(error = error.chain(), "orders cannot be listed");
                    listing.incomplete = true;
                    Vec::new()
                })
            }
        };
        orders.retain(|order| !waiting.contains_key(&order.id));
        let later = |order: &UnplacedOrder| {
            wanted.after.as_ref().is_none_or(|after| order.cursor() < *after)
        };
        orders.extend(waiting.into_values().filter_map(|change| match change {
            Change::Put(order) => {
                (later(&order) && wanted.filter.admits_order(&order)).then_some(*order)
            }
            Change::Forget => None,
        }));
        orders.sort_by_cached_key(|order| std::cmp::Reverse(order.cursor()));
        listing.merge(orders, wanted.limit);
    }
}

impl Listing {
    /// Merges orders, newest first, and truncates the page to `limit` entries in all.
    fn merge(&mut self, mut orders: Vec<UnplacedOrder>, limit: usize) {
        // Past the end of the calls' page there may be calls that come before these orders.
        let end = self.next.as_ref();
        orders.retain(|order| end.is_none_or(|end| order.cursor() >= *end));
        let mut places: Vec<Cursor> =
            self.calls.iter().map(|(summary, _)| summary.cursor()).collect();
        places.extend(orders.iter().map(UnplacedOrder::cursor));
        places.sort_unstable_by(|a, b| b.cmp(a));
        self.orders = orders;
        if places.len() > limit {
            places.truncate(limit);
            let last = places.pop();
            self.calls.retain(|(summary, _)| Some(summary.cursor()) >= last);
            self.orders.retain(|order| Some(order.cursor()) >= last);
            self.next = last;
        }
    }
}

impl PendingOrders {
    /// Writes the pending changes. Those that fail stay pending.
    pub(super) async fn write(&self, store: &dyn Store) -> Result<(), StoreError> {
        if self.lock().is_empty() {
            return Ok(());
        }
        let _writing = self.0.writing.lock().await;
        let changes = self.lock().clone();
        let orders: Vec<_> = changes
            .values()
            .filter_map(|change| match change {
                Change::Put(order) => Some(UnplacedOrder::clone(order)),
                Change::Forget => None,
            })
            .collect();
        if !orders.is_empty() {
            store.put_orders(orders).await?;
        }
        for (id, _) in changes.iter().filter(|(_, change)| **change == Change::Forget) {
            store.delete_order(id).await?;
        }
        let mut waiting = self.lock();
        // What has changed again meanwhile is not written yet.
        waiting.retain(|id, change| changes.get(id) != Some(change));
        Ok(())
    }

    fn change(&self, id: CallSid, change: Change, most: usize) {
        let mut waiting = self.lock();
        waiting.insert(id, change);
        if waiting.len() > most {
            let at = |change: &Change| match change {
                Change::Put(order) => Some(order.at),
                Change::Forget => None,
            };
            let oldest = waiting.iter().min_by_key(|(_, change)| at(change));
            if let Some(oldest) = oldest.map(|(id, _)| id.clone()) {
                waiting.remove(&oldest);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<CallSid, Change>> {
        self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
