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

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use axum::extract::ws::Utf8Bytes;
use phony_call::{CallSid, Event};
use tokio::sync::{Notify, mpsc};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::store::{CallFilter, CallSummary, Chunk, Entry, Match};
use log::{Log, Viewer, Weight};
use pack::{Lines, Pack};

/// Events that may wait for a viewer of one call.
pub const VIEWER_QUEUE: usize = 256;

/// Events that may wait for a viewer of every call: some seconds of words of hundreds of calls. What
/// is not used takes no memory.
pub const BOARD_QUEUE: usize = 8192;

/// Ended calls whose records are kept in memory although they could leave it.
const KEPT: usize = 200;
/// Calls with news that may wait for the writer; it finds those that find no place, later.
const NEWS: usize = 4096;

/// How often it is looked whether a call is written, by who waits for it.
const SETTLING: Duration = Duration::from_millis(5);

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

/// A call's place to tell what happens.
#[derive(Debug, Clone)]
pub struct Publisher {
    hub: Arc<Hub>,
    log: Arc<Mutex<Log>>,
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

    /// The term under which a call is ours; `None` if it is not.
    pub(crate) fn term(&self, call: &CallSid) -> Option<u64> {
        lock(&*self.log(call)?).term()
    }

    /// Whether something of a call is not written yet.
    pub(crate) fn is_behind(&self, call: &CallSid) -> bool {
        self.log(call).is_some_and(|log| lock(&log).is_behind())
    }

    /// Waits until all that is known of a call is written, but no longer than `limit`; false if
    /// some of it is not.
    pub(crate) async fn settled(&self, call: &CallSid, limit: Duration) -> bool {
        let settle = async {
            while self.is_behind(call) {
                sleep(SETTLING).await;
            }
        };
        timeout(limit, settle).await.is_ok()
    }

    /// Has what is known of a call written at once, its beginning at least, and waits for that, but no
    /// longer than `limit`; false if it is not written.
    pub(crate) async fn keep(&self, call: &CallSid, limit: Duration) -> bool {
        match self.log(call) {
            Some(log) => self.keeps(&log, limit).await,
            None => true,
        }
    }

    async fn keeps(&self, log: &Mutex<Log>, limit: Duration) -> bool {
        if self.news.is_none() {
            return true;
        }
        let keep = async {
            loop {
                let is_kept = {
                    let log = lock(log);
                    log.summary.is_some() && !log.is_behind()
                };
                if is_kept {
                    return;
                }
                self.hurry.notify_one();
                sleep(SETTLING).await;
            }
        };
        timeout(limit, keep).await.is_ok()
    }

    /// Waits until what is new is wanted in the store at once.
    pub(crate) async fn hurried(&self) {
        self.hurry.notified().await;
    }

    /// Forgets the record of a call, with all that is not written of it.
    pub fn forget(&self, call: &CallSid) {
        let mut inner = lock(&self.inner);
        if let Some(log) = inner.calls.remove(call) {
            inner.leaves(&log);
        }
    }

    /// What is to be written of a call, at most so many events; `None` if there is nothing.
    pub(crate) fn take_chunk(&self, call: &CallSid, most: usize) -> Option<Chunk> {
        lock(&*self.log(call)?).chunk(most)
    }

    /// What was taken is in the store up to this event; true if there is more to be written.
    pub(crate) fn written(&self, taken: &Chunk, last: u64) -> bool {
        let Some(record) = self.log(&taken.call) else { return false };
        let mut log = lock(&record);
        log.written(taken.term, last, taken.status.as_deref());
        let (more, over) = (log.is_behind(), log.is_over());
        let departed = log.departed;
        drop(log);
        pack(&record);
        if departed && !more {
            self.forget(&taken.call);
        }
        if over && !more {
            self.forget_oldest();
        }
        more
    }

    /// The store has lost what comes after this event.
    pub(crate) fn rewind(&self, call: &CallSid, last: u64) {
        if let Some(log) = self.log(call) {
            lock(&log).rewind(last);
        }
    }

