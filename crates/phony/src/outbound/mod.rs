//! Places outbound calls: asks the rules, writes the ledger, sends the request to the carrier, and
//! opens the call. Owns the idempotency keys and the locks on numbers. `http` calls it for
//! `POST /calls` and for webhooks of outbound calls, `server` watches the [`budget`].
//!
//! A call is bound to its scenario by the carrier's call SID, in this process and, in a cluster, in
//! Redis; the URLs given to the carrier name the server and nothing else. A webhook may come before
//! the carrier's own answer: it waits for the call to be opened, here or on
//! another node.

mod attempt;
pub mod budget;
mod carrier;
mod error;
mod idempotency;
mod interrupted;
mod nodes;
mod number_locks;
mod order;

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
use self::idempotency::{IdempotencyKeys, KeyState};
pub(crate) use self::nodes::CallLocation;
use self::number_locks::NumberLocks;
use crate::agents::Agents;
use crate::calls::Calls;
use crate::calls::registry::CallMessage;
use crate::carriers::twilio::account::Account;
use crate::carriers::twilio::rest::{CarrierError, TIMEOUT};
use crate::clock::Clock;
use crate::cluster::Cluster;
use crate::cluster::outbound::CompletedOrder;
use crate::config::Config;
use crate::history::History;
use crate::numbers;
use crate::runtime::shutdown::Shutdown;
use crate::safety::Safety;
use crate::safety::ledger::digest;
use crate::timeouts;

/// How long a webhook waits for its call to be opened.
const SETTLING: Duration = Duration::from_secs(8);
/// How long a repeat waits for the first order under its key.
const FIRST_ORDER: Duration = Duration::from_secs(20);
/// How long an order waits for its turn at a number.
const TURN: Duration = Duration::from_secs(10);
/// How long to look for a call after the carrier's answer was lost.
const LOOKING: Duration = Duration::from_millis(3500);
/// How long the answer to an order waits for the beginning of the call to be stored.
const WRITING: Duration = Duration::from_millis(500);
/// When the client is answered at the latest, even if the order is still carried out.
const ANSWER: Duration = Duration::from_secs(29);

// A client that only hears of a timeout does not know that the carrier was asked, and might order
// the call again.
const _: () = assert!(
    TURN.as_millis() + TIMEOUT.as_millis() + LOOKING.as_millis() + WRITING.as_millis()
        <= ANSWER.as_millis()
        && ANSWER.as_millis() < timeouts::REQUEST.as_millis(),
    "an order that has waited and was put to the carrier is answered within a request's time"
);
/// The status of a call that was deleted, by a supervisor or by retention.
const DELETED: &str = "deleted";

/// Places outbound calls.
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
    idempotency: IdempotencyKeys,
    number_locks: NumberLocks,
    /// How many calls to each number wait for the carrier's call SID.
    pending: Mutex<HashMap<String, u32>>,
    /// Changes whenever one of them gets its call SID, or has failed.
    settled: watch::Sender<u64>,
}

/// The call that an order became.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlacedCall {
    /// The carrier's id of the call.
    pub call: CallSid,
    /// Its status, such as `queued` or `in-progress`.
    pub status: String,
    /// Whether an earlier order under the same key placed it.
    pub is_replay: bool,
}

impl PlacedCall {
    fn new(call: CallSid, status: impl Into<String>) -> Self {
        Self { call, status: status.into(), is_replay: false }
    }
}

/// What [`Outbound`] is built from.
#[derive(Debug)]
pub struct OutboundParts {
    /// The configuration.
    pub config: Arc<Config>,
    /// The host, and the port if it needs one, of every URL given to the carrier.
    pub authority: String,
    /// The clock.
    pub clock: Clock,
    /// The stages of the server's shutdown.
    pub shutdown: Shutdown,
    /// The agents and scenarios.
    pub agents: Arc<Agents>,
    /// The events of live and ended calls, and the orders that became none.
    pub history: History,
    /// The rules.
    pub safety: Arc<Safety>,
    /// The other nodes, if there are any.
    pub cluster: Option<Arc<Cluster>>,
    /// Opens the calls that were placed.
    pub calls: Arc<Calls>,
    /// The account at the carrier.
    pub account: Arc<Account>,
}

impl Outbound {
    /// Reads the idempotency keys that were used before from the ledger in the data folder.
    #[must_use]
    pub fn new(parts: OutboundParts) -> Self {
        let idempotency = IdempotencyKeys::of(&parts.config.data_dir);
        Self::with_keys(parts, idempotency)
    }

    /// Starts without idempotency keys.
    #[must_use]
    pub fn without_memory(parts: OutboundParts) -> Self {
        Self::with_keys(parts, IdempotencyKeys::default())
    }

