//! The threads that calls run on. A call stays on its thread to its end.
//!
//! A call is a thousand short wake-ups, and all that it has is small: on threads that share their
//! work each word would wake a second one in vain, or move the call to where nothing of it is in
//! the processor's cache. So each lane sleeps, polls and counts time by itself, and few calls share
//! few lanes: waking up costs as much as a word, and one wake-up does for all words that are due.

use std::io;
use std::num::NonZero;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

use tokio::runtime::{Builder, Handle};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Calls on one lane before another is used: at four words a second, a seventh of what a processor
/// can do.
const FULL: usize = 1000;

/// Threads for calls. They end when this is dropped or told to stop, and what runs on them with
/// them.
#[derive(Debug, Default)]
pub struct Lanes {
    threads: Vec<Lane>,
    /// Calls on one lane before another is used.
    full: usize,
    end: CancellationToken,
}

#[derive(Debug)]
struct Lane {
    runtime: Handle,
    calls: Arc<AtomicUsize>,
}

/// A call's place on its lane, until it is dropped.
struct OnLane(Arc<AtomicUsize>);

impl Lanes {
    /// None of its own: calls run where they are begun.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// As many lanes as there are processors for this process.
    pub fn start() -> io::Result<Self> {
        Self::of(thread::available_parallelism().map_or(1, NonZero::get), FULL)
    }

    fn of(count: usize, full: usize) -> io::Result<Self> {
        let end = CancellationToken::new();
        let threads = (0..count).map(|number| Lane::start(number, end.clone()));
        let threads = threads.collect::<io::Result<_>>()?;
        Ok(Self { threads, full, end })
    }

    /// Runs a call on the first lane that is not full, or on the one that has the fewest.
    pub(crate) fn spawn(
        &self,
        tasks: &TaskTracker,
        call: impl Future<Output = ()> + Send + 'static,
    ) {
        let calls = |lane: &&Lane| lane.calls.load(Ordering::Relaxed);
        let room = self.threads.iter().find(|lane| calls(lane) < self.full);
        let Some(lane) = room.or_else(|| self.threads.iter().min_by_key(calls)) else {
            tasks.spawn(call);
            return;
        };
        let place = OnLane::new(&lane.calls);
        let placed = async move {
            let _place = place;
            call.await;
        };
        tasks.spawn_on(placed, &lane.runtime);
    }

    /// Ends the threads. What still runs on them is dropped.
    pub(crate) fn stop(&self) {
        self.end.cancel();
    }
}

impl Drop for Lanes {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Lane {
    fn start(number: usize, end: CancellationToken) -> io::Result<Self> {
        let (tell, told) = mpsc::sync_channel(1);
        let run = move || match Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => {
                drop(tell.send(Ok(runtime.handle().clone())));
                runtime.block_on(end.cancelled());
                // Whoever waits for a file or a name there is not waited for.
                runtime.shutdown_background();
            }
            Err(error) => drop(tell.send(Err(error))),
        };
        thread::Builder::new().name(format!("calls-{number}")).spawn(run)?;
        let runtime = told.recv().map_err(io::Error::other)??;
        Ok(Self { runtime, calls: Arc::default() })
    }
}

impl OnLane {
    fn new(calls: &Arc<AtomicUsize>) -> Self {
        calls.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(calls))
    }
}

impl Drop for OnLane {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use tokio::sync::oneshot;
    use tokio::time::timeout;

    use super::*;

    /// Nothing here takes nearly as long.
    const PATIENCE: Duration = Duration::from_secs(5);

    /// The name of the thread it runs on, at once and after waits.
    async fn names() -> Vec<Option<String>> {
        let mut names = Vec::new();
        for _ in 0..20 {
            names.push(thread::current().name().map(str::to_owned));
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        names
    }

    #[tokio::test]
    async fn a_call_stays_on_its_lane_and_the_next_lane_waits_until_one_is_full() {
        let (lanes, tasks) = (Lanes::of(2, 2).unwrap(), TaskTracker::new());
        let (tell, mut told) = tokio::sync::mpsc::channel(8);
        for _ in 0..8 {
            let tell = tell.clone();
            lanes.spawn(&tasks, async move { tell.send(names().await).await.unwrap() });
        }
        tasks.close();
        timeout(PATIENCE, tasks.wait()).await.unwrap();
        let mut calls = BTreeMap::<_, u32>::new();
        while let Ok(names) = told.try_recv() {
            assert!(names.windows(2).all(|pair| pair[0] == pair[1]), "{names:?}");
            *calls.entry(names[0].clone().unwrap()).or_default() += 1;
        }
        // Two, then two, then one each in turn.
        assert_eq!(calls, [("calls-0".to_owned(), 4), ("calls-1".to_owned(), 4)].into());
        for _ in 0..2 {
            let tell = tell.clone();
            lanes.spawn(&tasks, async move { tell.send(names().await).await.unwrap() });
            let names = timeout(PATIENCE, told.recv()).await.unwrap().unwrap();
            assert_eq!(names[0].as_deref(), Some("calls-0"), "it is empty again");
        }
    }

    #[tokio::test]
    async fn what_runs_is_dropped_when_the_lanes_stop() {
        let (lanes, tasks) = (Lanes::of(1, 1).unwrap(), TaskTracker::new());
        let (held, dropped) = oneshot::channel::<()>();
        lanes.spawn(&tasks, async move {
            let _held = held;
            std::future::pending::<()>().await;
        });
        lanes.stop();
        assert!(timeout(PATIENCE, dropped).await.unwrap().is_err());
    }

    #[tokio::test]
    async fn without_lanes_a_call_runs_where_it_is_begun() {
        let (lanes, tasks) = (Lanes::none(), TaskTracker::new());
        let (tell, told) = oneshot::channel();
        lanes.spawn(&tasks, async move { tell.send(thread::current().id()).unwrap() });
        assert_eq!(timeout(PATIENCE, told).await.unwrap().unwrap(), thread::current().id());
    }
}
