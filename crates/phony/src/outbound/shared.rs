//! Placing calls as one of several nodes: what the others have to know, and how a webhook that
//! reaches another node than the one that placed the call finds it.

use std::sync::Arc;
use std::time::Duration;

use phony_call::{CallSid, Direction, EventBody, Identity, PhoneNumber, Progress};
use phony_wire::twilio::rest::Call;

use super::attempt::Attempt;
use super::idempotency::Known;
use super::order::Understood;
use super::{Dialled, Order, Outbound, PlaceError};
use crate::agents::Agent;
use crate::calls::Placed;
use crate::calls::registry::CallMessage;
use crate::cluster::Cluster;
use crate::cluster::dialling::{Came, NoPlace, SharedKey, Whose};
use crate::numbers;
use crate::safety::pace::TooMany;

/// For how long a call that was placed is waited for until Redis has it.
const WRITING: Duration = Duration::from_millis(250);

/// An idempotency key that is held for all nodes.
pub(super) struct Shared {
    cluster: Arc<Cluster>,
    name: String,
    attempt: String,
}

impl Shared {
    /// Says what came of the order; `before` if an earlier one under this key may have placed a call.
    pub(super) async fn settle(self, done: &Result<Dialled, PlaceError>, before: bool) {
        let came = match done {
            Ok(dialled) => Came::Call(&dialled.call, &dialled.status),
            Err(error) if before || error.is_uncertain() => Came::Unknown,
            Err(_) => Came::Nothing,
        };
        self.cluster.settle_key(&self.name, &self.attempt, came).await;
    }
}

impl Attempt<'_> {
    /// Takes the key for all nodes; `None` if there are no others.
    pub(super) async fn hold_shared_key(&self) -> Result<Option<Known>, PlaceError> {
        let (Some(cluster), Some((name, body))) = (&self.outbound.cluster, &self.entry.key) else {
            return Ok(None);
        };
        let held = cluster.hold_key(name, body, &self.entry.attempt).await;
        match held.map_err(|_| PlaceError::Unshared)? {
            SharedKey::New => Ok(Some(Known::New)),
            SharedKey::Done(call, status) => Ok(Some(Known::Done(Dialled::new(call, status)))),
            SharedKey::Uncertain(since) => Ok(Some(Known::Uncertain(since))),
            SharedKey::Other => Ok(Some(Known::Other)),
            SharedKey::Busy => Err(PlaceError::InProgress),
        }
    }

    /// The key that was taken.
    ///
    /// # Panics
    ///
    /// If none was.
    pub(super) fn shared_key(&self) -> Shared {
        let cluster = self.outbound.cluster.clone().expect("a shared key has servers to share it");
        let (name, _) = self.entry.key.clone().expect("a key that was taken has a name");
        Shared { cluster, name, attempt: self.entry.attempt.clone() }
    }

    pub(super) async fn take_shared_place(&self, cluster: &Cluster) -> Result<(), PlaceError> {
        let dialing = &self.outbound.config.dialing;
        let (most, rate) = (dialing.concurrent, dialing.rate);
        let taken = cluster.take_place(&self.entry.attempt, most, rate).await;
        taken.map_err(|_| PlaceError::Unshared)?.map_err(|why| {
            PlaceError::TooMany(match why {
                NoPlace::AtOnce => TooMany::AtOnce { most },
                NoPlace::Rate(wait) => TooMany::Rate { rate, wait },
            })
        })
    }

    /// Lets every node know on which errand the call goes, before the carrier can ask any of them.
    pub(super) async fn share_errand(&self, understood: &Understood) -> Result<(), PlaceError> {
        let Some(cluster) = &self.outbound.cluster else { return Ok(()) };
        let to = understood.number.as_str();
        let shared = cluster.dialling(to, &self.entry.attempt, self.key(), &self.order).await;
        shared.map_err(|_| PlaceError::Unshared)
    }

    /// Binds the errand to the carrier's name for the call, for every node, and waits, but not for
    /// long, until every node can find the call: whoever placed it may ask any of them.
    pub(super) async fn share_name(&self, call: &CallSid, to: &str) {
        let Some(cluster) = &self.outbound.cluster else { return };
        let attempt = (to, self.entry.attempt.as_str());
        if let Err(error) = cluster.named(call, attempt, self.key(), &self.order).await {
            tracing::warn!(callSid = %call, %error, "other servers do not know a call's errand");
        }
        if let Some(handle) = self.outbound.calls.find(call) {
            // Once it answers it has begun, and its record with it.
            handle.ask(CallMessage::Snapshot).await;
        }
        if !self.outbound.history.hub().settled(call, WRITING).await {
            tracing::warn!(callSid = %call, "other servers do not know a call yet");
        }
    }

    pub(super) async fn not_placed(&self, understood: &Understood) {
        if let Some(cluster) = &self.outbound.cluster {
            cluster.not_placed(understood.number.as_str(), &self.entry.attempt).await;
        }
    }

    pub(super) async fn perhaps_placed(&self, understood: &Understood) {
        if let Some(cluster) = &self.outbound.cluster {
            let to = understood.number.as_str();
            cluster.perhaps_placed(to, &self.entry.attempt, self.key(), &self.order).await;
        }
    }

    /// Whether a call at the carrier's was placed on another order.
    pub(super) async fn is_of_another(&self, call: &Call) -> Result<bool, PlaceError> {
        let Ok(sid) = CallSid::parse(&call.sid) else { return Ok(true) };
        let is_given = self.outbound.idempotency.is_given(sid.as_str());
        match &self.outbound.cluster {
            None => Ok(is_given),
            Some(cluster) => {
                let others = cluster.is_of_another(&sid, self.key(), is_given).await;
                others.map_err(|_| PlaceError::Unshared)
            }
        }
    }

    /// Whether a call was opened by its webhook already, here or on the node that it reached.
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

