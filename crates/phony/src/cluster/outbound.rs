//! What nodes share about calls of ours that are being placed: the keys that make a repeat return
//! the first call, the shared that goes with a call, and the places among the live ones.

use std::collections::BTreeSet;
use std::sync::LazyLock;
use std::time::Duration;

use jiff::Timestamp;
use phony_call::CallSid;
use redis::{Pipeline, RedisError, Script, cmd};
use serde::{Deserialize, Serialize};
use tokio::time::sleep;

use super::{Cluster, millis};
use crate::store::redis::{LONGEST_OUTBOUND, PREFIX, call_key, slots_key};

/// How long a key is held for an order that is carried out: longer than that takes at worst. Only
/// then is whoever holds it taken for dead.
const HOLD: Duration = Duration::from_secs(90);
/// How long a repeat waits for the first order.
const FIRST_ORDER: Duration = Duration::from_secs(20);
/// How often it looks.
const LOOK: Duration = Duration::from_millis(25);
/// How long a key is remembered, and the shared of a call.
const DAY: Duration = Duration::from_hours(24);
/// How long the carrier may take to name a call. A webhook for it may come as late.
const NAMING: Duration = Duration::from_mins(3);
/// Keys that are told in one go.
const BATCH: usize = 200;
/// How long a webhook waits for the call that it is about.
const SETTLING: Duration = Duration::from_secs(8);

static HOLD_KEY: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("scripts/hold_key.lua")));
static SETTLE_KEY: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("scripts/settle_key.lua")));
static RESTORE_KEYS: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("scripts/restore_keys.lua")));
static TAKE_SLOT: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("scripts/take_slot.lua")));
static BIND_CALL: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("scripts/bind_call.lua")));

/// What all nodes know of an idempotency key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SharedKey {
    /// Nothing, or nothing came of it; it is held now.
    New,
    /// The same order placed this call, which had this status then.
    Done(CallSid, String),
    /// The same order may have placed a call, at this time; it is held now.
    Uncertain(Timestamp),
    /// It stands for another order.
    Other,
    /// The same order is being carried out, and takes long.
    Busy,
}

/// An order that was carried out under a key.
#[derive(Debug, Clone)]
pub(crate) struct CompletedOrder {
    /// The key's hash.
    pub(crate) key: String,
    /// The order's hash.
    pub(crate) body: String,
    /// The call that came of it.
    pub(crate) call: CallSid,
    /// How far the call had got then.
    pub(crate) status: String,
}

/// What came of an order under a key.
#[derive(Debug, Clone, Copy)]
pub(crate) enum OrderResult<'a> {
    /// A call.
    Placed(&'a CallSid, &'a str),
    /// Perhaps a call.
    Unknown,
    /// Nothing.
    NotPlaced,
}

/// There is no place for another call of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoSlot {
    /// Too many at once.
    AtOnce,
    /// Too many in a minute; there is room after this time.
    Rate(Duration),
}

/// What a call of ours is for, for the node that its webhooks reach.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct SharedOrder<T> {
    /// The node that places the call; none if it does not know whether it did.
    pub(crate) node: Option<String>,
    /// The attempt to place it.
    pub(crate) attempt: String,
    /// The idempotency key's hash, if there is one.
    pub(crate) key: Option<String>,
    /// The order.
    pub(crate) order: T,
}

/// Whose a call of ours is that this node does not have.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum CallOwner<T> {
    /// Nobody here has placed it.
    Unknown,
    /// A node has it, or had it: the store knows it.
    Stored,
    /// Whoever placed it has not lived to open it.
    Orphaned(SharedOrder<T>),
}

impl Cluster {
    /// Takes an idempotency key for an order; a repeat waits for what comes of the first.
    pub(crate) async fn hold_key(
        &self,
        name: &str,
        body: &str,
        attempt: &str,
    ) -> Result<SharedKey, RedisError> {
        let tries = FIRST_ORDER.as_millis() / LOOK.as_millis();
        for _ in 0..tries {
            let answer: Vec<String> = HOLD_KEY
                .key(key(name))
                .arg(body)
                .arg(attempt)
                .arg(millis(HOLD))
                .arg(millis(DAY))
                .invoke_async(&mut self.connection.clone())
                .await?;
            let text = |at: usize| answer.get(at).cloned().unwrap_or_default();
            return Ok(match text(0).as_str() {
                "wait" => {
                    sleep(LOOK).await;
                    continue;
                }
                "done" => match CallSid::parse(&text(1)) {
                    Ok(call) => SharedKey::Done(call, text(2)),
                    Err(_) => SharedKey::Other,
                },
                "uncertain" => {
                    let since = text(1).parse().ok().map(Timestamp::from_millisecond);
                    SharedKey::Uncertain(since.and_then(Result::ok).unwrap_or(Timestamp::MIN))
                }
                "other" => SharedKey::Other,
                _ => SharedKey::New,
            });
        }
        Ok(SharedKey::Busy)
    }

