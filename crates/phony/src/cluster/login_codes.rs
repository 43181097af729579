//! Codes of login links, each of which works once on one node. Owns no state but keys in Redis and
//! the list of the links used here; `http` calls it.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use redis::{RedisError, cmd};
use tokio::time::interval;

use super::{CODE_LIFE, Cluster, millis};

/// How many used links are remembered. Few are used in the minute for which it matters.
const LINKS: usize = 64;
/// How often it is tried to use up a code while Redis is away.
const EVERY: Duration = Duration::from_secs(1);

impl Cluster {
    /// Shares a single-use login code with all nodes; false if Redis does not answer.
    pub async fn share_code(&self, code: &str) -> bool {
        let mut set = cmd("SET");
        set.arg(code_key(code)).arg(&self.node).arg("PX").arg(millis(CODE_LIFE));
        self.command::<redis::Value>(&set).await.is_ok()
    }

    /// Redeems a login code; false if it is unknown or was used.
    pub async fn redeem_code(&self, code: &str) -> Result<bool, RedisError> {
        // If the answer is lost this node may ask again; it remembers whether the code was used
        // here.
        let key = code_key(code);
        if self.redeem_once(&key, &self.node).await?.is_none() {
            return Ok(false);
        }
        Ok(self.is_first_use(key))
    }

    /// Remembers that a link was used here; false if it was before.
    fn is_first_use(&self, key: String) -> bool {
        let mut used = self.used_links.lock().unwrap_or_else(PoisonError::into_inner);
        if used.contains(&key) {
            return false;
        }
        if used.len() == LINKS {
            used.pop_front();
        }
        used.push_back(key);
        true
    }

    /// Redeems a code that was used here while Redis was away, as soon as it answers.
    pub fn forget_code(self: &Arc<Self>, code: &str) {
        self.is_first_use(code_key(code));
        let (cluster, code) = (Arc::clone(self), code.to_owned());
        self.tasks.spawn(async move {
            let mut round = interval(EVERY);
            let rounds = CODE_LIFE.as_secs() / EVERY.as_secs();
            for _ in 0..rounds {
                round.tick().await;
                if cluster.redeem_code(&code).await.is_ok() {
                    return;
                }
            }
        });
    }
}

fn code_key(code: &str) -> String {
    super::hashed("login", code)
}
