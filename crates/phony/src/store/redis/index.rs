//! How calls are added to the search index, and removed from it.
//!
//! Ended calls wait until there are enough for a [segment](super::segment). Compaction builds it of
//! their events and stores it in one step, under a lock that one node holds at a time. None of this
//! is on a call's path, and nothing waits for it. A call is removed from its segment before it is
//! deleted, so that none of its words stays behind.

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

/// Calls in a segment.
pub(super) const SEGMENT: usize = 256;
/// How long ago a call must have ended to be indexed.
pub(super) const MIN_AGE: Duration = Duration::from_secs(10);
/// How many of the oldest unindexed calls are examined for those that have ended, so that calls
/// which go on for long do not block the others.
const EXAMINED: usize = 8192;
/// The expiry of the lock.
const LOCK: Duration = Duration::from_secs(10);
/// How many times, and at what interval, a removal tries to get the lock.
const TRIES: (u32, Duration) = (1000, Duration::from_millis(10));

/// The lock on the index, while it is held.
struct Lock<'a> {
    redis: &'a Redis,
    token: String,
}

impl Lock<'_> {
    async fn release(self) -> Result<(), RedisError> {
        // Once it has expired, another node may hold it.
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

    /// Builds a segment of the oldest calls that have ended and are not indexed; false if there are
    /// too few, or if another node is doing it.
    pub(super) async fn index_some(&self) -> Result<bool, RedisError> {
        let mut count = cmd("ZCARD");
        count.arg(fresh_key());
        if self.one::<usize>(count).await? < self.sizes.segment {
            return Ok(false);
        }
        let Some(lock) = self.lock().await? else { return Ok(false) };
        let done = self.index_locked(&lock.token).await;
        lock.release().await?;
        done
    }

    async fn index_locked(&self, token: &str) -> Result<bool, RedisError> {
        let calls = self.indexable().await?;
        if calls.len() < self.sizes.segment {
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

    /// The oldest calls that ended long enough ago and are not indexed.
    async fn indexable(&self) -> Result<Vec<String>, RedisError> {
        let mut range = cmd("ZRANGE");
        range.arg(fresh_key()).arg(0).arg(EXAMINED - 1);
        let calls: Vec<String> = self.one(range).await?;
        let time: (u64, u64) = self.one(cmd("TIME")).await?;
        let now = u128::from(time.0) * 1000 + u128::from(time.1) / 1000;
        let mut found = Vec::new();
        for calls in calls.chunks(self.sizes.segment.max(64)) {
            let mut pipeline = Pipeline::new();
            for call in calls {
                pipeline.cmd("HGET").arg(call_key(call)).arg("closed");
            }
            for (call, closed) in calls.iter().zip(self.run(&pipeline).await?) {
                let closed: Option<u64> = redis::from_redis_value(closed)?;
                let is_old_enough =
                    |closed| u128::from(closed) + self.sizes.min_age.as_millis() <= now;
                if closed.is_some_and(is_old_enough) {
                    found.push(call.clone());
                    if found.len() == self.sizes.segment {
                        return Ok(found);
                    }
                }
            }
        }
        Ok(found)
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

    /// Deletes calls for good, first from the index. Returns how many there were.
    pub(super) async fn remove(&self, calls: &[String]) -> Result<u64, RedisError> {
        let (mut left, mut gone) = (calls.to_vec(), 0);
        for _ in 0..TRIES.0 {
            let segments = self.segments_of(&left).await?;
            let mut by_segment = BTreeMap::<&str, BTreeSet<&str>>::new();
            for (call, segment) in left.iter().zip(&segments) {
                if let Some(segment) = segment {
                    by_segment.entry(segment).or_default().insert(call);
                }
            }
            for (segment, calls) in &by_segment {
                self.remove_from(segment, calls).await?;
            }
            let mut pipeline = Pipeline::new();
            for (call, segment) in left.iter().zip(&segments) {
                pipeline.add_command(self.delete_command(call, segment.as_deref()));
            }
            let mut again = Vec::new();
            for (call, deleted) in left.into_iter().zip(self.run(&pipeline).await?) {
                // The reply is nil if the call was indexed after its segment was looked up.
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

    /// The segments that calls are in.
    async fn segments_of(&self, calls: &[String]) -> Result<Vec<Option<String>>, RedisError> {
        let mut pipeline = Pipeline::new();
        for call in calls {
            pipeline.cmd("HGET").arg(call_key(call)).arg("part");
        }
        let segments = self.run(&pipeline).await?.into_iter().map(redis::from_redis_value);
        Ok(segments.collect::<Result<_, _>>()?)
    }

    async fn remove_from(&self, id: &str, calls: &BTreeSet<&str>) -> Result<(), RedisError> {
        for _ in 0..TRIES.0 {
            if let Some(lock) = self.lock().await? {
                let done = self.remove_locked(&lock.token, id, calls).await;
                lock.release().await?;
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
        id: &str,
        calls: &BTreeSet<&str>,
    ) -> Result<bool, RedisError> {
        let mut all = cmd("HGETALL");
        all.arg(part_key(id));
        let fields: BTreeMap<String, Vec<u8>> = self.one(all).await?;
        let mut segment = match Segment::read(&fields) {
            Some(segment) => segment,
            None if fields.is_empty() => return Ok(true),
            None => {
                tracing::error!(part = id, "a part of the index is torn and is taken away");
                Segment::default()
            }
        };
        segment.remove(calls);
        let keys = [lock_key(), parts_key(), part_key(id)];
        let mut command = script(&self.scripts.reseal, &keys);
        command.arg(token).arg(id).arg(segment.newest_ms());
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

/// The set of all segments, by the start of their newest call.
pub(super) fn parts_key() -> String {
    format!("{PREFIX}parts")
}

/// The key of a segment.
pub(super) fn part_key(id: &str) -> String {
    format!("{PREFIX}part:{id}")
}
