//! The event hub: passes the events of calls on to viewers and to the store.
//!
//! Each call has a log: its stored events, serialized to JSON once and then shared by every viewer
//! and by the store. A viewer first gets the past events, then the live ones, with nothing lost or
//! duplicated between the two. A viewer that does not keep up is cut off, so that it never delays a
//! call; it reconnects with the number of the last event it saw.
//!
//! The log is also the write-behind buffer of the store: the writer is notified of calls with news,
//! and takes from their logs the events that are not written yet. So a call never waits for the
//! store, and a store that was unreachable gets everything later. A log leaves memory when its call
//! has ended and is written; those of the latest calls stay for a while.

mod call_log;
mod pack;
mod publisher;
#[cfg(test)]
mod tests;
mod write_behind;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use phony_call::CallSid;
use tokio::sync::{Notify, mpsc};
use tokio_tungstenite::tungstenite::Utf8Bytes;
use tokio_util::sync::CancellationToken;

pub use self::publisher::Publisher;

use self::call_log::{CallLog, Viewer};
use self::pack::PackedEvents;
use crate::store::{CallFilter, CallSummary, Entry, Match};

/// Events that may be queued for a viewer of one call.
pub const VIEWER_QUEUE: usize = 256;

/// Events that may be queued for a viewer of all calls: some seconds of speech in hundreds of
/// calls. Unused capacity takes no memory.
pub const BOARD_QUEUE: usize = 8192;

/// Ended calls whose logs stay in memory although they are written.
const KEPT: usize = 200;
/// Calls with news that may be queued for the writer, which finds the others by polling.
const NEWS: usize = 4096;

/// The logs of all calls.
#[derive(Debug, Default)]
pub struct Hub {
    inner: Mutex<Inner>,
    /// Queues calls that have something to be written; `None` without a store.
    news: Option<mpsc::Sender<CallSid>>,
    /// Notified when news must be written at once.
    hurry: Notify,
    /// The queue of `news` was full for some call.
    overlooked: AtomicBool,
    /// Receives the calls that turn out to have another owner.
    lost: OnceLock<mpsc::Sender<CallSid>>,
}

#[derive(Debug, Default)]
struct Inner {
    calls: HashMap<CallSid, Arc<Mutex<CallLog>>>,
    /// Every call, by the number of its log.
    order: BTreeMap<u64, CallSid>,
    /// The calls that have ended, in that order.
    ended: VecDeque<CallSid>,
    /// The number of the next log.
    next: u64,
    /// Viewers of all calls, which are added to the log of each new one.
    everywhere: Vec<Viewer>,
}

/// The events of one call, or of all calls.
#[derive(Debug)]
pub struct View {
    /// Past events, oldest first.
    pub past: Vec<Utf8Bytes>,
    /// Live events; for one call, closed when the call ends.
    pub live: mpsc::Receiver<Utf8Bytes>,
    /// Cancelled when this viewer was too slow and has missed events.
    pub cut: CancellationToken,
}

impl Hub {
    /// A hub with a writer, and the queue of calls that have news for it.
    #[must_use]
    pub fn with_writer() -> (Self, mpsc::Receiver<CallSid>) {
        let (news, calls) = mpsc::channel(NEWS);
        (Self { news: Some(news), ..Self::default() }, calls)
    }

    /// Opens the log of a call, and forgets that of an earlier call with the same id.
    #[must_use]
    pub fn open(self: &Arc<Self>, call: &CallSid) -> Publisher {
        self.insert(call, |viewers| CallLog::new(call.clone(), viewers))
    }

    /// Opens the log of a call that is resumed on this node: with its events so far, the term under
    /// which it was claimed in the store, and whether the store has all of these events.
    #[must_use]
    pub fn reopen(
        self: &Arc<Self>,
        call: &CallSid,
        events: Vec<Entry>,
        term: u64,
        are_written: bool,
    ) -> Publisher {
        let publisher =
            self.insert(call, |viewers| CallLog::resumed(call.clone(), viewers, events, term));
        if !are_written {
            let mut log = lock(&publisher.log);
            log.rewind(0);
            self.notify_writer(&mut log);
        }
        publisher
    }

    /// Views one call from the event after number `after` on; `None` if the call is unknown.
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

    /// Views all calls: the live ones from their first event on, and every later one.
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
        let past = past.into_iter().flat_map(PackedEvents::unpack).collect();
        View { past, live, cut }
    }

    /// The calls with a log that pass the filter, in no particular order. Words are searched for
    /// only in events that the store does not have yet.
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

    /// The summary of a call; `None` if it has no log here.
    #[must_use]
    pub fn summary(&self, call: &CallSid) -> Option<CallSummary> {
        lock(&*self.log(call)?).summary.clone()
    }

    /// The stored events of a call after number `after`, oldest first; `None` if it has no log
    /// here.
    #[must_use]
    pub fn events(&self, call: &CallSid, after: u64) -> Option<Vec<Utf8Bytes>> {
        let log = self.log(call)?;
        let events = lock(&log).events_after(after);
        Some(events.unpack())
    }

    /// Sets the carrier's status of a call; false if the call has no log here.
    pub fn set_status(&self, call: &CallSid, status: &str) -> bool {
        let Some(log) = self.log(call) else { return false };
        let mut log = lock(&log);
        log.set_status(status);
        self.notify_writer(&mut log);
        true
    }

    /// Forgets the log of a call, with everything in it that is not written.
    pub fn forget(&self, call: &CallSid) {
        let mut inner = lock(&self.inner);
        if let Some(log) = inner.calls.remove(call) {
            inner.removed(&log);
        }
    }

    fn insert(
        self: &Arc<Self>,
        call: &CallSid,
        log: impl FnOnce(Vec<Viewer>) -> CallLog,
    ) -> Publisher {
        let mut inner = lock(&self.inner);
        inner.everywhere.retain(|viewer| !viewer.queue.is_closed());
        let mut log = log(inner.everywhere.clone());
        log.number = inner.next;
        inner.next += 1;
        inner.order.insert(log.number, call.clone());
        let log = Arc::new(Mutex::new(log));
        if let Some(former) = inner.calls.insert(call.clone(), Arc::clone(&log)) {
            inner.removed(&former);
        }
        Publisher { hub: Arc::clone(self), log }
    }

    fn log(&self, call: &CallSid) -> Option<Arc<Mutex<CallLog>>> {
        lock(&self.inner).calls.get(call).cloned()
    }

    /// Every log, that of the oldest call first.
    fn logs(&self) -> Vec<Arc<Mutex<CallLog>>> {
        let inner = lock(&self.inner);
        inner.order.values().filter_map(|call| inner.calls.get(call).cloned()).collect()
    }

    /// Notes that a call has ended.
    fn ended(&self, call: CallSid, log: &Arc<Mutex<CallLog>>) {
        let mut inner = lock(&self.inner);
        // Another log may have taken its place meanwhile.
        if inner.calls.get(&call).is_some_and(|known| Arc::ptr_eq(known, log)) {
            inner.ended.push_back(call);
        }
        drop(inner);
        self.forget_oldest();
    }

    /// Forgets the written calls that ended first, if too many have ended.
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
    /// Removes what else refers to a log that was removed from `calls`, and stops its writing.
    fn removed(&mut self, log: &Mutex<CallLog>) {
        let mut log = lock(log);
        self.order.remove(&log.number);
        if log.is_over() {
            self.ended.retain(|ended| *ended != log.call);
        }
        log.disown(u64::MAX);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // No panic under these locks could leave a log half changed.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
