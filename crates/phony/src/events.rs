//! The event hub: what happens in calls, to whoever looks, and to the store.
//!
//! Each call has a record: its stored events, written once as JSON and shared from then on by
//! every viewer and by the store. A viewer first gets what has been, then what happens, with nothing
//! lost or doubled between the two. A viewer that does not keep up is cut off, so that it never
//! delays a call; it comes back with the number of the last event it saw.
//!
//! The record is also what waits for the store: the writer is told that a call has news, and takes
//! from the record what is not written yet. So a call never waits for a store, and a store that was
//! away gets everything. A record leaves memory when its call has ended and is written; those of
//! the last calls stay for a while.

mod log;
mod pack;
mod publisher;
#[cfg(test)]
mod tests;
mod write_behind;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use axum::extract::ws::Utf8Bytes;
use phony_call::CallSid;
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;

pub use self::publisher::Publisher;

use self::log::{Log, Viewer};
use self::pack::Lines;
use crate::store::{CallFilter, CallSummary, Entry, Match};

/// Events that may wait for a viewer of one call.
pub const VIEWER_QUEUE: usize = 256;

/// Events that may wait for a viewer of every call: some seconds of words of hundreds of calls. What
/// is not used takes no memory.
pub const BOARD_QUEUE: usize = 8192;

/// Ended calls whose records are kept in memory although they could leave it.
const KEPT: usize = 200;
/// Calls with news that may wait for the writer; it finds those that find no place, later.
const NEWS: usize = 4096;

/// All records.
#[derive(Debug, Default)]
pub struct Hub {
    inner: Mutex<Inner>,
    /// Calls that have something to be written; `None` where there is no store.
    news: Option<mpsc::Sender<CallSid>>,
    /// What is new is wanted in the store at once.
    hurry: Notify,
    /// A call found no place among them.
    overlooked: AtomicBool,
    /// Told of calls that have another owner.
    lost: OnceLock<mpsc::Sender<CallSid>>,
}

#[derive(Debug, Default)]
struct Inner {
    calls: HashMap<CallSid, Arc<Mutex<Log>>>,
    /// Every call, by the number of its record.
    order: BTreeMap<u64, CallSid>,
    /// The calls that have ended, in the order of their end.
    ended: VecDeque<CallSid>,
    /// The number of the next record.
    next: u64,
    /// Viewers of every call, to be put into the record of each new one.
    everywhere: Vec<Viewer>,
}

/// A view of one call or of all.
#[derive(Debug)]
pub struct View {
    /// What has been, oldest first.
    pub past: Vec<Utf8Bytes>,
    /// What happens; ends with the call, if it is one call's.
    pub live: mpsc::Receiver<Utf8Bytes>,
    /// Cancelled when this viewer was too slow and has missed something.
    pub cut: CancellationToken,
}

impl Hub {
    /// A hub whose records are to be written, and the calls that have news.
    #[must_use]
    pub fn with_writer() -> (Self, mpsc::Receiver<CallSid>) {
        let (news, calls) = mpsc::channel(NEWS);
        (Self { news: Some(news), ..Self::default() }, calls)
    }

    /// Opens the record of a call. One of the same id, of an earlier call, is forgotten.
    #[must_use]
    pub fn open(self: &Arc<Self>, call: &CallSid) -> Publisher {
        self.enter(call, |viewers| Log::new(call.clone(), viewers))
    }

    /// Opens the record of a call that goes on here: its events so far, the term under which it was
    /// claimed in the store, and whether they are all there.
    #[must_use]
    pub fn reopen(
        self: &Arc<Self>,
        call: &CallSid,
        events: Vec<Entry>,
        term: u64,
        are_written: bool,
    ) -> Publisher {
        let publisher = self.enter(call, |viewers| Log::again(call.clone(), viewers, events, term));
        if !are_written {
            let mut log = lock(&publisher.log);
            log.rewind(0);
            self.tell_writer(&mut log);
        }
        publisher
    }

    /// Views one call from the event after number `after` on; `None` if there is no such call.
    #[must_use]
    pub fn view(&self, call: &CallSid, after: u64) -> Option<View> {
        let log = self.log(call)?;
        let mut log = lock(&log);
        let (viewer, live) = Viewer::new(VIEWER_QUEUE);
        let past = log.events_after(after);
        let cut = viewer.cut.clone();
        if !log.is_over() {
            log.viewers.push(viewer);
        }
        drop(log);
        Some(View { past: past.unpack(), live, cut })
    }

