//! How calls come into the index, and out of it.
//!
//! A call that has ended waits until there are enough for a [part](super::segment); whoever looks
//! after the store makes it of their events and puts it in place in one step, under a lock that one
//! node at a time has. Nothing of this is on a call's path, and nothing waits for it. Calls are
//! deleted out of their parts before they are deleted, so that none of their words stays behind.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use redis::{Pipeline, RedisError, Value, cmd};
use tokio::time::sleep;

use super::segment::Segment;
use super::{
    PREFIX, Redis, call_key, entries, events_key, fresh_key, restated_key, script, summary,
};
use crate::store::{CallSummary, Entry};
use crate::token;

/// Calls in a part.
pub(super) const PART: usize = 256;
/// How long ago they must have ended.
pub(super) const RIPE: Duration = Duration::from_secs(10);
/// The oldest calls that are looked at for those that have ended. Calls that last and last must not
/// hide others behind them.
const LOOKED_AT: usize = 8192;
/// How long the lock is held at most.
const LOCK: Duration = Duration::from_secs(10);
/// How often, and how far apart, who must have it tries to get it.
const TRIES: (u32, Duration) = (1000, Duration::from_millis(10));

/// The lock on the index, while one has it.
struct Lock<'a> {
    redis: &'a Redis,
    token: String,
}

impl Lock<'_> {
    async fn give_back(self) -> Result<(), RedisError> {
        // Once it has expired somebody else may have it.
        let mut del = cmd("EVAL");
        del.arg("return redis.call('GET', KEYS[1]) == ARGV[1] and redis.call('DEL', KEYS[1])");
        del.arg(1).arg(lock_key()).arg(&self.token);
        self.redis.one::<Value>(del).await?;
        Ok(())
    }
}

