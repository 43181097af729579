//! Outbound calls that are being placed, shared by all nodes: the idempotency keys, the order
//! behind each call, and the slots of the live ones. Owns no state but keys in Redis;
//! [`crate::outbound`] calls it.

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

/// How long a key is held for an order that is being carried out: longer than that takes at worst.
/// Only after that does its holder count as dead.
const HOLD: Duration = Duration::from_secs(90);
/// How long a repeat waits for the first order under its key.
const FIRST_ORDER: Duration = Duration::from_secs(20);
/// How often it checks.
const LOOK: Duration = Duration::from_millis(25);
/// How long a key, and the order bound to a call, are kept.
const DAY: Duration = Duration::from_hours(24);
/// How long the carrier may take to return a call SID, and a webhook to arrive.
const NAMING: Duration = Duration::from_mins(3);
/// How many keys are written at a time.
const BATCH: usize = 200;
/// How long a webhook waits for its call to be opened.
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

/// The state of an idempotency key that all nodes share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SharedKey {
    /// It was free, and is held now.
    New,
    /// The same order placed this call, which had this status then.
    Done(CallSid, String),
    /// The same order may have placed a call, at this time; it is held now.
    Uncertain(Timestamp),
    /// It was used for another order.
    Other,
    /// The same order is still being carried out after [`FIRST_ORDER`].
    Busy,
}

/// An order under a key that became a call.
#[derive(Debug, Clone)]
pub(crate) struct CompletedOrder {
    /// The key's hash.
    pub(crate) key: String,
    /// The order's hash.
    pub(crate) body: String,
    /// The call that it became.
    pub(crate) call: CallSid,
    /// The call's status at that time.
    pub(crate) status: String,
}

/// The outcome of an order under a key.
#[derive(Debug, Clone, Copy)]
pub(crate) enum OrderResult<'a> {
    /// It became a call with this status.
    Placed(&'a CallSid, &'a str),
    /// It may have become a call.
    Unknown,
    /// It became no call.
    NotPlaced,
}

/// Why there is no slot for another outbound call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoSlot {
    /// Too many at once.
    Concurrent,
    /// Too many in a minute; there is room after this time.
    Rate(Duration),
}

/// The order behind an outbound call, for the node that its webhooks reach.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct SharedOrder<T> {
    /// The node that places the call; `None` if it does not know whether it did.
    pub(crate) node: Option<String>,
    /// The id of the attempt.
    pub(crate) attempt: String,
    /// The idempotency key's hash, if there is one.
    pub(crate) key: Option<String>,
    /// The order.
    pub(crate) order: T,
}

/// Owner of an outbound call unknown to this node.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum CallOwner<T> {
    /// No node has placed it.
    Unknown,
    /// A node has it or had it: it is in the store.
    Stored,
    /// The node that placed it died before opening it.
    Orphaned(SharedOrder<T>),
}

impl Cluster {
    /// Holds an idempotency key for an order; a repeat waits for the outcome of the first.
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

    /// Releases a key with the outcome of its order.
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
            // Until the hold expires no node dials under the key, and then it looks for the call
            // first.
            tracing::warn!(%error, "other servers do not know what came of an order");
        }
    }

    /// Restores the keys of orders that became calls here to a Redis that was emptied.
    pub(super) async fn restore_keys(&self, done: &[CompletedOrder]) -> Result<(), RedisError> {
        for some in done.chunks(BATCH) {
            let mut script = RESTORE_KEYS.prepare_invoke();
            script.arg(millis(DAY));
            for CompletedOrder { key: name, body, call, status } in some {
                script.key(key(name)).arg(body).arg(call.as_str()).arg(status);
            }
            script.invoke_async::<u64>(&mut self.connection.clone()).await?;
            // Bind the calls too, so that no order of unknown outcome takes one for its own.
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

    /// Takes a slot for one call: at most `most` live calls and `rate` a minute in all nodes (0: no
    /// limit).
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
            1 => Err(NoSlot::Concurrent),
            _ => Err(NoSlot::Rate(Duration::from_millis(u64::try_from(wait).unwrap_or(0)))),
        })
    }

    /// Announces, with its order, that a call to this number is about to be placed.
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

    /// Binds an order to the call SID: from now on every node finds it. False if the order is bound
    /// to a call already.
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

    /// The attempt became no call: frees its slot and removes its order.
    pub(crate) async fn withdraw_call(&self, to: &str, attempt: &str) {
        let mut pipeline = Pipeline::new();
        pipeline.cmd("ZREM").arg(slots_key()).arg(attempt);
        pipeline.cmd("HDEL").arg(dialling_key(to)).arg(attempt);
        // On failure both expire by themselves.
        drop(pipeline.exec_async(&mut self.connection.clone()).await);
    }

    /// Marks the attempt as of unknown outcome: the next unknown call to this number is taken for
    /// its.
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

    /// Finds the owner of a call to this number that is not on this node. Waits, for at most
    /// [`SETTLING`], for a call that is just being placed.
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
            // Read atomically: binding a call moves its order from one key to the other.
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
                // If several orders could be meant, none is chosen.
                let only = orders.pop().filter(|_| orders.is_empty());
                return Ok(only.map_or(CallOwner::Unknown, CallOwner::Orphaned));
            }
            sleep(LOOK).await;
        }
        tracing::warn!(callSid = %call, "a webhook came for a call whose placing takes too long");
        Ok(CallOwner::Unknown)
    }

    /// Whether a call belongs to another order than the one under this key: by the order bound to
    /// it or, if that has expired, by whether an order here claimed the call.
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
