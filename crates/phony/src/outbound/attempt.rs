//! One attempt to place a call, from the rules through the ledger to the carrier, and what the ledger
//! and the list of orders say of its outcome. Owns the attempt's ledger entry and the lock on its
//! number for as long as it runs; [`Outbound::place`] runs it.

use std::sync::atomic::Ordering;

use jiff::Timestamp;
use phony_call::{CallSid, Direction, Identity, Progress};
use phony_wire::twilio::rest::Call;
use tokio::time::timeout;

use super::number_locks::NumberLock;
use super::order::ResolvedOrder;
use super::{
    Client, LOOKING, Order, Outbound, Pending, PlaceError, PlacedCall, Requester, TURN, WRITING,
};
use crate::calls::NewOutbound;
use crate::calls::registry::CallMessage;
use crate::carriers::TWILIO;
use crate::carriers::twilio::rest::{CarrierError, TIMEOUT};
use crate::history::{Outcome, UnplacedOrder};
use crate::safety::dial_limits::Slot;
use crate::safety::ledger::{Entry, EntryKind};
use crate::safety::{DialRequest, Forbidden};
use crate::token;

/// One attempt to place a call.
pub(super) struct Attempt<'a> {
    pub(super) outbound: &'a Outbound,
    pub(super) order: Order,
    pub(super) entry: Entry,
    pub(super) began: Timestamp,
    requester: Requester,
    client: Client,
    /// An earlier attempt under the same key may have placed a call, and was not looked for yet.
    is_repeat_of_unknown: bool,
}

impl<'a> Attempt<'a> {
    pub(super) fn new(
        outbound: &'a Outbound,
        order: Order,
        requester: Requester,
        key: Option<(String, String)>,
        client: Client,
    ) -> Self {
        let began = (outbound.clock.wall)();
        let entry = Entry {
            attempt: token::random()[..16].to_owned(),
            to: order.to.chars().take(64).collect(),
            scenario: order.scenario.clone(),
            agent: order.agent.clone(),
            overrides: if order.ignore_calling_hours { vec!["calling_hours"] } else { Vec::new() },
            key,
            ..Entry::new(began, EntryKind::Refused, &requester.by)
        };
        Self { outbound, order, entry, began, requester, client, is_repeat_of_unknown: false }
    }

    /// Runs the attempt. `since` is when an earlier attempt under the same key was made whose
    /// outcome is unknown.
    pub(super) async fn run(mut self, since: Option<Timestamp>) -> Result<PlacedCall, PlaceError> {
        self.is_repeat_of_unknown = since.is_some();
        self.client.is_asked.store(self.is_repeat_of_unknown, Ordering::SeqCst);
        if self.outbound.shutdown.drain.is_cancelled() {
            return Err(self.refused(PlaceError::Stopping).await);
        }
        let resolved = match self.order.resolve(self.outbound) {
            Ok(resolved) => resolved,
            Err(error) => return Err(self.refused(error).await),
        };
        self.entry.to = resolved.number.to_string();
        self.entry.from = Some(resolved.from.to_string());
        self.entry.agent = Some(resolved.agent.call.id.clone());
        // A forbidden order need not wait for its turn. One that may have placed a call already is
        // looked for, whatever the rules say.
        if since.is_none()
            && let Err(why) = self.ask_rules(&resolved)
            && !self.others_may_know_better(&why)
        {
            return Err(self.refused(why.into()).await);
        }
        let lock = match self.turn(&resolved).await {
            Ok(lock) => lock,
            Err(error) => return Err(self.refused(error).await),
        };
        if let Some(since) = since {
            return self.look_first(resolved, since, lock).await;
        }
        self.permit_and_dial(resolved, lock).await
    }

    /// Looks for the call of an earlier attempt; places one if there is none.
    async fn look_first(
        mut self,
        resolved: ResolvedOrder,
        since: Timestamp,
        mut lock: NumberLock,
    ) -> Result<PlacedCall, PlaceError> {
        match self.look(TIMEOUT, &resolved, since, &lock).await {
            Ok(None) => {
                self.is_repeat_of_unknown = false;
                self.client.is_asked.store(false, Ordering::SeqCst);
                self.permit_and_dial(resolved, lock).await
            }
            Ok(Some(call)) => {
                lock.mark_known();
                let now = (self.outbound.clock.now)();
                let slot = match &self.outbound.cluster {
                    // In a cluster, opening the call takes its slot.
                    Some(_) => None,
                    None => self.outbound.safety.dial_limits.take(now).ok(),
                };
                let opened = self.open(call, resolved, slot).await;
                opened.map(|placed| PlacedCall { is_replay: true, ..placed })
            }
            Err(error) => Err(self.failed(PlaceError::Uncertain(Box::new(error))).await),
        }
    }

