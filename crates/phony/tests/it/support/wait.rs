//! Waiting for what a test expects.

use std::time::Duration;

use tokio::time::{sleep, timeout};

/// How long anything may take before a test fails; shorter than nextest's own limit, so that the
/// test says what did not happen.
pub(crate) const LIMIT: Duration = Duration::from_secs(45);

/// How often a condition is looked at.
const PAUSE: Duration = Duration::from_millis(5);

/// Awaits a future, and fails if it takes longer than [`LIMIT`].
pub(crate) async fn in_time<T>(future: impl Future<Output = T>) -> T {
    timeout(LIMIT, future).await.expect("it did not happen in time")
}

/// Asks for a value until there is one, and fails if that takes longer than [`LIMIT`].
pub(crate) async fn eventually<T>(value: impl AsyncFnMut() -> Option<T>) -> T {
    in_time(poll(value)).await
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
