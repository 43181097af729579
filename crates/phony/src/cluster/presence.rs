//! Which supervisors are connected to which nodes: each node publishes its own with every
//! heartbeat, and any can ask. Owns no state but keys in Redis; the bus runs it,
//! [`crate::calls::supervisors`] asks.

use std::time::Duration;

use phony_call::SupervisorId;
use redis::{Pipeline, RedisError, cmd};
use tokio::time::{MissedTickBehavior, interval};

use super::{Cluster, HEARTBEAT, Handler, millis};
use crate::store::redis::PREFIX;

/// How long a supervisor counts as connected after a node has published it.
pub(crate) const SEEN: Duration = Duration::from_secs(4);
/// How many supervisors are published at a time.
const BATCH: usize = 500;

impl Cluster {
    /// Publishes the supervisors of this node with every heartbeat.
    pub(super) async fn publish_presence(&self, handler: &dyn Handler) {
        let mut beat = interval(HEARTBEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            beat.tick().await;
            for some in handler.supervisors().chunks(BATCH) {
                let mut pipeline = Pipeline::new();
                for who in some {
                    pipeline.cmd("SET").arg(seen_key(who)).arg(&self.node);
                    pipeline.arg("PX").arg(millis(SEEN));
                }
                if let Err(error) = pipeline.exec_async(&mut self.connection.clone()).await {
                    tracing::debug!(%error, "the others do not know which supervisors are here");
                    break;
                }
            }
        }
    }

    /// Whether a supervisor is connected to any node.
    pub(crate) async fn is_present(&self, who: &SupervisorId) -> Result<bool, RedisError> {
        let mut exists = cmd("EXISTS");
        exists.arg(seen_key(who));
        self.command(&exists).await
    }
}

fn seen_key(who: &SupervisorId) -> String {
    format!("{PREFIX}seen:{who}")
}
