//! Several nodes as one server: which node owns a call, and how the others reach it. Owns this
//! node's name, its connection to Redis and the requests that wait for answers. `calls`, `outbound`
//! and `http` call it; it calls the server through its `Handler` alone.
//!
//! Nodes share a Redis server. The store there records the owner of each call and its term; this
//! module sends a request for another node's call (a supervisor's action, a carrier's question, the
//! release of the call) and returns the answer.
//!
//! A node is alive as long as it sends a [`HEARTBEAT`]. A call is not taken from a node merely
//! because it is silent: a call fails over when the carrier or a supervisor's action needs it
//! elsewhere, or once its node has been dead for five minutes. Its owner is then asked to release
//! it, and fenced by a new term if it does not answer.

mod actions;
mod bus;
mod feed;
mod handler;
mod login_codes;
mod nodes;
pub(crate) mod outbound;
mod presence;
mod protocol;
mod safety;
mod sessions;

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use phony_call::{Action, CallSid};
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Client, Pipeline, RedisError, Script, Value, cmd};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use tokio::sync::{broadcast, oneshot, watch};
use tokio::time::{sleep, timeout};
use tokio_tungstenite::tungstenite::Utf8Bytes;
use tokio_util::task::TaskTracker;

use self::actions::Actions;
use crate::store::redis::{Connection, PREFIX, Redis, call_key};
use crate::timeouts;
use crate::token::{self, hex};

use self::protocol::NodeMessage;
pub(crate) use handler::Handler;
pub(crate) use nodes::machine;
pub use nodes::{NodeInfo, NodeStatus};
pub(crate) use presence::SEEN;
pub(crate) use protocol::{Reply, Request};
pub use protocol::{Report, SupervisorAction};
pub use safety::SharedList;

/// How often a node renews its heartbeat.
pub const HEARTBEAT: Duration = Duration::from_secs(1);
/// How long after its last heartbeat a node counts as dead.
const LEASE: Duration = Duration::from_secs(5);
/// How long Redis may take to answer before it counts as away.
const REDIS_LIMIT: Duration = Duration::from_secs(1);
/// How long another node may take to answer.
const NODE_LIMIT: Duration = Duration::from_millis(1500);
/// How often to check that a node that was asked still listens.
const LISTENING: Duration = Duration::from_millis(50);
/// How long a socket token is valid.
const TOKEN_LIFE: Duration = Duration::from_mins(2);
/// How long Redis remembers which node was asked about a ringing call: much longer than it takes to
/// store its first events.
const RINGING: Duration = Duration::from_mins(10);
/// Stored instead of a node's name when the call had ended before any node was asked.
pub(crate) const OVER: &str = "over";
/// How long Redis remembers who redeemed a single-use value.
const USED: Duration = Duration::from_mins(1);
/// How long a single-use login link is valid.
const CODE_LIFE: Duration = Duration::from_hours(24);
/// How long to wait until a new token is shared.
const TOKEN_LIMIT: Duration = Duration::from_secs(3);
/// How many events may wait for viewers here of calls on other nodes.
const FEED: usize = 4096;

static REDEEM_ONCE: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("scripts/redeem_once.lua")));

/// This node of the cluster.
pub struct Cluster {
    /// The name of this process.
    node: String,
    client: Client,
    connection: Connection,
    store: Arc<Redis>,
    /// Whether Redis answered the last heartbeat.
    reachable: AtomicBool,
    /// Whether this node receives messages.
    listening: watch::Sender<bool>,
    draining: AtomicBool,
    /// Requests that wait for an answer.
    pending_requests: Mutex<HashMap<u64, oneshot::Sender<Reply>>>,
    last_request_id: AtomicU64,
    /// Actions sent from here, and messages received from other nodes.
    actions: Actions,
    /// Login links that were used here, the oldest forgotten first.
    used_links: Mutex<VecDeque<String>>,
    /// The events of all nodes, for viewers here of calls on other nodes.
    feed: broadcast::Sender<(CallSid, Utf8Bytes)>,
    feeding: feed::Feeding,
    /// The tasks that answer other nodes.
    tasks: TaskTracker,
}

/// Why a call of another node cannot be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unreached {
    /// There is no call of this id.
    #[error("there is no call of this id")]
    Unknown,
    /// It has ended.
    #[error("the call has ended")]
    Ended,
    /// The node that has it is dead or does not answer.
    #[error("the server that has this call does not answer, so nothing was done; try again")]
    Silent,
    /// It is failing over: the recorded owner does not have it any more.
    #[error("the call is moving to another server; try again")]
    Moving,
    /// The node that has it took the action and did not report the outcome.
    #[error(
        "the server that has this call has not said whether it was done; look at the call before \
         you order it again"
    )]
    Uncertain,
    /// Redis does not answer, so the owner of the call is unknown.
    #[error("the shared store does not answer, so other servers' calls cannot be reached")]
    NoRedis,
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster").field("node", &self.node).finish_non_exhaustive()
    }
}

