//! The parts of a server, wired together. Owns them all; `server` builds it, `http` takes the parts
//! that a handler needs, and the cluster calls it through `Handler`.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Instant;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use phony_call::{CallSid, Direction, PhoneNumber, SupervisorId};

use crate::agents::Agents;
use crate::calls::supervisors::Supervisors;
use crate::calls::{Calls, CallsParts, Models};
use crate::carriers::twilio::account::Account;
use crate::clock::Clock;
use crate::cluster::outbound::CompletedOrder;
use crate::cluster::{Cluster, Handler, NodeInfo, Reply, Request, SupervisorAction, machine};
use crate::config::Config;
use crate::events::{Hub, View};
use crate::history::History;
use crate::outbound::{Outbound, OutboundParts};
use crate::runtime::shutdown::Shutdown;
use crate::runtime::workers::Workers;
use crate::safety::Safety;
use crate::store::StoreError;

/// The parts of a server. Each part holds those that it needs; this is for what needs several.
#[derive(Debug)]
pub struct App {
    /// The configuration.
    pub config: Arc<Config>,
    /// The port that the server listens on.
    pub port: u16,
    /// The clock.
    pub clock: Clock,
    /// When the server started.
    pub started: Instant,
    /// The stages of the server's shutdown.
    pub shutdown: Shutdown,
    /// The agents and scenarios.
    pub agents: Arc<Agents>,
    /// The events of live and ended calls.
    pub history: History,
    /// The rules of outbound calls, and what they remember.
    pub safety: Arc<Safety>,
    /// The other nodes, if there are any.
    pub cluster: Option<Arc<Cluster>>,
    /// Which supervisors are connected.
    pub supervisors: Arc<Supervisors>,
    /// The calls of this process.
    pub calls: Arc<Calls>,
    /// Places outbound calls.
    pub outbound: Arc<Outbound>,
}

/// What an [`App`] is built from.
#[derive(Debug)]
pub struct AppParts {
    /// The configuration.
    pub config: Config,
    /// The port that the server listens on.
    pub port: u16,
    /// The clock.
    pub clock: Clock,
    /// The stages of the server's shutdown.
    pub shutdown: Shutdown,
    /// The agents and scenarios.
    pub agents: Agents,
    /// The events of live and ended calls.
    pub history: History,
    /// The rules of outbound calls, and what they remember.
    pub safety: Safety,
    /// The other nodes, if there are any.
    pub cluster: Option<Arc<Cluster>>,
    /// Opens a call's model.
    pub models: Models,
    /// The threads that calls run on.
    pub workers: Workers,
    /// Whether to read the idempotency keys of earlier orders from the data folder.
    pub load_idempotency_keys: bool,
}

impl App {
    /// Wires the parts.
    #[must_use]
    pub fn new(parts: AppParts) -> Arc<Self> {
        let AppParts { config, port, clock, shutdown, agents, history, safety, .. } = parts;
        let AppParts { cluster, models, workers, load_idempotency_keys, .. } = parts;
        let (config, agents, safety) = (Arc::new(config), Arc::new(agents), Arc::new(safety));
        let account = Arc::new(Account::new(&config.twilio));
        let supervisors = Supervisors::new(clock.now, cluster.clone());
        let calls = Arc::new(Calls::new(CallsParts {
            config: Arc::clone(&config),
            clock,
            shutdown: shutdown.clone(),
            agents: Arc::clone(&agents),
            history: history.clone(),
            safety: Arc::clone(&safety),
            account: Arc::clone(&account),
            cluster: cluster.clone(),
            supervisors: Arc::clone(&supervisors),
            models,
            workers,
        }));
        let outbound = OutboundParts {
            config: Arc::clone(&config),
            authority: config.authority(port),
            clock,
            shutdown: shutdown.clone(),
            agents: Arc::clone(&agents),
            history: history.clone(),
            safety: Arc::clone(&safety),
            cluster: cluster.clone(),
            calls: Arc::clone(&calls),
            account,
        };
        let outbound = if load_idempotency_keys {
            Outbound::new(outbound)
        } else {
            Outbound::without_memory(outbound)
        };
        let (started, outbound) = ((clock.now)(), Arc::new(outbound));
        Arc::new(Self {
            config,
            port,
            clock,
            started,
            shutdown,
            agents,
            history,
            safety,
            cluster,
            supervisors,
            calls,
            outbound,
        })
    }

