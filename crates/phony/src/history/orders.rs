//! Orders that became no call, on their way to the store.
//!
//! An order is written at once where the store works, and whoever gave it waits for that, though not
//! for long. What could not be written stays here, bounded, and is tried again each round of the
//! [writer](super::Writer).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use phony_call::CallSid;
use tokio::time::timeout;

use super::{History, ListQuery, Listing, StoreError};
use crate::store::{Cursor, MOST_ORDERS, Store, UnplacedOrder};

/// Orders that may wait for the store; the oldest are forgotten first. The ledger has them all.
const WAITING: usize = 1000;
/// How long whoever gave an order waits until it is written.
const WRITING: Duration = Duration::from_millis(250);

/// Orders that became no call and are not in the store yet, or that are to leave it.
#[derive(Debug, Clone, Default)]
pub(super) struct Orders(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    waiting: Mutex<BTreeMap<CallSid, Change>>,
    /// Held by whoever writes, so that what is written later is not overtaken.
    writing: tokio::sync::Mutex<()>,
}

#[derive(Debug, Clone, PartialEq)]
enum Change {
    /// It became no call.
    Put(Box<UnplacedOrder>),
    /// It has become a call, or was deleted.
    Forget,
}

impl History {
    /// Keeps an order that became no call. Waits until it is written, but not for long.
    pub async fn keep_order(&self, order: UnplacedOrder) {
        let most = if self.store.is_some() { WAITING } else { MOST_ORDERS };
        self.orders.change(order.id.clone(), Change::Put(Box::new(order)), most);
        if let Some(store) = &self.store {
            // What is not written in time is written later.
            let _ = timeout(WRITING, self.orders.write(&**store)).await;
        }
    }

    /// An order has become a call: it is not among the others any more.
    pub fn order_was_placed(&self, id: &CallSid) {
        match &self.store {
            // The writer tells the store in its next round.
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

    /// Forgets an order that became no call; false if there is none.
    pub(super) async fn delete_order(&self, id: &CallSid) -> Result<bool, StoreError> {
        let waited = matches!(self.orders.lock().remove(id), Some(Change::Put(_)));
        let Some(store) = &self.store else { return Ok(waited) };
        // What is being written now would bring it back.
        let _writing = self.orders.0.writing.lock().await;
        Ok(store.delete_order(id).await? || waited)
    }

    /// Adds the orders that are wanted to a page.
    pub(super) async fn add_orders(&self, listing: &mut Listing, wanted: &ListQuery) {
        // What is written after this is found in the store.
        let waiting = self.orders.lock().clone();
        let mut orders = match &self.store {
            None => Vec::new(),
            Some(store) => {
                // As many as may turn out to be known better here.
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
    /// Takes in orders, newest first, and keeps so many entries in all.
    fn merge(&mut self, mut orders: Vec<UnplacedOrder>, limit: usize) {
        // Behind the end of the calls' page there may be calls that come before these orders.
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

impl Orders {
    /// Writes what waits. What could not be written waits on.
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
        // What has changed meanwhile is not written yet.
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