impl Cluster {
    /// Makes this process a node of the cluster that shares the Redis server at `url`. It connects
    /// when first needed. Ended calls expire there after `keep`.
    pub fn new(url: &SecretString, keep: Option<Duration>) -> Result<Arc<Self>, RedisError> {
        let (client, connection) = connect(url)?;
        let node = token::random()[..12].to_owned();
        let store = Arc::new(Redis::new(connection.clone(), &node, keep));
        Ok(Arc::new(Self {
            node,
            client,
            connection,
            store,
            reachable: AtomicBool::new(true),
            listening: watch::channel(false).0,
            draining: AtomicBool::new(false),
            pending_requests: Mutex::default(),
            last_request_id: AtomicU64::new(0),
            actions: Actions::default(),
            used_links: Mutex::default(),
            feed: broadcast::channel(FEED).0,
            feeding: feed::Feeding::default(),
            tasks: TaskTracker::new(),
        }))
    }

    /// The shared store.
    #[must_use]
    pub fn store(&self) -> Arc<Redis> {
        Arc::clone(&self.store)
    }

    /// Whether Redis answered the last heartbeat.
    #[must_use]
    pub fn is_reachable(&self) -> bool {
        self.reachable.load(Ordering::Relaxed)
    }

    /// Whether Redis answered the last heartbeat and this node receives messages.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.is_reachable() && *self.listening.borrow()
    }

    /// Waits until this node receives messages, for at most a second: a server also starts
    /// without Redis.
    pub async fn joined(&self) {
        let mut listening = self.listening.subscribe();
        drop(timeout(REDIS_LIMIT, listening.wait_for(|listening| *listening)).await);
    }

    /// Announces that this node takes no more calls. True if another node is ready to take them.
    pub async fn drain(&self) -> bool {
        self.draining.store(true, Ordering::Relaxed);
        if self.send_heartbeat(None).await.is_err() {
            return false;
        }
        self.others().await.unwrap_or(false)
    }

    /// Shares the token of a call's socket with all nodes. False without Redis: it is then valid
    /// here alone, but for its signed claims.
    pub async fn share_token(&self, call: &CallSid, token: &str) -> bool {
        if !self.is_reachable() {
            return false;
        }
        let mut set = cmd("SET");
        let holder = format!("{call} {}", self.node);
        set.arg(token_key(token)).arg(holder).arg("PX").arg(millis(TOKEN_LIFE));
        let set = timeout(TOKEN_LIMIT, self.command::<Value>(&set));
        let shared = matches!(set.await, Ok(Ok(_)));
        if !shared {
            tracing::warn!(callSid = %call, "a token is known to this server alone");
        }
        shared
    }

    /// Claims a ringing call for this node; returns the node that claimed it before, if there is
    /// one.
    pub(crate) async fn claim_ringing(&self, call: &CallSid) -> Result<Option<String>, RedisError> {
        let key = format!("{PREFIX}rings:{call}");
        let mut pipeline = Pipeline::new();
        pipeline.atomic().cmd("SET").arg(&key).arg(&self.node);
        pipeline.arg("NX").arg("PX").arg(millis(RINGING)).ignore().cmd("GET").arg(&key);
        let mut connection = self.connection.clone();
        let (first,): (Option<String>,) = pipeline.query_async(&mut connection).await?;
        Ok(first.filter(|node| *node != self.node))
    }

    /// Records that a call that no node has is over, so that a late webhook does not begin it.
    pub(crate) async fn mark_ended(&self, call: &CallSid) {
        let mut set = cmd("SET");
        set.arg(format!("{PREFIX}rings:{call}")).arg(OVER).arg("PX").arg(millis(RINGING));
        drop(self.command::<Value>(&set).await);
    }

    /// Redeems a socket token of any node; returns the node that made it, if it was for this call.
    /// With the same `mark` it can be retried.
    pub async fn redeem_token(
        &self,
        call: &CallSid,
        token: &str,
        mark: &str,
    ) -> Result<Option<String>, RedisError> {
        let holder = self.redeem_once(&token_key(token), mark).await?;
        let holder = holder.as_deref().and_then(|holder| holder.split_once(' '));
        Ok(holder.filter(|(of, _)| *of == call.as_str()).map(|(_, node)| node.to_owned()))
    }

    /// Redeems a single-use value. Only the first `mark` gets it, and can ask for it again within
    /// [`USED`].
    async fn redeem_once(&self, key: &str, mark: &str) -> Result<Option<String>, RedisError> {
        let mut using = REDEEM_ONCE.key(key);
        using.key(format!("{key}:used")).arg(mark).arg(millis(USED));
        using.invoke_async(&mut self.connection.clone()).await
    }

    /// Deletes a token that was redeemed on the node that made it.
    pub async fn delete_token(&self, token: &str) {
        let mut del = cmd("DEL");
        del.arg(token_key(token));
        drop(self.command::<Value>(&del).await);
    }

    /// Sets a value that all nodes share unless it is set, and returns the one in force.
    async fn share_value(&self, name: &str, secret: &str) -> Result<String, RedisError> {
        let key = format!("{PREFIX}{name}");
        let mut set = cmd("SET");
        set.arg(&key).arg(secret).arg("NX");
        self.command::<Value>(&set).await?;
        let mut get = cmd("GET");
        get.arg(&key);
        self.command(&get).await
    }

    /// Sends a request to the node that owns a call, and returns its answer.
    pub(crate) async fn ask(&self, call: &CallSid, what: Request) -> Result<Reply, Unreached> {
        let mut get = cmd("HMGET");
        get.arg(call_key(call.as_str())).arg("node").arg("end");
        let (node, end): (Option<String>, Option<String>) =
            self.command(&get).await.map_err(|_| Unreached::NoRedis)?;
        let Some(node) = node else { return Err(Unreached::Unknown) };
        if end.is_some() {
            return Err(Unreached::Ended);
        }
        self.ask_node(&node, call, what).await
    }

    /// Sends a request to a node that has a call, or had it.
    pub(crate) async fn ask_node(
        &self,
        node: &str,
        call: &CallSid,
        what: Request,
    ) -> Result<Reply, Unreached> {
        if node == self.node {
            return Err(Unreached::Moving);
        }
        // An answer that depends on the carrier takes as long as the carrier's.
        let asks_carrier = matches!(&what, Request::Act(Action::End));
        let limit = if asks_carrier { NODE_LIMIT + timeouts::HANG_UP } else { NODE_LIMIT };
        let id = self.last_request_id.fetch_add(1, Ordering::Relaxed);
        let (reply, answer) = oneshot::channel();
        self.pending_requests().insert(id, reply);
        let (from, call, leg) = (self.node.clone(), call.clone(), what.leg().map(str::to_owned));
        let message = NodeMessage::Ask { id, from, call, what, leg };
        let answer = async {
            if self.tell(node, &message).await.map_err(|_| Unreached::NoRedis)? == 0 {
                return Err(Unreached::Silent);
            }
            tokio::select! {
                answer = answer => answer.map_err(|_| Unreached::Silent),
                () = self.until_unsubscribed(node) => Err(Unreached::Silent),
            }
        };
        let answer = timeout(limit, answer).await;
        self.pending_requests().remove(&id);
        match answer {
            Ok(Ok(Reply::Gone)) => Err(Unreached::Moving),
            Err(_) => Err(Unreached::Silent),
            Ok(answer) => answer,
        }
    }

    /// Waits until a node does not listen any more, which reveals a killed node before its answer
    /// times out.
    async fn until_unsubscribed(&self, node: &str) {
        let mut listening = cmd("PUBSUB");
        listening.arg("NUMSUB").arg(node_channel(node));
        loop {
            sleep(LISTENING).await;
            if let Ok((_, 0)) = self.command::<(String, u64)>(&listening).await {
                return;
            }
        }
    }

    /// Sends a message; returns how many nodes received it.
    async fn tell(&self, node: &str, message: &NodeMessage) -> Result<u64, RedisError> {
        let message = serde_json::to_string(message).unwrap_or_default();
        let mut publish = cmd("PUBLISH");
        publish.arg(node_channel(node)).arg(message);
        self.command(&publish).await
    }

    /// Renews this node's heartbeat: that it lives, whether it takes calls, and its [`NodeInfo`].
    async fn send_heartbeat(&self, about: Option<&NodeInfo>) -> Result<(), RedisError> {
        let state = if self.draining.load(Ordering::Relaxed) { "draining" } else { "ready" };
        let mut pipeline = Pipeline::new();
        pipeline
            .cmd("SET")
            .arg(format!("{PREFIX}alive:{}", self.node))
            .arg(state)
            .arg("PX")
            .arg(millis(LEASE))
            .cmd("SADD")
            .arg(nodes_key())
            .arg(&self.node);
        if let Some(about) = about {
            self.publish_info(&mut pipeline, about);
        }
        let mut connection = self.connection.clone();
        let done = pipeline.exec_async(&mut connection).await;
        if self.reachable.swap(done.is_ok(), Ordering::Relaxed) != done.is_ok() {
            match &done {
                Ok(()) => tracing::info!("Redis answers again"),
                Err(error) => tracing::error!(%error, "Redis does not answer"),
            }
        }
        done
    }

    /// Whether another node is ready to take calls; dead ones are removed from the list.
    async fn others(&self) -> Result<bool, RedisError> {
        let mut members = cmd("SMEMBERS");
        members.arg(nodes_key());
        let nodes: Vec<String> = self.command(&members).await?;
        let mut ready = false;
        for node in nodes.iter().filter(|node| **node != self.node) {
            let mut get = cmd("GET");
            get.arg(format!("{PREFIX}alive:{node}"));
            match self.command::<Option<String>>(&get).await?.as_deref() {
                Some("ready") => ready = true,
                Some(_) => {}
                None => {
                    let mut forget = cmd("SREM");
                    forget.arg(nodes_key()).arg(node);
                    self.command::<Value>(&forget).await?;
                }
            }
        }
        Ok(ready)
    }

    /// Whether the store knows a call; false if Redis does not answer.
    pub(crate) async fn knows(&self, call: &CallSid) -> bool {
        let mut exists = cmd("EXISTS");
        exists.arg(call_key(call.as_str()));
        self.command(&exists).await.unwrap_or(false)
    }

    /// Whether the node that owns a call is alive; `None` if the call has no owner.
    pub(crate) async fn is_owner_alive(&self, call: &CallSid) -> Result<Option<bool>, RedisError> {
        let mut get = cmd("HGET");
        get.arg(call_key(call.as_str())).arg("node");
        let Some(node) = self.command::<Option<String>>(&get).await? else { return Ok(None) };
        let mut exists = cmd("EXISTS");
        exists.arg(format!("{PREFIX}alive:{node}"));
        Ok(Some(self.command(&exists).await?))
    }

    /// Which of these calls, held here under these terms, are owned by another node by now. A
    /// former owner that writes late, under its old term, does not own the call again.
    async fn lost(&self, held: &[(CallSid, u64)]) -> Result<Vec<CallSid>, RedisError> {
        if held.is_empty() {
            return Ok(Vec::new());
        }
        let mut pipeline = Pipeline::new();
        for (call, _) in held {
            pipeline.cmd("HMGET").arg(call_key(call.as_str())).arg("node").arg("term");
        }
        let mut connection = self.connection.clone();
        let owners: Vec<(Option<String>, Option<u64>)> =
            pipeline.query_async(&mut connection).await?;
        let lost = held.iter().zip(owners).filter(|((_, own), (node, term))| {
            node.as_ref().is_some_and(|node| *node != self.node) && *term >= Some(*own)
        });
        Ok(lost.map(|((call, _), _)| call.clone()).collect())
    }

    async fn command<T: redis::FromRedisValue>(
        &self,
        command: &redis::Cmd,
    ) -> Result<T, RedisError> {
        command.query_async(&mut self.connection.clone()).await
    }

    fn pending_requests(&self) -> MutexGuard<'_, HashMap<u64, oneshot::Sender<Reply>>> {
        self.pending_requests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A client of the server at `url`, and a connection that is made when first needed.
fn connect(url: &SecretString) -> Result<(Client, Connection), RedisError> {
    let client = Client::open(url.expose_secret())?;
    let config = ConnectionManagerConfig::new()
        .set_response_timeout(Some(REDIS_LIMIT))
        .set_connection_timeout(Some(REDIS_LIMIT))
        .set_number_of_retries(0)
        .set_max_delay(Duration::from_millis(200));
    let connection = ConnectionManager::new_lazy_with_config(client.clone(), config)?;
    Ok((client, connection.into()))
}

/// The channel that a node listens to.
fn node_channel(node: &str) -> String {
    format!("{PREFIX}node:{node}")
}

fn nodes_key() -> String {
    format!("{PREFIX}nodes")
}

/// Tokens are stored as hashes, so that they cannot be used by reading Redis.
fn token_key(token: &str) -> String {
    hashed("token", token)
}

fn hashed(kind: &str, secret: &str) -> String {
    format!("{PREFIX}{kind}:{}", hex(&Sha256::digest(secret.as_bytes())[..16]))
}

fn millis(length: Duration) -> u64 {
    u64::try_from(length.as_millis()).unwrap_or(u64::MAX)
}
