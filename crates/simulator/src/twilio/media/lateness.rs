//! How punctual the frames of a stream were.

use serde::Serialize;

/// How late frames were sent, in real time. Every frame has its time on a schedule that starts with
/// the stream, so that lateness does not add up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Lateness {
    /// Frames sent.
    pub frames: u64,
    /// The latest of them, in microseconds.
    pub max_us: u64,
    /// How many were late by less than each limit of [`Lateness::LIMITS_MS`], and not by less than
    /// the one before; the last number holds those that were later still.
    pub counts: [u64; 8],
}

impl Lateness {
    /// The limits, in milliseconds.
    pub const LIMITS_MS: [u64; 7] = [1, 2, 5, 10, 20, 50, 100];

    pub(crate) fn note(&mut self, late_us: u64) {
        let index = Self::LIMITS_MS.iter().take_while(|limit| late_us >= **limit * 1000).count();
        self.counts[index] += 1;
        self.frames += 1;
        self.max_us = self.max_us.max(late_us);
    }

    /// Adds the frames of another stream.
    pub fn add(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(other.counts) {
            *count += more;
        }
        self.frames += other.frames;
        self.max_us = self.max_us.max(other.max_us);
    }

    /// The number of frames that were late by at least this much, which must be one of the limits;
    /// `None` if it is not.
    #[must_use]
    pub fn late_by(&self, limit_ms: u64) -> Option<u64> {
        let index = Self::LIMITS_MS.iter().position(|limit| *limit == limit_ms)?;
        Some(self.counts[index + 1..].iter().sum())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lateness_is_counted_between_limits() {
        let mut lateness = Lateness::default();
        for late_us in [0, 999, 1000, 7_000, 250_000] {
            lateness.note(late_us);
        }
        assert_eq!(lateness.counts, [2, 1, 0, 1, 0, 0, 0, 1]);
        assert_eq!((lateness.late_by(1), lateness.late_by(20)), (Some(3), Some(1)));
        assert_eq!(lateness.late_by(3), None);
        let mut both = Lateness::default();
        both.add(&lateness);
        both.add(&lateness);
        assert_eq!((both.frames, both.max_us, both.late_by(100)), (10, 250_000, Some(2)));
    }
}
