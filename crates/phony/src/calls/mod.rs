//! The calls of this process, as a surface of verbs: [`Calls::open`] a call, [`Calls::attach`] a
//! socket, [`Calls::act`] on it, answer when a [leg ended](Calls::leg_ended), [`Calls::resume`] a
//! call of another process, and stop. Owns the registry, the calls' tasks and their threads. `http`
//! calls it for webhooks and the API, `outbound` for calls it places, `app` for other nodes.

mod act;
pub mod actor;
mod attach;
mod error;
mod failover;
mod leg_ended;
mod node;
pub mod registry;
mod reports;
mod ringing;
mod socket_tokens;
pub mod supervisors;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use phony_call::{CallSid, Countries, Direction, Event, EventBody, Identity, PhoneNumber, Policy};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

use self::actor::{HangUp, OutboundGuard, Start};
use self::ringing::EndedCalls;
use self::socket_tokens::SocketTokens;
use crate::agents::{Agent, Agents, calling, in_words};
use crate::calls::registry::{Handle, Registered, Registry};
use crate::calls::supervisors::Supervisors;
use crate::carriers::{self, twilio::account::Account};
use crate::clock::Clock;
use crate::cluster::Cluster;
use crate::config::{Config, Transport};
use crate::events::{Hub, Publisher};
use crate::history::History;
use crate::ports::ModelPort;
use crate::runtime::shutdown::Shutdown;
use crate::runtime::workers::Workers;
use crate::safety::Safety;
use crate::safety::dial_limits::Slot;
pub use error::{ActError, Draining, ReportNotDelivered};
pub(crate) use ringing::RingResponse;

/// How many carrier reports may wait for delivery.
const REPORTS: usize = 4096;

/// How late the carrier may report that nobody answered.
const REPORT_DELAY: Duration = Duration::from_secs(15);

/// How long a call's record may take to be read while the carrier waits.
const RECORD_LIMIT: Duration = Duration::from_secs(1);

/// The calls of this process, and the means to take new ones.
#[derive(Debug)]
pub struct Calls {
    config: Arc<Config>,
    clock: Clock,
    shutdown: Shutdown,
    agents: Arc<Agents>,
    registry: Arc<Registry>,
    hub: Arc<Hub>,
    history: History,
    safety: Arc<Safety>,
    account: Arc<Account>,
    /// The other nodes, if there are any.
    cluster: Option<Arc<Cluster>>,
    supervisors: Arc<Supervisors>,
    /// Permits for carrier reports that wait for delivery.
    reports: Arc<Semaphore>,
    /// Calls whose end the carrier has reported.
    ended: EndedCalls,
    socket_tokens: SocketTokens,
    models: Models,
    /// The tasks of the calls, and what runs on their behalf.
    tasks: TaskTracker,
    /// The threads that calls run on.
    workers: Workers,
}

/// What [`Calls`] is built from.
#[derive(Debug)]
pub struct CallsParts {
    /// The configuration.
    pub config: Arc<Config>,
    /// The clock.
    pub clock: Clock,
    /// The stages of the server's shutdown.
    pub shutdown: Shutdown,
    /// The agents that can answer.
    pub agents: Arc<Agents>,
    /// The events of live and ended calls.
    pub history: History,
    /// The rules of outbound calls.
    pub safety: Arc<Safety>,
    /// The account at the carrier.
    pub account: Arc<Account>,
    /// The other nodes, if there are any.
    pub cluster: Option<Arc<Cluster>>,
    /// Which supervisors are connected.
    pub supervisors: Arc<Supervisors>,
    /// Opens a call's model.
    pub models: Models,
    /// The threads that calls run on.
    pub workers: Workers,
}

/// Opens a model for a call.
#[derive(Clone)]
pub struct Models(Arc<Open>);

type Open = dyn Fn(&Agent, &CallSid) -> ModelPort + Send + Sync;

impl Models {
    /// `open` returns at once; the model connects in the background.
    pub fn new(open: impl Fn(&Agent, &CallSid) -> ModelPort + Send + Sync + 'static) -> Self {
        Self(Arc::new(open))
    }

    /// Opens a model for a call of this agent.
    #[must_use]
    pub fn open(&self, agent: &Agent, call: &CallSid) -> ModelPort {
        (self.0)(agent, call)
    }
}

/// How many sockets were attached to a call, by its events.
fn sockets_of(events: &[Event]) -> u32 {
    let is_one = |event: &&Event| {
        matches!(event.body, EventBody::Connected { .. } | EventBody::Resumed { .. })
    };
    u32::try_from(events.iter().filter(is_one).count()).unwrap_or(u32::MAX)
}

/// Until when the token of a call's first socket is valid, in Unix seconds: a token's lifetime
/// after the latest moment at which it may be handed out.
fn first_until(began: Timestamp, policy: &Policy) -> i64 {
    let connect = i64::try_from(policy.connect.as_secs()).unwrap_or(i64::MAX);
    socket_tokens::good_from(began.as_second().saturating_add(connect))
}

