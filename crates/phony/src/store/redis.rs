//! The store of several nodes: Redis 6 or later, or Valkey, without modules.
//!
//! A call is a hash (its line, its owner and term) and a stream of its events, whose ids are their
//! numbers; two sorted sets hold the order of all calls and of the open ones. What is written is
//! published in the same step, so that viewers on other nodes see it. Every change is one script,
//! so that a node which lost a call cannot write between two steps of its new owner. The keys are
//! described in `docs/several-nodes.md`.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::time::Duration;

use ::redis::aio::ConnectionManager;
use ::redis::{Cmd, Pipeline, RedisError, Value, cmd};
use axum::extract::ws::Utf8Bytes;
use jiff::Timestamp;
use phony_call::{CallSid, Direction};

use super::{
    Answer, Appended, CallLine, Chunk, Entry, Match, Page, Retention, Store, StoreError, Wanted,
};

/// What every key and channel begins with.
pub const PREFIX: &str = "phony:";

/// Longer than any call of ours lasts: a place among the live ones is given back by then, whatever
/// has become of the call.
pub const LONGEST_OUTBOUND: Duration = Duration::from_hours(6);

/// Calls that are read in one go.
const BATCH: usize = 100;

const APPEND: &str = include_str!("redis/append.lua");
const CLAIM: &str = include_str!("redis/claim.lua");
const DELETE: &str = include_str!("redis/delete.lua");

/// A Redis server.
#[derive(Clone)]
pub struct Redis {
    connection: ConnectionManager,
    scripts: Scripts,
    /// This process among those that share the server.
    node: String,
    /// How long an ended call is kept at most.
    keep: Option<Duration>,
}

/// The scripts by their hashes, as the server knows them.
#[derive(Clone)]
struct Scripts {
    append: String,
    claim: String,
    delete: String,
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redis").field("node", &self.node).finish_non_exhaustive()
    }
}

impl Redis {
    /// A store on the server behind `connection`, for the process that is called `node`. Ended
    /// calls expire after `keep`.
    #[must_use]
    pub fn new(connection: ConnectionManager, node: &str, keep: Option<Duration>) -> Self {
        let hash = |script: &str| redis::Script::new(script).get_hash().to_owned();
        let scripts = Scripts { append: hash(APPEND), claim: hash(CLAIM), delete: hash(DELETE) };
        Self { connection, scripts, node: node.to_owned(), keep }
    }

