//! The event feed for viewers of calls on other nodes: past events come from the store, new ones
//! from the channel on which all nodes publish, joined by their numbers. Owns the count of the
//! viewers here, and which calls of this node are watched from elsewhere; `app` calls it for
//! `/events`.
//!
//! Stored events are published by the store as they are written. Events that are shown but not
//! stored are published by the node that has the call, only while a node announces viewers.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use phony_call::CallSid;
use tokio::sync::{broadcast, mpsc, watch};
use tokio::time::{interval, timeout};
use tokio_tungstenite::tungstenite::Utf8Bytes;
use tokio_util::sync::CancellationToken;

use super::bus::all_nodes;
use super::protocol::NodeMessage;
use super::{Cluster, Handler, REDIS_LIMIT};
use crate::events::{VIEWER_QUEUE, View};
use crate::store::redis::channel;
use crate::store::{CallFilter, CallSummary, ListQuery, Store as _, StoreError};

/// How often a viewer announces itself.
const ANNOUNCE_INTERVAL: Duration = Duration::from_secs(5);
/// How long an announcement counts.
const ANNOUNCED: Duration = Duration::from_secs(12);
/// How many ended calls a viewer of all calls remembers.
const TOLD: usize = 2048;
/// How many of the newest calls a viewer of all calls checks for missed events.
const MISSED: usize = 500;

/// Whether this node receives the events of all nodes, and which of its calls are watched
/// elsewhere.
#[derive(Debug)]
pub(super) struct Feeding {
    viewers: watch::Sender<usize>,
    wanted: watch::Sender<bool>,
    fed: watch::Sender<bool>,
    /// Until when events that are not stored are published, for one call or for all (`None`).
    shown: Mutex<HashMap<Option<CallSid>, Instant>>,
}

impl Default for Feeding {
    fn default() -> Self {
        Self {
            viewers: watch::channel(0).0,
            wanted: watch::channel(false).0,
            fed: watch::channel(false).0,
            shown: Mutex::default(),
        }
    }
}

/// Counts one viewer until it is dropped.
struct ViewerGuard(Arc<Cluster>);

impl Drop for ViewerGuard {
    fn drop(&mut self) {
        let feeding = &self.0.feeding;
        feeding.viewers.send_modify(|viewers| *viewers -= 1);
        feeding.wanted.send_if_modified(|wanted| {
            std::mem::replace(wanted, *feeding.viewers.borrow() > 0) != *wanted
        });
    }
}

impl Feeding {
    pub(super) fn wanted(&self) -> watch::Receiver<bool> {
        self.wanted.subscribe()
    }

    pub(super) fn is_fed(&self, fed: bool) {
        self.fed.send_replace(fed);
    }
}

/// What a viewer has seen of each call: the number of the last event.
type Seen = HashMap<CallSid, u64>;

impl Cluster {
    /// Views a call, wherever it is, from the event after number `after` on; `None` if there is no
    /// such call.
    pub(crate) async fn view(
        self: &Arc<Self>,
        handler: &Arc<dyn Handler>,
        call: &CallSid,
        after: u64,
    ) -> Result<Option<View>, StoreError> {
        let guard = self.add_viewer().await;
        let feed = self.feed.subscribe();
        let (past, local) = match handler.hub().view(call, after) {
            Some(View { past, live, .. }) => (past, Some(live)),
            None => match self.store.events(call, after).await? {
                Some(past) => (past, None),
                None => return Ok(None),
            },
        };
        let last = past.last().and_then(|event| seq_of(event)).unwrap_or(after);
        let seen = Seen::from([(call.clone(), last)]);
        let is_over = past.last().is_some_and(|event| is_end(event));
        let (viewer, view) = self.viewer(handler, Some(call.clone()), seen, past);
        if !is_over {
            self.tasks.spawn(async move {
                viewer.follow(feed, local).await;
                drop(guard);
            });
        }
        Ok(Some(view))
    }

    /// Views every call, here and elsewhere: the live ones from their first event on, and all that
    /// come.
    pub(crate) async fn view_all(self: &Arc<Self>, handler: &Arc<dyn Handler>) -> View {
        let guard = self.add_viewer().await;
        let feed = self.feed.subscribe();
        let View { mut past, live: local, .. } = handler.hub().view_all();
        let mut seen = Seen::new();
        for event in &past {
            note(&mut seen, event);
        }
        for summary in self.store.open_calls().await.unwrap_or_default() {
            if !seen.contains_key(&summary.sid)
                && let Ok(Some(events)) = self.store.events(&summary.sid, 0).await
            {
                seen.insert(
                    summary.sid,
                    events.last().and_then(|event| seq_of(event)).unwrap_or(0),
                );
                past.extend(events);
            }
        }
        let (viewer, view) = self.viewer(handler, None, seen, past);
        self.tasks.spawn(async move {
            viewer.follow(feed, Some(local)).await;
            drop(guard);
        });
        view
    }

