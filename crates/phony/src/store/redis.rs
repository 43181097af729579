//! The store of several nodes: Redis 6 or later, or Valkey, without modules.
//!
//! A call is a hash (summary, owner and term) and a stream of its events, whose ids are their
//! numbers; sorted sets hold the order of all calls and of the open ones. Ended calls are indexed
//! some time later, in segments; a search scans those that are not indexed yet. What is written is
//! published in the same step for viewers on other nodes. Every change is one script, so that a
//! node which lost a call cannot write between two steps of its new owner. `docs/several-nodes.md`
//! describes the keys.

mod connection;
mod form;
mod index;
mod keys;
mod orders;
mod search;
mod segment;

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use ::redis::{Cmd, Pipeline, RedisError, Value, cmd};
use jiff::Timestamp;
use phony_call::{CallSid, Direction};
use tokio_tungstenite::tungstenite::Utf8Bytes;

pub use self::connection::Connection;
use self::form::{Contribution, contribution, entries, summary};
pub use self::keys::{PREFIX, call_key, channel, slots_key};
use self::keys::{
    bytes_key, calls_key, events_key, fresh_key, keys_of, open_key, restated_key, words_key,
};
use super::{
    Appended, CallSummary, Chunk, Entry, ListQuery, Page, Store, StoreError, StoreFuture,
    UnplacedOrder,
};
use crate::config::Retention;

/// Longer than any outbound call lasts: its place among the live ones is given back by then,
/// whatever became of the call.
pub const LONGEST_OUTBOUND: Duration = Duration::from_hours(6);

/// How much longer than the retention age ended calls stay if no node applies the retention.
const MARGIN: Duration = Duration::from_hours(1);

/// Calls that are read in one round trip.
const BATCH: usize = 100;

const APPEND: &str = include_str!("redis/append.lua");
const CLAIM: &str = include_str!("redis/claim.lua");
const DELETE: &str = include_str!("redis/delete.lua");
const SEAL: &str = include_str!("redis/seal.lua");
const RESEAL: &str = include_str!("redis/reseal.lua");
const STATUS: &str = include_str!("redis/status.lua");

/// A store on a Redis server.
#[derive(Clone)]
pub struct Redis {
    connection: Connection,
    scripts: Scripts,
    /// The name of this process among those that share the server.
    node: String,
    /// How long an ended call is kept at most; `None` for ever.
    keep: Option<Duration>,
    sizes: Sizes,
}

/// When ended calls are indexed, and how many at once.
#[derive(Debug, Clone, Copy)]
struct Sizes {
    /// Calls in a segment.
    segment: usize,
    /// How long ago a call must have ended: the carrier's final status comes after the end.
    min_age: Duration,
}

/// The hashes by which the server knows the scripts.
#[derive(Clone)]
struct Scripts {
    append: String,
    claim: String,
    delete: String,
    seal: String,
    reseal: String,
    status: String,
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redis").field("node", &self.node).finish_non_exhaustive()
    }
}

impl Redis {
    /// A store on the server behind `connection`, for the process named `node`. Ended calls expire
    /// after `keep`.
    #[must_use]
    pub fn new(connection: impl Into<Connection>, node: &str, keep: Option<Duration>) -> Self {
        let hash = |script: &str| redis::Script::new(script).get_hash().to_owned();
        let scripts = Scripts {
            append: hash(APPEND),
            claim: hash(CLAIM),
            delete: hash(DELETE),
            seal: hash(SEAL),
            reseal: hash(RESEAL),
            status: hash(STATUS),
        };
        let sizes = Sizes { segment: index::SEGMENT, min_age: index::MIN_AGE };
        Self { connection: connection.into(), scripts, node: node.to_owned(), keep, sizes }
    }

    /// Indexes calls as soon as they have ended, in segments of this size: for tests.
    #[must_use]
    pub fn indexing_at_once(mut self, segment: usize) -> Self {
        self.sizes = Sizes { segment, min_age: Duration::ZERO };
        self
    }

    /// Runs commands, after loading the scripts if the server does not know them.
    async fn run(&self, pipeline: &Pipeline) -> Result<Vec<Value>, RedisError> {
        if pipeline.is_empty() {
            return Ok(Vec::new());
        }
        let mut connection = self.connection.clone();
        match pipeline.query_async(&mut connection).await {
            Err(error) if error.code() == Some("NOSCRIPT") => {
                let mut load = Pipeline::new();
                for script in [APPEND, CLAIM, DELETE, SEAL, RESEAL, STATUS] {
                    load.cmd("SCRIPT").arg("LOAD").arg(script);
                }
                load.exec_async(&mut connection).await?;
                pipeline.query_async(&mut connection).await
            }
            done => done,
        }
    }

