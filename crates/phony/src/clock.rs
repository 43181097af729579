//! The clock as functions, so that only the start of the server names the system clock.

use std::time::Instant;

use jiff::Timestamp;

/// The clock of a server.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    /// Monotonic time.
    pub now: fn() -> Instant,
    /// The time of day.
    pub wall: fn() -> Timestamp,
}
