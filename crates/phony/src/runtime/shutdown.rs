//! The stages of a server's shutdown.

use tokio_util::sync::CancellationToken;

/// One token for each stage, cancelled in this order.
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    /// No new calls are accepted; live ones go on.
    pub drain: CancellationToken,
    /// Live calls are handed over to other servers.
    pub hand_over: CancellationToken,
    /// Live calls end, with a goodbye to the caller.
    pub stop: CancellationToken,
    /// Everything ends at once.
    pub kill: CancellationToken,
}
