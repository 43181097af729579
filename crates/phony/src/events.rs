//! The event hub: what happens in calls, to whoever looks.
//!
//! Each call has a record: its stored events, written once as JSON and shared from then on by
//! every viewer. A viewer first gets what has been, then what happens, with nothing lost or doubled
//! between the two. A viewer that does not keep up is cut off, so that it never delays a call; it
//! comes back with the number of the last event it saw. Records of ended calls are kept for a while.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::ws::Utf8Bytes;
use phony_call::{CallSid, Event, EventBody};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Events that may wait for a viewer.
pub const VIEWER_QUEUE: usize = 256;

/// Ended calls whose records are kept in memory.
const KEPT: usize = 200;

/// All records.
#[derive(Debug, Default)]
pub struct Hub {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    calls: HashMap<CallSid, Arc<Mutex<Log>>>,
    /// Every call in the order of its beginning.
    order: VecDeque<CallSid>,
    ended: usize,
    /// Viewers of every call, to be put into the record of each new one.
    everywhere: Vec<Viewer>,
}

/// One call's record.
#[derive(Debug, Default)]
struct Log {
    stored: Vec<Utf8Bytes>,
    viewers: Vec<Viewer>,
    start: Option<Event>,
    end: Option<Event>,
    snapshot: Option<Value>,
}

#[derive(Debug, Clone)]
struct Viewer {
    queue: mpsc::Sender<Utf8Bytes>,
    /// Cancelled when the viewer is too slow.
    cut: CancellationToken,
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

/// One line of the list of calls.
#[derive(Debug, Clone)]
pub struct Listed {
    /// The first event, of the kind `session_start`.
    pub start: Event,
    /// The last event, of the kind `session_end`, if the call is over.
    pub end: Option<Event>,
}

/// What is kept of a call.
#[derive(Debug, Clone)]
pub struct Kept {
    /// Stored events as JSON, oldest first.
    pub events: Vec<Utf8Bytes>,
    /// Everything about the call as it was at its end; `None` while it is live.
    pub snapshot: Option<Value>,
}

impl Hub {
    /// Opens the record of a call. One of the same id, of an earlier call, is forgotten.
    #[must_use]
    pub fn open(self: &Arc<Self>, call: &CallSid) -> Publisher {
        let mut inner = lock(&self.inner);
        inner.everywhere.retain(|viewer| !viewer.queue.is_closed());
        let log = Log { viewers: inner.everywhere.clone(), ..Log::default() };
        let log = Arc::new(Mutex::new(log));
        if inner.calls.insert(call.clone(), Arc::clone(&log)).is_some() {
            inner.order.retain(|known| known != call);
            inner.ended = inner.ended.saturating_sub(1);
        }
        inner.order.push_back(call.clone());
        Publisher { hub: Arc::clone(self), log }
    }

    /// Views one call from the event after number `after` on; `None` if there is no such call.
    #[must_use]
    pub fn view(&self, call: &CallSid, after: u64) -> Option<View> {
        let log = lock(&self.inner).calls.get(call).cloned()?;
        let mut log = lock(&log);
        let (viewer, live) = viewer();
        let past = log.after(after);
        let cut = viewer.cut.clone();
        if log.end.is_none() {
            log.viewers.push(viewer);
        }
        Some(View { past, live, cut })
    }

    /// Views every call: the live ones from their first event on, and all that come.
    #[must_use]
    pub fn view_all(&self) -> View {
        let mut inner = lock(&self.inner);
        let (viewer, live) = viewer();
        let mut past = Vec::new();
        for call in &inner.order {
            let Some(log) = inner.calls.get(call) else { continue };
            let mut log = lock(log);
            if log.end.is_none() {
                past.extend(log.after(0));
                log.viewers.push(viewer.clone());
            }
        }
        let cut = viewer.cut.clone();
        inner.everywhere.push(viewer);
        View { past, live, cut }
    }

    /// Every call there is a record of, newest first.
    #[must_use]
    pub fn list(&self) -> Vec<Listed> {
        let inner = lock(&self.inner);
        let listed = |call: &CallSid| {
            let log = lock(inner.calls.get(call)?);
            Some(Listed { start: log.start.clone()?, end: log.end.clone() })
        };
        inner.order.iter().rev().filter_map(listed).collect()
    }

    /// What is kept of a call.
    #[must_use]
    pub fn kept(&self, call: &CallSid) -> Option<Kept> {
        let log = lock(&self.inner).calls.get(call).cloned()?;
        let log = lock(&log);
        Some(Kept { events: log.stored.clone(), snapshot: log.snapshot.clone() })
    }

