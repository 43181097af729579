//! The list of nodes: each publishes its [`NodeInfo`] with its heartbeat, and any can list them
//! all. Owns no state but keys in Redis; `http` lists them for the API.

use std::sync::LazyLock;
use std::time::Duration;

use jiff::Timestamp;
use redis::{Pipeline, RedisError};
use serde::{Deserialize, Serialize};

use super::{Cluster, LEASE, millis, nodes_key};
use crate::store::redis::PREFIX;

/// How long a node is listed after its last heartbeat.
const REMEMBERED: Duration = Duration::from_mins(10);

/// What a node publishes about itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeInfo {
    /// The server's version.
    pub version: String,
    /// The name of the machine, where it has one.
    #[serde(default)]
    pub machine: Option<String>,
    /// The port that it listens on.
    pub port: u16,
    /// When the server started.
    pub started_at: Timestamp,
    /// Calls that are live there.
    pub active_calls: usize,
    /// Whether it takes no more calls; the live ones finish or move to other nodes.
    #[serde(default)]
    pub draining: bool,
    /// Why it cannot take calls, if so.
    #[serde(default)]
    pub not_ready: Option<String>,
}

/// A node as the others see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeStatus {
    /// The name of the process, made anew at each start.
    pub name: String,
    /// What it published last.
    pub about: NodeInfo,
    /// How long ago that was.
    pub silent_for: Duration,
    /// Whether it counts as alive.
    pub alive: bool,
}

impl Cluster {
    /// The name of this process.
    #[must_use]
    pub fn node(&self) -> &str {
        &self.node
    }

    /// Every node that is alive or was in the last ten minutes, by name.
    pub async fn nodes(&self) -> Result<Vec<NodeStatus>, RedisError> {
        let mut members = redis::cmd("SMEMBERS");
        members.arg(nodes_key());
        let mut names: Vec<String> = self.command(&members).await?;
        names.sort_unstable();
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let mut pipeline = Pipeline::new();
        for name in &names {
            pipeline.cmd("GET").arg(about_key(name)).cmd("PTTL").arg(about_key(name));
            pipeline.cmd("EXISTS").arg(format!("{PREFIX}alive:{name}"));
        }
        let mut connection = self.connection.clone();
        let told: Vec<redis::Value> = pipeline.query_async(&mut connection).await?;
        let mut listed = Vec::new();
        for (name, of) in names.into_iter().zip(told.chunks_exact(3)) {
            let about: Option<String> = redis::from_redis_value(of[0].clone())?;
            let left: i64 = redis::from_redis_value(of[1].clone())?;
            let alive: bool = redis::from_redis_value(of[2].clone())?;
            let Some(about) = about.and_then(|about| serde_json::from_str(&about).ok()) else {
                continue;
            };
            let left = Duration::from_millis(u64::try_from(left).unwrap_or(0));
            let silent_for = REMEMBERED.saturating_sub(left);
            listed.push(NodeStatus { name, about, silent_for, alive });
        }
        Ok(listed)
    }

    /// Adds this node's info to a heartbeat.
    pub(super) fn publish_info(&self, pipeline: &mut Pipeline, about: &NodeInfo) {
        let about = serde_json::to_string(about).unwrap_or_default();
        pipeline.cmd("SET").arg(about_key(&self.node)).arg(about).arg("PX").arg(millis(REMEMBERED));
    }

    /// Removes this node, so that no other waits for it.
    pub(super) async fn leave(&self) -> Result<(), RedisError> {
        let mut pipeline = Pipeline::new();
        let keys = [format!("{PREFIX}alive:{}", self.node), about_key(&self.node)];
        pipeline.cmd("DEL").arg(&keys).cmd("SREM").arg(nodes_key()).arg(&self.node);
        pipeline.exec_async(&mut self.connection.clone()).await
    }
}

/// The host name, if it can be read.
pub(crate) fn machine() -> Option<&'static str> {
    MACHINE.as_deref()
}

static MACHINE: LazyLock<Option<String>> = LazyLock::new(|| {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    let name = name.trim();
    (!name.is_empty()).then(|| name.to_owned())
});

fn about_key(node: &str) -> String {
    format!("{PREFIX}about:{node}")
}

const _: () = assert!(LEASE.as_millis() < REMEMBERED.as_millis(), "the dead are still listed");
