//! The writer's side of the hub: which calls have events to be written, the chunks to write, and
//! how far the store has got.

use std::sync::Mutex;
use std::sync::atomic::Ordering;
use std::time::Duration;

use phony_call::CallSid;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use super::call_log::{CallLog, Weight};
use super::pack::Pack;
use super::{Hub, NEWS, lock};
use crate::store::Chunk;

/// How often a task that waits for the writer looks whether it is done.
const SETTLING: Duration = Duration::from_millis(5);

impl Hub {
    /// The term under which this node owns a call; `None` if it does not.
    pub(crate) fn term(&self, call: &CallSid) -> Option<u64> {
        lock(&*self.log(call)?).term()
    }

    /// Whether a call has anything that is not written yet.
    pub(crate) fn is_behind(&self, call: &CallSid) -> bool {
        self.log(call).is_some_and(|log| lock(&log).is_behind())
    }

    /// Waits until a call is completely written, but no longer than `limit`; false if it is not.
    pub(crate) async fn settled(&self, call: &CallSid, limit: Duration) -> bool {
        let settle = async {
            while self.is_behind(call) {
                sleep(SETTLING).await;
            }
        };
        timeout(limit, settle).await.is_ok()
    }

    /// Has a call written at once, at least its first event, and waits for that, but no longer than
    /// `limit`; false if it is not written.
    pub(crate) async fn flush(&self, call: &CallSid, limit: Duration) -> bool {
        match self.log(call) {
            Some(log) => self.flush_log(&log, limit).await,
            None => true,
        }
    }

    pub(super) async fn flush_log(&self, log: &Mutex<CallLog>, limit: Duration) -> bool {
        if self.news.is_none() {
            return true;
        }
        let flush = async {
            loop {
                let is_written = {
                    let log = lock(log);
                    log.summary.is_some() && !log.is_behind()
                };
                if is_written {
                    return;
                }
                self.hurry.notify_one();
                sleep(SETTLING).await;
            }
        };
        timeout(limit, flush).await.is_ok()
    }

    /// Waits until news must be written at once.
    pub(crate) async fn hurried(&self) {
        self.hurry.notified().await;
    }

    /// Takes what is to be written of a call, at most `most` events; `None` if there is nothing.
    pub(crate) fn take_chunk(&self, call: &CallSid, most: usize) -> Option<Chunk> {
        lock(&*self.log(call)?).chunk(most)
    }

    /// Notes that the store has a chunk up to event `last`; true if there is more to be written.
    pub(crate) fn written(&self, taken: &Chunk, last: u64) -> bool {
        let Some(shared) = self.log(&taken.call) else { return false };
        let mut log = lock(&shared);
        log.written(taken.term, last, taken.status.as_deref());
        let (more, over) = (log.is_behind(), log.is_over());
        let departed = log.departed;
        drop(log);
        pack(&shared);
        if departed && !more {
            self.forget(&taken.call);
        }
        if over && !more {
            self.forget_oldest();
        }
        more
    }

    /// Notes that the store has lost everything after event `last`.
    pub(crate) fn rewind(&self, call: &CallSid, last: u64) {
        if let Some(log) = self.log(call) {
            lock(&log).rewind(last);
        }
    }

    /// Notes that a call has another owner, under this term.
    pub(crate) fn disown(&self, call: &CallSid, term: u64) {
        let Some(log) = self.log(call) else { return };
        let is_done = {
            let mut log = lock(&log);
            log.disown(term);
            if log.term().is_some() {
                // It has come back meanwhile: the refused chunk was written under an earlier term.
                return;
            }
            // An end that was seen here only did not happen: the owner's log counts.
            log.departed || log.is_over()
        };
        if is_done {
            return self.forget(call);
        }
        if let Some(lost) = self.lost.get() {
            // If the queue is full, the call is found when owners are compared.
            drop(lost.try_send(call.clone()));
        }
    }

    /// The queue of calls that turn out to have another owner.
    pub fn lost(&self) -> mpsc::Receiver<CallSid> {
        let (lost, calls) = mpsc::channel(NEWS);
        drop(self.lost.set(lost));
        calls
    }

    /// The calls that are not completely written.
    pub(crate) fn behind(&self) -> Vec<CallSid> {
        let behind = self.logs().into_iter().filter_map(|log| {
            let log = lock(&log);
            log.is_behind().then(|| log.call.clone())
        });
        behind.collect()
    }

    /// Drops unwritten events of ended calls until no more than `most` bytes of them are left:
    /// measurements first, then actions, then words, each from the oldest call on, and whole calls
    /// last. Returns the number of bytes dropped.
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
        for weight in [Weight::Measure, Weight::Action, Weight::Words, Weight::Boundary] {
            for log in &logs {
                if held <= enough {
                    return before - held;
                }
                held -= lock(log).give_up(weight);
                let call = lock(log).call.clone();
                if weight == Weight::Boundary {
                    self.forget(&call);
                }
            }
        }
        before - held
    }

    pub(super) fn notify_writer(&self, log: &mut CallLog) {
        if let Some(news) = &self.news
            && !log.queued
        {
            log.queued = news.try_send(log.call.clone()).is_ok();
            if !log.queued {
                self.overlooked.store(true, Ordering::Relaxed);
            }
        }
    }

    /// Whether the queue was full for some call since the last time this was asked.
    pub(crate) fn has_overlooked(&self) -> bool {
        self.overlooked.swap(false, Ordering::Relaxed)
    }
}

/// Packs the written events of a log. It compresses them outside of the lock, so that the call does
/// not wait for it.
fn pack(log: &Mutex<CallLog>) {
    loop {
        let next = lock(log).to_pack();
        let Some(pack) = next.and_then(|entries| Pack::of(&entries)) else { return };
        lock(log).pack(pack);
        loop {
            let next = lock(log).to_join();
            let Some(pack) = next.and_then(|packs| Pack::joined(&packs)) else { break };
            lock(log).join(pack);
        }
    }
}
