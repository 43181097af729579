//! Keyed locks: one attempt at a time to call a number, until its outcome is known, because calls
//! between the same two numbers cannot be told apart at the carrier when the answers are lost. Owns
//! the locks and, under each, the attempts of unknown outcome; [`super::attempt`] takes them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex as StdMutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use tokio::sync::{Mutex, OwnedMutexGuard};

/// How many numbers are kept; beyond that, all locks that are not held are dropped.
const MOST: usize = 10_000;
/// How many attempts of unknown outcome are kept for a number; the oldest are dropped first.
const MOST_UNKNOWN: usize = 16;
/// How long after the request the carrier may still place a call.
const LATE: SignedDuration = SignedDuration::from_secs(15);

/// One lock a number.
#[derive(Debug, Default)]
pub(super) struct NumberLocks {
    locks: StdMutex<HashMap<String, Arc<Mutex<Vec<UnknownOutcome>>>>>,
}

/// An attempt that may or may not have placed a call.
#[derive(Debug)]
struct UnknownOutcome {
    owner: String,
    /// When it was given up.
    at: Timestamp,
}

/// The lock of one number, held while a call to it is being placed.
pub(super) struct NumberLock {
    unknown: OwnedMutexGuard<Vec<UnknownOutcome>>,
    owner: String,
}

impl NumberLocks {
    /// Waits until no other call to a number is being placed. `owner` identifies the order: it is
    /// the same for a repeat.
    pub(super) async fn lock(&self, number: &str, owner: &str) -> NumberLock {
        let lock = {
            let mut locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
            locks.retain(|_, lock| !is_idle(lock));
            if locks.len() >= MOST {
                locks.retain(|_, lock| Arc::strong_count(lock) > 1);
            }
            Arc::clone(locks.entry(number.to_owned()).or_default())
        };
        NumberLock { unknown: lock.lock_owned().await, owner: owner.to_owned() }
    }
}

impl NumberLock {
    /// Whether a call placed at this time or later might be another order's.
    pub(super) fn is_ambiguous(&self, since: Timestamp) -> bool {
        let late = |at: Timestamp| at.checked_add(LATE).unwrap_or(at);
        self.unknown.iter().any(|outcome| outcome.owner != self.owner && late(outcome.at) >= since)
    }

    /// The outcome of this attempt is unknown.
    pub(super) fn mark_unknown(&mut self, at: Timestamp) {
        self.unknown.retain(|outcome| outcome.owner != self.owner);
        if self.unknown.len() >= MOST_UNKNOWN {
            self.unknown.remove(0);
        }
        let owner = self.owner.clone();
        self.unknown.push(UnknownOutcome { owner, at });
    }

    /// The call of this order was found.
    pub(super) fn mark_known(&mut self) {
        self.unknown.retain(|outcome| outcome.owner != self.owner);
    }
}

/// Whether the lock is not held and no attempt under it is of unknown outcome.
fn is_idle(lock: &Arc<Mutex<Vec<UnknownOutcome>>>) -> bool {
    Arc::strong_count(lock) == 1 && lock.try_lock().is_ok_and(|unknown| unknown.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + second).unwrap()
    }

    #[tokio::test]
    async fn a_call_is_ambiguous_while_another_order_may_have_placed_it() {
        let locks = NumberLocks::default();
        let mut first = locks.lock("+1", "first").await;
        assert!(!first.is_ambiguous(at(0)));
        first.mark_unknown(at(10));
        assert!(!first.is_ambiguous(at(0)), "its own call is its own");
        drop(first);
        let second = locks.lock("+1", "second").await;
        assert!(second.is_ambiguous(at(12)) && second.is_ambiguous(at(25)));
        assert!(!second.is_ambiguous(at(26)), "it would be there by now");
        drop(second);
        assert!(!locks.lock("+2", "second").await.is_ambiguous(at(12)), "another number");
        locks.lock("+1", "first").await.mark_known();
        assert!(!locks.lock("+1", "second").await.is_ambiguous(at(12)));
    }

    #[tokio::test]
    async fn a_number_is_locked_by_one_attempt_and_idle_locks_are_dropped() {
        let locks = Arc::new(NumberLocks::default());
        let held = locks.lock("+1", "first").await;
        let waits = {
            let locks = Arc::clone(&locks);
            async move { drop(locks.lock("+1", "second").await) }
        };
        tokio::pin!(waits);
        assert!(futures_util::poll!(&mut waits).is_pending());
        drop(held);
        waits.await;
        drop(locks.lock("+2", "third").await);
        assert_eq!(locks.locks.lock().unwrap().len(), 1);
    }
}