    /// Why the server is not ready to take or keep calls, if so.
    #[must_use]
    pub fn not_ready(&self) -> Option<Cow<'static, str>> {
        let config = &self.config;
        if self.shutdown.drain.is_cancelled() {
            Some("stopping".into())
        } else if config.twilio.auth_token.is_none() && !config.twilio.insecure_no_signatures {
            let why = "TWILIO_AUTH_TOKEN is not set, so no request of the carrier can be trusted";
            Some(why.into())
        } else if config.openai.api_key.is_none() && config.openai.is_official() {
            Some("OPENAI_API_KEY is not set".into())
        } else {
            let trouble = self.history.trouble().or_else(|| {
                let gone = self.cluster.as_ref().is_some_and(|cluster| !cluster.is_connected());
                gone.then(|| "Redis does not answer".to_owned())
            });
            let unkept = trouble.map(|trouble| format!("calls are taken but not kept: {trouble}"));
            let list = self.safety.do_not_call.trouble();
            let reasons: Vec<_> = unkept.into_iter().chain(list).collect();
            (!reasons.is_empty()).then(|| reasons.join("; ").into())
        }
    }

    /// The host, and the port if it needs one, of every URL given to the carrier.
    #[must_use]
    pub fn authority(&self) -> String {
        self.config.authority(self.port)
    }

    /// The address of the dashboard.
    #[must_use]
    pub fn dashboard(&self) -> String {
        let scheme = if self.config.host.is_some() { "https" } else { "http" };
        format!("{scheme}://{}/dashboard/", self.authority())
    }

    /// This server's number in a call between these two, as caller id for a transfer.
    #[must_use]
    pub fn our_number(&self, from: &str, to: &str, direction: Direction) -> Option<PhoneNumber> {
        let ours = match direction {
            Direction::Inbound => to,
            Direction::Outbound => from,
        };
        PhoneNumber::parse(ours).ok().or_else(|| self.config.twilio.phone_number.clone())
    }

    /// Views a call of any node, from the event after number `after` on; `None` if there is no such
    /// call.
    pub(crate) async fn view(
        self: &Arc<Self>,
        call: &CallSid,
        after: u64,
    ) -> Result<Option<View>, StoreError> {
        let Some(cluster) = &self.cluster else { return self.history.view(call, after).await };
        let this: Arc<dyn Handler> = self.clone();
        cluster.view(&this, call, after).await
    }

    /// Views the live calls of all nodes, and all that begin later.
    pub(crate) async fn view_all(self: &Arc<Self>) -> View {
        let Some(cluster) = &self.cluster else { return self.history.hub().view_all() };
        let this: Arc<dyn Handler> = self.clone();
        cluster.view_all(&this).await
    }
}

impl Handler for App {
    fn clock(&self) -> Clock {
        self.clock
    }

    fn hub(&self) -> &Hub {
        self.history.hub()
    }

    fn safety(&self) -> &Safety {
        &self.safety
    }

    fn node_info(&self) -> NodeInfo {
        let up = (self.clock.now)().saturating_duration_since(self.started);
        // In whole seconds, so that every heartbeat says the same.
        let began = (self.clock.wall)().as_second().saturating_sub_unsigned(up.as_secs());
        NodeInfo {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            machine: machine().map(str::to_owned),
            port: self.port,
            started_at: Timestamp::from_second(began).unwrap_or(Timestamp::UNIX_EPOCH),
            active_calls: self.calls.count(),
            draining: self.shutdown.drain.is_cancelled(),
            not_ready: self.not_ready().map(Cow::into_owned),
        }
    }

    fn supervisors(&self) -> Vec<SupervisorId> {
        self.supervisors.connected()
    }

    fn completed_orders(&self) -> Vec<CompletedOrder> {
        self.outbound.completed_orders()
    }

    fn has(&self, call: &CallSid) -> bool {
        self.calls.find(call).is_some()
    }

    fn calls(&self) -> Vec<CallSid> {
        self.calls.live()
    }

    fn release(&self, call: &CallSid) {
        self.calls.release(call);
    }

    fn act<'a>(&'a self, call: &'a CallSid, action: SupervisorAction) -> BoxFuture<'a, Reply> {
        self.calls.act_here(call, action).boxed()
    }

    fn answer<'a>(&'a self, call: &'a CallSid, request: Request) -> BoxFuture<'a, Reply> {
        self.calls.answer(call, request).boxed()
    }

    fn resume<'a>(self: Arc<Self>, call: &'a CallSid) -> BoxFuture<'a, ()>
    where
        Self: 'a,
    {
        async move { drop(self.calls.resume(call).await) }.boxed()
    }
}
