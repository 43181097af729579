//! The carrier's question what to do with a call that rings or was just answered. A repeated
//! question gets the same answer until a socket is attached, and none after that: a replayed
//! webhook must not restart a call or take over its line. Owns the list of recently ended calls;
//! the Twilio webhooks call it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use phony_call::{CallSid, Event, EventBody, Identity};
use tokio::time::{sleep, timeout};

use super::{Calls, Draining};
use crate::agents::Agent;
use crate::cluster::{Cluster, OVER, Reply, Request, Unreached};

/// How long to look a call up. The caller waits for the answer.
const KNOWN_LIMIT: Duration = Duration::from_secs(1);
/// How long to wait for Redis to record that this node was asked.
const CLAIM_LIMIT: Duration = Duration::from_millis(150);
/// How often, and how long apart, a call is looked up that is failing over.
const LOOKS: u32 = 5;
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);

/// How many ended calls are remembered.
const REMEMBERED: usize = 1024;

/// The answer to the carrier.
pub(crate) enum RingResponse {
    /// Connect the call to this server, with this token and this agent's voice.
    Connect {
        /// The token.
        token: String,
        /// The agent, if it is known here.
        agent: Option<Arc<Agent>>,
    },
    /// Do nothing: the call is connected, has ended, or cannot be taken.
    Nothing,
}

/// The calls whose end the carrier has reported here, the oldest forgotten first: the question how
/// to answer a call may arrive after its end.
#[derive(Debug, Default)]
pub(super) struct EndedCalls(Mutex<VecDeque<CallSid>>);

impl EndedCalls {
    /// Remembers that a call has ended.
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

/// The result of looking up a call that is not here.
enum Lookup {
    /// It is unknown, so it begins.
    New,
    /// Another node has it; this is its response.
    Elsewhere(RingResponse),
    /// It has ended, or was connected.
    Answered,
    /// The process that began it is dead.
    Orphaned,
}

impl Calls {
    /// Opens a call whose phone rings, if it is not known yet, and says how to connect it.
    pub(crate) async fn ring(
        &self,
        identity: Identity,
        wanted: Option<&str>,
    ) -> Result<RingResponse, Draining> {
        let call = identity.sid.clone();
        if self.ended.has(&call) {
            tracing::info!(callSid = %call, "a call is asked about that was reported as over");
            return Ok(RingResponse::Nothing);
        }
        if let Some(ringing) = self.ring_here(&call).await {
            return Ok(ringing);
        }
        match self.look_up(&call).await {
            Lookup::New => {
                self.open(identity, wanted)?;
                Ok(self.ring_here(&call).await.unwrap_or(RingResponse::Nothing))
            }
            Lookup::Elsewhere(ringing) => Ok(ringing),
            Lookup::Orphaned if self.resume(&call).await.is_some() => {
                Ok(self.ring_here(&call).await.unwrap_or(RingResponse::Nothing))
            }
            Lookup::Answered | Lookup::Orphaned => {
                tracing::warn!(callSid = %call, "a call is asked about that has been answered");
                metrics::counter!("phony_repeated_webhooks_total").increment(1);
                Ok(RingResponse::Nothing)
            }
        }
    }

    /// How to connect a call that is here; `None` if it is not here.
    pub(crate) async fn ring_here(&self, call: &CallSid) -> Option<RingResponse> {
        self.registry.until_read(call).await;
        if self.registry.has_connected(call)? {
            return Some(RingResponse::Nothing);
        }
        let agent = self.registry.agent_of(call);
        let token = self.next_token(call).await?;
        Some(RingResponse::Connect { token, agent })
    }

    /// How to connect an outbound call that is on another node and has this agent.
    pub(crate) async fn ring_elsewhere(&self, call: &CallSid, agent: Arc<Agent>) -> RingResponse {
        let Some(cluster) = &self.cluster else { return RingResponse::Nothing };
        match cluster.ask(call, Request::Token).await {
            Ok(Reply::Token(Some((said, _)))) => {
                let token = self.socket_tokens.with_seal(call, &said);
                RingResponse::Connect { token, agent: Some(agent) }
            }
            Ok(Reply::Token(None)) | Err(Unreached::Ended) => RingResponse::Nothing,
            // The node that gets the socket resumes the call.
            Ok(_) | Err(_) => match self.next_token(call).await {
                Some(token) => RingResponse::Connect { token, agent: Some(agent) },
                None => RingResponse::Nothing,
            },
        }
    }