impl Redis {
    async fn lock(&self) -> Result<Option<Lock<'_>>, RedisError> {
        let token = token::random();
        let mut set = cmd("SET");
        set.arg(lock_key()).arg(&token).arg("NX").arg("PX").arg(LOCK.as_secs() * 1000);
        let got = self.one::<Option<String>>(set).await?.is_some();
        Ok(got.then_some(Lock { redis: self, token }))
    }

    /// Makes a part of the oldest calls that have ended and are in none; false if there are not
    /// enough of them, or if another node is at it.
    pub(super) async fn index_some(&self) -> Result<bool, RedisError> {
        let mut count = cmd("ZCARD");
        count.arg(fresh_key());
        if self.one::<usize>(count).await? < self.sizes.part {
            return Ok(false);
        }
        let Some(lock) = self.lock().await? else { return Ok(false) };
        let done = self.index_locked(&lock.token).await;
        lock.give_back().await?;
        done
    }

    async fn index_locked(&self, token: &str) -> Result<bool, RedisError> {
        let calls = self.ripe().await?;
        if calls.len() < self.sizes.part {
            return Ok(false);
        }
        let (summaries, records) = self.of(&calls).await?;
        let mut segment = Segment::default();
        for (summary, record) in summaries.iter().zip(&records) {
            segment.add(summary, record);
        }
        let mut next = cmd("INCR");
        next.arg(format!("{PREFIX}part:last"));
        let id: u64 = self.one(next).await?;
        let keys =
            [lock_key(), parts_key(), part_key(&id.to_string()), fresh_key(), restated_key()];
        let mut command = script(&self.scripts.seal, &keys);
        command
            .arg(token)
            .arg(id)
            .arg(segment.newest_ms())
            .arg(self.expiry_ms())
            .arg(summaries.len());
        for summary in &summaries {
            command.arg(summary.sid.as_str()).arg(summary.status.as_deref().unwrap_or_default());
        }
        for (field, value) in segment.fields() {
            command.arg(field).arg(value);
        }
        self.one(command).await
    }

    /// The oldest calls that have ended long enough ago and are in no part.
    async fn ripe(&self) -> Result<Vec<String>, RedisError> {
        let mut range = cmd("ZRANGE");
        range.arg(fresh_key()).arg(0).arg(LOOKED_AT - 1);
        let calls: Vec<String> = self.one(range).await?;
        let time: (u64, u64) = self.one(cmd("TIME")).await?;
        let now = u128::from(time.0) * 1000 + u128::from(time.1) / 1000;
        let mut ripe = Vec::new();
        for calls in calls.chunks(self.sizes.part.max(64)) {
            let mut pipeline = Pipeline::new();
            for call in calls {
                pipeline.cmd("HGET").arg(call_key(call)).arg("closed");
            }
            for (call, closed) in calls.iter().zip(self.run(&pipeline).await?) {
                let closed: Option<u64> = redis::from_redis_value(closed)?;
                let is_ripe = |closed| u128::from(closed) + self.sizes.ripe.as_millis() <= now;
                if closed.is_some_and(is_ripe) {
                    ripe.push(call.clone());
                    if ripe.len() == self.sizes.part {
                        return Ok(ripe);
                    }
                }
            }
        }
        Ok(ripe)
    }

    async fn of(
        &self,
        calls: &[String],
    ) -> Result<(Vec<CallSummary>, Vec<Vec<Entry>>), RedisError> {
        let mut pipeline = Pipeline::new();
        for call in calls {
            pipeline.cmd("HGETALL").arg(call_key(call));
            pipeline.cmd("XRANGE").arg(events_key(call)).arg("-").arg("+");
        }
        let (mut summaries, mut records) = (Vec::new(), Vec::new());
        let mut answers = self.run(&pipeline).await?.into_iter();
        while let (Some(fields), Some(events)) = (answers.next(), answers.next()) {
            if let Some(summary) = summary(&redis::from_redis_value(fields)?) {
                summaries.push(summary);
                records.push(entries(events));
            }
        }
        Ok((summaries, records))
    }

    /// Forgets calls for good: first what they are found by, then they themselves. Gives how many
    /// there were.
    pub(super) async fn remove(&self, calls: &[String]) -> Result<u64, RedisError> {
        let (mut left, mut gone) = (calls.to_vec(), 0);
        for _ in 0..TRIES.0 {
            let parts = self.parts_of(&left).await?;
            let mut of_parts = BTreeMap::<&str, BTreeSet<&str>>::new();
            for (call, part) in left.iter().zip(&parts) {
                if let Some(part) = part {
                    of_parts.entry(part).or_default().insert(call);
                }
            }
            for (part, calls) in &of_parts {
                self.remove_from(part, calls).await?;
            }
            let mut pipeline = Pipeline::new();
            for (call, part) in left.iter().zip(&parts) {
                pipeline.add_command(self.delete_command(call, part.as_deref()));
            }
            let mut again = Vec::new();
            for (call, deleted) in left.into_iter().zip(self.run(&pipeline).await?) {
                // Nothing is answered if it came into another part after it was looked up.
                match redis::from_redis_value::<Option<u64>>(deleted)? {
                    Some(deleted) => gone += deleted,
                    None => again.push(call),
                }
            }
            left = again;
            if left.is_empty() {
                return Ok(gone);
            }
        }
        Err(changing())
    }

    /// The parts of the index that calls are in.
    async fn parts_of(&self, calls: &[String]) -> Result<Vec<Option<String>>, RedisError> {
        let mut pipeline = Pipeline::new();
        for call in calls {
            pipeline.cmd("HGET").arg(call_key(call)).arg("part");
        }
        let parts = self.run(&pipeline).await?.into_iter().map(redis::from_redis_value);
        Ok(parts.collect::<Result<_, _>>()?)
    }

    async fn remove_from(&self, part: &str, calls: &BTreeSet<&str>) -> Result<(), RedisError> {
        for _ in 0..TRIES.0 {
            if let Some(lock) = self.lock().await? {
                let done = self.remove_locked(&lock.token, part, calls).await;
                lock.give_back().await?;
                if done? {
                    return Ok(());
                }
            }
            sleep(TRIES.1).await;
        }
        Err(changing())
    }

    async fn remove_locked(
        &self,
        token: &str,
        part: &str,
        calls: &BTreeSet<&str>,
    ) -> Result<bool, RedisError> {
        let mut all = cmd("HGETALL");
        all.arg(part_key(part));
        let fields: BTreeMap<String, Vec<u8>> = self.one(all).await?;
        let mut segment = match Segment::read(&fields) {
            Some(segment) => segment,
            None if fields.is_empty() => return Ok(true),
            None => {
                tracing::error!(part, "a part of the index is torn and is taken away");
                Segment::default()
            }
        };
        segment.remove(calls);
        let keys = [lock_key(), parts_key(), part_key(part)];
        let mut command = script(&self.scripts.reseal, &keys);
        command.arg(token).arg(part).arg(segment.newest_ms());
        if !segment.is_empty() {
            for (field, value) in segment.fields() {
                command.arg(field).arg(value);
            }
        }
        self.one(command).await
    }
}

fn changing() -> RedisError {
    (redis::ErrorKind::Client, "the index is being changed all the time").into()
}

fn lock_key() -> String {
    format!("{PREFIX}part:lock")
}

/// All parts, by the beginning of their newest call.
pub(super) fn parts_key() -> String {
    format!("{PREFIX}parts")
}

/// A part.
pub(super) fn part_key(id: &str) -> String {
    format!("{PREFIX}part:{id}")
}