    /// Waits for the lock on the number.
    async fn turn(&self, resolved: &ResolvedOrder) -> Result<NumberLock, PlaceError> {
        let key = self.entry.key.as_ref().map(|(name, _)| name);
        let owner = key.unwrap_or(&self.entry.attempt);
        let lock = self.outbound.number_locks.lock(resolved.number.as_str(), owner);
        tokio::select! {
            biased;
            () = self.outbound.shutdown.drain.cancelled() => Err(PlaceError::Stopping),
            () = self.client.gone.cancelled(), if self.entry.key.is_none() => Err(PlaceError::ClientGone),
            lock = timeout(TURN, lock) => lock.map_err(|_| PlaceError::NumberBusy),
        }
    }

    fn ask_rules(&self, resolved: &ResolvedOrder) -> Result<(), Forbidden> {
        let request = DialRequest {
            number: &resolved.number,
            consent: self.order.consent,
            at_any_hour: self.order.ignore_calling_hours,
        };
        self.outbound.safety.allow(request, &self.outbound.config)
    }

    /// Whether a rule that forbids the call here may be out of date, because other nodes have
    /// changed what it rests on.
    fn others_may_know_better(&self, why: &Forbidden) -> bool {
        self.outbound.cluster.is_some()
            && match why {
                Forbidden::Consent | Forbidden::Number(_) | Forbidden::Hours(_) => false,
                Forbidden::DoNotCall | Forbidden::Spend { .. } => true,
            }
    }

    /// Checks again what may have changed since the first time: whether the server stops, whether
    /// the client is still there, and every rule.
    fn check_locally(&self, resolved: &ResolvedOrder) -> Result<(), PlaceError> {
        if self.outbound.shutdown.drain.is_cancelled() {
            return Err(PlaceError::Stopping);
        }
        if self.entry.key.is_none() && self.client.gone.is_cancelled() {
            return Err(PlaceError::ClientGone);
        }
        self.ask_rules(resolved).map_err(PlaceError::from)
    }

    /// The same, with what other nodes share.
    async fn refresh_and_check(&self, resolved: &ResolvedOrder) -> Result<(), PlaceError> {
        let Outbound { safety, cluster, .. } = self.outbound;
        if let Some(cluster) = cluster {
            cluster
                .refresh_rules(safety, &resolved.number)
                .await
                .map_err(|_| PlaceError::Unshared)?;
        }
        self.check_locally(resolved)
    }

    async fn permit_and_dial(
        self,
        resolved: ResolvedOrder,
        lock: NumberLock,
    ) -> Result<PlacedCall, PlaceError> {
        match self.permit(&resolved).await {
            Ok(slot) => self.dial(resolved, slot, lock).await,
            Err(error) => Err(self.refused(error).await),
        }
    }

    /// Asks the rules, and takes a slot: of this node, or of the cluster.
    async fn permit(&self, resolved: &ResolvedOrder) -> Result<Option<Slot>, PlaceError> {
        self.refresh_and_check(resolved).await?;
        let Outbound { safety, cluster, clock, .. } = self.outbound;
        let Some(cluster) = cluster else {
            return safety.dial_limits.take((clock.now)()).map(Some).map_err(PlaceError::TooMany);
        };
        self.take_shared_slot(cluster).await.map(|()| None)
    }

    async fn dial(
        mut self,
        resolved: ResolvedOrder,
        slot: Option<Slot>,
        mut lock: NumberLock,
    ) -> Result<PlacedCall, PlaceError> {
        let rest = match self.outbound.account.rest() {
            Ok(rest) => rest,
            Err(error) => {
                let error = PlaceError::NoCarrier(error.clone());
                self.not_placed(&resolved).await;
                return Err(self.failed(error).await);
            }
        };
        // Every call is in the ledger before the network knows of it.
        let entry = Entry { what: EntryKind::Dialling, ..self.entry.clone() };
        if let Err(error) = self.outbound.safety.ledger.write(entry).await {
            self.not_placed(&resolved).await;
            return Err(self.refused(PlaceError::Ledger(error.to_string())).await);
        }
        if let Err(error) = self.share_order(&resolved).await {
            self.not_placed(&resolved).await;
            return Err(self.failed(error).await);
        }
        // Writing and sharing may have taken a while.
        if let Err(error) = self.refresh_and_check(&resolved).await {
            self.not_placed(&resolved).await;
            return Err(self.refused(error).await);
        }
        let create = self.create(&resolved);
        let pending = Pending::of(self.outbound, &resolved.number);
        self.began = (self.outbound.clock.wall)();
        self.client.is_asked.store(true, Ordering::SeqCst);
        let still = || self.check_locally(&resolved).is_ok();
        let created = match rest.create_call_while(&create, &still).await {
            Err(CarrierError::Unknown(why)) => {
                if let Ok(Some(call)) = self.look(LOOKING, &resolved, self.began, &lock).await {
                    Ok(call)
                } else {
                    lock.mark_unknown((self.outbound.clock.wall)());
                    Err(CarrierError::Unknown(why))
                }
            }
            created => created,
        };
        match created {
            Ok(call) => {
                let opened = self.open(call, resolved, slot).await;
                drop(pending);
                opened
            }
            Err(failure @ CarrierError::Unknown(_)) => {
                self.perhaps_placed(&resolved).await;
                Err(self.failed(failure.into()).await)
            }
            Err(CarrierError::Withdrawn) => {
                self.not_placed(&resolved).await;
                // The reason may have passed by now; the attempt was withdrawn all the same.
                let why = self.check_locally(&resolved).err();
                Err(self.refused(why.unwrap_or_else(|| CarrierError::Withdrawn.into())).await)
            }
            Err(failure @ (CarrierError::Refused(_) | CarrierError::Unreachable(_))) => {
                self.not_placed(&resolved).await;
                Err(self.failed(failure.into()).await)
            }
        }
    }

