//! What keeps the calls: the store, its writer, and what is done in it now and then.

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

/// How often calls that are too old or too many are looked for.
const RETENTION: Duration = Duration::from_mins(10);
/// How often the store is tidied.
const TIDYING: Duration = Duration::from_secs(1);
/// How long the last write may take when the server stops.
const LAST_WRITE: Duration = Duration::from_secs(5);

/// The store and what works in it.
pub(super) struct Keeping {
    store: Arc<dyn Store>,
    writer: Writer,
}

/// The store at work.
pub(super) struct Kept {
    stop: CancellationToken,
    writer: JoinHandle<()>,
}

impl Keeping {
    /// Opens the configured store, unless there is one already.
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

    /// Begins to write, to forget what is too old, and to close what nobody takes up again.
    pub(super) fn start(self, app: &Arc<App>, tasks: &TaskTracker) -> Kept {
        let Self { store, writer } = self;
        let (stop, kill) = (CancellationToken::new(), app.shutdown.kill.clone());
        let writer = tasks.spawn(writer.run(stop.clone()));
        let lost = fall_silent(Arc::clone(app));
        let guard = kill.clone();
        tasks.spawn(async move { guard.run_until_cancelled(lost).await });
        if let Some(cluster) = &app.cluster {
            tasks.spawn(Arc::clone(cluster).run(app.clone(), kill.clone()));
        }
        let retention = retain(Arc::clone(&store), Arc::clone(app));
        let guard = kill.clone();
        tasks.spawn(async move { guard.run_until_cancelled(retention).await });
        let tidying = tidy(Arc::clone(&store));
        let guard = kill.clone();
        tasks.spawn(async move { guard.run_until_cancelled(tidying).await });
        // What others have open is theirs.
        if app.cluster.is_none() {
            let abandoned = close_left_open(store, Arc::clone(app));
            tasks.spawn(async move { kill.run_until_cancelled(abandoned).await });
        }
        Kept { stop, writer }
    }
}

impl Kept {
    /// Writes what is left, and is done.
    pub(super) async fn finish(self) {
        self.stop.cancel();
        if timeout(LAST_WRITE, self.writer).await.is_err() {
            tracing::error!("the last events of calls could not be written in time");
        }
    }
}

/// Ends the calls here that turn out to have another owner.
async fn fall_silent(app: Arc<App>) {
    let mut lost = app.history.hub().lost();
    while let Some(call) = lost.recv().await {
        app.calls.lose(&call);
    }
}

async fn retain(store: Arc<dyn Store>, app: Arc<App>) {
    let retention = app.config.retention;
    let mut interval = interval(RETENTION);
    while retention != crate::config::Retention::default() {
        interval.tick().await;
        match store.retain(&retention, (app.clock.wall)()).await {
            Ok(0) => {}
            Ok(calls) => tracing::info!(calls, "old calls were deleted"),
            Err(error) => tracing::warn!(error = error.chain(), "old calls are not deleted"),
        }
    }
}

/// Has the store do what can wait.
async fn tidy(store: Arc<dyn Store>) {
    let mut interval = interval(TIDYING);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        if let Err(error) = store.tidy().await {
            tracing::debug!(error = error.chain(), "the store was not tidied");
        }
    }
}

/// Goes on with the calls that a process left open when it died and that need no line, and closes the
/// others once they had time to come back.
async fn close_left_open(store: Arc<dyn Store>, app: Arc<App>) {
    let left = match store.open().await {
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
        if !goes_on(&*store, &app, &summary.sid).await
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

/// Whether a call goes on unasked that was left open.
async fn goes_on(store: &dyn Store, app: &App, call: &CallSid) -> bool {
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
        Failover::AtOnce => true,
        Failover::OnRequest => false,
    }
}
