//! Orders that became no call: one key each, which expires as a call does, and a sorted set of all
//! by time.

use phony_call::CallSid;
use redis::{FromRedisValue, Pipeline, RedisError, cmd};

use super::{BATCH, PREFIX, Redis};
use crate::store::{ListQuery, MOST_ORDERS, UnplacedOrder};

impl Redis {
    pub(super) async fn put_all(&self, orders: &[UnplacedOrder]) -> Result<(), RedisError> {
        let mut pipeline = Pipeline::new();
        pipeline.atomic();
        for order in orders {
            let json = serde_json::to_string(order).unwrap_or_default();
            let set = pipeline.cmd("SET").arg(order_key(&order.id)).arg(json);
            if self.expiry_ms() > 0 {
                set.arg("PX").arg(self.expiry_ms());
            }
            let add = pipeline.cmd("ZADD").arg(orders_key());
            add.arg(order.at.as_millisecond()).arg(order.id.as_str());
        }
        pipeline.exec_async(&mut self.connection.clone()).await?;
        let mut count = cmd("ZCARD");
        count.arg(orders_key());
        let excess = self.one::<usize>(count).await?.saturating_sub(MOST_ORDERS);
        if excess > 0 {
            let mut oldest = cmd("ZRANGE");
            oldest.arg(orders_key()).arg(0).arg(excess - 1);
            let oldest = ids(&self.one::<Vec<String>>(oldest).await?);
            self.remove_orders(&oldest).await?;
        }
        Ok(())
    }

    pub(super) async fn orders_of(
        &self,
        wanted: &ListQuery,
    ) -> Result<Vec<UnplacedOrder>, RedisError> {
        let newest = wanted.after.as_ref().map(|after| after.started_ms.to_string());
        let newest = newest.unwrap_or_else(|| "+inf".to_owned());
        let (mut found, mut expired) = (Vec::new(), Vec::new());
        for batch in 0.. {
            let mut range = cmd("ZREVRANGEBYSCORE");
            range.arg(orders_key()).arg(&newest).arg("-inf");
            range.arg("LIMIT").arg(batch * BATCH).arg(BATCH);
            let batch = ids(&self.one::<Vec<String>>(range).await?);
            let is_last = batch.len() < BATCH;
            for (id, order) in batch.iter().zip(self.read_orders(&batch).await?) {
                match order {
                    Some(order) => {
                        let after = wanted.after.as_ref();
                        if after.is_none_or(|after| order.cursor() < *after)
                            && wanted.filter.admits_order(&order)
                        {
                            found.push(order);
                        }
                    }
                    None => expired.push(id.clone()),
                }
            }
            if is_last || found.len() > wanted.limit {
                break;
            }
        }
        self.forget_expired(&expired).await?;
        found.truncate(wanted.limit + 1);
        Ok(found)
    }

    pub(super) async fn order_of(&self, id: &CallSid) -> Result<Option<UnplacedOrder>, RedisError> {
        let orders = self.read_orders(std::slice::from_ref(id)).await?;
        Ok(orders.into_iter().next().flatten())
    }

    /// Deletes orders; returns how many there were.
    pub(super) async fn remove_orders(&self, orders: &[CallSid]) -> Result<u64, RedisError> {
        if orders.is_empty() {
            return Ok(0);
        }
        let mut pipeline = Pipeline::new();
        pipeline.atomic();
        let del = pipeline.cmd("DEL");
        for id in orders {
            del.arg(order_key(id));
        }
        let rem = pipeline.cmd("ZREM").arg(orders_key());
        for id in orders {
            rem.arg(id.as_str());
        }
        let (deleted, _): (u64, u64) = pipeline.query_async(&mut self.connection.clone()).await?;
        Ok(deleted)
    }

    /// Deletes the orders given before this time, in milliseconds since 1970.
    pub(super) async fn remove_orders_before(&self, before: i64) -> Result<(), RedisError> {
        loop {
            let mut range = cmd("ZRANGEBYSCORE");
            range.arg(orders_key()).arg("-inf").arg(format!("({before}"));
            range.arg("LIMIT").arg(0).arg(BATCH);
            let old = ids(&self.one::<Vec<String>>(range).await?);
            if old.is_empty() {
                return Ok(());
            }
            self.remove_orders(&old).await?;
        }
    }

    async fn read_orders(&self, ids: &[CallSid]) -> Result<Vec<Option<UnplacedOrder>>, RedisError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let mut get = cmd("MGET");
        for id in ids {
            get.arg(order_key(id));
        }
        let orders: Vec<Option<String>> = self.one(get).await?;
        let read = |json: String| serde_json::from_str(&json).ok();
        Ok(orders.into_iter().map(|json| json.and_then(read)).collect())
    }

    /// Removes expired orders from the set. Orders that exist but cannot be read stay: a later
    /// version may have written them.
    async fn forget_expired(&self, unread: &[CallSid]) -> Result<(), RedisError> {
        if unread.is_empty() {
            return Ok(());
        }
        let mut pipeline = Pipeline::new();
        for id in unread {
            pipeline.cmd("EXISTS").arg(order_key(id));
        }
        let there = self.run(&pipeline).await?.into_iter().map(bool::from_redis_value);
        let there = there.collect::<Result<Vec<_>, _>>()?;
        let gone = unread.iter().zip(there).filter(|(_, there)| !there);
        let gone: Vec<_> = gone.map(|(id, _)| id.clone()).collect();
        self.remove_orders(&gone).await?;
        Ok(())
    }
}

fn ids(texts: &[String]) -> Vec<CallSid> {
    texts.iter().filter_map(|text| CallSid::parse(text).ok()).collect()
}

/// The set of all orders that became no call, by their time in milliseconds since 1970.
fn orders_key() -> String {
    format!("{PREFIX}orders")
}

fn order_key(id: &CallSid) -> String {
    format!("{PREFIX}order:{id}")
}
