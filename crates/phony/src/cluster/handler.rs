//! The trait through which the cluster calls the server; `app` implements it.

use std::fmt;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use phony_call::{CallSid, SupervisorId};

use super::nodes::NodeInfo;
use super::outbound::CompletedOrder;
use super::protocol::{Reply, Request, SupervisorAction};
use crate::clock::Clock;
use crate::events::Hub;
use crate::safety::Safety;

/// The server behind a node: its calls, and what it knows that the other nodes must know too.
pub(crate) trait Handler: fmt::Debug + Send + Sync + 'static {
    /// The server's clock.
    fn clock(&self) -> Clock;

    /// The events of the calls that are here.
    fn hub(&self) -> &Hub;

    /// The do-not-call list and the costs, which all nodes share.
    fn safety(&self) -> &Safety;

    /// What this node publishes with every heartbeat.
    fn node_info(&self) -> NodeInfo;

    /// The supervisors who are connected here.
    fn supervisors(&self) -> Vec<SupervisorId>;

    /// The orders under an idempotency key that became calls, as far as this node knows.
    fn completed_orders(&self) -> Vec<CompletedOrder>;

    /// Whether a call is here.
    fn has(&self, call: &CallSid) -> bool;

    /// The calls that are here.
    fn calls(&self) -> Vec<CallSid>;

    /// Releases a call that another node owns, at once and without a `session_end`.
    fn release(&self, call: &CallSid);

    /// Carries out a supervisor's action on a call that is here; [`Reply::Gone`] if it is not.
    fn act<'a>(&'a self, call: &'a CallSid, action: SupervisorAction) -> BoxFuture<'a, Reply>;

    /// Answers another node's request about a call that is here; [`Reply::Gone`] if it is not.
    fn answer<'a>(&'a self, call: &'a CallSid, request: Request) -> BoxFuture<'a, Reply>;

    /// Resumes a call whose node has been dead for long.
    fn resume<'a>(self: Arc<Self>, call: &'a CallSid) -> BoxFuture<'a, ()>
    where
        Self: 'a;
}
