//! The thread that writes, behind everything else.
//!
//! Writing comes in bursts, eight a second. On a machine whose processors are busy a burst would
//! keep words waiting for as long as the scheduler lets a thread run, some milliseconds; so the
//! thread has a low priority, where that can be had for one thread alone.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::{Builder, JoinHandle};

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

/// Work that may wait for the thread. The calls' writer waits for each of its own.
const QUEUE: usize = 16;
/// How much lower its priority is, as `nice` counts: it gets a tenth of what a call's thread gets
/// where they compete.
#[cfg(target_os = "linux")]
const NICE: i32 = 10;

type Work = Box<dyn FnOnce(&mut Connection) + Send>;

/// The writing connection, on a thread of its own. When this is dropped, what was wanted before is
/// done, and the connection closed.
#[derive(Debug)]
pub(super) struct Writer {
    work: Option<mpsc::Sender<Work>>,
    thread: Option<JoinHandle<()>>,
}

/// The thread did not do what was wanted: it is gone, or the work panicked.
#[derive(Debug, thiserror::Error)]
#[error("the thread that writes has failed")]
pub(super) struct Failed;

impl Writer {
    pub(super) fn start(mut connection: Connection) -> std::io::Result<Self> {
        let (work, mut wanted) = mpsc::channel::<Work>(QUEUE);
        let thread = Builder::new().name("store".into()).spawn(move || {
            give_way();
            while let Some(work) = wanted.blocking_recv() {
                // Whoever waits is told; a transaction that was left open was rolled back.
                drop(catch_unwind(AssertUnwindSafe(|| work(&mut connection))));
            }
        })?;
        Ok(Self { work: Some(work), thread: Some(thread) })
    }

    /// Does something with the connection. It is done even if nobody waits for it any more.
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
fn give_way() {
    // Elsewhere it would be that of the whole process.
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::nice(NICE) {
        tracing::debug!(%error, "the store's thread keeps its priority");
    }
}
