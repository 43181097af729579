//! Viewers here of calls elsewhere: what has been comes from the store, what happens from the
//! channel on which every node publishes, and the two are joined by the events' numbers.
//!
//! Stored events are published by the store as they are written. What is only shown is published by
//! the node that has the call, and only while somebody elsewhere says that he is looking.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::ws::Utf8Bytes;
use jiff::Timestamp;
use phony_call::CallSid;
use tokio::sync::{broadcast, mpsc, watch};
use tokio::time::{interval, timeout};
use tokio_util::sync::CancellationToken;

use super::bus::all_nodes;
use super::protocol::NodeMessage;
use super::{Cluster, Handler, REDIS_LIMIT};
use crate::events::{VIEWER_QUEUE, View};
use crate::store::redis::channel;
use crate::store::{CallFilter, CallSummary, ListQuery, Store as _, StoreError};

/// How often a viewer says that he is still looking.
const LOOKING: Duration = Duration::from_secs(5);
/// For how long that counts.
const LOOKED: Duration = Duration::from_secs(12);
/// Ended calls of which a viewer of all remembers that it has told everything.
const TOLD: usize = 2048;
/// The newest calls among which a viewer of all looks for what it has missed.
const MISSED: usize = 500;

/// Whether this node is told of all events, and who looks at calls of this node from elsewhere.
#[derive(Debug)]
pub(super) struct Feeding {
    viewers: watch::Sender<usize>,
    wanted: watch::Sender<bool>,
    fed: watch::Sender<bool>,
    /// Until when what is only shown is published, for one call or for all.
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

/// One viewer, as long as it lives.
struct Looking(Arc<Cluster>);

impl Drop for Looking {
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
        let looking = self.look().await;
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
                drop(looking);
            });
        }
        Ok(Some(view))
    }

    /// Views every call, here and elsewhere: the live ones from their first event on, and all that
    /// come.
    pub(crate) async fn view_all(self: &Arc<Self>, handler: &Arc<dyn Handler>) -> View {
        let looking = self.look().await;
        let feed = self.feed.subscribe();
        let View { mut past, live: local, .. } = handler.hub().view_all();
        let mut seen = Seen::new();
        for event in &past {
            note(&mut seen, event);
        }
        for summary in self.store.open().await.unwrap_or_default() {
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
            drop(looking);
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

    /// Publishes what is only shown of a call here, or of all, for a while.
    pub(super) fn show(self: &Arc<Self>, handler: &Arc<dyn Handler>, call: Option<CallSid>) {
        let now = (handler.clock().now)();
        let mut shown = self.feeding.shown.lock().unwrap_or_else(PoisonError::into_inner);
        if call.as_ref().is_some_and(|call| !handler.has(call)) {
            return;
        }
        if shown.insert(call.clone(), now + LOOKED).is_some() {
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
                        // Words that are shown twice are worse than words that are not shown.
                        let mut connection = cluster.connection.once();
                        drop(publish.query_async::<redis::Value>(&mut connection).await);
                    }
                }
            }
            let shown = &cluster.feeding.shown;
            shown.lock().unwrap_or_else(PoisonError::into_inner).remove(&call);
        });
    }

    /// Becomes a viewer: from the return on, nothing that is published is missed, if Redis answers.
    async fn look(self: &Arc<Self>) -> Looking {
        let feeding = &self.feeding;
        feeding.viewers.send_modify(|viewers| *viewers += 1);
        feeding.wanted.send_if_modified(|wanted| !std::mem::replace(wanted, true));
        let mut fed = feeding.fed.subscribe();
        drop(timeout(REDIS_LIMIT, fed.wait_for(|fed| *fed)).await);
        Looking(Arc::clone(self))
    }
}

struct Viewer {
    cluster: Arc<Cluster>,
    handler: Arc<dyn Handler>,
    /// One call; all if none.
    of: Option<CallSid>,
    /// When it began to look.
    since: Timestamp,
    seen: Seen,
    /// Calls that have ended, among those of which something was seen.
    ended: VecDeque<CallSid>,
    queue: mpsc::Sender<Utf8Bytes>,
    cut: CancellationToken,
}

impl Viewer {
    /// Tells what happens, in this process and elsewhere, until the call ends or the viewer goes.
    async fn follow(
        mut self,
        mut feed: broadcast::Receiver<(CallSid, Utf8Bytes)>,
        mut local: Option<mpsc::Receiver<Utf8Bytes>>,
    ) {
        let mut say = interval(LOOKING);
        let mut hearing = self.cluster.feeding.fed.subscribe();
        hearing.mark_unchanged();
        loop {
            let alive = tokio::select! {
                // Redis is listened to again: what was said meanwhile was not heard.
                Ok(()) = hearing.changed() => !*hearing.borrow_and_update() || self.catch_up().await,
                event = next_of(local.as_mut()) => if let Some(event) = event {
                    self.tell(&event).await
                } else {
                    // It has ended, or goes on elsewhere.
                    local = None;
                    self.catch_up().await
                },
                event = feed.recv() => match event {
                    Ok((call, event)) => match &self.of {
                        Some(of) if *of != call => true,
                        // What happens here is told here.
                        _ if local.is_some() && self.handler.has(&call) => true,
                        _ => self.tell(&event).await,
                    },
                    Err(broadcast::error::RecvError::Lagged(_)) => self.is_too_slow(),
                    Err(broadcast::error::RecvError::Closed) => false,
                },
                _ = say.tick() => {
                    self.say_looking().await;
                    local.is_some() || self.catch_up().await
                }
                () = self.queue.closed() => false,
            };
            if !alive {
                return;
            }
        }
    }

    /// Passes an event on, after those before it that were missed; false if the viewer is gone.
    async fn tell(&mut self, event: &Utf8Bytes) -> bool {
        let (Some(seq), Some(call)) = (seq_of(event), call_of(event)) else {
            return self.pass(event.clone());
        };
        let last = self.seen.get(&call).copied().unwrap_or(0);
        if seq <= last {
            return true;
        }
        if seq > last + 1 {
            for event in self.between(&call, last, seq).await {
                if !self.pass(event) {
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
        self.pass(event.clone()) && (self.of.is_none() || !is_end(event))
    }

    /// Events after number `last` and before number `seq`. Of a call that has just come here, this
    /// server knows more than the store; of one that has left, less.
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

    /// Tells what was missed while Redis could not be listened to; false if the viewer is done.
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

    /// The calls of which the store knows more than was told: those that are open, and those that
    /// were looked at or have begun since, for they may have ended meanwhile.
    async fn behind(&self) -> Result<Vec<CallSid>, StoreError> {
        let store = &self.cluster.store;
        let wanted = ListQuery { filter: CallFilter::default(), after: None, limit: MISSED };
        let recent = store.list(&wanted).await?.calls.into_iter().map(|(summary, _)| summary);
        let concerns = |summary: &CallSummary| {
            summary.started >= self.since || self.seen.contains_key(&summary.sid)
        };
        let mut summaries: Vec<_> = recent.filter(concerns).collect();
        summaries.extend(store.open().await?);
        summaries.retain(|summary| {
            self.seen.get(&summary.sid).is_none_or(|seen| *seen < summary.last_seq)
        });
        summaries.sort_by_key(|summary| summary.started);
        Ok(summaries.into_iter().map(|summary| summary.sid).collect())
    }

    fn pass(&self, event: Utf8Bytes) -> bool {
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

    async fn say_looking(&self) {
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
