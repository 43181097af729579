//! The thread that writes, with a low priority.
//!
//! Writes come in bursts, eight a second. On a busy machine a burst would delay calls for as long
//! as the scheduler lets a thread run, some milliseconds; so the thread has a low priority, on
//! systems that allow that for a single thread.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::{Builder, JoinHandle};

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

/// Work that may be queued for the thread. The writer of the history waits for each piece of its
/// own.
const QUEUE: usize = 16;
/// The thread's `nice` value: where they compete, it gets a tenth of the time of a call's thread.
#[cfg(target_os = "linux")]
const NICE: i32 = 10;

type Work = Box<dyn FnOnce(&mut Connection) + Send>;

/// The writing connection, on a thread of its own. Dropping this finishes the queued work and
/// closes the connection.
#[derive(Debug)]
pub(super) struct Writer {
    work: Option<mpsc::Sender<Work>>,
    thread: Option<JoinHandle<()>>,
}

/// The work was not done: the thread is gone, or the work panicked.
#[derive(Debug, thiserror::Error)]
#[error("the thread that writes has failed")]
pub(super) struct Failed;

impl Writer {
    pub(super) fn start(mut connection: Connection) -> std::io::Result<Self> {
        let (work, mut wanted) = mpsc::channel::<Work>(QUEUE);
        let thread = Builder::new().name("store".into()).spawn(move || {
            lower_priority();
            while let Some(work) = wanted.blocking_recv() {
                // A panic drops the reply, so the waiting task gets an error; an open transaction
                // is rolled back.
                drop(catch_unwind(AssertUnwindSafe(|| work(&mut connection))));
            }
        })?;
        Ok(Self { work: Some(work), thread: Some(thread) })
    }

    /// Runs work on the connection, even if the returned future is dropped.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> T + Send + 'static,
    ) -> Result<T, Failed> {
        let (reply, done) = oneshot::channel();
        let work: Work = Box::new(move |connection| drop(reply.send(work(connection))));
        self.work.as_ref().ok_or(Failed)?.send(work).await.map_err(|_| Failed)?;
        done.await.map_err(|_| Failed)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.work = None;
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

/// Lowers the priority of this thread.
fn lower_priority() {
    // On other systems this would lower the priority of the whole process.
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::nice(NICE) {
        tracing::debug!(%error, "the store's thread keeps its priority");
    }
}
