//! Places calls: asks the rules, writes the ledger, tells the carrier, and opens the call.
//!
//! The call is bound to its scenario by the carrier's name for it, in this process and, where
//! there are several, in what they share; nothing in a URL says more than where this server is. A
//! webhook may come before the carrier's own answer does: it [waits](Outbound::settled) for the call
//! to be opened, here or on another node.

mod attempt;
pub mod budget;
mod cut_off;
mod error;
mod idempotency;
mod line;
mod number_locks;
mod order;
mod shared;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use phony_call::{CallSid, PhoneNumber};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

pub use self::error::PlaceError;
pub use self::order::Order;

use self::attempt::Attempt;
use self::idempotency::{Keys, Known};
use self::number_locks::NumberLocks;
pub(crate) use self::shared::Started;
use crate::agents::Agents;
use crate::calls::Calls;
use crate::calls::registry::CallMessage;
use crate::carriers::twilio::account::Account;
use crate::carriers::twilio::rest::{CarrierError, PATIENCE};
use crate::clock::Clock;
use crate::cluster::Cluster;
use crate::cluster::dialling::Carried;
use crate::config::Config;
use crate::history::History;
use crate::limits;
use crate::numbers;
use crate::runtime::shutdown::Shutdown;
use crate::safety::Safety;
use crate::safety::ledger::digest;

/// How long a webhook waits for the call it is about.
const SETTLING: Duration = Duration::from_secs(8);
/// How long a repeat waits for the first order under its key.
const FIRST_ORDER: Duration = Duration::from_secs(20);
/// How long an order waits for its turn at a number.
const TURN: Duration = Duration::from_secs(10);
/// How long a call whose answer was lost is looked for at once.
const LOOKING: Duration = Duration::from_secs(4);
/// When whoever gave an order is answered at the latest, whatever still goes on.
const ANSWER: Duration = Duration::from_secs(29);

// Who is told nothing but that the time is up does not know that the carrier was asked, and might
// order the call again.
const _: () = assert!(
    TURN.as_millis() + PATIENCE.as_millis() + LOOKING.as_millis() <= ANSWER.as_millis()
        && ANSWER.as_millis() < limits::REQUEST.as_millis(),
    "an order that has waited and was put to the carrier is answered within a request's time"
);
/// The state of a call that was deleted, by a supervisor or for its age.
const DELETED: &str = "deleted";

/// Places calls.
#[derive(Debug)]
pub struct Outbound {
    config: Arc<Config>,
    /// The host, and the port if it needs one, of every URL given to the carrier.
    authority: String,
    clock: Clock,
    shutdown: Shutdown,
    agents: Arc<Agents>,
    history: History,
    safety: Arc<Safety>,
    cluster: Option<Arc<Cluster>>,
    calls: Arc<Calls>,
    account: Arc<Account>,
    idempotency: Keys,
    number_locks: NumberLocks,
    /// How many calls to a number the carrier has been asked for and has not named yet.
    pending: Mutex<HashMap<String, u32>>,
    /// Changes whenever one of them is named, or is known not to be.
    settled: watch::Sender<u64>,
}

/// What was done about an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dialled {
    /// The carrier's name for the call.
    pub call: CallSid,
    /// How far it has got.
    pub status: String,
    /// An earlier order under the same key has placed it.
    pub is_replay: bool,
}

impl Dialled {
    fn new(call: CallSid, status: impl Into<String>) -> Self {
        Self { call, status: status.into(), is_replay: false }
    }
}

/// What calls are placed with.
#[derive(Debug)]
pub struct OutboundParts {
    /// The configuration.
    pub config: Arc<Config>,
    /// The host, and the port if it needs one, of every URL given to the carrier.
    pub authority: String,
    /// What time it is.
    pub clock: Clock,
    /// The stages of the server's end.
    pub shutdown: Shutdown,
    /// Who can call.
    pub agents: Arc<Agents>,
    /// What is known of calls.
    pub history: History,
    /// The rules.
    pub safety: Arc<Safety>,
    /// The other nodes, if there are any.
    pub cluster: Option<Arc<Cluster>>,
    /// Where calls go that were placed.
    pub calls: Arc<Calls>,
    /// The account at the carrier.
    pub account: Arc<Account>,
}

