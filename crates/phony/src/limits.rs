//! Limits of time that several rooms agree on.

use std::time::Duration;

/// How long an HTTP request may take; sockets are not requests.
pub(crate) const REQUEST: Duration = Duration::from_secs(30);
/// How long the carrier may take to end a call: a supervisor waits for it.
pub(crate) const HANG_UP: Duration = Duration::from_secs(5);
/// How long a supervisor's order is tried at a call that moves, whose line is lost or whose server
/// cannot be reached.
pub(crate) const ORDER: Duration = Duration::from_secs(3);
