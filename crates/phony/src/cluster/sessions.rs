//! Login sessions that were ended by a logout, shared by all nodes. Owns no state but a key in
//! Redis; `http` calls it.

use redis::{Pipeline, RedisError, cmd};

use super::Cluster;
use crate::store::redis::PREFIX;

impl Cluster {
    /// The sessions that were ended, each with the Unix second at which it expires anyway.
    pub(crate) async fn ended_sessions(&self, now: i64) -> Result<Vec<(String, i64)>, RedisError> {
        let mut range = cmd("ZRANGEBYSCORE");
        range.arg(key()).arg(format!("({now}")).arg("+inf").arg("WITHSCORES");
        self.command(&range).await
    }

    /// Shares sessions that were ended here, and removes those that have expired by `now`, in Unix
    /// seconds.
    pub(crate) async fn share_ended_sessions(
        &self,
        ended: &[(String, i64)],
        now: i64,
    ) -> Result<(), RedisError> {
        if ended.is_empty() {
            return Ok(());
        }
        let mut pipeline = Pipeline::new();
        pipeline.cmd("ZREMRANGEBYSCORE").arg(key()).arg("-inf").arg(now);
        for (session, ends) in ended {
            pipeline.cmd("ZADD").arg(key()).arg(ends).arg(session);
        }
        pipeline.exec_async(&mut self.connection.clone()).await
    }
}

fn key() -> String {
    format!("{PREFIX}ended-sessions")
}
