//! A carrier asks what to do with a call that rings, or that was just answered. One call has one such
//! question: a repeat gets the same answer as long as nobody is connected, and none later, or whoever
//! has seen a question once could begin the call anew with it, or take its line over.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use phony_call::{CallSid, Event, EventBody, Identity};
use tokio::time::{sleep, timeout};

use super::{Calls, Draining};
use crate::agents::Agent;
use crate::cluster::{Cluster, OVER, Reply, Request, Unreached};

/// How long it may take to learn whether a call is known. The caller waits for the answer.
const KNOWN_LIMIT: Duration = Duration::from_secs(1);
/// How long it may take to write down that this node was asked.
const CLAIM_LIMIT: Duration = Duration::from_millis(150);
/// How long the store may take to write that the call has begun.
const KEEP_LIMIT: Duration = Duration::from_millis(500);
/// How often, and how long apart, a call is looked for that is on its way somewhere.
const LOOKS: u32 = 5;
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);

/// How many calls are remembered as over.
const REMEMBERED: usize = 1024;

/// What the carrier is told.
pub(crate) enum Ringing {
    /// To connect the call to this server, with this token, in the voice of this agent.
    Connect {
        /// The token.
        token: String,
        /// Who speaks, if that is known here.
        agent: Option<Arc<Agent>>,
    },
    /// Nothing: somebody was connected already, the call is over, or nobody can take it.
    Nothing,
}

/// The calls that the carrier has reported as over here, the oldest forgotten first: the question how
/// to answer one may be slower than that.
#[derive(Debug, Default)]
pub(super) struct Over(Mutex<VecDeque<CallSid>>);

impl Over {
    /// A call is over.
    pub(super) fn note(&self, call: &CallSid) {
        let mut over = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if over.contains(call) {
            return;
        }
        if over.len() == REMEMBERED {
            over.pop_front();
        }
        over.push_back(call.clone());
    }

    fn has(&self, call: &CallSid) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(call)
    }
}

/// What is known of a call that is not here.
enum Known {
    /// Nothing: it begins.
    New,
    /// Another node has it, or has had it.
    Elsewhere(Ringing),
    /// It is over, or has been connected.
    Past,
    /// It was begun by a process that has gone.
    LeftBehind,
}

impl Calls {
    /// Takes a call whose phone rings, if it is not known yet, and says how it is connected.
    pub(crate) async fn ring(
        &self,
        identity: Identity,
        wanted: Option<&str>,
    ) -> Result<Ringing, Draining> {
        let call = identity.sid.clone();
        if self.over.has(&call) {
            tracing::info!(callSid = %call, "a call is asked about that was reported as over");
            return Ok(Ringing::Nothing);
        }
        if let Some(ringing) = self.ring_here(&call).await {
            return Ok(ringing);
        }
        match self.known(&call).await {
            Known::New => {
                self.take(identity, wanted)?;
                Ok(self.ring_here(&call).await.unwrap_or(Ringing::Nothing))
            }
            Known::Elsewhere(ringing) => Ok(ringing),
            Known::LeftBehind if self.resume(&call).await.is_some() => {
                Ok(self.ring_here(&call).await.unwrap_or(Ringing::Nothing))
            }
            Known::Past | Known::LeftBehind => {
                tracing::warn!(callSid = %call, "a call is asked about that has been answered");
                metrics::counter!("phony_repeated_webhooks_total").increment(1);
                Ok(Ringing::Nothing)
            }
        }
    }

    /// How a call is connected that is here; `None` if it is not.
    pub(crate) async fn ring_here(&self, call: &CallSid) -> Option<Ringing> {
        self.registry.until_read(call).await;
        if self.registry.has_connected(call)? {
            return Some(Ringing::Nothing);
        }
        let agent = self.registry.agent_of(call);
        let token = self.mint(call).await?;
        if self.cluster.is_none() {
            // By its record the token is known after a restart.
            self.hub.flush(call, KEEP_LIMIT).await;
        }
        Some(Ringing::Connect { token, agent })
    }