    /// Runs commands, and loads the scripts if the server does not know them yet.
    async fn run(&self, pipeline: &Pipeline) -> Result<Vec<Value>, RedisError> {
        if pipeline.is_empty() {
            return Ok(Vec::new());
        }
        let mut connection = self.connection.clone();
        match pipeline.query_async(&mut connection).await {
            Err(error) if error.code() == Some("NOSCRIPT") => {
                let mut load = Pipeline::new();
                for script in [APPEND, CLAIM, DELETE] {
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
        let line = chunk.entries.first().and_then(Entry::event).as_ref().and_then(CallLine::begin);
        let started = line.as_ref().map_or(0, |line| line.started.as_millisecond());
        let outbound = line.as_ref().is_some_and(|line| line.direction == Direction::Outbound);
        let place = if outbound { LONGEST_OUTBOUND } else { Duration::ZERO };
        let line = line.map(|line| serde_json::to_string(&line).unwrap_or_default());
        let mut command = script(&self.scripts.append, &call_keys(&chunk.call));
        command
            .arg(chunk.call.as_str())
            .arg(chunk.term)
            .arg(chunk.after)
            .arg(&self.node)
            .arg(started)
            .arg(line.unwrap_or_default())
            .arg(chunk.status.as_deref().unwrap_or_default())
            .arg(channel(&chunk.call))
            .arg(self.keep.map_or(0, |keep| u64::try_from(keep.as_millis()).unwrap_or(0)))
            .arg(place.as_secs() * 1000);
        for entry in &chunk.entries {
            let (turns, cost, end) = share(entry);
            command.arg(entry.seq).arg(entry.json.as_str()).arg(turns).arg(cost).arg(end);
        }
        command
    }

    /// The lines of these calls, of those that are there.
    async fn lines(&self, calls: &[String]) -> Result<Vec<CallLine>, RedisError> {
        let mut pipeline = Pipeline::new();
        for call in calls {
            pipeline.cmd("HGETALL").arg(call_key(call));
        }
        let fields = self.run(&pipeline).await?;
        let read = |value| {
            <HashMap<String, String> as redis::FromRedisValue>::from_redis_value(value).ok()
        };
        Ok(fields.into_iter().filter_map(read).filter_map(|fields| line(&fields)).collect())
    }

    /// The events of these calls.
    async fn records(&self, calls: &[CallLine]) -> Result<Vec<Vec<Entry>>, RedisError> {
        let mut pipeline = Pipeline::new();
        for line in calls {
            pipeline.cmd("XRANGE").arg(events_key(line.sid.as_str())).arg("-").arg("+");
        }
        Ok(self.run(&pipeline).await?.into_iter().map(entries).collect())
    }

    async fn page(&self, wanted: &Wanted) -> Result<Page, RedisError> {
        let key = if wanted.filter.live == Some(true) { open_key() } else { calls_key() };
        let from = match (&wanted.after, wanted.filter.until) {
            (Some(cursor), _) => cursor.started_ms.to_string(),
            (None, Some(until)) => until.as_millisecond().to_string(),
            (None, None) => "+inf".to_owned(),
        };
        let to = wanted
            .filter
            .from
            .map_or_else(|| "-inf".to_owned(), |from| from.as_millisecond().to_string());
        let mut found: Vec<(CallLine, Option<Match>)> = Vec::new();
        for batch in 0.. {
            let mut command = cmd("ZREVRANGEBYSCORE");
            command.arg(&key).arg(&from).arg(&to).arg("LIMIT").arg(batch * BATCH).arg(BATCH);
            let calls: Vec<String> = self.one(command).await?;
            let is_last = calls.len() < BATCH;
            let lines = self.lines(&calls).await?.into_iter().filter(|line| {
                wanted.after.as_ref().is_none_or(|after| line.cursor() < *after)
                    && wanted.filter.admits(line)
            });
            let lines: Vec<_> = lines.collect();
            let records = match wanted.filter.query {
                Some(_) => self.records(&lines).await?,
                None => vec![Vec::new(); lines.len()],
            };
            for (line, record) in lines.into_iter().zip(records) {
                let events = record.iter().map(|entry| (entry.seq, entry.json.as_str()));
                if let Some(place) = wanted.filter.find(&line, events) {
                    found.push((line, place));
                }
            }
            if is_last || found.len() > wanted.limit {
                break;
            }
        }
        let more = found.len() > wanted.limit;
        found.truncate(wanted.limit);
        Ok(Page { calls: found, more })
    }

    /// Forgets what is too old or too much; what expired by itself leaves the lists.
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
            for call in &calls {
                let Some(line) = self.lines(std::slice::from_ref(call)).await?.pop() else {
                    self.one::<bool>(self.delete_command(call)).await?;
                    continue;
                };
                let too_old = line.end.zip(oldest).is_some_and(|(end, oldest)| end.at < oldest);
                let too_much =
                    line.end.is_some() && retention.bytes.is_some_and(|most| bytes > most);
                if too_old || too_much {
                    self.one::<bool>(self.delete_command(call)).await?;
                    bytes = self.one::<Option<u64>>(get(&bytes_key())).await?.unwrap_or(0);
                    forgotten += 1;
                } else {
                    kept += 1;
                }
            }
        }
    }

    fn delete_command(&self, call: &str) -> Cmd {
        let mut command = script(&self.scripts.delete, &keys_of(call));
        command.arg(call);
        command
    }
}

impl Store for Redis {
    fn append(&self, chunks: Vec<Chunk>) -> Answer<'_, Vec<Appended>> {
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

    fn claim<'a>(&'a self, call: &'a CallSid) -> Answer<'a, Option<u64>> {
        Box::pin(async move {
            let mut command = script(&self.scripts.claim, &[call_key(call.as_str())]);
            command.arg(&self.node);
            self.one(command).await.map_err(|error| failed("claimed", error))
        })
    }

    fn events<'a>(&'a self, call: &'a CallSid, after: u64) -> Answer<'a, Option<Vec<Utf8Bytes>>> {
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

    fn line<'a>(&'a self, call: &'a CallSid) -> Answer<'a, Option<CallLine>> {
        Box::pin(async move {
            let lines = self.lines(&[call.to_string()]).await;
            Ok(lines.map_err(|error| failed("read", error))?.pop())
        })
    }

    fn list<'a>(&'a self, wanted: &'a Wanted) -> Answer<'a, Page> {
        Box::pin(async move { self.page(wanted).await.map_err(|error| failed("listed", error)) })
    }

    fn open(&self) -> Answer<'_, Vec<CallLine>> {
        Box::pin(async move {
            let mut command = cmd("ZREVRANGE");
            command.arg(open_key()).arg(0).arg(-1);
            let calls: Vec<String> =
                self.one(command).await.map_err(|error| failed("listed", error))?;
            self.lines(&calls).await.map_err(|error| failed("listed", error))
        })
    }

