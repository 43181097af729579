//! Faults of the API.

/// Something that goes wrong with the API, once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The next request is answered with 429, code 20429; nothing is done.
    TooManyRequests,
    /// The next request is answered with 500 and a page that is not JSON; nothing is done.
    ServerError,
    /// The next call is answered with 500; it is placed all the same if `call_exists`.
    CreateFails {
        /// Whether the call is placed.
        call_exists: bool,
    },
}
