//! Which supervisors the nodes see: each tells again and again whom it does.

use std::time::Duration;

use phony_call::SupervisorId;
use redis::{Pipeline, RedisError, cmd};
use tokio::time::{MissedTickBehavior, interval};

use super::{Cluster, HEARTBEAT, Handler, millis};
use crate::store::redis::PREFIX;

/// For how long somebody counts as seen after a node has said so.
pub(crate) const SEEN: Duration = Duration::from_secs(4);
/// Supervisors of whom is told in one go.
const BATCH: usize = 500;

impl Cluster {
    /// Tells whom this node sees, for ever.
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

    /// Whether any node sees a supervisor.
    pub(crate) async fn is_present(&self, who: &SupervisorId) -> Result<bool, RedisError> {
        let mut exists = cmd("EXISTS");
        exists.arg(seen_key(who));
        self.command(&exists).await
    }
}

fn seen_key(who: &SupervisorId) -> String {
    format!("{PREFIX}seen:{who}")
}