    fn set_status<'a>(&'a self, call: &'a CallSid, status: &'a str) -> Answer<'a, bool> {
        Box::pin(async move {
            let key = call_key(call.as_str());
            let mut exists = cmd("EXISTS");
            exists.arg(&key);
            let exists = self.one(exists).await.map_err(|error| failed("written", error))?;
            if exists {
                let mut set = cmd("HSET");
                set.arg(&key).arg("status").arg(status);
                self.one::<Value>(set).await.map_err(|error| failed("written", error))?;
            }
            Ok(exists)
        })
    }

    fn delete<'a>(&'a self, call: &'a CallSid) -> Answer<'a, bool> {
        Box::pin(async move {
            let done = self.one(self.delete_command(call.as_str())).await;
            done.map_err(|error| failed("deleted", error))
        })
    }

    fn retain<'a>(&'a self, retention: &'a Retention, now: Timestamp) -> Answer<'a, u64> {
        Box::pin(async move {
            self.forget(retention, now).await.map_err(|error| failed("deleted", error))
        })
    }

    /// Another node may be asked for the call in the next moment.
    fn linger(&self) -> Duration {
        Duration::from_millis(1)
    }

    fn check(&self) -> Answer<'_, ()> {
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

/// The channel on which a call's events are told.
#[must_use]
pub fn channel(call: &CallSid) -> String {
    format!("{PREFIX}event:{call}")
}

/// The hash that holds a call's line, owner and term.
#[must_use]
pub fn call_key(call: &str) -> String {
    format!("{PREFIX}call:{call}")
}

fn events_key(call: &str) -> String {
    format!("{PREFIX}call:{call}:events")
}

fn calls_key() -> String {
    format!("{PREFIX}calls")
}

fn open_key() -> String {
    format!("{PREFIX}open")
}

/// The calls of ours that are live, by when their places are given back at the latest.
#[must_use]
pub fn placing_key() -> String {
    format!("{PREFIX}placing")
}

fn bytes_key() -> String {
    format!("{PREFIX}bytes")
}

fn call_keys(call: &CallSid) -> [String; 6] {
    keys_of(call.as_str())
}

fn keys_of(call: &str) -> [String; 6] {
    [call_key(call), events_key(call), calls_key(), open_key(), bytes_key(), placing_key()]
}

fn get(key: &str) -> Cmd {
    let mut command = cmd("GET");
    command.arg(key);
    command
}

fn failed(done: &str, error: RedisError) -> StoreError {
    StoreError::failed(format!("calls cannot be {done} in Redis"), error)
}

/// What an event adds to its call's line: utterances, cost, and the end as JSON.
fn share(entry: &Entry) -> (u32, f64, String) {
    let Some(event) = entry.event() else { return (0, 0.0, String::new()) };
    let mut line = blank(&event.call, event.at);
    line.apply(&event);
    let end = line.end.and_then(|end| serde_json::to_string(&end).ok()).unwrap_or_default();
    (line.turns, line.cost_usd, end)
}

/// A line of which nothing counts but what is applied to it.
fn blank(call: &CallSid, at: Timestamp) -> CallLine {
    CallLine {
        sid: call.clone(),
        from: String::new(),
        to: String::new(),
        direction: Direction::Inbound,
        agent: String::new(),
        carrier: String::new(),
        started: at,
        status: None,
        end: None,
        turns: 0,
        cost_usd: 0.0,
        last_seq: 0,
    }
}

/// A call's line from its hash.
fn line(fields: &HashMap<String, String>) -> Option<CallLine> {
    let mut line: CallLine = serde_json::from_str(fields.get("line")?).ok()?;
    let number = |name: &str| fields.get(name).map(String::as_str).unwrap_or_default();
    line.status = fields.get("status").cloned();
    line.end = fields.get("end").and_then(|end| serde_json::from_str(end).ok());
    line.turns = number("turns").parse().unwrap_or(0);
    line.cost_usd = number("cost").parse().unwrap_or(0.0);
    line.last_seq = number("last").parse().unwrap_or(0);
    Some(line)
}

/// The entries of a stream.
fn entries(value: Value) -> Vec<Entry> {
    let read: Vec<(String, BTreeMap<String, String>)> =
        redis::from_redis_value(value).unwrap_or_default();
    let entry = |(id, mut fields): (String, BTreeMap<String, String>)| {
        let seq = id.split('-').next()?.parse().ok()?;
        Some(Entry { seq, json: fields.remove("e")?.into() })
    };
    read.into_iter().filter_map(entry).collect()
}
