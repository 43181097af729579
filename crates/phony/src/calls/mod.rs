//! Where calls are taken: finds the agent, reaches for the model, starts the call's task.

pub mod actor;
mod error;
mod failover;
mod node;
pub mod registry;
mod ringing;
pub mod socket_tokens;
pub mod supervisors;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use phony_call::{CallSid, Countries, Direction, Event, EventBody, Identity, PhoneNumber, Policy};
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use self::actor::{HangUp, Outbound, Start};
use self::socket_tokens::SocketTokens;
use crate::agents::{Agent, Agents, calling};
use crate::calls::registry::{Handle, Registered, Registry};
use crate::calls::supervisors::Supervisors;
use crate::carriers;
use crate::clock::Clock;
use crate::cluster::Cluster;
use crate::config::Config;
use crate::events::{Hub, Publisher};
use crate::history::History;
use crate::outbound::Dials;
use crate::ports::ModelPort;
use crate::runtime::shutdown::Shutdown;
use crate::runtime::workers::Workers;
use crate::safety::Safety;
use crate::safety::pace::Slot;
pub use error::{ActError, Draining, NotPassedOn};
pub use ringing::Over;
pub(crate) use ringing::Ringing;

/// Carriers' reports that are kept until they can be passed on.
pub const REPORTS: usize = 4096;

/// How late the carrier may report that nobody answered.
const REPORT: Duration = Duration::from_secs(15);

/// What carriers and supervisors reach: the calls, and the means to take a new one.
#[derive(Debug)]
pub struct Calls {
    /// The configuration.
    pub config: Config,
    /// The port that is really listened on.
    pub port: u16,
    /// Who can answer.
    pub agents: Agents,
    /// The live calls.
    pub registry: Arc<Registry>,
    /// What happens in calls.
    pub hub: Arc<Hub>,
    /// What is known of calls, live and ended.
    pub history: History,
    /// The rules of calls that we place, and what they remember.
    pub safety: Arc<Safety>,
    /// Calls that are being placed.
    pub dials: Arc<Dials>,
    /// The other servers, if this is one of several.
    pub cluster: Option<Arc<Cluster>>,
    /// Places for carriers' reports that cannot be passed on yet.
    pub reports: Arc<Semaphore>,
    /// Which supervisors are there.
    pub supervisors: Arc<Supervisors>,
    /// Calls that were reported as over.
    pub over: Over,
    /// What tokens say by themselves.
    pub socket_tokens: SocketTokens,
    /// How a call reaches its model.
    pub models: Models,
    /// The tasks of calls and of their lines.
    pub tasks: TaskTracker,
    /// The threads that calls run on.
    pub workers: Workers,
    /// The stages of the server's end.
    pub shutdown: Shutdown,
    /// What time it is.
    pub clock: Clock,
    /// When the server started.
    pub started: Instant,
}

/// Opens a model for a call.
#[derive(Clone)]
pub struct Models(Arc<Open>);

type Open = dyn Fn(&Agent, &CallSid) -> ModelPort + Send + Sync;

impl Models {
    /// A way to open a model: it returns at once, and connects meanwhile.
    pub fn new(open: impl Fn(&Agent, &CallSid) -> ModelPort + Send + Sync + 'static) -> Self {
        Self(Arc::new(open))
    }

    /// Opens a model.
    #[must_use]
    pub fn open(&self, agent: &Agent, call: &CallSid) -> ModelPort {
        (self.0)(agent, call)
    }
}

/// How many sockets have come to the call of these events.
fn sockets_of(events: &[Event]) -> u32 {
    let is_one =
        |event: &&Event| matches!(event.body, EventBody::Connected | EventBody::Resumed { .. });
    u32::try_from(events.iter().filter(is_one).count()).unwrap_or(u32::MAX)
}

/// Until when the token of the first socket is good of a call that began then, in seconds since 1970:
/// from when it may be handed out last.
fn first_until(began: Timestamp, policy: &Policy) -> i64 {
    let connect = i64::try_from(policy.connect.as_secs()).unwrap_or(i64::MAX);
    socket_tokens::good_from(began.as_second().saturating_add(connect))
}

impl fmt::Debug for Models {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Models")
    }
}

/// A call that the carrier has been told to place.
#[derive(Debug)]
pub struct Placed {
    /// Who calls whom.
    pub identity: Identity,
    /// Who speaks, with the slots of its errand filled.
    pub agent: Arc<Agent>,
    /// Its place among the calls of ours.
    pub slot: Option<Slot>,
}

/// What has been of a call before its task begins.
enum Before {
    /// Nothing: it rings.
    Nothing,
    /// We place it.
    Placed(Outbound),
    /// It began elsewhere.
    Kept(Past),
}

/// What has been of a call that goes on here.
struct Past {
    events: Vec<Event>,
    /// Since when its line costs money that nobody has counted, if it is up.
    line_since: Option<Instant>,
}