impl fmt::Debug for Models {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Models")
    }
}

/// An outbound call that the carrier has accepted.
#[derive(Debug)]
pub struct NewOutbound {
    /// Who calls whom.
    pub identity: Identity,
    /// The agent, with the scenario's variables filled in.
    pub agent: Arc<Agent>,
    /// Its slot among the live outbound calls; `None` in a cluster, where slots are in Redis.
    pub slot: Option<Slot>,
}

/// Where a call comes from.
enum CallOrigin {
    /// A call that begins: its phone rings.
    New,
    /// An outbound call that this server placed.
    Placed(OutboundGuard),
    /// A call that began in another process.
    Resumed(ResumedCall),
}

/// What is known of a call that is resumed here.
struct ResumedCall {
    events: Vec<Event>,
    /// Since when its line costs money that is not counted yet; `None` if it is not connected.
    line_since: Option<Instant>,
}

impl Calls {
    /// No calls yet.
    #[must_use]
    pub fn new(parts: CallsParts) -> Self {
        let CallsParts { config, clock, shutdown, agents, history, safety, .. } = parts;
        let CallsParts { account, cluster, supervisors, models, workers, .. } = parts;
        Self {
            socket_tokens: SocketTokens::new(config.twilio.auth_token.clone()),
            hub: Arc::clone(history.hub()),
            config,
            clock,
            shutdown,
            agents,
            registry: Arc::default(),
            history,
            safety,
            account,
            cluster,
            supervisors,
            reports: Arc::new(Semaphore::new(REPORTS)),
            ended: EndedCalls::default(),
            models,
            tasks: TaskTracker::new(),
            workers,
        }
    }

    /// Opens a call whose phone rings; does nothing if it is open, because carriers repeat a
    /// request whose answer is late. The model connects at once, so that the greeting need not wait
    /// for it.
    ///
    /// `wanted` names the agent. If no such agent exists, the number's own agent answers: any agent
    /// is better than none.
    pub fn open(&self, identity: Identity, wanted: Option<&str>) -> Result<(), Draining> {
        if self.registry.find(&identity.sid).is_some() {
            return Ok(());
        }
        if self.shutdown.drain.is_cancelled() {
            return Err(Draining);
        }
        let stop = self.shutdown.stop.child_token();
        let Some(registered) = self.registry.register(&identity.sid, stop) else { return Ok(()) };
        let ours = match identity.direction {
            Direction::Inbound => &identity.to,
            Direction::Outbound => &identity.from,
        };
        let named = wanted.and_then(|id| self.agents.find(id));
        if let (Some(id), None) = (wanted, &named) {
            tracing::warn!(agent = id, "the webhook names an agent that there is not");
        }
        let mut agent = named.unwrap_or_else(|| self.agents.for_number(ours));
        if identity.direction == Direction::Outbound {
            // The callee must hear that it is a machine, even if this server did not place the
            // call.
            agent = calling(&agent);
        }
        let publisher = self.hub.open(&identity.sid);
        self.begin(registered, identity, agent, publisher, CallOrigin::New);
        Ok(())
    }

    /// Opens an outbound call that the carrier has accepted; does nothing if its webhook came first
    /// and opened it.
    pub fn open_outbound(&self, call: NewOutbound) {
        let NewOutbound { identity, agent, slot } = call;
        let stop = self.shutdown.stop.child_token();
        let Some(registered) = self.registry.register(&identity.sid, stop) else { return };
        let outbound = self.outbound_guard(&identity, slot);
        let publisher = self.hub.open(&identity.sid);
        self.begin(registered, identity, agent, publisher, CallOrigin::Placed(outbound));
    }

    /// What holds an outbound call to the rules.
    fn outbound_guard(&self, identity: &Identity, slot: Option<Slot>) -> OutboundGuard {
        OutboundGuard { call: identity.sid.clone(), safety: Arc::clone(&self.safety), slot }
    }

