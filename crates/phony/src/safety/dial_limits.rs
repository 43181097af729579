//! The limits on outbound calls of a single node: how many are live, and how many start in a
//! minute. Owns the counts; `outbound` takes a [`Slot`] for each call, and the call's actor holds
//! it.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The window of the rate.
const WINDOW: Duration = Duration::from_mins(1);

/// The dial rate, and the number of live outbound calls.
#[derive(Debug)]
pub struct DialLimits {
    /// Calls a minute; 0 for no limit.
    rate: u32,
    /// Calls at once; 0 for no limit.
    most: u32,
    placed: Mutex<VecDeque<Instant>>,
    live: Arc<AtomicU32>,
}

/// The slot of one live outbound call, free again when dropped.
#[derive(Debug)]
pub struct Slot {
    live: Arc<AtomicU32>,
}

/// There are too many calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TooMany {
    /// In the last minute.
    #[error("{rate} outbound calls a minute are allowed (PHONY_DIAL_RATE)")]
    Rate {
        /// The limit.
        rate: u32,
        /// After how long there is room again.
        wait: Duration,
    },
    /// At once.
    #[error("{most} outbound calls at once are allowed")]
    Concurrent {
        /// The limit.
        most: u32,
    },
}

impl DialLimits {
    /// At most `rate` calls a minute and `most` at once; 0 for no limit.
    #[must_use]
    pub fn new(rate: u32, most: u32) -> Self {
        Self { rate, most, placed: Mutex::default(), live: Arc::default() }
    }

    /// Takes a slot for one call.
    pub fn take(&self, now: Instant) -> Result<Slot, TooMany> {
        let taken = self.live.fetch_update(Ordering::AcqRel, Ordering::Acquire, |live| {
            (self.most == 0 || live < self.most).then_some(live + 1)
        });
        taken.map_err(|_| TooMany::Concurrent { most: self.most })?;
        // Dropped, and so freed, if the rate forbids the call.
        let slot = Slot { live: Arc::clone(&self.live) };
        if self.rate > 0 {
            let mut placed = self.placed.lock().unwrap_or_else(PoisonError::into_inner);
            let gone = |at: &Instant| now.saturating_duration_since(*at) >= WINDOW;
            while placed.front().is_some_and(gone) {
                placed.pop_front();
            }
            if let Some(oldest) = placed.front()
                && placed.len() >= self.rate as usize
            {
                let wait = WINDOW.saturating_sub(now.saturating_duration_since(*oldest));
                return Err(TooMany::Rate { rate: self.rate, wait });
            }
            placed.push_back(now);
        }
        Ok(slot)
    }

    /// Takes a slot for a call that is resumed here: it is live whatever the limits say, and was
    /// counted against the rate where it was placed.
    #[must_use]
    pub fn take_for_resumed(&self) -> Slot {
        self.live.fetch_add(1, Ordering::AcqRel);
        Slot { live: Arc::clone(&self.live) }
    }

    /// How many outbound calls are live.
    #[must_use]
    pub fn live(&self) -> u32 {
        self.live.load(Ordering::Acquire)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.live.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a test needs some instant to start from")]
    fn the_rate_limits_calls_in_a_minute() {
        let (limits, start) = (DialLimits::new(2, 0), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        let _calls = (limits.take(at(0)).unwrap(), limits.take(at(10)).unwrap());
        let wait = Duration::from_secs(40);
        assert_eq!(limits.take(at(20)).map(drop), Err(TooMany::Rate { rate: 2, wait }));
        assert!(limits.take(at(60)).is_ok(), "the first is out of the window");
        assert!(limits.take(at(61)).is_err());
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a test needs some instant to start from")]
    fn a_slot_is_freed_when_dropped() {
        let (limits, now) = (DialLimits::new(3, 2), Instant::now());
        let (one, two) = (limits.take(now).unwrap(), limits.take(now).unwrap());
        assert_eq!(limits.take(now).map(drop), Err(TooMany::Concurrent { most: 2 }));
        drop(one);
        drop(limits.take(now).unwrap());
        assert!(
            matches!(limits.take(now), Err(TooMany::Rate { .. })),
            "the rate counts ended ones"
        );
        assert_eq!(limits.live(), 1);
        let (here, there) = (limits.take_for_resumed(), limits.take_for_resumed());
        assert_eq!(limits.live(), 3, "those that come from elsewhere are live beyond the limit");
        assert_eq!(limits.take(now).map(drop), Err(TooMany::Concurrent { most: 2 }));
        drop((two, here, there));
        assert_eq!(limits.live(), 0);
    }
}
