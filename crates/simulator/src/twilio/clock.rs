//! The time of a call.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

/// The time of one call: milliseconds since it was created, `speed` times as fast as real time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    start: Instant,
    speed: f64,
}

impl Clock {
    #[expect(clippy::disallowed_methods, reason = "the stand-in is the phone network's clock")]
    pub(crate) fn start(speed: f64) -> Self {
        Self { start: Instant::now(), speed }
    }

    pub(crate) fn now_ms(self) -> u64 {
        scaled(self.clock_us(), self.speed) / 1000
    }

    /// Microseconds of real time since the call was created.
    pub(crate) fn clock_us(self) -> u64 {
        u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// Waits until this time of the call; for ever if it is `None`.
    pub(crate) async fn sleep_until(self, at_ms: Option<u64>) {
        match at_ms {
            Some(at_ms) => tokio::time::sleep_until(self.start + self.real(at_ms)).await,
            None => std::future::pending().await,
        }
    }

    /// How late it is for what was due at this time of the call, in microseconds of real time.
    pub(crate) fn late_us(self, due_ms: u64) -> u64 {
        self.start
            .elapsed()
            .saturating_sub(self.real(due_ms))
            .as_micros()
            .try_into()
            .unwrap_or(u64::MAX)
    }

    pub(crate) async fn sleep(self, for_ms: u64) {
        tokio::time::sleep(self.real(for_ms)).await;
    }

    /// The real time for this much of the call's time, rounded up so that a timer is never early.
    fn real(self, ms: u64) -> Duration {
        Duration::from_micros(scaled(ms.saturating_mul(1000), 1.0 / self.speed).saturating_add(1))
    }
}

/// The present date and time.
#[expect(clippy::disallowed_methods, reason = "the stand-in is the phone network's clock")]
pub(crate) fn date() -> Timestamp {
    Timestamp::now()
}

/// A date in the API's form: RFC 2822, in UTC.
pub(crate) fn rfc2822(date: Timestamp) -> String {
    date.strftime("%a, %d %b %Y %H:%M:%S +0000").to_string()
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "microseconds of a call are far below 2^52"
)]
fn scaled(value: u64, factor: f64) -> u64 {
    (value as f64 * factor) as u64
}