impl Outbound {
    /// Places calls, and remembers from the ledger of the data folder which keys were used.
    #[must_use]
    pub fn new(parts: OutboundParts) -> Self {
        let idempotency = Keys::of(&parts.config.data_dir);
        Self::with_keys(parts, idempotency)
    }

    /// Places calls without a memory of earlier ones.
    #[must_use]
    pub fn without_memory(parts: OutboundParts) -> Self {
        Self::with_keys(parts, Keys::default())
    }

    fn with_keys(parts: OutboundParts, idempotency: Keys) -> Self {
        let OutboundParts { config, authority, clock, shutdown, agents, .. } = parts;
        let OutboundParts { history, safety, cluster, calls, account, .. } = parts;
        let (settled, _) = watch::channel(0);
        Self {
            config,
            authority,
            clock,
            shutdown,
            agents,
            history,
            safety,
            cluster,
            calls,
            account,
            idempotency,
            number_locks: NumberLocks::default(),
            pending: Mutex::default(),
            settled,
        }
    }

    /// The orders under keys of which calls came here.
    pub(crate) fn carried_out(&self) -> Vec<Carried> {
        self.idempotency.carried_out()
    }

    /// Waits until no call to this number is without a name, but not for ever.
    async fn settled(&self, to: &str) {
        let mut changes = self.settled.subscribe();
        let named = async {
            while self.lock().contains_key(to) {
                if changes.changed().await.is_err() {
                    return;
                }
            }
        };
        if timeout(SETTLING, named).await.is_err() {
            tracing::warn!("a webhook came for a call whose placing takes too long");
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, u32>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A call that has no name yet.
struct Pending<'a> {
    outbound: &'a Outbound,
    to: String,
}

impl<'a> Pending<'a> {
    fn of(outbound: &'a Outbound, to: &PhoneNumber) -> Self {
        let to = to.to_string();
        *outbound.lock().entry(to.clone()).or_default() += 1;
        Self { outbound, to }
    }
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        let mut pending = self.outbound.lock();
        if let Some(count) = pending.get_mut(&self.to) {
            *count -= 1;
            if *count == 0 {
                pending.remove(&self.to);
            }
        }
        drop(pending);
        self.outbound.settled.send_modify(|changes| *changes += 1);
    }
}

/// Who gives an order.
#[derive(Debug, Clone)]
pub struct Orderer {
    /// As the ledger has it: a token's fingerprint.
    pub by: String,
    /// The name, if it is known.
    pub who: Option<String>,
}

/// What came of an order, or that it is not known yet: it is carried out all the same.
async fn answered(
    work: impl Future<Output = Result<Dialled, PlaceError>>,
    is_asked: &AtomicBool,
) -> Result<Dialled, PlaceError> {
    match timeout(ANSWER, work).await {
        Ok(done) => done,
        Err(_) if is_asked.load(Ordering::SeqCst) => {
            let why = format!("there was no answer within {} s", ANSWER.as_secs());
            Err(CarrierError::Unknown(why).into())
        }
        Err(_) => Err(PlaceError::InProgress),
    }
}

/// Whoever waits for what becomes of an order.
#[derive(Debug, Clone, Default)]
struct Client {
    /// Cancelled when they have gone.
    gone: CancellationToken,
    /// Whether the carrier was asked for the call, or may have been by an earlier attempt.
    is_asked: Arc<AtomicBool>,
}

impl Outbound {
    /// Places a call, or refuses it; either way the ledger says so. `key` makes a repeat of the same
    /// order return the first call.
    ///
    /// An order that waits for its turn is withdrawn with whoever gave it, if nobody could hear of the
    /// call: one under a key is carried out, for a repeat hears of it. Once the carrier was asked, the
    /// order is carried out to its end.
    pub async fn place(
        self: &Arc<Self>,
        order: Order,
        orderer: Orderer,
        key: Option<&str>,
    ) -> Result<Dialled, PlaceError> {
        let key = key.map(str::to_owned);
        let client = Client::default();
        // Dropped with this future when the client goes away.
        let _present = client.gone.clone().drop_guard();
        let is_asked = Arc::clone(&client.is_asked);
        let work = {
            let this = Arc::clone(self);
            async move {
                numbers::unfolded().await;
                match key {
                    None => Attempt::new(&this, order, orderer, None, client).run(None).await,
                    Some(key) => this.carry_out(order, orderer, &key, client).await,
                }
            }
        };
        let work = self.calls.spawn(work);
        let work = async { work.await.unwrap_or_else(|_| Err(PlaceError::Panicked)) };
        answered(work, &is_asked).await
    }