    /// The token of a call's first socket, without its signature, and the agent's id; `None` if a
    /// socket was attached or the call is not here.
    pub(crate) async fn first_token(&self, call: &CallSid) -> Option<(String, String)> {
        let RingResponse::Connect { token, agent } = self.ring_here(call).await? else {
            return None;
        };
        let agent = agent.map(|agent| agent.call.id.clone()).unwrap_or_default();
        Some((self.socket_tokens.without_seal(&token).to_owned(), agent))
    }

    /// Looks a call up, for as long as a caller can wait; if that is too short, it counts as new
    /// rather than be refused.
    async fn look_up(&self, call: &CallSid) -> Lookup {
        for _ in 0..LOOKS {
            let Ok(look) = timeout(KNOWN_LIMIT, self.try_look_up(call)).await else { break };
            if let Some(known) = look {
                return known;
            }
            sleep(BETWEEN_LOOKS).await;
        }
        Lookup::New
    }

    /// `None` if the call is just failing over.
    async fn try_look_up(&self, call: &CallSid) -> Option<Lookup> {
        match self.history.summary(call).await {
            Ok(Some(line)) if line.end.is_some() => return Some(Lookup::Answered),
            Ok(Some(_)) if self.cluster.is_none() => {
                let was_connected = self.was_connected(call).await;
                return Some(if was_connected { Lookup::Answered } else { Lookup::Orphaned });
            }
            Ok(None) | Err(_) if self.cluster.is_none() => return Some(Lookup::New),
            Ok(_) => {}
            // Without Redis no other node can be asked.
            Err(_) => return Some(Lookup::New),
        }
        let cluster = self.cluster.as_ref()?;
        match cluster.ask(call, Request::Token).await {
            Ok(reply) => self.lookup_of(call, reply),
            Err(Unreached::Ended) => Some(Lookup::Answered),
            Err(Unreached::NoRedis) => Some(Lookup::New),
            Err(Unreached::Moving) => None,
            Err(Unreached::Silent | Unreached::Uncertain) => {
                let was_connected = self.was_connected(call).await;
                Some(if was_connected { Lookup::Answered } else { Lookup::Orphaned })
            }
            Err(Unreached::Unknown) => self.claim(cluster, call).await,
        }
    }

    /// The store does not know the call yet; the node that is asked first begins it.
    async fn claim(&self, cluster: &Cluster, call: &CallSid) -> Option<Lookup> {
        match timeout(CLAIM_LIMIT, cluster.claim_ringing(call)).await {
            Ok(Ok(None) | Err(_)) | Err(_) => Some(Lookup::New),
            Ok(Ok(Some(node))) if node == OVER => Some(Lookup::Answered),
            Ok(Ok(Some(node))) => match cluster.ask_node(&node, call, Request::Token).await {
                Ok(reply) => self.lookup_of(call, reply),
                // It is just opening the call, or writing its end.
                Err(Unreached::Moving) => None,
                Err(_) => Some(Lookup::New),
            },
        }
    }

    fn lookup_of(&self, call: &CallSid, reply: Reply) -> Option<Lookup> {
        match reply {
            Reply::Token(Some((said, agent))) => {
                let (token, agent) =
                    (self.socket_tokens.with_seal(call, &said), self.agents.find(&agent));
                Some(Lookup::Elsewhere(RingResponse::Connect { token, agent }))
            }
            Reply::Token(None) => Some(Lookup::Answered),
            Reply::Gone => None,
            Reply::Done | Reply::Refused(_) | Reply::Next(_) | Reply::Released(_) => {
                Some(Lookup::New)
            }
        }
    }

    /// Whether a call was ever connected, by its record; true if that cannot be read.
    async fn was_connected(&self, call: &CallSid) -> bool {
        let Ok(Some(events)) = self.history.events(call, 0).await else { return true };
        let is_connected = |event: Event| matches!(event.body, EventBody::Connected { .. });
        events.iter().any(|event| serde_json::from_str(event).is_ok_and(is_connected))
    }
}