    /// Counts a call that has ended, and forgets the oldest of them if there are too many.
    fn ended(&self) {
        let mut inner = lock(&self.inner);
        inner.ended += 1;
        while inner.ended > KEPT {
            let is_over =
                |call: &CallSid| inner.calls.get(call).is_none_or(|log| lock(log).end.is_some());
            let Some(at) = inner.order.iter().position(is_over) else { break };
            if let Some(call) = inner.order.remove(at) {
                inner.calls.remove(&call);
            }
            inner.ended -= 1;
        }
    }
}

impl Publisher {
    /// Tells the viewers, and keeps the event if it is one to be stored.
    pub fn publish(&self, event: Event) {
        let mut log = lock(&self.log);
        if log.end.is_some() || (!event.is_stored() && log.viewers.is_empty()) {
            return;
        }
        let json = match serde_json::to_string(&event) {
            Ok(json) => json,
            Err(error) => return tracing::error!(%error, "an event could not be written"),
        };
        // It may be kept for long: no longer than it must be.
        let line = Utf8Bytes::from(String::from(json.into_boxed_str()));
        log.viewers.retain(|viewer| viewer.tell(&line));
        if !event.is_stored() {
            return;
        }
        log.stored.push(line);
        if log.start.is_none() {
            log.start = Some(event);
        } else if matches!(event.body, EventBody::SessionEnd { .. }) {
            log.end = Some(event);
            log.viewers.clear();
            drop(log);
            self.hub.ended();
        }
    }

    /// Keeps everything about a call that ends.
    pub fn keep_snapshot(&self, snapshot: Value) {
        lock(&self.log).snapshot = Some(snapshot);
    }

    /// How many events are stored, and whether the last of them was the call's end.
    #[must_use]
    pub fn state(&self) -> (u64, bool) {
        let log = lock(&self.log);
        (log.stored.len() as u64, log.end.is_some())
    }
}

impl Log {
    /// Events are numbered from 1 without gaps, so the number is a place in the list.
    fn after(&self, seq: u64) -> Vec<Utf8Bytes> {
        let from = usize::try_from(seq).unwrap_or(usize::MAX).min(self.stored.len());
        self.stored[from..].to_vec()
    }
}

impl Viewer {
    /// False if the viewer is gone or too slow.
    fn tell(&self, line: &Utf8Bytes) -> bool {
        match self.queue.try_send(line.clone()) {
            Ok(()) => true,
            Err(mpsc::error::TrySendError::Closed(_)) => false,
            Err(mpsc::error::TrySendError::Full(_)) => {
                metrics::counter!("phony_viewers_cut_total").increment(1);
                self.cut.cancel();
                false
            }
        }
    }
}

fn viewer() -> (Viewer, mpsc::Receiver<Utf8Bytes>) {
    let (queue, live) = mpsc::channel(VIEWER_QUEUE);
    (Viewer { queue, cut: CancellationToken::new() }, live)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing is done under these locks that could leave a record half changed.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use phony_call::{EndReason, Speaker};

    use super::*;

    fn event(call: &str, seq: Option<u64>, body: EventBody) -> Event {
        let at = "2026-01-01T00:00:00Z".parse().unwrap();
        Event { body, call: CallSid::parse(call).unwrap(), at, seq }
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
        publisher.publish(words("CA1", Some(1)));
        publisher.publish(words("CA1", None));
        publisher.publish(words("CA1", Some(2)));
        let mut view = hub.view(&call, 1).unwrap();
        assert_eq!(view.past.iter().map(seq_of).collect::<Vec<_>>(), [Some(2)]);
        publisher.publish(words("CA1", None));
        publisher.publish(end("CA1", 3));
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
        let view = hub.view_all();
        for seq in 1..=VIEWER_QUEUE as u64 + 1 {
            assert!(!view.cut.is_cancelled());
            publisher.publish(words("CA1", Some(seq)));
        }
        assert!(view.cut.is_cancelled());
    }

    #[test]
    fn a_viewer_of_everything_sees_calls_that_begin_later() {
        let hub = Arc::new(Hub::default());
        let first = hub.open(&CallSid::parse("CA1").unwrap());
        first.publish(words("CA1", Some(1)));
        let mut view = hub.view_all();
        assert_eq!(view.past.len(), 1);
        let second = hub.open(&CallSid::parse("CA2").unwrap());
        second.publish(words("CA2", Some(1)));
        first.publish(words("CA1", Some(2)));
        let live: Vec<_> = std::iter::from_fn(|| view.live.try_recv().ok()).collect();
        assert_eq!(live.iter().map(seq_of).collect::<Vec<_>>(), [Some(1), Some(2)]);
    }

    #[test]
    fn only_so_many_ended_calls_are_kept() {
        let hub = Arc::new(Hub::default());
        let live = hub.open(&CallSid::parse("live").unwrap());
        live.publish(words("live", Some(1)));
        for n in 0..KEPT + 5 {
            let name = format!("CA{n}");
            let publisher = hub.open(&CallSid::parse(&name).unwrap());
            publisher.publish(words(&name, Some(1)));
            publisher.publish(end(&name, 2));
        }
        assert_eq!(hub.list().len(), KEPT + 1);
        assert!(hub.kept(&CallSid::parse("live").unwrap()).is_some());
        assert!(hub.kept(&CallSid::parse("CA4").unwrap()).is_none());
        assert!(hub.kept(&CallSid::parse("CA5").unwrap()).is_some());
    }
}
