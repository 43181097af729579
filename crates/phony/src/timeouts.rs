//! Timeouts that several modules share.

use std::time::Duration;

/// How long an HTTP request may take. Does not apply to a `WebSocket`.
pub(crate) const REQUEST: Duration = Duration::from_secs(30);
/// How long the carrier may take to end a call, while a supervisor waits.
pub(crate) const HANG_UP: Duration = Duration::from_secs(5);
/// How long a supervisor's action is retried while its call is handed over, has lost its line, or
/// is on a server that cannot be reached.
pub(crate) const ACTION: Duration = Duration::from_secs(3);
