//! Waiting for what a test expects, within the time that it may take.

use std::time::Duration;

use tokio::time::{sleep, timeout};

/// How often a condition is looked at.
const PAUSE: Duration = Duration::from_millis(5);

/// Waits with one limit: a constant, and the functions that keep to it.
macro_rules! waits {
    ($limit:expr) => {
        /// How long anything may take before a test fails.
        pub(crate) const LIMIT: std::time::Duration = $limit;

        /// Awaits a future, and fails if it takes longer than [`LIMIT`].
        pub(crate) async fn in_time<T>(future: impl Future<Output = T>) -> T {
            crate::support::wait::within(LIMIT, future).await
        }

        /// Asks for a value until there is one, and fails if that takes longer than [`LIMIT`].
        pub(crate) async fn eventually<T>(value: impl AsyncFnMut() -> Option<T>) -> T {
            in_time(crate::support::wait::poll(value)).await
        }
    };
}
waits!(Duration::from_secs(10));

/// What several servers do together, the death of one of them included.
pub(crate) mod cluster {
    waits!(std::time::Duration::from_secs(45));
}

/// Orders and the calls that come of them.
pub(crate) mod outbound {
    waits!(std::time::Duration::from_secs(20));
}

/// Whole calls, and dialogues in a terminal.
pub(crate) mod whole_call {
    waits!(std::time::Duration::from_secs(30));
}

/// A model's adapter between its ends.
pub(crate) mod model {
    waits!(std::time::Duration::from_secs(5));
}

/// Awaits a future, and fails if it takes longer than `limit`.
pub(crate) async fn within<T>(limit: Duration, future: impl Future<Output = T>) -> T {
    timeout(limit, future).await.expect("it did not happen in time")
}

/// Asks for a value until there is one, for ever.
pub(crate) async fn poll<T>(mut value: impl AsyncFnMut() -> Option<T>) -> T {
    loop {
        if let Some(value) = value().await {
            return value;
        }
        sleep(PAUSE).await;
    }
}