    /// Starts the task of a call.
    fn begin(
        &self,
        registered: Registered,
        identity: Identity,
        agent: Arc<Agent>,
        publisher: Publisher,
        origin: CallOrigin,
    ) {
        let (outbound, past) = match origin {
            CallOrigin::New => (None, Vec::new()),
            CallOrigin::Placed(outbound) => (Some(outbound), Vec::new()),
            CallOrigin::Resumed(ResumedCall { events, line_since }) => {
                let is_outbound = identity.direction == Direction::Outbound;
                let outbound = is_outbound.then(|| {
                    if let Some(since) = line_since {
                        self.safety.spend.begun(&identity.sid, since);
                    }
                    // In a cluster its slot is in Redis, beside its record.
                    let slot =
                        self.cluster.is_none().then(|| self.safety.dial_limits.take_for_resumed());
                    self.outbound_guard(&identity, slot)
                });
                (outbound, events)
            }
        };
        let sid = identity.sid.clone();
        let is_in_words = identity.carrier == carriers::SOFTPHONE;
        let agent = match agent.transport {
            Transport::Media if is_in_words => in_words(&agent),
            Transport::Media | Transport::Relay => agent,
        };
        let mut call_agent = Arc::clone(&agent.call);
        if agent.dials_own_country {
            // Without a configured number, the one that this call uses names the country.
            let ours = match identity.direction {
                Direction::Inbound => &identity.to,
                Direction::Outbound => &identity.from,
            };
            let own = PhoneNumber::parse(ours).map(Countries::of).unwrap_or_default();
            Arc::make_mut(&mut call_agent).transfers.countries = own;
        }
        let policy = self.policy_of(&agent, outbound.is_some());
        let wall = (self.clock.wall)();
        let first_until = first_until(past.first().map_or(wall, |start| start.at), &policy);
        self.registry.begins(&sid, Arc::clone(&agent), sockets_of(&past), first_until);
        let models = self.models.clone();
        let hang_up = (identity.carrier != carriers::SOFTPHONE).then(|| HangUp {
            call: sid.clone(),
            account: Arc::clone(&self.account),
            tasks: self.tasks.clone(),
            kill: self.shutdown.kill.clone(),
        });
        let start = Start {
            policy,
            agent: call_agent,
            identity,
            past,
            wall,
            open_model: Box::new(move || models.open(&agent, &sid)),
            kill: self.shutdown.kill.clone(),
            hand_over: self.shutdown.hand_over.clone(),
            registered,
            publisher,
            outbound,
            hang_up,
            supervisors: Arc::clone(&self.supervisors),
        };
        self.workers.spawn(&self.tasks, actor::run(Box::new(start)));
    }

    /// The limits and timings of the call that this event starts; `None` if it is no
    /// `session_start`.
    pub(crate) fn policy_of_start(&self, start: &Event) -> Option<Policy> {
        let identity = Identity::of_start(start)?;
        let agent = self.agents.of_start(&start.body, &self.config);
        Some(self.policy_of(&agent, identity.direction == Direction::Outbound))
    }

    fn policy_of(&self, agent: &Agent, is_outbound: bool) -> Policy {
        let mut policy = agent.limits.within(&self.config.policy);
        if is_outbound {
            // The carrier limits the ringing, and its report may be late.
            policy.connect = policy.connect.max(self.config.dialing.ring + REPORT_DELAY);
        }
        policy
    }

    /// The handle of a live call.
    #[must_use]
    pub fn find(&self, call: &CallSid) -> Option<Handle> {
        self.registry.find(call)
    }

    /// The live calls.
    #[must_use]
    pub fn live(&self) -> Vec<CallSid> {
        self.registry.calls()
    }

    /// How many calls are live.
    #[must_use]
    pub fn count(&self) -> usize {
        self.registry.count()
    }

    /// How many calls were ended without a goodbye.
    #[must_use]
    pub fn cut_off(&self) -> usize {
        self.registry.cut_off()
    }

    /// Releases a call that another node owns: it falls silent at once, without a `session_end`.
    pub fn release(&self, call: &CallSid) {
        self.registry.release(call);
    }

    /// The agent of a live call.
    pub(crate) fn agent_of(&self, call: &CallSid) -> Option<Arc<Agent>> {
        self.registry.agent_of(call)
    }

    /// The agent of a call that may be on another node; `None` if its record cannot be read in time.
    pub(crate) async fn agent_by_record(&self, call: &CallSid) -> Option<Arc<Agent>> {
        if let Some(agent) = self.registry.agent_of(call) {
            return Some(agent);
        }
        let events = timeout(RECORD_LIMIT, self.history.events(call, 0)).await.ok()?.ok()??;
        let start: Event = serde_json::from_str(events.first()?).ok()?;
        Some(self.agents.of_start(&start.body, &self.config))
    }

    /// Whether a socket was ever attached to a live call; `None` if there is no such call.
    pub(crate) fn has_connected(&self, call: &CallSid) -> Option<bool> {
        self.registry.has_connected(call)
    }

    /// Asks the carrier, in the background and until it succeeds, to end a call that has ended
    /// here.
    pub(crate) fn hang_up_in_background(&self, call: &CallSid) {
        let (account, call) = (Arc::clone(&self.account), call.clone());
        self.tasks.spawn(async move { account.hang_up_until_done(&call).await });
    }

    /// Spawns a task on behalf of a call; the server waits for it at shutdown.
    pub(crate) fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.tasks.spawn(future)
    }

    /// The tracker of the calls' tasks.
    pub(crate) fn tasks(&self) -> &TaskTracker {
        &self.tasks
    }

    /// Lets [`Self::wait`] return once all calls have ended. It refuses no calls; draining does.
    pub fn close(&self) {
        self.tasks.close();
    }

    /// Waits, after [`Self::close`], until all calls have ended.
    pub async fn wait(&self) {
        self.tasks.wait().await;
    }

    /// Stops the threads that calls run on.
    pub(crate) fn stop_workers(&self) {
        self.workers.stop();
    }
}
