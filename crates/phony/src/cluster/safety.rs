//! The do-not-call list and the day's costs, shared by all nodes. Each node also keeps the list in
//! its own file, and restores it to a Redis that was emptied. Owns no state but keys in Redis; the
//! bus runs [`Cluster::sync_shared`], `outbound` calls [`Cluster::refresh_rules`].

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use jiff::Timestamp;
use phony_call::PhoneNumber;
use redis::{RedisError, Script, cmd};
use secrecy::SecretString;
use tokio::time::{MissedTickBehavior, interval};

use super::{Cluster, Handler, connect, millis};
use crate::safety::Safety;
use crate::safety::do_not_call::DoNotCallEntry;
use crate::store::redis::{Connection, PREFIX};
use crate::token;

/// How often the list and the costs are synchronized.
const EVERY: Duration = Duration::from_secs(1);
/// How many entries are read or written at a time.
const BATCH: usize = 500;
/// How long Redis keeps the costs of a day.
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

/// How far this node and the shared list are synchronized.
#[derive(Debug, Default)]
struct Compared {
    /// The id of the Redis data set: an emptied Redis gets a new one.
    life: String,
    /// The last change that was read.
    change: u64,
    /// Each number's entry in the shared list, as last seen: its time, and whether it is listed.
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

    /// The entry of a number.
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

    /// The entries that changed after change number `change` (0 for all), and the number of the
    /// last change read.
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

    /// Refreshes, before a number is called, its entry of the do-not-call list and the day's costs.
    pub(crate) async fn refresh_rules(
        &self,
        safety: &Safety,
        number: &PhoneNumber,
    ) -> Result<(), RedisError> {
        if let Some(entry) = self.do_not_call().entry(number).await? {
            // A local list that cannot be read forbids every call anyway.
            drop(safety.do_not_call.merge(entry));
        }
        self.sync_costs(safety).await
    }

    /// Adds the costs of this node to the shared sum, and reads that.
    async fn sync_costs(&self, safety: &Safety) -> Result<(), RedisError> {
        let due = safety.spend.unshared((safety.clock.now)(), (safety.clock.wall)());
        let sum: String = ADD_COSTS
            .key(format!("{PREFIX}spend:{}", due.date))
            .arg(due.known_usd)
            .arg(due.more_usd)
            .arg(millis(COSTS))
            // Not retried, because costs must not be added twice; what was not added is added next
            // time.
            .invoke_async(&mut self.connection.once())
            .await?;
        if let Ok(sum) = sum.parse() {
            safety.spend.set_shared(due, sum);
        }
        Ok(())
    }

    /// Synchronizes the list and the costs until it is dropped.
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

    /// Writes entries of other nodes into this node's file.
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
}

/// Reads an entry as Redis holds it: its time in Unix milliseconds, a space, and its JSON.
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
