//! Persistence: the store, its writer, and the periodic work on it.

use std::sync::Arc;
use std::time::Duration;

use phony_call::{Call, CallSid, Event, Failover};
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::StartError;
use crate::app::App;
use crate::config::Config;
use crate::history::{History, Writer, close_abandoned};
use crate::store::{CallSummary, Sqlite, Store, sqlite};

/// How often the retention limits are applied.
const RETENTION_INTERVAL: Duration = Duration::from_mins(10);
/// How often the store is compacted.
const COMPACTION_INTERVAL: Duration = Duration::from_secs(1);
/// How long the last write may take at shutdown.
const LAST_WRITE: Duration = Duration::from_secs(5);

/// An open store and its writer, not started yet.
pub(super) struct Persistence {
    store: Arc<dyn Store>,
    writer: Writer,
}

/// The store with its tasks running.
pub(super) struct RunningPersistence {
    stop: CancellationToken,
    writer: JoinHandle<()>,
}

impl Persistence {
    /// Opens the configured store, unless one is given.
    pub(super) fn open(
        config: &Config,
        store: Option<Arc<dyn Store>>,
    ) -> Result<(History, Self), StartError> {
        let store = if let Some(store) = store {
            store
        } else {
            let store = Sqlite::open(&config.data_dir.join(sqlite::FILE));
            Arc::new(store.map_err(StartError::Store)?)
        };
        let (history, writer) = History::new(Arc::clone(&store));
        Ok((history, Self { store, writer }))
    }

    /// Starts the writer, retention, compaction and, without a cluster, the closing of abandoned
    /// calls.
    pub(super) fn start(self, app: &Arc<App>, tasks: &TaskTracker) -> RunningPersistence {
        let Self { store, writer } = self;
        let (stop, kill) = (CancellationToken::new(), app.shutdown.kill.clone());
        let writer = tasks.spawn(writer.run(stop.clone()));
        let lost = end_lost_calls(Arc::clone(app));
        let guard = kill.clone();
        tasks.spawn(async move { guard.run_until_cancelled(lost).await });
        if let Some(cluster) = &app.cluster {
            tasks.spawn(Arc::clone(cluster).run(app.clone(), kill.clone()));
        }
        let retention = retain(Arc::clone(&store), Arc::clone(app));
        let guard = kill.clone();
        tasks.spawn(async move { guard.run_until_cancelled(retention).await });
        let compaction = compact(Arc::clone(&store));
        let guard = kill.clone();
        tasks.spawn(async move { guard.run_until_cancelled(compaction).await });
        // In a cluster, calls left open may belong to other nodes.
        if app.cluster.is_none() {
            let abandoned = resume_or_close(store, Arc::clone(app));
            tasks.spawn(async move { kill.run_until_cancelled(abandoned).await });
        }
        RunningPersistence { stop, writer }
    }
}

impl RunningPersistence {
    /// Writes what is left and stops the writer.
    pub(super) async fn finish(self) {
        self.stop.cancel();
        if timeout(LAST_WRITE, self.writer).await.is_err() {
            tracing::error!("the last events of calls could not be written in time");
        }
    }
}

/// Ends the calls on this node that turn out to be owned by another.
async fn end_lost_calls(app: Arc<App>) {
    let mut lost = app.history.hub().lost();
    while let Some(call) = lost.recv().await {
        app.calls.release(&call);
    }
}

async fn retain(store: Arc<dyn Store>, app: Arc<App>) {
    let retention = app.config.retention;
    let mut interval = interval(RETENTION_INTERVAL);
    while retention != crate::config::Retention::default() {
        interval.tick().await;
        match store.retain(&retention, (app.clock.wall)()).await {
            Ok(0) => {}
            Ok(calls) => tracing::info!(calls, "old calls were deleted"),
            Err(error) => tracing::warn!(error = error.chain(), "old calls are not deleted"),
        }
    }
}

/// Compacts the store now and then.
async fn compact(store: Arc<dyn Store>) {
    let mut interval = interval(COMPACTION_INTERVAL);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        if let Err(error) = store.compact().await {
            tracing::debug!(error = error.chain(), "the store was not compacted");
        }
    }
}

/// Resumes the calls that a dead process left open and that need no line; closes the others once
/// the time for a reconnect has passed.
async fn resume_or_close(store: Arc<dyn Store>, app: Arc<App>) {
    let left = match store.open_calls().await {
        Ok(left) => left,
        Err(error) => {
            return tracing::warn!(error = error.chain(), "open calls are not looked for");
        }
    };
    if left.is_empty() {
        return;
    }
    tracing::info!(calls = left.len(), "calls were left open; they may be taken up again");
    let mut waiting = Vec::new();
    for summary in left {
        if !resumes_unasked(&*store, &app, &summary.sid).await
            || app.calls.resume(&summary.sid).await.is_none()
        {
            waiting.push(summary);
        }
    }
    sleep(app.config.policy.reconnect).await;
    let gone = |summary: &CallSummary| app.calls.find(&summary.sid).is_none();
    for summary in waiting.into_iter().filter(gone) {
        match close_abandoned(&*store, &summary).await {
            Ok(true) => tracing::info!(callSid = %summary.sid, "the call did not come back"),
            Ok(false) => {}
            Err(error) => tracing::warn!(error = error.chain(), "a call stays open"),
        }
    }
}

/// Whether a call that was left open is resumed without a request of the carrier.
async fn resumes_unasked(store: &dyn Store, app: &App, call: &CallSid) -> bool {
    let events = match store.events(call, 0).await {
        Ok(events) => events.unwrap_or_default(),
        Err(error) => {
            tracing::warn!(callSid = %call, error = error.chain(), "a call cannot be read");
            return false;
        }
    };
    let events: Vec<Event> =
        events.iter().filter_map(|event| serde_json::from_str(event).ok()).collect();
    let Some(policy) = events.first().and_then(|start| app.calls.policy_of_start(start)) else {
        return false;
    };
    match Call::failover(&policy, &events, (app.clock.wall)()) {
        Failover::Immediate => true,
        Failover::OnRequest => false,
    }
}