    /// Says what came of an order, for all nodes.
    pub(crate) async fn settle_key(&self, name: &str, attempt: &str, result: OrderResult<'_>) {
        let (what, call, status) = match result {
            OrderResult::Placed(call, status) => ("done", call.as_str(), status),
            OrderResult::Unknown => ("uncertain", "", ""),
            OrderResult::NotPlaced => ("nothing", "", ""),
        };
        let mut invocation = SETTLE_KEY.key(key(name));
        invocation.arg(attempt).arg(what).arg(call).arg(status);
        let settled = invocation.invoke_async::<i64>(&mut self.connection.clone()).await;
        if let Err(error) = settled {
            // Until the key's hold is over nobody dials under it, and then looks first.
            tracing::warn!(%error, "other servers do not know what came of an order");
        }
    }

    /// Says again what came of orders that were carried out here, to a Redis that was emptied.
    pub(super) async fn restore_keys(&self, done: &[CompletedOrder]) -> Result<(), RedisError> {
        for some in done.chunks(BATCH) {
            let mut script = RESTORE_KEYS.prepare_invoke();
            script.arg(millis(DAY));
            for CompletedOrder { key: name, body, call, status } in some {
                script.key(key(name)).arg(body).arg(call.as_str()).arg(status);
            }
            script.invoke_async::<u64>(&mut self.connection.clone()).await?;
            // Whose these calls are must be known, so that no lost order takes one for its own.
            let mut pipeline = Pipeline::new();
            for CompletedOrder { key, call, .. } in some {
                let shared = self.shared_order("", Some(key), &());
                let set = pipeline.cmd("SET").arg(placed_key(call)).arg(shared);
                set.arg("NX").arg("PX").arg(millis(DAY));
            }
            pipeline.exec_async(&mut self.connection.clone()).await?;
        }
        Ok(())
    }

    /// Takes the place of one call among those of all nodes.
    pub(crate) async fn take_slot(
        &self,
        attempt: &str,
        most: u32,
        rate: u32,
    ) -> Result<Result<(), NoSlot>, RedisError> {
        let (what, wait): (u8, i64) = TAKE_SLOT
            .key(slots_key())
            .key(dialled_key())
            .arg(attempt)
            .arg(most)
            .arg(rate)
            .arg(millis(NAMING))
            .invoke_async(&mut self.connection.clone())
            .await?;
        Ok(match what {
            0 => Ok(()),
            1 => Err(NoSlot::AtOnce),
            _ => Err(NoSlot::Rate(Duration::from_millis(u64::try_from(wait).unwrap_or(0)))),
        })
    }

    /// Says that a call to this number is about to be placed, and on which shared.
    pub(crate) async fn announce_call<T: Serialize>(
        &self,
        to: &str,
        attempt: &str,
        key: Option<&str>,
        order: &T,
    ) -> Result<(), RedisError> {
        let shared = self.shared_order(attempt, key, order);
        let mut pipeline = Pipeline::new();
        pipeline
            .atomic()
            .cmd("HSET")
            .arg(dialling_key(to))
            .arg(attempt)
            .arg(shared)
            .cmd("PEXPIRE")
            .arg(dialling_key(to))
            .arg(millis(NAMING));
        pipeline.exec_async(&mut self.connection.clone()).await
    }

    /// The carrier has named the call: from now on every node finds its shared. False if somebody
    /// else has bound that shared to a call.
    pub(crate) async fn bind_call<T: Serialize>(
        &self,
        call: &CallSid,
        (to, attempt): (&str, &str),
        key: Option<&str>,
        order: &T,
    ) -> Result<bool, RedisError> {
        BIND_CALL
            .key(slots_key())
            .key(dialling_key(to))
            .key(placed_key(call))
            .key(call_key(call.as_str()))
            .arg(attempt)
            .arg(call.as_str())
            .arg(self.shared_order(attempt, key, order))
            .arg(millis(DAY))
            .arg(millis(LONGEST_OUTBOUND))
            .invoke_async(&mut self.connection.clone())
            .await
    }

    /// Nothing came of an attempt: its place is free.
    pub(crate) async fn withdraw_call(&self, to: &str, attempt: &str) {
        let mut pipeline = Pipeline::new();
        pipeline.cmd("ZREM").arg(slots_key()).arg(attempt);
        pipeline.cmd("HDEL").arg(dialling_key(to)).arg(attempt);
        // What is not taken away expires.
        drop(pipeline.exec_async(&mut self.connection.clone()).await);
    }