    async fn one<T: redis::FromRedisValue>(&self, command: Cmd) -> Result<T, RedisError> {
        let mut pipeline = Pipeline::new();
        pipeline.add_command(command);
        let value = self.run(&pipeline).await?.into_iter().next().unwrap_or(Value::Nil);
        Ok(T::from_redis_value(value)?)
    }

    fn append_command(&self, chunk: &Chunk) -> Cmd {
        let summary =
            chunk.entries.first().and_then(Entry::event).as_ref().and_then(CallSummary::begin);
        let started = summary.as_ref().map_or(0, |summary| summary.started.as_millisecond());
        let outbound =
            summary.as_ref().is_some_and(|summary| summary.direction == Direction::Outbound);
        let place = if outbound { LONGEST_OUTBOUND } else { Duration::ZERO };
        let summary = summary.map(|summary| serde_json::to_string(&summary).unwrap_or_default());
        let mut command = script(&self.scripts.append, &keys_of(chunk.call.as_str()));
        command
            .arg(chunk.call.as_str())
            .arg(chunk.term)
            .arg(chunk.after)
            .arg(&self.node)
            .arg(started)
            .arg(summary.unwrap_or_default())
            .arg(chunk.status.as_deref().unwrap_or_default())
            .arg(channel(&chunk.call))
            .arg(self.expiry_ms())
            .arg(place.as_secs() * 1000);
        for entry in &chunk.entries {
            let Contribution { turns, cost, end, words } = contribution(entry);
            command.arg(entry.seq).arg(entry.json.as_str()).arg(turns).arg(cost).arg(end);
            command.arg(words);
        }
        command
    }

    /// The summaries of those of the calls that exist.
    async fn summaries(&self, calls: &[String]) -> Result<Vec<CallSummary>, RedisError> {
        let mut pipeline = Pipeline::new();
        for call in calls {
            pipeline.cmd("HGETALL").arg(call_key(call));
        }
        let fields = self.run(&pipeline).await?;
        let read = |value| {
            <HashMap<String, String> as redis::FromRedisValue>::from_redis_value(value).ok()
        };
        Ok(fields.into_iter().filter_map(read).filter_map(|fields| summary(&fields)).collect())
    }

    /// How long Redis keeps an ended call, in milliseconds; 0 for ever. Retention deletes it before
    /// that.
    fn expiry_ms(&self) -> u64 {
        self.keep.map_or(0, |keep| u64::try_from((keep + MARGIN).as_millis()).unwrap_or(0))
    }

    /// The page of the calls in a sorted set.
    async fn listed(&self, key: &str, wanted: &ListQuery) -> Result<Page, RedisError> {
        let (from, to) = bounds(wanted);
        let mut found = Vec::new();
        for batch in 0.. {
            let mut command = cmd("ZREVRANGEBYSCORE");
            command.arg(key).arg(&from).arg(&to).arg("LIMIT").arg(batch * BATCH).arg(BATCH);
            let calls: Vec<String> = self.one(command).await?;
            let is_last = calls.len() < BATCH;
            let summaries = self
                .summaries(&calls)
                .await?
                .into_iter()
                .filter(|summary| is_wanted(summary, wanted));
            found.extend(summaries.map(|summary| (summary, None)));
            if is_last || found.len() > wanted.limit {
                break;
            }
        }
        let more = found.len() > wanted.limit;
        found.truncate(wanted.limit);
        Ok(Page { calls: found, more })
    }

    async fn page(&self, wanted: &ListQuery) -> Result<Page, RedisError> {
        let filter = &wanted.filter;
        let is_live = filter.live == Some(true) || filter.status.as_deref() == Some("live");
        if filter.query.is_none() && is_live {
            return self.listed(&open_key(), wanted).await;
        }
        let is_plain = filter.query.is_none()
            && filter.number.is_none()
            && filter.agent.is_none()
            && filter.direction.is_none()
            && matches!(filter.status.as_deref(), None | Some("ended"));
        if is_plain { self.listed(&calls_key(), wanted).await } else { self.search(wanted).await }
    }