    fn viewer(
        self: &Arc<Self>,
        handler: &Arc<dyn Handler>,
        of: Option<CallSid>,
        seen: Seen,
        past: Vec<Utf8Bytes>,
    ) -> (Viewer, View) {
        let (queue, live) = mpsc::channel(VIEWER_QUEUE);
        let cut = CancellationToken::new();
        let (cluster, handler) = (Arc::clone(self), Arc::clone(handler));
        let (since, ended) = ((handler.clock().wall)(), VecDeque::new());
        let viewer = Viewer { cluster, handler, of, since, seen, ended, queue, cut: cut.clone() };
        (viewer, View { past, live, cut })
    }

    /// Publishes, for a while, the events that are not stored of a call here, or of all.
    pub(super) fn show(self: &Arc<Self>, handler: &Arc<dyn Handler>, call: Option<CallSid>) {
        let now = (handler.clock().now)();
        let mut shown = self.feeding.shown.lock().unwrap_or_else(PoisonError::into_inner);
        if call.as_ref().is_some_and(|call| !handler.has(call)) {
            return;
        }
        if shown.insert(call.clone(), now + ANNOUNCED).is_some() {
            return;
        }
        drop(shown);
        let view = match &call {
            Some(call) => handler.hub().view(call, u64::MAX),
            None => Some(handler.hub().view_all()),
        };
        let (cluster, clock) = (Arc::clone(self), handler.clock());
        self.tasks.spawn(async move {
            if let Some(mut view) = view {
                let until = || {
                    let shown = &cluster.feeding.shown;
                    shown.lock().unwrap_or_else(PoisonError::into_inner).get(&call).copied()
                };
                while let Some(event) = view.live.recv().await {
                    if until().is_none_or(|until| until < (clock.now)()) {
                        break;
                    }
                    // Stored ones are published by the store.
                    if seq_of(&event).is_none()
                        && let Some(of) = call_of(&event)
                    {
                        let mut publish = redis::cmd("PUBLISH");
                        publish.arg(channel(&of)).arg(event.as_str());
                        // Not retried: an event shown twice is worse than one not shown.
                        let mut connection = cluster.connection.once();
                        drop(publish.query_async::<redis::Value>(&mut connection).await);
                    }
                }
            }
            let shown = &cluster.feeding.shown;
            shown.lock().unwrap_or_else(PoisonError::into_inner).remove(&call);
        });
    }

    /// Adds a viewer. When this returns, and if Redis answers, no published event is missed.
    async fn add_viewer(self: &Arc<Self>) -> ViewerGuard {
        let feeding = &self.feeding;
        feeding.viewers.send_modify(|viewers| *viewers += 1);
        feeding.wanted.send_if_modified(|wanted| !std::mem::replace(wanted, true));
        let mut fed = feeding.fed.subscribe();
        drop(timeout(REDIS_LIMIT, fed.wait_for(|fed| *fed)).await);
        ViewerGuard(Arc::clone(self))
    }
}

struct Viewer {
    cluster: Arc<Cluster>,
    handler: Arc<dyn Handler>,
    /// The call; all if `None`.
    of: Option<CallSid>,
    /// When the viewer started.
    since: Timestamp,
    seen: Seen,
    /// The ended calls among those in `seen`.
    ended: VecDeque<CallSid>,
    queue: mpsc::Sender<Utf8Bytes>,
    cut: CancellationToken,
}

impl Viewer {
    /// Sends the events of this process and of other nodes until the call ends or the viewer
    /// leaves.
    async fn follow(
        mut self,
        mut feed: broadcast::Receiver<(CallSid, Utf8Bytes)>,
        mut local: Option<mpsc::Receiver<Utf8Bytes>>,
    ) {
        let mut say = interval(ANNOUNCE_INTERVAL);
        let mut hearing = self.cluster.feeding.fed.subscribe();
        hearing.mark_unchanged();
        loop {
            let alive = tokio::select! {
                // Redis is connected again; what was published meanwhile was missed.
                Ok(()) = hearing.changed() => !*hearing.borrow_and_update() || self.catch_up().await,
                event = next_of(local.as_mut()) => if let Some(event) = event {
                    self.tell(&event).await
                } else {
                    // The call has ended or moved to another node.
                    local = None;
                    self.catch_up().await
                },
                event = feed.recv() => match event {
                    Ok((call, event)) => match &self.of {
                        Some(of) if *of != call => true,
                        // Events of calls here come over `local`.
                        _ if local.is_some() && self.handler.has(&call) => true,
                        _ => self.tell(&event).await,
                    },
                    Err(broadcast::error::RecvError::Lagged(_)) => self.is_too_slow(),
                    Err(broadcast::error::RecvError::Closed) => false,
                },
                _ = say.tick() => {
                    self.announce_viewer().await;
                    local.is_some() || self.catch_up().await
                }
                () = self.queue.closed() => false,
            };
            if !alive {
                return;
            }
        }
    }

