//! Placing calls as one node of a cluster: shares keys, slots and orders with the other nodes, and
//! [locates](Outbound::locate) the call of a webhook that reaches another node than the one that
//! placed it. Owns no state; [`Attempt`] and the Twilio webhooks call it.

use std::sync::Arc;
use std::time::Duration;

use phony_call::{CallSid, Direction, EventBody, Identity, PhoneNumber, Progress};
use phony_wire::twilio::rest::Call;

use super::attempt::Attempt;
use super::idempotency::KeyState;
use super::order::ResolvedOrder;
use super::{Order, Outbound, PlaceError, PlacedCall};
use crate::agents::Agent;
use crate::calls::NewOutbound;
use crate::calls::registry::CallMessage;
use crate::carriers::TWILIO;
use crate::cluster::Cluster;
use crate::cluster::outbound::{CallOwner, NoSlot, OrderResult, SharedKey};
use crate::numbers;
use crate::safety::dial_limits::TooMany;

/// How long to wait until the start of a placed call is in Redis.
const WRITING: Duration = Duration::from_millis(250);

/// An idempotency key that is held for all nodes.
pub(super) struct HeldKey {
    cluster: Arc<Cluster>,
    name: String,
    attempt: String,
}

impl HeldKey {
    /// Releases the key with the order's outcome; `before` if an earlier order under this key may
    /// have placed a call.
    pub(super) async fn settle(self, done: &Result<PlacedCall, PlaceError>, before: bool) {
        let result = match done {
            Ok(placed) => OrderResult::Placed(&placed.call, &placed.status),
            Err(error) if before || error.is_uncertain() => OrderResult::Unknown,
            Err(_) => OrderResult::NotPlaced,
        };
        self.cluster.settle_key(&self.name, &self.attempt, result).await;
    }
}

impl Attempt<'_> {
    /// Holds the key for all nodes; `None` without a cluster.
    pub(super) async fn hold_shared_key(&self) -> Result<Option<KeyState>, PlaceError> {
        let (Some(cluster), Some((name, body))) = (&self.outbound.cluster, &self.entry.key) else {
            return Ok(None);
        };
        let held = cluster.hold_key(name, body, &self.entry.attempt).await;
        match held.map_err(|_| PlaceError::Unshared)? {
            SharedKey::New => Ok(Some(KeyState::New)),
            SharedKey::Done(call, status) => {
                Ok(Some(KeyState::Done(PlacedCall::new(call, status))))
            }
            SharedKey::Uncertain(since) => Ok(Some(KeyState::Uncertain(since))),
            SharedKey::Other => Ok(Some(KeyState::Other)),
            SharedKey::Busy => Err(PlaceError::InProgress),
        }
    }

    /// The key that is held for all nodes.
    ///
    /// # Panics
    ///
    /// If none is.
    pub(super) fn shared_key(&self) -> HeldKey {
        let cluster = self.outbound.cluster.clone().expect("a shared key has servers to share it");
        let (name, _) = self.entry.key.clone().expect("a key that was taken has a name");
        HeldKey { cluster, name, attempt: self.entry.attempt.clone() }
    }

    pub(super) async fn take_shared_slot(&self, cluster: &Cluster) -> Result<(), PlaceError> {
        let dialing = &self.outbound.config.dialing;
        let (most, rate) = (dialing.concurrent, dialing.rate);
        let taken = cluster.take_slot(&self.entry.attempt, most, rate).await;
        taken.map_err(|_| PlaceError::Unshared)?.map_err(|why| {
            PlaceError::TooMany(match why {
                NoSlot::Concurrent => TooMany::Concurrent { most },
                NoSlot::Rate(wait) => TooMany::Rate { rate, wait },
            })
        })
    }

    /// Shares the order with all nodes before the carrier can send one of them a webhook for its
    /// call.
    pub(super) async fn share_order(&self, resolved: &ResolvedOrder) -> Result<(), PlaceError> {
        let Some(cluster) = &self.outbound.cluster else { return Ok(()) };
        let to = resolved.number.as_str();
        let shared = cluster.announce_call(to, &self.entry.attempt, self.key(), &self.order).await;
        shared.map_err(|_| PlaceError::Unshared)
    }

    /// Binds the order to the call SID for all nodes, and waits up to [`WRITING`] until all can
    /// find the call: the client may ask any of them.
    pub(super) async fn share_call_sid(&self, call: &CallSid, to: &str) {
        let Some(cluster) = &self.outbound.cluster else { return };
        let attempt = (to, self.entry.attempt.as_str());
        if let Err(error) = cluster.bind_call(call, attempt, self.key(), &self.order).await {
            tracing::warn!(callSid = %call, %error, "other servers do not know a call's order");
        }
        if let Some(handle) = self.outbound.calls.find(call) {
            // Once the actor answers, the call's start is recorded.
            handle.ask(CallMessage::Snapshot).await;
        }
        if !self.outbound.history.hub().settled(call, WRITING).await {
            tracing::warn!(callSid = %call, "other servers do not know a call yet");
        }
    }

    pub(super) async fn not_placed(&self, resolved: &ResolvedOrder) {
        if let Some(cluster) = &self.outbound.cluster {
            cluster.withdraw_call(resolved.number.as_str(), &self.entry.attempt).await;
        }
    }

    pub(super) async fn perhaps_placed(&self, resolved: &ResolvedOrder) {
        if let Some(cluster) = &self.outbound.cluster {
            let to = resolved.number.as_str();
            cluster.mark_call_unknown(to, &self.entry.attempt, self.key(), &self.order).await;
        }
    }

    /// Whether a call at the carrier belongs to another order.
    pub(super) async fn is_of_another(&self, call: &Call) -> Result<bool, PlaceError> {
        let Ok(sid) = CallSid::parse(&call.sid) else { return Ok(true) };
        let is_claimed = self.outbound.idempotency.is_claimed(sid.as_str());
        match &self.outbound.cluster {
            None => Ok(is_claimed),
            Some(cluster) => {
                let others = cluster.is_of_another(&sid, self.key(), is_claimed).await;
                others.map_err(|_| PlaceError::Unshared)
            }
        }
    }

    /// Whether the call's webhook has opened it already, here or on another node.
    pub(super) async fn is_opened(&self, call: &CallSid) -> bool {
        let Outbound { history, cluster, .. } = self.outbound;
        if self.outbound.calls.find(call).is_some() || history.hub().summary(call).is_some() {
            return true;
        }
        let Some(cluster) = cluster else { return false };
        cluster.knows(call).await
    }

    fn key(&self) -> Option<&str> {
        self.entry.key.as_ref().map(|(name, _)| name.as_str())
    }
}