    /// Deletes calls that are too old or too many, and removes expired calls from the lists.
    async fn forget(&self, retention: &Retention, now: Timestamp) -> Result<u64, RedisError> {
        let oldest = retention.age.and_then(|age| now.checked_sub(age).ok());
        let mut bytes: u64 = self.one::<Option<u64>>(get(&bytes_key())).await?.unwrap_or(0);
        let mut forgotten = 0;
        let mut kept = 0;
        loop {
            let mut command = cmd("ZRANGE");
            command.arg(calls_key()).arg(kept).arg(kept + BATCH - 1);
            let calls: Vec<String> = self.one(command).await?;
            if calls.is_empty() {
                return Ok(forgotten);
            }
            let mut summaries: HashMap<_, _> = self
                .summaries(&calls)
                .await?
                .into_iter()
                .map(|summary| (summary.sid.to_string(), summary))
                .collect();
            let mut gone = Vec::new();
            for call in &calls {
                let Some(summary) = summaries.remove(call) else {
                    // It has expired.
                    gone.push(call.clone());
                    continue;
                };
                let too_old = summary.end.zip(oldest).is_some_and(|(end, oldest)| end.at < oldest);
                let too_much =
                    summary.end.is_some() && retention.bytes.is_some_and(|most| bytes > most);
                if too_old || too_much {
                    gone.push(call.clone());
                    bytes = bytes.saturating_sub(self.size(call).await?);
                    forgotten += 1;
                } else {
                    kept += 1;
                }
            }
            self.remove(&gone).await?;
        }
    }

    /// The size of a call's events in bytes.
    async fn size(&self, call: &str) -> Result<u64, RedisError> {
        let mut get = cmd("HGET");
        get.arg(call_key(call)).arg("bytes");
        Ok(self.one::<Option<u64>>(get).await?.unwrap_or(0))
    }

    /// Deletes a call that was removed from this segment, or was not indexed.
    fn delete_command(&self, call: &str, segment: Option<&str>) -> Cmd {
        let mut command = script(&self.scripts.delete, &keys_of(call));
        command.arg(call).arg(segment.unwrap_or_default());
        command
    }
}

