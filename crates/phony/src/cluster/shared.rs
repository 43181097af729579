//! What nodes share about whom to call and for how much: the do-not-call list and the day's costs.
//! Each node also keeps the list in its own file, so that an emptied Redis is told it again.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, LazyLock, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use phony_call::PhoneNumber;
use redis::{RedisError, Script, cmd};
use secrecy::SecretString;
use tokio::time::{MissedTickBehavior, interval};

use super::{CODE_LIFE, Cluster, Handler, connect, millis};
use crate::safety::Safety;
use crate::safety::do_not_call::DoNotCallEntry;
use crate::store::redis::{Connection, PREFIX};
use crate::token;

/// How often what is shared is compared.
const EVERY: Duration = Duration::from_secs(1);
/// Words that are told or read in one go.
const BATCH: usize = 500;
/// Links that were used here and are remembered. In the minute for which it matters there are few.
const LINKS: usize = 64;
/// How long the costs of a day are kept.
const COSTS: Duration = Duration::from_hours(72);

static ENTRIES: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("scripts/do_not_call.lua")));
static ADD_COSTS: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("scripts/add_costs.lua")));

/// The do-not-call list of all nodes.
#[derive(Clone)]
pub struct SharedList {
    connection: Connection,
}

impl fmt::Debug for SharedList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedList")
    }
}

/// How far this node and the shared list know each other.
#[derive(Debug, Default)]
struct Compared {
    /// Which Redis it was: an emptied one is another.
    life: String,
    /// The last change that was read.
    change: u64,
    /// What the list is known to say of each number, and since when.
    told: HashMap<PhoneNumber, (Timestamp, bool)>,
}

impl SharedList {
    /// The list on the server at `url`. It connects when it is first needed.
    pub fn at(url: &SecretString) -> Result<Self, RedisError> {
        let (_, connection) = connect(url)?;
        Ok(Self { connection })
    }

    /// Whether the server answers.
    pub async fn reach(&self) -> Result<(), RedisError> {
        cmd("PING").exec_async(&mut self.connection.clone()).await
    }

    /// What was said last about a number.
    pub async fn entry(&self, number: &PhoneNumber) -> Result<Option<DoNotCallEntry>, RedisError> {
        let mut get = cmd("HGET");
        get.arg(list_key()).arg(number.as_str());
        let entry: Option<String> = get.query_async(&mut self.connection.clone()).await?;
        Ok(entry.as_deref().and_then(read))
    }

    /// Says something about numbers; of two words on one number the later counts.
    pub async fn publish(&self, entries: &[DoNotCallEntry]) -> Result<(), RedisError> {
        for entries in entries.chunks(BATCH) {
            let mut script = ENTRIES.key(list_key());
            script.key(order_key()).key(changes_key());
            for entry in entries {
                let json = serde_json::to_string(entry).unwrap_or_default();
                script.arg(entry.number.as_str()).arg(entry.at.as_millisecond()).arg(json);
            }
            script.invoke_async::<u64>(&mut self.connection.clone()).await?;
        }
        Ok(())
    }

    /// The numbers that must not be called, in their order.
    pub async fn list(&self) -> Result<Vec<DoNotCallEntry>, RedisError> {
        let mut all = cmd("HVALS");
        all.arg(list_key());
        let all: Vec<String> = all.query_async(&mut self.connection.clone()).await?;
        let mut listed: Vec<_> =
            all.iter().filter_map(|entry| read(entry)).filter(|entry| entry.listed).collect();
        listed.sort_by(|a, b| a.number.cmp(&b.number));
        Ok(listed)
    }

    /// What has changed since a change, and which was the last; 0 for the beginning.
    async fn since(&self, change: u64) -> Result<(u64, Vec<DoNotCallEntry>), RedisError> {
        let mut range = cmd("ZRANGEBYSCORE");
        range.arg(order_key()).arg(format!("({change}")).arg("+inf").arg("WITHSCORES");
        range.arg("LIMIT").arg(0).arg(BATCH);
        let changed: Vec<(String, u64)> = range.query_async(&mut self.connection.clone()).await?;
        let Some((_, last)) = changed.last() else { return Ok((change, Vec::new())) };
        let mut get = cmd("HMGET");
        get.arg(list_key());
        for (number, _) in &changed {
            get.arg(number);
        }
        let entries: Vec<Option<String>> = get.query_async(&mut self.connection.clone()).await?;
        Ok((*last, entries.iter().flatten().filter_map(|entry| read(entry)).collect()))
    }
}

impl Cluster {
    /// The do-not-call list of all nodes.
    #[must_use]
    pub fn do_not_call(&self) -> SharedList {
        SharedList { connection: self.connection.clone() }
    }

    /// Learns what the others know of a number, and what all calls of today cost, before somebody
    /// is called.
    pub(crate) async fn refresh_rules(
        &self,
        safety: &Safety,
        number: &PhoneNumber,
    ) -> Result<(), RedisError> {
        if let Some(entry) = self.do_not_call().entry(number).await? {
            // A list that cannot be read forbids every call.
            drop(safety.do_not_call.merge(entry));
        }
        self.sync_costs(safety).await
    }

