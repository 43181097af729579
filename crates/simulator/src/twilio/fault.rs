//! Faults of the REST API.

/// A fault of the REST API, which occurs once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The next request is answered with 429 and code 20429, and has no effect.
    TooManyRequests,
    /// The next request is answered with 500 and an HTML page, and has no effect.
    ServerError,
    /// The next request to place a call is answered with 500.
    CreateFails {
        /// Whether the call is placed all the same.
        call_exists: bool,
    },
}
