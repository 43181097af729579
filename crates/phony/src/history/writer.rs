//! The writer: one task that writes new events from the logs of the hub to the store.
//!
//! When a call has news, it waits a moment so that many events become one write, unless a task
//! waits for them to be written. It writes in order. If the store fails, everything stays in the
//! logs, those of ended calls bounded by [`HELD`]; the writer retries, and logs once that the store
//! fails and once that it works again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use phony_call::CallSid;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

use super::StoreHealth;
use super::orders::PendingOrders;
use crate::events::Hub;
use crate::store::{Appended, Chunk, Store, StoreError};

/// The most events in one write.
const BATCH: usize = 4096;
/// How often the logs are polled for news that did not fit into the queue, and the store is
/// checked.
const ROUND: Duration = Duration::from_secs(1);
/// How long a write may take before the store counts as not working. The writer goes on waiting.
const WRITE_TIMEOUT: Duration = Duration::from_secs(5);
/// The most unwritten bytes of ended calls that are held while the store fails.
const HELD: usize = 64 << 20;
/// How many times per write a call may be rewound because the store lost events.
const REWINDS: u32 = 3;

/// Writes the events of a hub to a store.
#[derive(Debug)]
pub struct Writer {
    hub: Arc<Hub>,
    store: Arc<dyn Store>,
    orders: PendingOrders,
    news: mpsc::Receiver<CallSid>,
    health: StoreHealth,
    /// Calls with something to be written.
    dirty: BTreeSet<CallSid>,
    /// Something was not accepted, and is retried in the next round.
    again: bool,
    failing: bool,
    /// Bytes dropped since the store began to fail.
    lost: usize,
}

impl Writer {
    pub(super) fn new(
        hub: Arc<Hub>,
        (store, orders): (Arc<dyn Store>, PendingOrders),
        news: mpsc::Receiver<CallSid>,
        health: StoreHealth,
    ) -> Self {
        Self {
            hub,
            store,
            orders,
            news,
            health,
            dirty: BTreeSet::new(),
            again: false,
            failing: false,
            lost: 0,
        }
    }

    /// Writes until stopped, then writes what is left, once.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut round = interval(ROUND);
        round.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !stop.is_cancelled() {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                _ = round.tick() => self.poll().await,
                // While the store fails, it is retried each round rather than for each event.
                Some(call) = self.news.recv(), if !self.failing => {
                    self.dirty.insert(call);
                    let interrupted = async {
                        tokio::select! {
                            () = stop.cancelled() => {}
                            () = self.hub.hurried() => {}
                        }
                    };
                    drop(timeout(self.store.linger(), interrupted).await);
                }
            }
            self.take_news();
            self.write().await;
        }
        self.take_news();
        self.dirty.extend(self.hub.behind());
        if !self.write().await {
            tracing::error!(calls = self.dirty.len(), "calls are not written and are lost");
        }
        self.write_orders().await;
    }

    fn take_news(&mut self) {
        while let Ok(call) = self.news.try_recv() {
            self.dirty.insert(call);
        }
    }

    async fn poll(&mut self) {
        let overlooked = self.hub.has_overlooked();
        if std::mem::take(&mut self.again) || self.failing || overlooked {
            self.dirty.extend(self.hub.behind());
        }
        if self.failing {
            self.lost += self.hub.give_up(HELD);
        } else if self.dirty.is_empty()
            && let Err(error) = self.watched(self.store.check()).await
        {
            self.fails(&error);
        }
        if self.failing && self.dirty.is_empty() && self.watched(self.store.check()).await.is_ok() {
            self.works();
        }
        if !self.failing {
            self.write_orders().await;
        }
    }

    /// Writes the orders that are still pending. The timeout keeps them from delaying calls.
    async fn write_orders(&self) {
        match timeout(WRITE_TIMEOUT, self.orders.write(&*self.store)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(error = error.chain(), "orders are not written"),
            Err(_) => tracing::debug!("orders are not written in time"),
        }
    }

    /// Writes everything new; false if the store fails.
    async fn write(&mut self) -> bool {
        let mut rewinds = BTreeMap::<CallSid, u32>::new();
        while !self.dirty.is_empty() {
            let chunks = self.take_chunks();
            if chunks.is_empty() {
                continue;
            }
            let taken = chunks.clone();
            let done = match self.watched(self.store.append(chunks)).await {
                Ok(done) => done,
                Err(error) => {
                    self.dirty.extend(taken.into_iter().map(|chunk| chunk.call));
                    self.fails(&error);
                    return false;
                }
            };
            self.works();
            for (chunk, done) in taken.iter().zip(done) {
                let more = match done {
                    Appended::Kept(last) => self.hub.written(chunk, last),
                    Appended::Stale(term) => {
                        tracing::warn!(callSid = %chunk.call, term, "the call has another owner");
                        self.hub.disown(&chunk.call, term);
                        false
                    }
                    Appended::Behind(last) => {
                        let times = rewinds.entry(chunk.call.clone()).or_default();
                        *times += 1;
                        tracing::warn!(callSid = %chunk.call, last, "the store has lost events");
                        self.hub.rewind(&chunk.call, last);
                        self.again |= *times > REWINDS;
                        *times <= REWINDS
                    }
                };
                if more {
                    self.dirty.insert(chunk.call.clone());
                }
            }
        }
        true
    }

    fn take_chunks(&mut self) -> Vec<Chunk> {
        let (mut chunks, mut room) = (Vec::new(), BATCH);
        while room > 0
            && let Some(call) = self.dirty.pop_first()
        {
            if let Some(chunk) = self.hub.take_chunk(&call, room) {
                room -= chunk.entries.len();
                chunks.push(chunk);
            }
        }
        chunks
    }

    /// Waits for the store, and reports it as not working if it takes too long.
    async fn watched<T>(
        &self,
        answer: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        tokio::pin!(answer);
        if let Ok(answer) = timeout(WRITE_TIMEOUT, &mut answer).await {
            return answer;
        }
        if self.health.get().is_none() {
            tracing::error!(after_s = WRITE_TIMEOUT.as_secs(), "the store does not answer");
            self.health.set(Some("the store does not answer".into()));
        }
        answer.await
    }

    fn fails(&mut self, error: &StoreError) {
        if !std::mem::replace(&mut self.failing, true) {
            tracing::error!(error = error.chain(), "the store fails; calls are held in memory");
            metrics::counter!("phony_store_failures_total").increment(1);
        }
        self.health.set(Some(error.cause()));
    }

    fn works(&mut self) {
        if std::mem::take(&mut self.failing) || self.health.get().is_some() {
            let lost_bytes = std::mem::take(&mut self.lost);
            tracing::info!(lost_bytes, "the store works again");
            self.health.set(None);
        }
    }
}