    /// The call has another owner, under this term.
    pub(crate) fn disown(&self, call: &CallSid, term: u64) {
        let Some(log) = self.log(call) else { return };
        let is_done = {
            let mut log = lock(&log);
            log.disown(term);
            if log.term().is_some() {
                // It has come back meanwhile: what was refused was of an earlier stay.
                return;
            }
            // What ended here and not there did not end.
            log.departed || log.is_over()
        };
        if is_done {
            return self.forget(call);
        }
        if let Some(lost) = self.lost.get() {
            // Without a place in the queue it is found when owners are compared.
            drop(lost.try_send(call.clone()));
        }
    }

    /// The calls that turn out to have another owner, from now on.
    pub fn lost(&self) -> mpsc::Receiver<CallSid> {
        let (lost, calls) = mpsc::channel(NEWS);
        drop(self.lost.set(lost));
        calls
    }

    /// The calls of which something is not written.
    pub(crate) fn behind(&self) -> Vec<CallSid> {
        let behind = self.logs().into_iter().filter_map(|log| {
            let log = lock(&log);
            log.is_behind().then(|| log.call.clone())
        });
        behind.collect()
    }

    /// Gives up what could not be written of ended calls until no more than `most` bytes of it are
    /// left: what measures first, then what was done, then what was said, the oldest first, and
    /// whole calls last. Gives the number of bytes that are lost.
    pub(crate) fn give_up(&self, most: usize) -> usize {
        let logs = self.logs().into_iter().filter(|log| {
            let log = lock(log);
            log.is_over() && log.is_behind()
        });
        let logs: Vec<_> = logs.collect();
        let mut held: usize = logs.iter().map(|log| lock(log).unwritten_bytes()).sum();
        let (before, enough) = (held, most / 4 * 3);
        if held <= most {
            return 0;
        }
        for weight in [Weight::Measure, Weight::Deed, Weight::Words, Weight::Frame] {
            for log in &logs {
                if held <= enough {
                    return before - held;
                }
                held -= lock(log).give_up(weight);
                let call = lock(log).call.clone();
                if weight == Weight::Frame {
                    self.forget(&call);
                }
            }
        }
        before - held
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

    fn tell_writer(&self, log: &mut Log) {
        if let Some(news) = &self.news
            && !log.queued
        {
            log.queued = news.try_send(log.call.clone()).is_ok();
            if !log.queued {
                self.overlooked.store(true, Ordering::Relaxed);
            }
        }
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

    /// Whether since the last time that this was asked a call with news found no place in the queue.
    pub(crate) fn has_overlooked(&self) -> bool {
        self.overlooked.swap(false, Ordering::Relaxed)
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

impl Publisher {
    /// Tells the viewers, and keeps the event if it is one to be stored.
    pub fn publish(&self, event: &Event) {
        let mut log = lock(&self.log);
        if log.is_over() || (!event.is_stored() && log.viewers.is_empty()) {
            return;
        }
        let json = match serde_json::to_string(event) {
            Ok(json) => json,
            Err(error) => return tracing::error!(%error, "an event could not be written"),
        };
        // What is kept takes no more room than it must, and leaves no hole where it was made.
        let json = Utf8Bytes::from(if event.is_stored() { json.as_str().to_owned() } else { json });
        log.viewers.retain(|viewer| viewer.tell(&json));
        if !event.is_stored() {
            return;
        }
        log.push(event, json);
        self.hub.tell_writer(&mut log);
        if log.is_over() {
            log.viewers.clear();
            let call = log.call.clone();
            drop(log);
            self.hub.ended(call, &self.log);
        }
    }

    /// The call goes on elsewhere: its record goes as soon as all of it is written.
    pub fn depart(&self) {
        let (call, is_behind) = {
            let mut log = lock(&self.log);
            log.departed = true;
            (log.call.clone(), self.hub.news.is_some() && log.is_behind())
        };
        if !is_behind {
            self.hub.forget(&call);
        }
    }

    /// What the carrier calls the state of the call, if it was told.
    #[must_use]
    pub fn status(&self) -> Option<String> {
        lock(&self.log).status().map(str::to_owned)
    }

    /// Has what is new in the store at once.
    pub(crate) fn hurry(&self) {
        self.hub.hurry.notify_one();
    }

    /// As [`Hub::keep`].
    pub(crate) async fn keep(&self, limit: Duration) -> bool {
        self.hub.keeps(&self.log, limit).await
    }

    /// How many events are stored, and whether the last of them was the call's end.
    #[must_use]
    pub fn state(&self) -> (u64, bool) {
        let log = lock(&self.log);
        (log.last_seq(), log.is_over())
    }
}

/// Packs what is written of a record. Nobody waits for it meanwhile, the call least of all.
fn pack(record: &Mutex<Log>) {
    loop {
        let next = lock(record).to_pack();
        let Some(pack) = next.and_then(|entries| Pack::of(&entries)) else { return };
        lock(record).pack(pack);
        loop {
            let next = lock(record).to_join();
            let Some(pack) = next.and_then(|packs| Pack::joined(&packs)) else { break };
            lock(record).join(pack);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing is done under these locks that could leave a record half changed.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use phony_call::{Direction, EndReason, EventBody, Speaker};
    use serde_json::Value;

    use super::*;

    fn event(call: &str, seq: Option<u64>, body: EventBody) -> Event {
        let at = "2026-01-01T00:00:00Z".parse().unwrap();
        Event { body, call: CallSid::parse(call).unwrap(), at, seq }
    }

    fn begin(call: &str) -> Event {
        let body = EventBody::SessionStart {
            from: "+15005550001".into(),
            to: "+15005550002".into(),
            direction: Direction::Inbound,
            agent: "assistant".into(),
            carrier: "twilio".into(),
            scenario: None,
            variables: BTreeMap::new(),
            companion: None,
        };
        event(call, Some(1), body)
    }

    fn words(call: &str, seq: Option<u64>) -> Event {
        let text = format!("words {seq:?}");
        let body = EventBody::Transcript { speaker: Speaker::Caller, text, r#final: seq.is_some() };
        event(call, seq, body)
    }

    fn end(call: &str, seq: u64) -> Event {
        let body = EventBody::SessionEnd { reason: EndReason::CallerHungUp, duration_ms: 1 };
        event(call, Some(seq), body)
    }

    fn seq_of(line: &Utf8Bytes) -> Option<u64> {
        let value: Value = serde_json::from_str(line).unwrap();
        value["seq"].as_u64()
    }

    #[test]
    fn a_late_viewer_gets_what_has_been_and_then_what_happens() {
        let hub = Arc::new(Hub::default());
        let call = CallSid::parse("CA1").unwrap();
        let publisher = hub.open(&call);
        publisher.publish(&words("CA1", Some(1)));
        publisher.publish(&words("CA1", None));
        publisher.publish(&words("CA1", Some(2)));
        let mut view = hub.view(&call, 1).unwrap();
        assert_eq!(view.past.iter().map(seq_of).collect::<Vec<_>>(), [Some(2)]);
        publisher.publish(&words("CA1", None));
        publisher.publish(&end("CA1", 3));
        let live: Vec<_> = std::iter::from_fn(|| view.live.try_recv().ok()).collect();
        assert_eq!(live.iter().map(seq_of).collect::<Vec<_>>(), [None, Some(3)]);
        assert!(view.live.is_closed(), "the view ends with the call");
        assert_eq!(hub.view(&call, 0).unwrap().past.len(), 3, "and can be had again");
    }

    #[test]
    fn a_viewer_that_does_not_keep_up_is_cut_off() {
        let hub = Arc::new(Hub::default());
        let call = CallSid::parse("CA1").unwrap();
        let publisher = hub.open(&call);
        publisher.publish(&words("CA1", Some(1)));
        let (one, all) = (hub.view(&call, 0).unwrap(), hub.view_all());
        for seq in 2..BOARD_QUEUE as u64 + 2 {
            assert_eq!(one.cut.is_cancelled(), seq > VIEWER_QUEUE as u64 + 2, "{seq}");
            assert!(!all.cut.is_cancelled(), "{seq}");
            publisher.publish(&words("CA1", Some(seq)));
        }
        publisher.publish(&words("CA1", Some(BOARD_QUEUE as u64 + 2)));
        assert!(all.cut.is_cancelled());
    }

    #[test]
    fn a_viewer_of_everything_sees_calls_that_begin_later() {
        let hub = Arc::new(Hub::default());
        let first = hub.open(&CallSid::parse("CA1").unwrap());
        first.publish(&words("CA1", Some(1)));
        let mut view = hub.view_all();
        assert_eq!(view.past.len(), 1);
        let second = hub.open(&CallSid::parse("CA2").unwrap());
        second.publish(&words("CA2", Some(1)));
        first.publish(&words("CA1", Some(2)));
        let live: Vec<_> = std::iter::from_fn(|| view.live.try_recv().ok()).collect();
        assert_eq!(live.iter().map(seq_of).collect::<Vec<_>>(), [Some(1), Some(2)]);
    }

    #[test]
    fn only_so_many_ended_calls_are_kept() {
        let hub = Arc::new(Hub::default());
        let live = hub.open(&CallSid::parse("live").unwrap());
        live.publish(&begin("live"));
        for n in 0..KEPT + 5 {
            let name = format!("CA{n}");
            let publisher = hub.open(&CallSid::parse(&name).unwrap());
            publisher.publish(&begin(&name));
            publisher.publish(&end(&name, 2));
        }
        assert_eq!(hub.find(&CallFilter::default()).len(), KEPT + 1);
        assert!(hub.events(&CallSid::parse("live").unwrap(), 0).is_some());
        assert!(hub.events(&CallSid::parse("CA4").unwrap(), 0).is_none());
        assert!(hub.events(&CallSid::parse("CA5").unwrap(), 0).is_some());
    }

    #[test]
    fn what_is_not_written_stays_and_is_taken_once() {
        let (hub, mut news) = Hub::with_writer();
        let hub = Arc::new(hub);
        for n in 0..KEPT + 5 {
            let name = format!("CA{n}");
            let publisher = hub.open(&CallSid::parse(&name).unwrap());
            publisher.publish(&begin(&name));
            publisher.publish(&end(&name, 2));
        }
        let first = CallSid::parse("CA0").unwrap();
        assert!(hub.events(&first, 0).is_some(), "it is written nowhere yet");
        assert_eq!(news.try_recv(), Ok(first.clone()), "it stands in the queue");
        assert_eq!(news.try_recv(), Ok(CallSid::parse("CA1").unwrap()), "but once");
        let chunk = hub.take_chunk(&first, 1).unwrap();
        assert_eq!((chunk.after, chunk.entries.len()), (0, 1));
        assert!(hub.written(&chunk, 1), "there is more");
        let chunk = hub.take_chunk(&first, 9).unwrap();
        assert_eq!((chunk.after, chunk.entries[0].seq), (1, 2));
        assert!(!hub.written(&chunk, 2));
        assert!(hub.events(&first, 0).is_none(), "there are enough others");
        assert_eq!(hub.take_chunk(&first, 9).map(|chunk| chunk.after), None);
    }

    #[test]
    fn what_is_packed_is_seen_and_can_be_written_again() {
        let (hub, _news) = Hub::with_writer();
        let hub = Arc::new(hub);
        let call = CallSid::parse("CA1").unwrap();
        let publisher = hub.open(&call);
        let tell = |seqs: std::ops::RangeInclusive<u64>| {
            seqs.for_each(|seq| publisher.publish(&words("CA1", Some(seq))));
        };
        publisher.publish(&begin("CA1"));
        tell(2..=40);
        let all = hub.events(&call, 0).unwrap();
        let chunk = hub.take_chunk(&call, 35).unwrap();
        tell(41..=50);
        assert!(hub.written(&chunk, 35));
        let seqs = |after| -> Vec<_> {
            hub.events(&call, after).unwrap().iter().filter_map(seq_of).collect()
        };
        for after in 0..=50 {
            assert_eq!(seqs(after), (after + 1..=50).collect::<Vec<_>>(), "after {after}");
        }
        assert_eq!(hub.events(&call, 0).unwrap()[..40], all);
        assert_eq!(hub.view(&call, 20).unwrap().past.len(), 30);
        assert_eq!(hub.view_all().past.len(), 50);
        assert_eq!(publisher.state(), (50, false));
        // The store has lost most of it, and gets it again.
        hub.rewind(&call, 3);
        let chunk = hub.take_chunk(&call, 99).unwrap();
        assert_eq!((chunk.after, chunk.entries.len()), (3, 47));
        assert_eq!(chunk.entries[0].json, all[3]);
        assert!(!hub.written(&chunk, 50));
        tell(51..=52);
        assert_eq!(seqs(0), (1..=52).collect::<Vec<_>>());
        let chunk = hub.take_chunk(&call, 99).unwrap();
        assert_eq!((chunk.after, chunk.entries.len()), (50, 2));
        // Everything was packed when it was written.
        assert!(!hub.written(&chunk, 52));
        hub.rewind(&call, 0);
        assert_eq!(hub.take_chunk(&call, 99).unwrap().entries.len(), 52);
    }

    #[test]
    fn a_long_call_is_seen_from_any_event_on() {
        let (hub, _news) = Hub::with_writer();
        let hub = Arc::new(hub);
        let call = CallSid::parse("CA1").unwrap();
        let publisher = hub.open(&call);
        publisher.publish(&begin("CA1"));
        for seq in 2..=2500 {
            publisher.publish(&words("CA1", Some(seq)));
            if seq % 7 == 0 {
                let chunk = hub.take_chunk(&call, 99).unwrap();
                hub.written(&chunk, seq);
            }
        }
        for after in [0, 1, 8, 511, 512, 513, 2048, 2491, 2499, 2500] {
            let seqs = hub.events(&call, after).unwrap();
            let seqs: Vec<_> = seqs.iter().filter_map(seq_of).collect();
            assert_eq!(seqs, (after + 1..=2500).collect::<Vec<_>>(), "after {after}");
        }
    }

    #[test]
    fn what_cannot_be_kept_goes_by_weight_and_age() {
        let hub = Arc::new(Hub::default());
        let latency = |call, seq| {
            let (turn, stage) = (phony_call::TurnId(1), phony_call::Stage::FirstToken);
            event(call, Some(seq), EventBody::Latency { turn, stage, ms: 1 })
        };
        for call in ["CA1", "CA2"] {
            let publisher = hub.open(&CallSid::parse(call).unwrap());
            for event in [begin(call), words(call, Some(2)), latency(call, 3), end(call, 4)] {
                publisher.publish(&event);
            }
        }
        let live = hub.open(&CallSid::parse("live").unwrap());
        live.publish(&begin("live"));
        live.publish(&latency("live", 2));
        let left = |call: &str| {
            let events = hub.events(&CallSid::parse(call).unwrap(), 0);
            events.map(|events| events.iter().filter_map(seq_of).collect::<Vec<_>>())
        };
        let chunk = hub.take_chunk(&CallSid::parse("CA1").unwrap(), 9).unwrap();
        let of_one: usize = chunk.entries.iter().map(|entry| entry.json.len()).sum();
        assert_eq!(hub.give_up(of_one * 2), 0, "it fits");
        assert!(hub.give_up(of_one * 2 - 1) > 0);
        assert_eq!((left("CA1"), left("CA2")), (Some(vec![1, 4]), Some(vec![1, 2, 4])));
        hub.give_up(of_one);
        assert_eq!((left("CA1"), left("CA2")), (None, Some(vec![1, 4])), "a whole call, at last");
        assert_eq!(left("live"), Some(vec![1, 2]), "a live call keeps everything");
    }
}