    /// How a call of ours is connected that is on another node, where this agent speaks.
    pub(crate) async fn ring_elsewhere(&self, call: &CallSid, agent: Arc<Agent>) -> Ringing {
        let Some(cluster) = &self.cluster else { return Ringing::Nothing };
        match cluster.ask(call, Request::Token).await {
            Ok(Reply::Token(Some((said, _)))) => {
                let token = self.socket_tokens.with_seal(call, &said);
                Ringing::Connect { token, agent: Some(agent) }
            }
            Ok(Reply::Token(None)) | Err(Unreached::Ended) => Ringing::Nothing,
            // Whoever gets the socket goes on with the call.
            Ok(_) | Err(_) => match self.mint(call).await {
                Some(token) => Ringing::Connect { token, agent: Some(agent) },
                None => Ringing::Nothing,
            },
        }
    }

    /// The token of the first socket of a call that is here, without its seal, and who speaks; `None`
    /// if a socket has come.
    pub(crate) async fn first_token(&self, call: &CallSid) -> Option<(String, String)> {
        let Ringing::Connect { token, agent } = self.ring_here(call).await? else { return None };
        let agent = agent.map(|agent| agent.call.id.clone()).unwrap_or_default();
        Some((self.socket_tokens.without_seal(&token).to_owned(), agent))
    }

    /// What is known of a call, as far as that can be learned while a caller waits. A call is taken
    /// rather than refused.
    async fn known(&self, call: &CallSid) -> Known {
        for _ in 0..LOOKS {
            let Ok(look) = timeout(KNOWN_LIMIT, self.look(call)).await else { break };
            if let Some(known) = look {
                return known;
            }
            sleep(BETWEEN_LOOKS).await;
        }
        Known::New
    }

    /// `None` if it is on its way.
    async fn look(&self, call: &CallSid) -> Option<Known> {
        match self.history.summary(call).await {
            Ok(Some(summary)) if summary.end.is_some() => return Some(Known::Past),
            Ok(Some(_)) if self.cluster.is_none() => {
                let was_connected = self.was_connected(call).await;
                return Some(if was_connected { Known::Past } else { Known::LeftBehind });
            }
            Ok(None) | Err(_) if self.cluster.is_none() => return Some(Known::New),
            Ok(_) => {}
            // Neither can anybody else be asked.
            Err(_) => return Some(Known::New),
        }
        let cluster = self.cluster.as_ref()?;
        match cluster.ask(call, Request::Token).await {
            Ok(reply) => self.told(call, reply),
            Err(Unreached::Ended) => Some(Known::Past),
            Err(Unreached::NoRedis) => Some(Known::New),
            Err(Unreached::Moving) => None,
            Err(Unreached::Silent | Unreached::Uncertain) => {
                let was_connected = self.was_connected(call).await;
                Some(if was_connected { Known::Past } else { Known::LeftBehind })
            }
            Err(Unreached::Unknown) => self.claim(cluster, call).await,
        }
    }

    /// Nobody has written of the call yet; whoever is asked first begins it.
    async fn claim(&self, cluster: &Cluster, call: &CallSid) -> Option<Known> {
        match timeout(CLAIM_LIMIT, cluster.claim_ringing(call)).await {
            Ok(Ok(None) | Err(_)) | Err(_) => Some(Known::New),
            Ok(Ok(Some(node))) if node == OVER => Some(Known::Past),
            Ok(Ok(Some(node))) => match cluster.ask_node(&node, call, Request::Token).await {
                Ok(reply) => self.told(call, reply),
                // It takes the call just now, or has ended it and writes that.
                Err(Unreached::Moving) => None,
                Err(_) => Some(Known::New),
            },
        }
    }

    fn told(&self, call: &CallSid, reply: Reply) -> Option<Known> {
        match reply {
            Reply::Token(Some((said, agent))) => {
                let (token, agent) =
                    (self.socket_tokens.with_seal(call, &said), self.agents.find(&agent));
                Some(Known::Elsewhere(Ringing::Connect { token, agent }))
            }
            Reply::Token(None) => Some(Known::Past),
            Reply::Gone => None,
            Reply::Done | Reply::Refused(_) | Reply::Next(_) | Reply::Released(_) => {
                Some(Known::New)
            }
        }
    }

    /// Whether a call has ever been connected, by its record; one that cannot be read has been.
    async fn was_connected(&self, call: &CallSid) -> bool {
        let Ok(Some(events)) = self.history.events(call, 0).await else { return true };
        let is_connected = |event: Event| matches!(event.body, EventBody::Connected);
        events.iter().any(|event| serde_json::from_str(event).is_ok_and(is_connected))
    }
}