    fn with_keys(parts: OutboundParts, idempotency: IdempotencyKeys) -> Self {
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

    /// The orders under an idempotency key that became calls here.
    pub(crate) fn completed_orders(&self) -> Vec<CompletedOrder> {
        self.idempotency.completed_orders()
    }

    /// Waits until no call to this number lacks its call SID, for at most [`SETTLING`].
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

/// A call that the carrier was asked for and that has no call SID yet.
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

/// Who ordered a call.
#[derive(Debug, Clone)]
pub struct Requester {
    /// The fingerprint of their token, for the ledger.
    pub by: String,
    /// Their name, if known.
    pub who: Option<String>,
}

/// Waits for the outcome of an order, for at most [`ANSWER`]; it is carried out all the same.
async fn answered(
    work: impl Future<Output = Result<PlacedCall, PlaceError>>,
    is_asked: &AtomicBool,
) -> Result<PlacedCall, PlaceError> {
    match timeout(ANSWER, work).await {
        Ok(done) => done,
        Err(_) if is_asked.load(Ordering::SeqCst) => {
            let why = format!("there was no answer within {} s", ANSWER.as_secs());
            Err(CarrierError::Unknown(why).into())
        }
        Err(_) => Err(PlaceError::InProgress),
    }
}

/// The client that waits for the outcome of an order.
#[derive(Debug, Clone, Default)]
struct Client {
    /// Cancelled when it has disconnected.
    gone: CancellationToken,
    /// Whether the carrier was asked for the call, or may have been by an earlier attempt.
    is_asked: Arc<AtomicBool>,
}

impl Outbound {
    /// Places a call or refuses it; the ledger records either. With an idempotency `key`, a repeat
    /// of the same order returns the first call.
    ///
    /// If the client disconnects before the order's turn, an order without a key is withdrawn,
    /// because nobody would learn of the call; one with a key is carried out, because a repeat
    /// learns of it. Once the carrier was asked, every order is carried out to its end.
    pub async fn place(
        self: &Arc<Self>,
        order: Order,
        requester: Requester,
        key: Option<&str>,
    ) -> Result<PlacedCall, PlaceError> {
        let key = key.map(str::to_owned);
        let client = Client::default();
        // Dropped with this future when the client goes away.
        let _present = client.gone.clone().drop_guard();
        let is_asked = Arc::clone(&client.is_asked);
        let work = {
            let this = Arc::clone(self);
            async move {
                numbers::load().await;
                match key {
                    None => Attempt::new(&this, order, requester, None, client).run(None).await,
                    Some(key) => this.carry_out(order, requester, &key, client).await,
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
        requester: Requester,
        key: &str,
        client: Client,
    ) -> Result<PlacedCall, PlaceError> {
        let (name, body) = (digest(key.as_bytes()), order.digest());
        let attempt =
            Attempt::new(self, order, requester, Some((name.clone(), body.clone())), client);
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
        let mut since = match held.state(&body) {
            KeyState::New => None,
            KeyState::Done(placed) => return self.replay(placed).await,
            KeyState::Uncertain(since) => Some(since),
            KeyState::Other => return Err(attempt.refused(PlaceError::OtherOrder).await),
        };
        let shared = match attempt.hold_shared_key().await {
            Err(error) => return Err(attempt.refused_as_repeat(error).await),
            Ok(None) => None,
            Ok(Some(KeyState::Done(placed))) => {
                held.done(body, placed.clone());
                return self.replay(placed).await;
            }
            Ok(Some(KeyState::Other)) => return Err(attempt.refused(PlaceError::OtherOrder).await),
            Ok(Some(KeyState::New)) => Some(attempt.shared_key()),
            Ok(Some(KeyState::Uncertain(at))) => {
                since = Some(since.map_or(at, |since| since.min(at)));
                Some(attempt.shared_key())
            }
        };
        let began = attempt.began;
        let done = attempt.run(since).await;
        match &done {
            Ok(placed) => held.done(body, placed.clone()),
            Err(error) if error.is_uncertain() => held.uncertain(body, since.unwrap_or(began)),
            Err(_) => {}
        }
        if let Some(shared) = shared {
            // Finding no call on a repeat proves no more than the first attempt did.
            shared.settle(&done, since.is_some()).await;
        }
        done
    }

    /// The call of an earlier order under the same key, with its present status.
    async fn replay(&self, placed: PlacedCall) -> Result<PlacedCall, PlaceError> {
        let PlacedCall { call, status: at_first, .. } = placed;
        let handle = self.calls.find(&call);
        if let Some(handle) = &handle {
            // Once the actor answers, the call's start is recorded.
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
        Ok(PlacedCall { call, status, is_replay: true })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_timeout_says_whether_the_carrier_was_asked() {
        let work = || async {
            tokio::time::sleep(timeouts::REQUEST).await;
            Err(PlaceError::Stopping)
        };
        let asked = answered(work(), &AtomicBool::new(true)).await.unwrap_err();
        assert!(asked.is_uncertain(), "{asked:?}");
        let unasked = answered(work(), &AtomicBool::new(false)).await.unwrap_err();
        assert!(matches!(unasked, PlaceError::InProgress), "{unasked:?}");
    }
}
