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

/// The way to each number.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    lanes: StdMutex<HashMap<String, Arc<Mutex<Vec<Doubt>>>>>,
}

/// An attempt of which nobody knows whether it has placed a call.
#[derive(Debug)]
struct Doubt {
    whose: String,
    /// When it was given up.
    at: Timestamp,
}

/// The way to one number, for whoever is at it.
pub(super) struct Lane {
    doubts: OwnedMutexGuard<Vec<Doubt>>,
    whose: String,
}

impl Lanes {
    /// Waits for the way to a number to be free. `whose` is the attempt's own name: the same for a
    /// repeat of the same order.
    pub(super) async fn enter(&self, number: &str, whose: &str) -> Lane {
        let lane = {
            let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
            lanes.retain(|_, lane| !is_idle(lane));
            if lanes.len() >= MOST {
                lanes.retain(|_, lane| Arc::strong_count(lane) > 1);
            }
            Arc::clone(lanes.entry(number.to_owned()).or_default())
        };
        Lane { doubts: lane.lock_owned().await, whose: whose.to_owned() }
    }
}

impl Lane {
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

/// Nobody is at it, and there is no doubt about it.
fn is_idle(lane: &Arc<Mutex<Vec<Doubt>>>) -> bool {
    Arc::strong_count(lane) == 1 && lane.try_lock().is_ok_and(|doubts| doubts.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + second).unwrap()
    }

    #[tokio::test]
    async fn a_call_is_doubtful_while_another_attempt_may_have_placed_it() {
        let lanes = Lanes::default();
        let mut first = lanes.enter("+1", "first").await;
        assert!(!first.is_doubtful(at(0)));
        first.doubt(at(10));
        assert!(!first.is_doubtful(at(0)), "its own call is its own");
        drop(first);
        let second = lanes.enter("+1", "second").await;
        assert!(second.is_doubtful(at(12)) && second.is_doubtful(at(25)));
        assert!(!second.is_doubtful(at(26)), "it would be there by now");
        drop(second);
        assert!(!lanes.enter("+2", "second").await.is_doubtful(at(12)), "another number");
        lanes.enter("+1", "first").await.known();
        assert!(!lanes.enter("+1", "second").await.is_doubtful(at(12)));
    }

    #[tokio::test]
    async fn one_at_a_time_and_what_nobody_needs_is_forgotten() {
        let lanes = Arc::new(Lanes::default());
        let held = lanes.enter("+1", "first").await;
        let waits = {
            let lanes = Arc::clone(&lanes);
            async move { drop(lanes.enter("+1", "second").await) }
        };
        tokio::pin!(waits);
        assert!(futures_util::poll!(&mut waits).is_pending());
        drop(held);
        waits.await;
        drop(lanes.enter("+2", "third").await);
        assert_eq!(lanes.lanes.lock().unwrap().len(), 1);
    }
}
