//! One call to a number at a time, until its fate is known: calls between the same two numbers that
//! were placed at the same moment cannot be told apart at the carrier when the answers are lost.

use std::collections::HashMap;
use std::sync::{Arc, Mutex as StdMutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use tokio::sync::{Mutex, OwnedMutexGuard};

/// Numbers whose doubts are remembered; all that nobody holds are forgotten beyond it.
const MOST: usize = 10_000;
/// Doubts about one number that are remembered; the oldest are forgotten first.
const MOST_DOUBTS: usize = 16;
/// How much later than it was asked for the carrier may place a call still.
const LATE: SignedDuration = SignedDuration::from_secs(15);

/// One lock a number.
#[derive(Debug, Default)]
pub(super) struct NumberLocks {
    locks: StdMutex<HashMap<String, Arc<Mutex<Vec<Doubt>>>>>,
}

/// An attempt of which nobody knows whether it has placed a call.
#[derive(Debug)]
struct Doubt {
    whose: String,
    /// When it was given up.
    at: Timestamp,
}

/// The lock of one number, held while a call to it is being placed.
pub(super) struct NumberLock {
    doubts: OwnedMutexGuard<Vec<Doubt>>,
    whose: String,
}

impl NumberLocks {
    /// Waits until no other call to a number is being placed. `whose` is the attempt's own name: the same for a
    /// repeat of the same order.
    pub(super) async fn lock(&self, number: &str, whose: &str) -> NumberLock {
        let lock = {
            let mut locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
            locks.retain(|_, lock| !is_idle(lock));
            if locks.len() >= MOST {
                locks.retain(|_, lock| Arc::strong_count(lock) > 1);
            }
            Arc::clone(locks.entry(number.to_owned()).or_default())
        };
        NumberLock { doubts: lock.lock_owned().await, whose: whose.to_owned() }
    }
}

impl NumberLock {
    /// Whether a call that was placed at this time or later might be another attempt's.
    pub(super) fn is_doubtful(&self, since: Timestamp) -> bool {
        let late = |at: Timestamp| at.checked_add(LATE).unwrap_or(at);
        self.doubts.iter().any(|doubt| doubt.whose != self.whose && late(doubt.at) >= since)
    }

    /// Nobody knows what became of this attempt.
    pub(super) fn doubt(&mut self, at: Timestamp) {
        self.doubts.retain(|doubt| doubt.whose != self.whose);
        if self.doubts.len() >= MOST_DOUBTS {
            self.doubts.remove(0);
        }
        let whose = self.whose.clone();
        self.doubts.push(Doubt { whose, at });
    }

    /// The call of this attempt was found.
    pub(super) fn known(&mut self) {
        self.doubts.retain(|doubt| doubt.whose != self.whose);
    }
}

/// Whether nobody holds the lock and no attempt under it is doubtful.
fn is_idle(lock: &Arc<Mutex<Vec<Doubt>>>) -> bool {
    Arc::strong_count(lock) == 1 && lock.try_lock().is_ok_and(|doubts| doubts.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + second).unwrap()
    }

    #[tokio::test]
    async fn a_call_is_doubtful_while_another_attempt_may_have_placed_it() {
        let locks = NumberLocks::default();
        let mut first = locks.lock("+1", "first").await;
        assert!(!first.is_doubtful(at(0)));
        first.doubt(at(10));
        assert!(!first.is_doubtful(at(0)), "its own call is its own");
        drop(first);
        let second = locks.lock("+1", "second").await;
        assert!(second.is_doubtful(at(12)) && second.is_doubtful(at(25)));
        assert!(!second.is_doubtful(at(26)), "it would be there by now");
        drop(second);
        assert!(!locks.lock("+2", "second").await.is_doubtful(at(12)), "another number");
        locks.lock("+1", "first").await.known();
        assert!(!locks.lock("+1", "second").await.is_doubtful(at(12)));
    }

    #[tokio::test]
    async fn one_at_a_time_and_what_nobody_needs_is_forgotten() {
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
