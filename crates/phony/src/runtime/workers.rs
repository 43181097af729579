//! The threads that calls run on. A call stays on its thread to its end.
//!
//! A call is thousands of short wake-ups over little memory. On a work-stealing runtime each token
//! would wake a second thread in vain, or move the call away from its cache. So each worker has a
//! single-threaded runtime of its own, and a worker is filled before the next is used: waking a
//! thread costs as much as a token, and one wake-up serves all tokens that are due.

use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::{io, thread};

use tokio::runtime::{Builder, Handle};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Calls on one worker before the next is used: at four tokens a second each, they take a seventh
/// of a processor.
const FULL: usize = 1000;

/// Threads for calls. They end, with the tasks on them, when this is dropped or stopped.
#[derive(Debug, Default)]
pub struct Workers {
    threads: Vec<Worker>,
    /// Calls on one worker before the next is used.
    full: usize,
    end: CancellationToken,
}

#[derive(Debug)]
struct Worker {
    runtime: Handle,
    calls: Arc<AtomicUsize>,
}

/// Counts a call on its worker until it is dropped.
struct CountedCall(Arc<AtomicUsize>);

impl Workers {
    /// No threads: calls run on the runtime that spawns them.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Starts as many workers as the process has processors.
    pub fn start() -> io::Result<Self> {
        Self::of(thread::available_parallelism().map_or(1, NonZero::get), FULL)
    }

    fn of(count: usize, full: usize) -> io::Result<Self> {
        let end = CancellationToken::new();
        let threads = (0..count).map(|number| Worker::start(number, end.clone()));
        let threads = threads.collect::<io::Result<_>>()?;
        Ok(Self { threads, full, end })
    }

    /// Runs a call on the first worker that is not full, else on the one with the fewest calls.
    pub(crate) fn spawn(
        &self,
        tasks: &TaskTracker,
        call: impl Future<Output = ()> + Send + 'static,
    ) {
        let calls = |worker: &&Worker| worker.calls.load(Ordering::Relaxed);
        let room = self.threads.iter().find(|worker| calls(worker) < self.full);
        let Some(worker) = room.or_else(|| self.threads.iter().min_by_key(calls)) else {
            tasks.spawn(call);
            return;
        };
        let count = CountedCall::new(&worker.calls);
        let counted = async move {
            let _count = count;
            call.await;
        };
        tasks.spawn_on(counted, &worker.runtime);
    }

    /// Ends the threads and drops the tasks on them.
    pub(crate) fn stop(&self) {
        self.end.cancel();
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Worker {
    fn start(number: usize, end: CancellationToken) -> io::Result<Self> {
        let (tell, told) = mpsc::sync_channel(1);
        let run = move || match Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => {
                drop(tell.send(Ok(runtime.handle().clone())));
                runtime.block_on(end.cancelled());
                // Blocking tasks of the runtime, such as name resolution, are not waited for.
                runtime.shutdown_background();
            }
            Err(error) => drop(tell.send(Err(error))),
        };
        thread::Builder::new().name(format!("calls-{number}")).spawn(run)?;
        let runtime = told.recv().map_err(io::Error::other)??;
        Ok(Self { runtime, calls: Arc::default() })
    }
}

impl CountedCall {
    fn new(calls: &Arc<AtomicUsize>) -> Self {
        calls.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(calls))
    }
}

impl Drop for CountedCall {
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
    const LIMIT: Duration = Duration::from_secs(5);

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
    async fn a_call_stays_on_its_worker_and_a_worker_is_filled_before_the_next() {
        let (workers, tasks) = (Workers::of(2, 2).unwrap(), TaskTracker::new());
        let (tell, mut told) = tokio::sync::mpsc::channel(8);
        for _ in 0..8 {
            let tell = tell.clone();
            workers.spawn(&tasks, async move { tell.send(names().await).await.unwrap() });
        }
        tasks.close();
        timeout(LIMIT, tasks.wait()).await.unwrap();
        let mut calls = BTreeMap::<_, u32>::new();
        while let Ok(names) = told.try_recv() {
            assert!(names.windows(2).all(|pair| pair[0] == pair[1]), "{names:?}");
            *calls.entry(names[0].clone().unwrap()).or_default() += 1;
        }
        // Two, then two, then one each in turn.
        assert_eq!(calls, [("calls-0".to_owned(), 4), ("calls-1".to_owned(), 4)].into());
        for _ in 0..2 {
            let tell = tell.clone();
            workers.spawn(&tasks, async move { tell.send(names().await).await.unwrap() });
            let names = timeout(LIMIT, told.recv()).await.unwrap().unwrap();
            assert_eq!(names[0].as_deref(), Some("calls-0"), "it is empty again");
        }
    }

    #[tokio::test]
    async fn stopping_drops_running_calls() {
        let (workers, tasks) = (Workers::of(1, 1).unwrap(), TaskTracker::new());
        let (held, dropped) = oneshot::channel::<()>();
        workers.spawn(&tasks, async move {
            let _held = held;
            std::future::pending::<()>().await;
        });
        workers.stop();
        assert!(timeout(LIMIT, dropped).await.unwrap().is_err());
    }

    #[tokio::test]
    async fn without_workers_a_call_runs_where_it_is_spawned() {
        let (workers, tasks) = (Workers::none(), TaskTracker::new());
        let (tell, told) = oneshot::channel();
        workers.spawn(&tasks, async move { tell.send(thread::current().id()).unwrap() });
        assert_eq!(timeout(LIMIT, told).await.unwrap().unwrap(), thread::current().id());
    }
}
