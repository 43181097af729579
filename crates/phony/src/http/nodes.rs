//! `GET /nodes`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use jiff::SignedDuration;
use serde::Serialize;

use super::auth::Supervisor;
use crate::app::App;
use crate::cluster::{Handler as _, NodeInfo, NodeStatus};
use crate::http::error::ErrorBody;

/// The servers that share a store.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct NodeList {
    nodes: Vec<ClusterNode>,
    /// The shared store does not answer: servers may be missing.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    incomplete: bool,
}

/// One of the servers.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
struct ClusterNode {
    /// The name of the process, new at each start; `this` if there is only one server.
    name: String,
    /// Whether it is the server that answers this request.
    this: bool,
    state: NodeState,
    /// Why it takes no calls, if it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// The server's version.
    version: String,
    /// The name of the machine, if it has one.
    machine: Option<String>,
    /// The port that it listens on.
    port: u16,
    /// RFC 3339, UTC.
    started_at: String,
    /// Calls that are live there.
    active_calls: usize,
    /// When it last sent a sign of life: RFC 3339, UTC.
    last_seen: String,
}

/// Whether a server takes calls.
#[derive(Debug, Clone, Copy, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
enum NodeState {
    /// It takes calls.
    Ready,
    /// It cannot take calls, for `reason`.
    NotReady,
    /// It is stopping: it takes no new calls; the live ones go on or move to other servers.
    Draining,
    /// It has given no sign of life for 5 s. It stays listed for 10 min.
    Silent,
}

/// Lists the servers that share a store, this one among them; only this one with the embedded
/// store.
#[utoipa::path(
    get, path = "/nodes", tag = "health",
    responses((status = 200, body = NodeList), (status = 401, body = ErrorBody)),
    security(("token" = []), ("cookie" = []))
)]
pub(super) async fn nodes(_: Supervisor, State(app): State<Arc<App>>) -> Json<NodeList> {
    let here = this(&app);
    let listed = match &app.cluster {
        Some(cluster) => cluster.nodes().await,
        None => Ok(Vec::new()),
    };
    let incomplete = listed.is_err();
    let others = listed.unwrap_or_default().into_iter().filter(|node| node.name != here.name);
    let mut nodes: Vec<_> = others.map(|node| other(&app, node)).collect();
    nodes.push(here);
    nodes.sort_by(|a, b| (&a.started_at, &a.name).cmp(&(&b.started_at, &b.name)));
    Json(NodeList { nodes, incomplete })
}

/// The current state of this server.
fn this(app: &App) -> ClusterNode {
    let about = app.node_info();
    let name = app.cluster.as_ref().map_or("this", |cluster| cluster.node()).to_owned();
    let last_seen = (app.clock.wall)().to_string();
    node(name, about, last_seen, NodeState::Ready)
}

fn other(app: &App, listed: NodeStatus) -> ClusterNode {
    let NodeStatus { name, about, silent_for, alive } = listed;
    let silence = SignedDuration::try_from(silent_for).unwrap_or_default();
    let last_seen = (app.clock.wall)().saturating_sub(silence);
    let last_seen = last_seen.map_or_else(|_| String::new(), |at| at.to_string());
    let state = if alive { NodeState::Ready } else { NodeState::Silent };
    ClusterNode { this: false, ..node(name, about, last_seen, state) }
}

/// The entry of a node, with `state` unless the node reports a worse one.
fn node(name: String, about: NodeInfo, last_seen: String, state: NodeState) -> ClusterNode {
    let NodeInfo { version, machine, port, started_at, active_calls, draining, not_ready } = about;
    let state = match state {
        NodeState::Ready if draining => NodeState::Draining,
        NodeState::Ready if not_ready.is_some() => NodeState::NotReady,
        NodeState::Ready | NodeState::NotReady | NodeState::Draining | NodeState::Silent => state,
    };
    let started_at = started_at.to_string();
    let (this, reason) = (true, not_ready);
    ClusterNode {
        name,
        this,
        state,
        reason,
        version,
        machine,
        port,
        started_at,
        active_calls,
        last_seen,
    }
}
