//! This server as one node of a cluster: what the other nodes ask of it.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use phony_call::{CallSid, SupervisorId};

use super::Calls;
use crate::calls::registry::CallMessage;
use crate::clock::Clock;
use crate::cluster::dialling::Carried;
use crate::cluster::{About, Handler, Reply, Request, SupervisorAction, machine};
use crate::events::{Hub, View};
use crate::numbers;
use crate::safety::Safety;
use crate::store::StoreError;

/// How long the last events of a call may take to be written before this node says that it does not
/// have the call.
const SETTLING: Duration = Duration::from_secs(1);

impl Handler for Calls {
    fn clock(&self) -> Clock {
        self.clock
    }

    fn hub(&self) -> &Hub {
        &self.hub
    }

    fn safety(&self) -> &Safety {
        &self.safety
    }

    fn about(&self) -> About {
        let up = (self.clock.now)().saturating_duration_since(self.started);
        // In whole seconds, so that it is the same in every heartbeat.
        let began = (self.clock.wall)().as_second().saturating_sub_unsigned(up.as_secs());
        About {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            machine: machine().map(str::to_owned),
            port: self.port,
            started_at: Timestamp::from_second(began).unwrap_or(Timestamp::UNIX_EPOCH),
            active_calls: self.registry.count(),
            draining: self.shutdown.drain.is_cancelled(),
            not_ready: self.not_ready().map(Cow::into_owned),
        }
    }

    fn supervisors(&self) -> Vec<SupervisorId> {
        self.supervisors.here()
    }

    fn carried_out(&self) -> Vec<Carried> {
        self.dials.carried_out()
    }

    fn has(&self, call: &CallSid) -> bool {
        self.find(call).is_some()
    }

    fn calls(&self) -> Vec<CallSid> {
        self.registry.calls()
    }

    fn lose(&self, call: &CallSid) {
        self.registry.lose(call);
    }

    fn act<'a>(&'a self, call: &'a CallSid, order: SupervisorAction) -> BoxFuture<'a, Reply> {
        async move {
            numbers::unfolded_for(&order.action).await;
            let done = match self.find(call) {
                Some(handle) => handle.ask(|reply| CallMessage::Act { order, reply }).await,
                None => None,
            };
            match done {
                Some(done) => done.map_or_else(Reply::Refused, |()| Reply::Done),
                None => self.gone(call).await,
            }
        }
        .boxed()
    }

    fn answer<'a>(&'a self, call: &'a CallSid, request: Request) -> BoxFuture<'a, Reply> {
        async move {
            match self.answered(call, request).await {
                Some(reply) => reply,
                None => self.gone(call).await,
            }
        }
        .boxed()
    }

    fn resume<'a>(self: Arc<Self>, call: &'a CallSid) -> BoxFuture<'a, ()>
    where
        Self: 'a,
    {
        async move { drop(Self::resume(&self, call).await) }.boxed()
    }
}

impl Calls {
    /// Views a call, here or elsewhere, from the event after number `after` on; `None` if there is no
    /// such call.
    pub(crate) async fn view(
        self: &Arc<Self>,
        call: &CallSid,
        after: u64,
    ) -> Result<Option<View>, StoreError> {
        let Some(cluster) = &self.cluster else { return self.history.view(call, after).await };
        let this: Arc<dyn Handler> = self.clone();
        cluster.view(&this, call, after).await
    }

    /// Views every live call, here and elsewhere, and all that come.
    pub(crate) async fn view_all(self: &Arc<Self>) -> View {
        let Some(cluster) = &self.cluster else { return self.hub.view_all() };
        let this: Arc<dyn Handler> = self.clone();
        cluster.view_all(&this).await
    }

    /// The answer to another node's request; `None` if the call is not here, or no longer.
    async fn answered(&self, call: &CallSid, request: Request) -> Option<Reply> {
        let handle = self.find(call)?;
        match request {
            Request::Act(action) => {
                Some(Handler::act(self, call, SupervisorAction { action, by: None }).await)
            }
            Request::LegEnded(report) => {
                let next = handle.ask(|reply| CallMessage::LegEnded { report, reply }).await;
                next.map(Reply::Next)
            }
            Request::Token => Some(Reply::Token(self.first_token(call).await)),
            Request::Report(report) => handle.send(report.into()).await.then_some(Reply::Done),
            Request::Release => {
                self.registry.lose(call);
                handle.closed().await;
                // What is written already is found in the store.
                let events = self.hub.events(call, 0).unwrap_or_default();
                Some(Reply::Released(events.iter().map(ToString::to_string).collect()))
            }
        }
    }

    /// The call has just ended or left: its events are in the store before another node looks there.
    async fn gone(&self, call: &CallSid) -> Reply {
        self.hub.settled(call, SETTLING).await;
        Reply::Gone
    }
}