impl Store for Redis {
    fn append(&self, chunks: Vec<Chunk>) -> StoreFuture<'_, Vec<Appended>> {
        Box::pin(async move {
            let mut pipeline = Pipeline::new();
            for chunk in &chunks {
                pipeline.add_command(self.append_command(chunk));
            }
            let done = self.run(&pipeline).await.map_err(|error| failed("written", error))?;
            let read = |value| {
                let (what, number): (u8, u64) = redis::from_redis_value(value)?;
                Ok(match what {
                    0 => Appended::Kept(number),
                    1 => Appended::Behind(number),
                    _ => Appended::Stale(number),
                })
            };
            let done: Result<_, redis::ParsingError> = done.into_iter().map(read).collect();
            done.map_err(|error| failed("written", error.into()))
        })
    }

    fn claim<'a>(&'a self, call: &'a CallSid) -> StoreFuture<'a, Option<u64>> {
        Box::pin(async move {
            let mut command = script(&self.scripts.claim, &[call_key(call.as_str())]);
            command.arg(&self.node);
            self.one(command).await.map_err(|error| failed("claimed", error))
        })
    }

    fn events<'a>(
        &'a self,
        call: &'a CallSid,
        after: u64,
    ) -> StoreFuture<'a, Option<Vec<Utf8Bytes>>> {
        Box::pin(async move {
            let mut pipeline = Pipeline::new();
            pipeline.cmd("EXISTS").arg(call_key(call.as_str()));
            let from = format!("{}-0", after.saturating_add(1));
            pipeline.cmd("XRANGE").arg(events_key(call.as_str())).arg(from).arg("+");
            let mut done =
                self.run(&pipeline).await.map_err(|error| failed("read", error))?.into_iter();
            if done.next() != Some(Value::Int(1)) {
                return Ok(None);
            }
            let entries = done.next().map(entries).unwrap_or_default();
            Ok(Some(entries.into_iter().map(|entry| entry.json).collect()))
        })
    }

    fn summary<'a>(&'a self, call: &'a CallSid) -> StoreFuture<'a, Option<CallSummary>> {
        Box::pin(async move {
            let summaries = self.summaries(&[call.to_string()]).await;
            Ok(summaries.map_err(|error| failed("read", error))?.pop())
        })
    }

    fn list<'a>(&'a self, wanted: &'a ListQuery) -> StoreFuture<'a, Page> {
        Box::pin(async move { self.page(wanted).await.map_err(|error| failed("listed", error)) })
    }

    fn open_calls(&self) -> StoreFuture<'_, Vec<CallSummary>> {
        Box::pin(async move {
            let mut command = cmd("ZREVRANGE");
            command.arg(open_key()).arg(0).arg(-1);
            let calls: Vec<String> =
                self.one(command).await.map_err(|error| failed("listed", error))?;
            self.summaries(&calls).await.map_err(|error| failed("listed", error))
        })
    }

    fn set_status<'a>(&'a self, call: &'a CallSid, status: &'a str) -> StoreFuture<'a, bool> {
        Box::pin(async move {
            let keys = [call_key(call.as_str()), calls_key(), restated_key()];
            let mut command = script(&self.scripts.status, &keys);
            command.arg(call.as_str()).arg(status);
            self.one(command).await.map_err(|error| failed("written", error))
        })
    }

    fn delete<'a>(&'a self, call: &'a CallSid) -> StoreFuture<'a, bool> {
        Box::pin(async move {
            let done = self.remove(&[call.to_string()]).await;
            done.map(|done| done > 0).map_err(|error| failed("deleted", error))
        })
    }

    fn put_orders(&self, orders: Vec<UnplacedOrder>) -> StoreFuture<'_, ()> {
        Box::pin(async move {
            let done = self.put_all(&orders).await;
            done.map_err(|error| StoreError::failed("orders cannot be written in Redis", error))
        })
    }

    fn orders<'a>(&'a self, wanted: &'a ListQuery) -> StoreFuture<'a, Vec<UnplacedOrder>> {
        Box::pin(async move {
            let orders = self.orders_of(wanted).await;
            orders.map_err(|error| StoreError::failed("orders cannot be listed in Redis", error))
        })
    }

    fn order<'a>(&'a self, id: &'a CallSid) -> StoreFuture<'a, Option<UnplacedOrder>> {
        Box::pin(async move {
            let order = self.order_of(id).await;
            order.map_err(|error| StoreError::failed("orders cannot be read in Redis", error))
        })
    }

    fn delete_order<'a>(&'a self, id: &'a CallSid) -> StoreFuture<'a, bool> {
        Box::pin(async move {
            let done = self.remove_orders(std::slice::from_ref(id)).await;
            let done = done.map(|deleted| deleted > 0);
            done.map_err(|error| StoreError::failed("orders cannot be deleted in Redis", error))
        })
    }

    fn retain<'a>(&'a self, retention: &'a Retention, now: Timestamp) -> StoreFuture<'a, u64> {
        Box::pin(async move {
            if let Some(oldest) = retention.age.and_then(|age| now.checked_sub(age).ok()) {
                let done = self.remove_orders_before(oldest.as_millisecond()).await;
                done.map_err(|error| failed("deleted", error))?;
            }
            self.forget(retention, now).await.map_err(|error| failed("deleted", error))
        })
    }

    fn compact(&self) -> StoreFuture<'_, ()> {
        Box::pin(async move {
            while self.index_some().await.map_err(|error| failed("indexed", error))? {}
            Ok(())
        })
    }

    /// Short, since another node may be asked for the call right away.
    fn linger(&self) -> Duration {
        Duration::from_millis(1)
    }

    fn check(&self) -> StoreFuture<'_, ()> {
        Box::pin(async move {
            let mut command = cmd("SET");
            command.arg(format!("{PREFIX}check")).arg(&self.node).arg("PX").arg(1000);
            self.one::<Value>(command).await.map_err(|error| failed("written", error))?;
            Ok(())
        })
    }
}

fn script(hash: &str, keys: &[String]) -> Cmd {
    let mut command = cmd("EVALSHA");
    command.arg(hash).arg(keys.len());
    for key in keys {
        command.arg(key);
    }
    command
}

fn get(key: &str) -> Cmd {
    let mut command = cmd("GET");
    command.arg(key);
    command
}

fn failed(done: &str, error: RedisError) -> StoreError {
    StoreError::failed(format!("calls cannot be {done} in Redis"), error)
}

/// The range of starts in which a page lies, newest first, in the syntax of Redis.
fn bounds(wanted: &ListQuery) -> (String, String) {
    let from = match (&wanted.after, wanted.filter.until) {
        (Some(cursor), _) => cursor.started_ms.to_string(),
        (None, Some(until)) => until.as_millisecond().to_string(),
        (None, None) => "+inf".to_owned(),
    };
    let to = wanted.filter.from;
    (from, to.map_or_else(|| "-inf".to_owned(), |from| from.as_millisecond().to_string()))
}

/// Whether a call belongs on this page or a later one, apart from the words searched for.
fn is_wanted(summary: &CallSummary, wanted: &ListQuery) -> bool {
    wanted.after.as_ref().is_none_or(|after| summary.cursor() < *after)
        && wanted.filter.admits(summary)
}
