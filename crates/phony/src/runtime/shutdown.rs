//! The stages of a server's end.

use tokio_util::sync::CancellationToken;

/// One token a stage, cancelled in this order.
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    /// No new calls are taken; the live ones go on.
    pub drain: CancellationToken,
    /// Live calls are left to other servers.
    pub hand_over: CancellationToken,
    /// Live calls say goodbye.
    pub stop: CancellationToken,
    /// Everything ends at once.
    pub kill: CancellationToken,
}