    /// Carries out an order under a key, if that has not been done.
    async fn carry_out(
        &self,
        order: Order,
        orderer: Orderer,
        key: &str,
        client: Client,
    ) -> Result<Dialled, PlaceError> {
        let (name, body) = (digest(key.as_bytes()), order.digest());
        let attempt =
            Attempt::new(self, order, orderer, Some((name.clone(), body.clone())), client);
        let held = tokio::select! {
            biased;
            held = timeout(FIRST_ORDER, self.idempotency.hold(&name)) => {
                held.map_err(|_| PlaceError::InProgress)
            }
            () = self.shutdown.drain.cancelled() => Err(PlaceError::Stopping),
        };
        let mut held = match held {
            Ok(held) => held,
            Err(error) => return Err(attempt.refused_as_repeat(error).await),
        };
        let mut since = match held.known(&body) {
            Known::New => None,
            Known::Done(dialled) => return self.replay(dialled).await,
            Known::Uncertain(since) => Some(since),
            Known::Other => return Err(attempt.refused(PlaceError::OtherOrder).await),
        };
        let shared = match attempt.hold_shared_key().await {
            Err(error) => return Err(attempt.refused_as_repeat(error).await),
            Ok(None) => None,
            Ok(Some(Known::Done(dialled))) => {
                held.done(body, dialled.clone());
                return self.replay(dialled).await;
            }
            Ok(Some(Known::Other)) => return Err(attempt.refused(PlaceError::OtherOrder).await),
            Ok(Some(Known::New)) => Some(attempt.shared_key()),
            Ok(Some(Known::Uncertain(at))) => {
                since = Some(since.map_or(at, |since| since.min(at)));
                Some(attempt.shared_key())
            }
        };
        let began = attempt.began;
        let done = attempt.run(since).await;
        match &done {
            Ok(dialled) => held.done(body, dialled.clone()),
            Err(error) if error.is_uncertain() => held.uncertain(body, since.unwrap_or(began)),
            Err(_) => {}
        }
        if let Some(shared) = shared {
            // Who found nothing the second time does not know more than after the first.
            shared.settle(&done, since.is_some()).await;
        }
        done
    }

    /// A call that was placed by an earlier order under the same key, as it stands now.
    async fn replay(&self, dialled: Dialled) -> Result<Dialled, PlaceError> {
        let Dialled { call, status: at_first, .. } = dialled;
        let handle = self.calls.find(&call);
        if let Some(handle) = &handle {
            // Once it answers it has begun, and its record with it.
            handle.ask(CallMessage::Snapshot).await;
        }
        let status = match self.history.summary(&call).await? {
            Some(summary) => {
                let state = if summary.end.is_none() { "live" } else { "ended" };
                summary.status.unwrap_or_else(|| state.to_owned())
            }
            None if handle.is_some() => at_first,
            None => DELETED.to_owned(),
        };
        Ok(Dialled { call, status, is_replay: true })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_waits_too_long_is_told_whether_the_carrier_was_asked() {
        let work = || async {
            tokio::time::sleep(limits::REQUEST).await;
            Err(PlaceError::Stopping)
        };
        let asked = answered(work(), &AtomicBool::new(true)).await.unwrap_err();
        assert!(asked.is_uncertain(), "{asked:?}");
        let unasked = answered(work(), &AtomicBool::new(false)).await.unwrap_err();
        assert!(matches!(unasked, PlaceError::InProgress), "{unasked:?}");
    }
}