/// Where an outbound call is that was answered.
pub(crate) enum CallLocation {
    /// On this node.
    Here,
    /// On another node, with this agent.
    Elsewhere(Arc<Agent>),
    /// It has ended.
    Ended,
    /// No node has placed it.
    Unknown,
    /// Redis does not answer.
    Unreachable,
}

impl Outbound {
    /// Locates an outbound call by its call SID. A call whose node died before opening it is opened
    /// here.
    pub(crate) async fn locate(&self, call: &CallSid, to: &str) -> CallLocation {
        self.settled(to).await;
        if self.calls.find(call).is_some() {
            return CallLocation::Here;
        }
        let Some(cluster) = &self.cluster else { return CallLocation::Unknown };
        match cluster.find_owner::<Order>(call, to).await {
            Err(_) => CallLocation::Unreachable,
            Ok(_) if self.calls.find(call).is_some() => CallLocation::Here,
            Ok(CallOwner::Unknown) => CallLocation::Unknown,
            Ok(CallOwner::Stored) if self.has_ended(call).await => CallLocation::Ended,
            Ok(CallOwner::Stored) => match self.start_of(call).await {
                Some(start) => CallLocation::Elsewhere(self.agents.of_start(&start, &self.config)),
                None => CallLocation::Unreachable,
            },
            Ok(CallOwner::Orphaned(shared)) => {
                numbers::load().await;
                let Ok(ResolvedOrder { number, from, agent, .. }) = shared.order.resolve(self)
                else {
                    return CallLocation::Unknown;
                };
                tracing::warn!(callSid = %call, "a call is opened that another server has placed");
                self.open_placed(call, (&from, &number), agent).await;
                let attempt = (number.as_str(), shared.attempt.as_str());
                let named =
                    cluster.bind_call(call, attempt, shared.key.as_deref(), &shared.order).await;
                drop(named);
                // The node that placed it may have listed its order as of unknown outcome.
                let key = shared.key.as_deref();
                self.history.order_was_placed(&shared.order.id(key, &shared.attempt));
                CallLocation::Here
            }
        }
    }

    async fn open_placed(
        &self,
        call: &CallSid,
        (from, to): (&PhoneNumber, &PhoneNumber),
        agent: Arc<Agent>,
    ) {
        let identity = Identity {
            sid: call.clone(),
            from: from.to_string(),
            to: to.to_string(),
            direction: Direction::Outbound,
            carrier: TWILIO.into(),
        };
        self.calls.open_outbound(NewOutbound { identity, agent, slot: None });
        if let Some(handle) = self.calls.find(call) {
            handle.send(CallMessage::Progress(Progress::Queued)).await;
        }
    }

    async fn has_ended(&self, call: &CallSid) -> bool {
        let line = self.history.summary(call).await;
        line.ok().flatten().is_some_and(|line| line.end.is_some())
    }

    async fn start_of(&self, call: &CallSid) -> Option<EventBody> {
        let events = self.history.events(call, 0).await.ok()??;
        let start = serde_json::from_str::<phony_call::Event>(events.first()?).ok()?;
        Some(start.body)
    }
}