    /// Opens the call that the carrier has accepted.
    async fn open(
        mut self,
        call: Call,
        resolved: ResolvedOrder,
        slot: Option<Slot>,
    ) -> Result<PlacedCall, PlaceError> {
        let Ok(sid) = CallSid::parse(&call.sid) else {
            let message = "Twilio's answer names no call".to_owned();
            return Err(self.failed(CarrierError::Unknown(message).into()).await);
        };
        let identity = Identity {
            sid: sid.clone(),
            from: resolved.from.to_string(),
            to: resolved.number.to_string(),
            direction: Direction::Outbound,
            carrier: TWILIO.into(),
        };
        self.outbound.idempotency.claim(sid.as_str());
        if !self.is_opened(&sid).await {
            let agent = resolved.agent;
            self.outbound.calls.open_outbound(NewOutbound { identity, agent, slot });
            if let Some(handle) = self.outbound.calls.find(&sid) {
                handle.send(CallMessage::Progress(Progress::Queued)).await;
            }
            self.share_call_sid(&sid, resolved.number.as_str()).await;
        }
        metrics::counter!("phony_calls_placed_total").increment(1);
        self.entry.what = EntryKind::Placed;
        self.entry.call_sid = Some(sid.to_string());
        self.write().await;
        // A server that is killed right after the answer finds the agent in the store when it
        // restarts.
        self.outbound.history.hub().flush(&sid, WRITING).await;
        if self.entry.key.is_some() {
            // An earlier attempt may be listed among the orders that became no call.
            self.outbound.history.order_was_placed(&self.id());
        }
        let status = call.status.as_str();
        let status = if matches!(status, "" | "initiated") { "queued" } else { status }.to_owned();
        Ok(PlacedCall { call: sid, status, is_replay: false })
    }

    pub(super) async fn refused(mut self, error: PlaceError) -> PlaceError {
        self.entry.what = EntryKind::Refused;
        if self.is_repeat_of_unknown {
            // The outcome of the earlier attempt is still unknown.
            self.note(&error).await;
            return error;
        }
        self.tell(error, Outcome::Refused).await
    }

    /// Refuses a repeat while the outcome of the first order is unknown: the repeat is in the
    /// ledger, but not listed as an order of its own.
    pub(super) async fn refused_as_repeat(mut self, error: PlaceError) -> PlaceError {
        self.is_repeat_of_unknown = true;
        self.refused(error).await
    }

    async fn failed(mut self, error: PlaceError) -> PlaceError {
        self.entry.what = EntryKind::Failed;
        let outcome = if error.is_uncertain() { Outcome::Unknown } else { Outcome::Failed };
        self.entry.outcome = Some(outcome.as_str());
        self.tell(error, outcome).await
    }

    async fn tell(&mut self, error: PlaceError, outcome: Outcome) -> PlaceError {
        self.note(&error).await;
        let Entry { to, from, scenario, agent, by, rule, .. } = self.entry.clone();
        let order = UnplacedOrder {
            id: self.id(),
            at: (self.outbound.clock.wall)(),
            outcome,
            to,
            from,
            scenario,
            agent,
            by,
            who: self.requester.who.clone(),
            rule,
            reason: error.to_string(),
        };
        self.outbound.history.keep_order(order).await;
        error
    }

    /// Writes into the ledger that the attempt became no call, and why.
    async fn note(&mut self, error: &PlaceError) {
        let rule = error.name();
        metrics::counter!("phony_calls_refused_total", "rule" => rule).increment(1);
        tracing::info!(rule, "an outbound call was not placed");
        self.entry.rule = Some(rule.to_owned());
        self.entry.reason = Some(error.to_string());
        self.write().await;
    }

    fn id(&self) -> CallSid {
        self.order.id(self.entry.key.as_ref().map(|(name, _)| name.as_str()), &self.entry.attempt)
    }

    async fn write(&self) {
        let at = (self.outbound.clock.wall)();
        let entry = Entry { at, ..self.entry.clone() };
        // The ledger's thread has logged the error.
        let _ = self.outbound.safety.ledger.write(entry).await;
    }
}
