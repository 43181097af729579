//! What the hub does for the writer: it says which calls have something to be written, gives that
//! out, and learns what the store has taken.

use std::sync::Mutex;
use std::sync::atomic::Ordering;
use std::time::Duration;

use phony_call::CallSid;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use super::log::{Log, Weight};
use super::pack::Pack;
use super::{Hub, NEWS, lock};
use crate::store::Chunk;

/// How often a task that waits for the writer looks whether it is done.
const SETTLING: Duration = Duration::from_millis(5);

impl Hub {
    /// The term under which a call is ours; `None` if it is not.
    pub(crate) fn term(&self, call: &CallSid) -> Option<u64> {
        lock(&*self.log(call)?).term()
    }

    /// Whether something of a call is not written yet.
    pub(crate) fn is_behind(&self, call: &CallSid) -> bool {
        self.log(call).is_some_and(|log| lock(&log).is_behind())
    }

    /// Waits until all that is known of a call is written, but no longer than `limit`; false if
    /// some of it is not.
    pub(crate) async fn settled(&self, call: &CallSid, limit: Duration) -> bool {
        let settle = async {
            while self.is_behind(call) {
                sleep(SETTLING).await;
            }
        };
        timeout(limit, settle).await.is_ok()
    }

    /// Has what is known of a call written at once, its beginning at least, and waits for that, but no
    /// longer than `limit`; false if it is not written.
    pub(crate) async fn keep(&self, call: &CallSid, limit: Duration) -> bool {
        match self.log(call) {
            Some(log) => self.keeps(&log, limit).await,
            None => true,
        }
    }

    pub(super) async fn keeps(&self, log: &Mutex<Log>, limit: Duration) -> bool {
        if self.news.is_none() {
            return true;
        }
        let keep = async {
            loop {
                let is_kept = {
                    let log = lock(log);
                    log.summary.is_some() && !log.is_behind()
                };
                if is_kept {
                    return;
                }
                self.hurry.notify_one();
                sleep(SETTLING).await;
            }
        };
        timeout(limit, keep).await.is_ok()
    }

    /// Waits until what is new is wanted in the store at once.
    pub(crate) async fn hurried(&self) {
        self.hurry.notified().await;
    }

    /// What is to be written of a call, at most so many events; `None` if there is nothing.
    pub(crate) fn take_chunk(&self, call: &CallSid, most: usize) -> Option<Chunk> {
        lock(&*self.log(call)?).chunk(most)
    }

    /// What was taken is in the store up to this event; true if there is more to be written.
    pub(crate) fn written(&self, taken: &Chunk, last: u64) -> bool {
        let Some(record) = self.log(&taken.call) else { return false };
        let mut log = lock(&record);
        log.written(taken.term, last, taken.status.as_deref());
        let (more, over) = (log.is_behind(), log.is_over());
        let departed = log.departed;
        drop(log);
        pack(&record);
        if departed && !more {
            self.forget(&taken.call);
        }
        if over && !more {
            self.forget_oldest();
        }
        more
    }

    /// The store has lost what comes after this event.
    pub(crate) fn rewind(&self, call: &CallSid, last: u64) {
        if let Some(log) = self.log(call) {
            lock(&log).rewind(last);
        }
    }

    /// The call has another owner, under this term.
    pub(crate) fn disown(&self, call: &CallSid, term: u64) {
        let Some(log) = self.log(call) else { return };
        let is_done = {
            let mut log = lock(&log);
            log.disown(term);
            if log.term().is_some() {
                // It has come back meanwhile: what was refused was of an earlier stay.
                return;
            }
            // What ended here and not there did not end.
            log.departed || log.is_over()
        };
        if is_done {
            return self.forget(call);
        }
        if let Some(lost) = self.lost.get() {
            // Without a place in the queue it is found when owners are compared.
            drop(lost.try_send(call.clone()));
        }
    }

    /// The calls that turn out to have another owner, from now on.
    pub fn lost(&self) -> mpsc::Receiver<CallSid> {
        let (lost, calls) = mpsc::channel(NEWS);
        drop(self.lost.set(lost));
        calls
    }

    /// The calls of which something is not written.
    pub(crate) fn behind(&self) -> Vec<CallSid> {
        let behind = self.logs().into_iter().filter_map(|log| {
            let log = lock(&log);
            log.is_behind().then(|| log.call.clone())
        });
        behind.collect()
    }

    /// Gives up what could not be written of ended calls until no more than `most` bytes of it are
    /// left: what measures first, then what was done, then what was said, the oldest first, and
    /// whole calls last. Gives the number of bytes that are lost.
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
        for weight in [Weight::Measure, Weight::Deed, Weight::Words, Weight::Frame] {
            for log in &logs {
                if held <= enough {
                    return before - held;
                }
                held -= lock(log).give_up(weight);
                let call = lock(log).call.clone();
                if weight == Weight::Frame {
                    self.forget(&call);
                }
            }
        }
        before - held
    }

    pub(super) fn tell_writer(&self, log: &mut Log) {
        if let Some(news) = &self.news
            && !log.queued
        {
            log.queued = news.try_send(log.call.clone()).is_ok();
            if !log.queued {
                self.overlooked.store(true, Ordering::Relaxed);
            }
        }
    }

    /// Whether since the last time that this was asked a call with news found no place in the queue.
    pub(crate) fn has_overlooked(&self) -> bool {
        self.overlooked.swap(false, Ordering::Relaxed)
    }
}

/// Packs what is written of a record. Nobody waits for it meanwhile, the call least of all.
fn pack(record: &Mutex<Log>) {
    loop {
        let next = lock(record).to_pack();
        let Some(pack) = next.and_then(|entries| Pack::of(&entries)) else { return };
        lock(record).pack(pack);
        loop {
            let next = lock(record).to_join();
            let Some(pack) = next.and_then(|packs| Pack::joined(&packs)) else { break };
            lock(record).join(pack);
        }
    }
}