/// A call of ours that was answered, as this node finds it.
pub(crate) enum Started {
    /// It is here.
    Here,
    /// It is on another node, and this is who speaks in it.
    Elsewhere(Arc<Agent>),
    /// It has ended.
    Over,
    /// Nobody has placed it.
    Unknown,
    /// Nobody can be asked.
    Unreachable,
}

impl Outbound {
    /// Finds a call of ours by the carrier's name for it, wherever it was placed; one whose node
    /// has not lived to open it is opened here.
    pub(crate) async fn find_placed(&self, call: &CallSid, to: &str) -> Started {
        self.settled(to).await;
        if self.calls.find(call).is_some() {
            return Started::Here;
        }
        let Some(cluster) = &self.cluster else { return Started::Unknown };
        match cluster.whose::<Order>(call, to).await {
            Err(_) => Started::Unreachable,
            Ok(_) if self.calls.find(call).is_some() => Started::Here,
            Ok(Whose::Nobody) => Started::Unknown,
            Ok(Whose::Known) if self.has_ended(call).await => Started::Over,
            Ok(Whose::Known) => match self.start_of(call).await {
                Some(start) => Started::Elsewhere(self.agents.of_start(&start, &self.config)),
                None => Started::Unreachable,
            },
            Ok(Whose::Orphan(errand)) => {
                numbers::unfolded().await;
                let Ok(Understood { number, from, agent, .. }) = errand.order.understand(self)
                else {
                    return Started::Unknown;
                };
                tracing::warn!(callSid = %call, "a call is opened that another server has placed");
                self.open_placed(call, (&from, &number), agent).await;
                let attempt = (number.as_str(), errand.attempt.as_str());
                let named =
                    cluster.named(call, attempt, errand.key.as_deref(), &errand.order).await;
                drop(named);
                // Who placed it may not have known whether it did.
                let key = errand.key.as_deref();
                self.history.order_was_placed(&errand.order.id(key, &errand.attempt));
                Started::Here
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
            carrier: "twilio".into(),
        };
        self.calls.take_placed(Placed { identity, agent, slot: None });
        if let Some(handle) = self.calls.find(call) {
            handle.send(CallMessage::Progress(Progress::Queued)).await;
        }
    }

    async fn has_ended(&self, call: &CallSid) -> bool {
        let summary = self.history.summary(call).await;
        summary.ok().flatten().is_some_and(|summary| summary.end.is_some())
    }

    async fn start_of(&self, call: &CallSid) -> Option<EventBody> {
        let events = self.history.events(call, 0).await.ok()??;
        let start = serde_json::from_str::<phony_call::Event>(events.first()?).ok()?;
        Some(start.body)
    }
}