    /// Tells what calls here cost, and learns what all do.
    async fn sync_costs(&self, safety: &Safety) -> Result<(), RedisError> {
        let due = safety.spend.unshared((safety.clock.now)(), (safety.clock.wall)());
        let sum: String = ADD_COSTS
            .key(format!("{PREFIX}spend:{}", due.date))
            .arg(due.known_usd)
            .arg(due.more_usd)
            .arg(millis(COSTS))
            // Added twice the costs would be wrong; what was not added is due the next time.
            .invoke_async(&mut self.connection.once())
            .await?;
        if let Ok(sum) = sum.parse() {
            safety.spend.set_shared(due, sum);
        }
        Ok(())
    }

    /// Keeps what is shared and what is kept here in step, for ever.
    pub(super) async fn sync_shared(&self, handler: &dyn Handler) {
        let safety = handler.safety();
        let mut compared = Compared::default();
        let mut round = interval(EVERY);
        round.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = round.tick() => {}
                () = safety.do_not_call.changed() => {}
            }
            if let Err(error) = self.compare_all(handler, &mut compared).await {
                tracing::debug!(%error, "the do-not-call list is not compared");
            }
            if let Err(error) = self.sync_costs(safety).await {
                tracing::debug!(%error, "the day's costs are not added up");
            }
        }
    }

    async fn compare_all(
        &self,
        handler: &dyn Handler,
        compared: &mut Compared,
    ) -> Result<(), RedisError> {
        let life = self.share_value("life", &token::random()[..16]).await?;
        if life != compared.life {
            self.restore_keys(&handler.completed_orders()).await?;
            *compared = Compared { life, ..Compared::default() };
        }
        self.compare_lists(handler.safety(), compared).await
    }

    async fn compare_lists(
        &self,
        safety: &Safety,
        compared: &mut Compared,
    ) -> Result<(), RedisError> {
        let list = self.do_not_call();
        loop {
            let (change, entries) = list.since(compared.change).await?;
            if change == compared.change {
                break;
            }
            compared.change = change;
            let mut news = Vec::new();
            for entry in entries {
                compared.told.insert(entry.number.clone(), (entry.at, entry.listed));
                if safety.do_not_call.merge(entry.clone()).unwrap_or(false) {
                    news.push(entry);
                }
            }
            self.save_entries(safety, news).await;
        }
        let known = match safety.do_not_call.entries() {
            Ok(known) => known,
            Err(error) => {
                tracing::error!(%error, "the do-not-call list cannot be read");
                return Ok(());
            }
        };
        let is_news = |entry: &DoNotCallEntry| {
            compared.told.get(&entry.number).is_none_or(|(at, _)| *at < entry.at)
        };
        let news: Vec<_> = known.into_iter().filter(is_news).collect();
        list.publish(&news).await?;
        for entry in news {
            compared.told.insert(entry.number, (entry.at, entry.listed));
        }
        Ok(())
    }

    /// Writes what others said into the file here, too.
    async fn save_entries(&self, safety: &Safety, entries: Vec<DoNotCallEntry>) {
        if entries.is_empty() {
            return;
        }
        let list = Arc::clone(&safety.do_not_call);
        let written = self.tasks.spawn_blocking(move || list.write_all(&entries)).await;
        if let Ok(Err(error)) = written {
            tracing::error!(%error, "the do-not-call list cannot be written");
        }
    }

    /// Makes a code that logs in once known to all.
    pub async fn share_code(&self, code: &str) -> bool {
        let mut set = cmd("SET");
        set.arg(code_key(code)).arg(&self.node).arg("PX").arg(millis(CODE_LIFE));
        self.command::<redis::Value>(&set).await.is_ok()
    }

    /// Uses a code up that logs in once; false if it is none, or was used.
    pub async fn redeem_code(&self, code: &str) -> Result<bool, RedisError> {
        // If an answer is lost this node may ask again, and knows itself whether it has logged in.
        let key = code_key(code);
        if self.redeem_once(&key, &self.node).await?.is_none() {
            return Ok(false);
        }
        Ok(self.is_first_use(key))
    }

    /// Takes note that a link was used here; false if it was before.
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

    /// Uses a code up as soon as that can be told to the others.
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

/// A word as the list has it: when in milliseconds, and the word as JSON.
fn read(text: &str) -> Option<DoNotCallEntry> {
    serde_json::from_str(text.split_once(' ')?.1).ok()
}

fn list_key() -> String {
    format!("{PREFIX}dnc")
}

fn order_key() -> String {
    format!("{PREFIX}dnc:order")
}

fn changes_key() -> String {
    format!("{PREFIX}dnc:changes")
}

fn code_key(code: &str) -> String {
    super::hashed("login", code)
}