    /// Views every call: the live ones from their first event on, and all that come.
    #[must_use]
    pub fn view_all(&self) -> View {
        let mut inner = lock(&self.inner);
        let (viewer, live) = Viewer::new(BOARD_QUEUE);
        let mut past = Vec::new();
        for call in inner.order.values() {
            let Some(log) = inner.calls.get(call) else { continue };
            let mut log = lock(log);
            if !log.is_over() {
                past.push(log.events_after(0));
                log.viewers.push(viewer.clone());
            }
        }
        let cut = viewer.cut.clone();
        inner.everywhere.push(viewer);
        drop(inner);
        let past = past.into_iter().flat_map(Lines::unpack).collect();
        View { past, live, cut }
    }

    /// The calls there is a record of that are wanted, in no certain order. Words are looked for
    /// only in what the store does not have yet.
    #[must_use]
    pub fn find(&self, filter: &CallFilter) -> Vec<(CallSummary, Option<Match>)> {
        let found = self.logs().into_iter().filter_map(|log| {
            let log = lock(&log);
            let summary = log.summary.as_ref()?;
            let new = log.unwritten().iter().map(|entry| (entry.seq, entry.json.as_str()));
            let place = filter.find(summary, new)?;
            Some((summary.clone(), place))
        });
        found.collect()
    }

    /// The summary of a call there is a record of.
    #[must_use]
    pub fn summary(&self, call: &CallSid) -> Option<CallSummary> {
        lock(&*self.log(call)?).summary.clone()
    }

    /// The stored events of a call after number `after`, oldest first; `None` if there is no record
    /// of it.
    #[must_use]
    pub fn events(&self, call: &CallSid, after: u64) -> Option<Vec<Utf8Bytes>> {
        let log = self.log(call)?;
        let lines = lock(&log).events_after(after);
        Some(lines.unpack())
    }

    /// Sets what the carrier calls the state of a call; false if there is no record of it.
    pub fn set_status(&self, call: &CallSid, status: &str) -> bool {
        let Some(log) = self.log(call) else { return false };
        let mut log = lock(&log);
        log.set_status(status);
        self.tell_writer(&mut log);
        true
    }

    /// Forgets the record of a call, with all that is not written of it.
    pub fn forget(&self, call: &CallSid) {
        let mut inner = lock(&self.inner);
        if let Some(log) = inner.calls.remove(call) {
            inner.leaves(&log);
        }
    }

    fn enter(self: &Arc<Self>, call: &CallSid, log: impl FnOnce(Vec<Viewer>) -> Log) -> Publisher {
        let mut inner = lock(&self.inner);
        inner.everywhere.retain(|viewer| !viewer.queue.is_closed());
        let mut log = log(inner.everywhere.clone());
        log.number = inner.next;
        inner.next += 1;
        inner.order.insert(log.number, call.clone());
        let log = Arc::new(Mutex::new(log));
        if let Some(former) = inner.calls.insert(call.clone(), Arc::clone(&log)) {
            inner.leaves(&former);
        }
        Publisher { hub: Arc::clone(self), log }
    }

    fn log(&self, call: &CallSid) -> Option<Arc<Mutex<Log>>> {
        lock(&self.inner).calls.get(call).cloned()
    }

    /// Every record, the oldest call first.
    fn logs(&self) -> Vec<Arc<Mutex<Log>>> {
        let inner = lock(&self.inner);
        inner.order.values().filter_map(|call| inner.calls.get(call).cloned()).collect()
    }

    /// A call has ended.
    fn ended(&self, call: CallSid, log: &Arc<Mutex<Log>>) {
        let mut inner = lock(&self.inner);
        // Another record may have taken its place meanwhile.
        if inner.calls.get(&call).is_some_and(|known| Arc::ptr_eq(known, log)) {
            inner.ended.push_back(call);
        }
        drop(inner);
        self.forget_oldest();
    }

    /// Forgets the calls that have ended first and are written, if there are too many.
    fn forget_oldest(&self) {
        let mut inner = lock(&self.inner);
        while inner.ended.len() > KEPT {
            let may_go = |call: &CallSid| {
                let log = inner.calls.get(call);
                log.is_none_or(|log| self.news.is_none() || !lock(log).is_behind())
            };
            let Some(at) = inner.ended.iter().position(may_go) else { break };
            let Some(call) = inner.ended.remove(at) else { break };
            if let Some(log) = inner.calls.remove(&call) {
                inner.order.remove(&lock(&log).number);
            }
        }
    }
}

impl Inner {
    /// A record that has gone from the calls goes from everything else. It is not written any more.
    fn leaves(&mut self, log: &Mutex<Log>) {
        let mut log = lock(log);
        self.order.remove(&log.number);
        if log.is_over() {
            self.ended.retain(|ended| *ended != log.call);
        }
        log.disown(u64::MAX);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing is done under these locks that could leave a record half changed.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