impl Calls {
    /// Takes a call whose phone rings, or finds it if it was taken before: carriers ask twice when
    /// an answer is late. The model is reached for at once, so that the first word need not wait.
    ///
    /// `wanted` names the agent; if there is none of that name, the number's own answers: whoever
    /// calls is better served by another agent than by none.
    pub fn take(&self, identity: Identity, wanted: Option<&str>) -> Result<(), Draining> {
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
            // Whoever is called hears that it is a machine, whoever has placed the call.
            agent = calling(&agent);
        }
        let publisher = self.hub.open(&identity.sid);
        self.begin(registered, identity, agent, publisher, Before::Nothing);
        Ok(())
    }

    /// Takes a call that the carrier was told to place; it rings now. One that is known already,
    /// because its webhook was faster, stays as it is.
    pub fn take_placed(&self, placed: Placed) {
        let Placed { identity, agent, slot } = placed;
        let stop = self.shutdown.stop.child_token();
        let Some(registered) = self.registry.register(&identity.sid, stop) else { return };
        let outbound = self.outbound(&identity, slot);
        let publisher = self.hub.open(&identity.sid);
        self.begin(registered, identity, agent, publisher, Before::Placed(outbound));
    }

    /// What holds a call of ours to the rules.
    fn outbound(&self, identity: &Identity, slot: Option<Slot>) -> Outbound {
        Outbound { call: identity.sid.clone(), safety: Arc::clone(&self.safety), slot }
    }

    /// Starts the task of a call.
    fn begin(
        &self,
        registered: Registered,
        identity: Identity,
        agent: Arc<Agent>,
        publisher: Publisher,
        before: Before,
    ) {
        let (outbound, past) = match before {
            Before::Nothing => (None, Vec::new()),
            Before::Placed(outbound) => (Some(outbound), Vec::new()),
            Before::Kept(Past { events, line_since }) => {
                let is_ours = identity.direction == Direction::Outbound;
                let outbound = is_ours.then(|| {
                    if let Some(since) = line_since {
                        self.safety.spend.begun(&identity.sid, since);
                    }
                    // Among several servers its place is where its record is.
                    let slot = self.cluster.is_none().then(|| self.safety.pace.take_over());
                    self.outbound(&identity, slot)
                });
                (outbound, events)
            }
        };
        let sid = identity.sid.clone();
        let mut of_call_itself = Arc::clone(&agent.call);
        if agent.dials_own_country {
            // No number of ours is configured; the one that this call uses is ours, too.
            let ours = match identity.direction {
                Direction::Inbound => &identity.to,
                Direction::Outbound => &identity.from,
            };
            let own = PhoneNumber::parse(ours).map(Countries::of).unwrap_or_default();
            Arc::make_mut(&mut of_call_itself).transfers.countries = own;
        }
        let policy = self.policy_of(&agent, outbound.is_some());
        let wall = (self.clock.wall)();
        let first_until = first_until(past.first().map_or(wall, |start| start.at), &policy);
        self.registry.begins(&sid, Arc::clone(&agent), sockets_of(&past), first_until);
        let models = self.models.clone();
        let hang_up = (identity.carrier != carriers::SOFTPHONE).then(|| HangUp {
            call: sid.clone(),
            dials: Arc::clone(&self.dials),
            tasks: self.tasks.clone(),
            kill: self.shutdown.kill.clone(),
        });
        let start = Start {
            policy,
            agent: of_call_itself,
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

    /// The limits and timings of a call that began like this; `None` if it is no beginning.
    pub(crate) fn policy_of_start(&self, start: &Event) -> Option<Policy> {
        let identity = Identity::of_start(start)?;
        let agent = self.agents.of_start(&start.body, &self.config);
        Some(self.policy_of(&agent, identity.direction == Direction::Outbound))
    }

    fn policy_of(&self, agent: &Agent, is_ours: bool) -> Policy {
        let mut policy = agent.limits.within(&self.config.policy);
        if is_ours {
            // The carrier ends the ringing; its report may be late.
            policy.connect = policy.connect.max(self.config.dialing.ring + REPORT);
        }
        policy
    }

    /// The way to a live call.
    #[must_use]
    pub fn find(&self, call: &CallSid) -> Option<Handle> {
        self.registry.find(call)
    }

    /// Why no calls can be taken, if so.
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
                let gone = self.cluster.as_ref().is_some_and(|cluster| !cluster.is_in_touch());
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

    /// Our number in a call between these two, for showing it to somebody called on.
    #[must_use]
    pub fn our_number(&self, from: &str, to: &str, direction: Direction) -> Option<PhoneNumber> {
        let ours = match direction {
            Direction::Inbound => to,
            Direction::Outbound => from,
        };
        PhoneNumber::parse(ours).ok().or_else(|| self.config.twilio.phone_number.clone())
    }
}