    /// It is not known whether the carrier has placed the call: whoever hears of one to this number
    /// that nobody knows has found it.
    pub(crate) async fn mark_call_unknown<T: Serialize>(
        &self,
        to: &str,
        attempt: &str,
        key: Option<&str>,
        order: &T,
    ) {
        let key = key.map(str::to_owned);
        let shared = SharedOrder { node: None, attempt: attempt.to_owned(), key, order };
        let mut set = cmd("HSET");
        let shared = serde_json::to_string(&shared).unwrap_or_default();
        set.arg(dialling_key(to)).arg(attempt).arg(shared);
        drop(self.command::<redis::Value>(&set).await);
    }

    /// Whose a call to this number is that this node does not have. Waits, but not for ever, for a
    /// call that is just being named.
    pub(crate) async fn find_owner<T>(
        &self,
        call: &CallSid,
        to: &str,
    ) -> Result<CallOwner<T>, RedisError>
    where
        T: for<'de> Deserialize<'de>,
    {
        let tries = SETTLING.as_millis() / LOOK.as_millis();
        for _ in 0..tries {
            // Of one moment: what is named leaves the one place for the other.
            let mut pipeline = Pipeline::new();
            pipeline
                .atomic()
                .cmd("HVALS")
                .arg(dialling_key(to))
                .cmd("GET")
                .arg(placed_key(call))
                .cmd("EXISTS")
                .arg(call_key(call.as_str()));
            let (under_way, placed, known): (Vec<String>, Option<String>, bool) =
                pipeline.query_async(&mut self.connection.clone()).await?;
            if known {
                return Ok(CallOwner::Stored);
            }
            let read = |json: &String| serde_json::from_str::<SharedOrder<T>>(json).ok();
            let mut orders: Vec<_> = match &placed {
                Some(placed) => read(placed).into_iter().collect(),
                None => under_way.iter().filter_map(read).collect(),
            };
            if orders.is_empty() {
                return Ok(CallOwner::Unknown);
            }
            if !self.is_any_alive(&orders).await? {
                // Of several that might be meant none is taken for another.
                let only = orders.pop().filter(|_| orders.is_empty());
                return Ok(only.map_or(CallOwner::Unknown, CallOwner::Orphaned));
            }
            sleep(LOOK).await;
        }
        tracing::warn!(callSid = %call, "a webhook came for a call whose placing takes too long");
        Ok(CallOwner::Unknown)
    }

    /// Whether a call was placed on another order than that under this key: its shared says so, or,
    /// where that is forgotten, that it was given to an order here.
    pub(crate) async fn is_of_another(
        &self,
        call: &CallSid,
        key: Option<&str>,
        is_claimed: bool,
    ) -> Result<bool, RedisError> {
        let mut get = cmd("GET");
        get.arg(placed_key(call));
        let placed: Option<String> = self.command(&get).await?;
        let placed = placed
            .and_then(|json| serde_json::from_str::<SharedOrder<serde_json::Value>>(&json).ok());
        Ok(placed.map_or(is_claimed, |shared| key.is_none() || shared.key.as_deref() != key))
    }

    async fn is_any_alive<T>(&self, orders: &[SharedOrder<T>]) -> Result<bool, RedisError> {
        let mut pipeline = Pipeline::new();
        let nodes: BTreeSet<_> =
            orders.iter().filter_map(|shared| shared.node.as_deref()).collect();
        for node in &nodes {
            pipeline.cmd("EXISTS").arg(format!("{PREFIX}alive:{node}"));
        }
        if nodes.is_empty() {
            return Ok(false);
        }
        let lives: Vec<bool> = pipeline.query_async(&mut self.connection.clone()).await?;
        Ok(lives.contains(&true))
    }

    fn shared_order<T: Serialize>(&self, attempt: &str, key: Option<&str>, order: &T) -> String {
        let (node, key) = (Some(self.node.clone()), key.map(str::to_owned));
        let shared = SharedOrder { node, attempt: attempt.to_owned(), key, order };
        serde_json::to_string(&shared).unwrap_or_default()
    }
}

fn key(name: &str) -> String {
    format!("{PREFIX}key:{name}")
}

fn dialling_key(to: &str) -> String {
    format!("{PREFIX}dialling:{to}")
}

fn placed_key(call: &CallSid) -> String {
    format!("{PREFIX}placed:{call}")
}

fn dialled_key() -> String {
    format!("{PREFIX}dialled")
}
