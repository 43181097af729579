//! What time it is, as functions, so that nothing but the server's start names the system clock.

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