    /// Sends an event, after missed ones before it; false if the viewer is gone or done.
    async fn tell(&mut self, event: &Utf8Bytes) -> bool {
        let (Some(seq), Some(call)) = (seq_of(event), call_of(event)) else {
            return self.send(event.clone());
        };
        let last = self.seen.get(&call).copied().unwrap_or(0);
        if seq <= last {
            return true;
        }
        if seq > last + 1 {
            for event in self.between(&call, last, seq).await {
                if !self.send(event) {
                    return false;
                }
            }
        }
        self.seen.insert(call.clone(), seq);
        if is_end(event) {
            self.ended.push_back(call);
            if self.ended.len() > TOLD {
                self.ended.pop_front().map(|call| self.seen.remove(&call));
            }
        }
        self.send(event.clone()) && (self.of.is_none() || !is_end(event))
    }

    /// The events between the numbers `last` and `seq`. Of a call that has just moved here this
    /// node knows more than the store; of one that has left, less.
    async fn between(&self, call: &CallSid, mut last: u64, seq: u64) -> Vec<Utf8Bytes> {
        let mut events = self.handler.hub().events(call, last).unwrap_or_default();
        let is_missed = |event: &Utf8Bytes, last| {
            seq_of(event).is_some_and(|number| last < number && number < seq)
        };
        events.retain(|event| is_missed(event, last));
        last = events.last().and_then(|event| seq_of(event)).unwrap_or(last);
        if last + 1 < seq {
            let stored = self.cluster.store.events(call, last).await.ok().flatten();
            let stored = stored.unwrap_or_default().into_iter();
            events.extend(stored.filter(|event| is_missed(event, last)));
        }
        events
    }

    /// Sends what was missed while Redis was away; false if the viewer is done.
    async fn catch_up(&mut self) -> bool {
        let calls = match &self.of {
            Some(call) => vec![call.clone()],
            None => self.behind().await.unwrap_or_default(),
        };
        for call in calls {
            let last = self.seen.get(&call).copied().unwrap_or(0);
            let events = self.cluster.store.events(&call, last).await;
            for event in events.ok().flatten().unwrap_or_default() {
                if !self.tell(&event).await {
                    return false;
                }
            }
        }
        true
    }

    /// The calls with events that were not sent: open ones, and those that were seen or have begun
    /// since, because they may have ended meanwhile.
    async fn behind(&self) -> Result<Vec<CallSid>, StoreError> {
        let store = &self.cluster.store;
        let wanted = ListQuery { filter: CallFilter::default(), after: None, limit: MISSED };
        let recent = store.list(&wanted).await?.calls.into_iter().map(|(summary, _)| summary);
        let concerns = |summary: &CallSummary| {
            summary.started >= self.since || self.seen.contains_key(&summary.sid)
        };
        let mut summaries: Vec<_> = recent.filter(concerns).collect();
        summaries.extend(store.open_calls().await?);
        summaries.retain(|summary| {
            self.seen.get(&summary.sid).is_none_or(|seen| *seen < summary.last_seq)
        });
        summaries.sort_by_key(|summary| summary.started);
        Ok(summaries.into_iter().map(|summary| summary.sid).collect())
    }

    fn send(&self, event: Utf8Bytes) -> bool {
        match self.queue.try_send(event) {
            Ok(()) => true,
            Err(mpsc::error::TrySendError::Closed(_)) => false,
            Err(mpsc::error::TrySendError::Full(_)) => self.is_too_slow(),
        }
    }

    fn is_too_slow(&self) -> bool {
        metrics::counter!("phony_viewers_cut_total").increment(1);
        self.cut.cancel();
        false
    }

    async fn announce_viewer(&self) {
        let message = NodeMessage::Watch { call: self.of.clone() };
        let mut publish = redis::cmd("PUBLISH");
        publish.arg(all_nodes()).arg(serde_json::to_string(&message).unwrap_or_default());
        drop(self.cluster.command::<redis::Value>(&publish).await);
    }
}

/// The next event, or never if there is no channel.
async fn next_of(channel: Option<&mut mpsc::Receiver<Utf8Bytes>>) -> Option<Utf8Bytes> {
    match channel {
        Some(channel) => channel.recv().await,
        None => std::future::pending().await,
    }
}

fn note(seen: &mut Seen, event: &str) {
    if let (Some(seq), Some(call)) = (seq_of(event), call_of(event)) {
        seen.insert(call, seq);
    }
}

/// The number of a stored event. It is written last.
fn seq_of(event: &str) -> Option<u64> {
    let (_, seq) = event.strip_suffix('}')?.rsplit_once(r#","seq":"#)?;
    seq.parse().ok()
}

fn call_of(event: &str) -> Option<CallSid> {
    #[derive(serde::Deserialize)]
    struct Head {
        #[serde(rename = "callSid")]
        call: CallSid,
    }
    serde_json::from_str::<Head>(event).ok().map(|head| head.call)
}

fn is_end(event: &str) -> bool {
    event.starts_with(r#"{"type":"session_end""#)
}
