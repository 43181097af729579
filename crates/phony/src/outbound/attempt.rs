//! One attempt to place a call: the rules, the ledger, the carrier.

use std::sync::atomic::Ordering;
use std::time::Duration;

use jiff::Timestamp;
use phony_call::{CallSid, Direction, Identity, Progress};
use phony_wire::twilio::rest::Call;
use tokio::time::timeout;

use super::number_locks::NumberLock;
use super::order::Understood;
use super::{Client, Dialled, LOOKING, Order, Orderer, Outbound, Pending, PlaceError, TURN};
use crate::calls::Placed;
use crate::calls::registry::CallMessage;
use crate::carriers::twilio::rest::{CarrierError, PATIENCE};
use crate::history::{Outcome, UnplacedOrder};
use crate::safety::ledger::{Entry, What};
use crate::safety::pace::Slot;
use crate::safety::{Forbidden, Question};
use crate::token;

/// How long the answer to an order waits for the store.
const WRITING: Duration = Duration::from_millis(500);

/// One attempt to place a call.
pub(super) struct Attempt<'a> {
    pub(super) outbound: &'a Outbound,
    pub(super) order: Order,
    pub(super) entry: Entry,
    pub(super) began: Timestamp,
    orderer: Orderer,
    client: Client,
    /// An earlier attempt with the same key may have placed a call, and it was not looked for yet.
    is_doubtful: bool,
}

impl<'a> Attempt<'a> {
    pub(super) fn new(
        outbound: &'a Outbound,
        order: Order,
        orderer: Orderer,
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
            ..Entry::new(began, What::Refused, &orderer.by)
        };
        Self { outbound, order, entry, began, orderer, client, is_doubtful: false }
    }

    /// `since` is when an earlier attempt with the same key was made whose fate is unknown.
    pub(super) async fn run(mut self, since: Option<Timestamp>) -> Result<Dialled, PlaceError> {
        self.is_doubtful = since.is_some();
        self.client.is_asked.store(self.is_doubtful, Ordering::SeqCst);
        if self.outbound.shutdown.drain.is_cancelled() {
            return Err(self.refused(PlaceError::Stopping).await);
        }
        let understood = match self.order.understand(self.outbound) {
            Ok(understood) => understood,
            Err(error) => return Err(self.refused(error).await),
        };
        self.entry.to = understood.number.to_string();
        self.entry.from = Some(understood.from.to_string());
        self.entry.agent = Some(understood.agent.call.id.clone());
        // What is forbidden now need not wait for its turn to be told so. An order that may have
        // placed a call already is looked for, whatever the rules say.
        if since.is_none()
            && let Err(why) = self.ask_rules(&understood)
            && !self.others_may_know_better(&why)
        {
            return Err(self.refused(why.into()).await);
        }
        let lock = match self.turn(&understood).await {
            Ok(lock) => lock,
            Err(error) => return Err(self.refused(error).await),
        };
        if let Some(since) = since {
            return self.look_first(understood, since, lock).await;
        }
        self.permit_and_dial(understood, lock).await
    }

    /// Looks for the call of an earlier attempt; places one if there is none.
    async fn look_first(
        mut self,
        understood: Understood,
        since: Timestamp,
        mut lock: NumberLock,
    ) -> Result<Dialled, PlaceError> {
        match self.look(PATIENCE, &understood, since, &lock).await {
            Ok(None) => {
                self.is_doubtful = false;
                self.client.is_asked.store(false, Ordering::SeqCst);
                self.permit_and_dial(understood, lock).await
            }
            Ok(Some(call)) => {
                lock.known();
                let now = (self.outbound.clock.now)();
                let slot = match &self.outbound.cluster {
                    // It takes its place among those of all servers by being opened.
                    Some(_) => None,
                    None => self.outbound.safety.pace.take(now).ok(),
                };
                let opened = self.open(call, understood, slot).await;
                opened.map(|dialled| Dialled { is_replay: true, ..dialled })
            }
            Err(error) => Err(self.failed(PlaceError::Uncertain(Box::new(error))).await),
        }
    }

    /// The way to the number, once nobody else is at it.
    async fn turn(&self, understood: &Understood) -> Result<NumberLock, PlaceError> {
        let key = self.entry.key.as_ref().map(|(name, _)| name);
        let whose = key.unwrap_or(&self.entry.attempt);
        let lock = self.outbound.number_locks.lock(understood.number.as_str(), whose);
        tokio::select! {
            biased;
            () = self.outbound.shutdown.drain.cancelled() => Err(PlaceError::Stopping),
            () = self.client.gone.cancelled(), if self.entry.key.is_none() => Err(PlaceError::ClientGone),
            lock = timeout(TURN, lock) => lock.map_err(|_| PlaceError::NumberBusy),
        }
    }

    fn ask_rules(&self, understood: &Understood) -> Result<(), Forbidden> {
        let question = Question {
            number: &understood.number,
            consent: self.order.consent,
            at_any_hour: self.order.ignore_calling_hours,
        };
        self.outbound.safety.allow(question, &self.outbound.config)
    }

    /// Whether other servers may know that what is forbidden here is not.
    fn others_may_know_better(&self, why: &Forbidden) -> bool {
        self.outbound.cluster.is_some()
            && match why {
                Forbidden::Consent | Forbidden::Number(_) | Forbidden::Hours(_) => false,
                Forbidden::DoNotCall | Forbidden::Spend { .. } => true,
            }
    }

    /// What may have changed since the rules were asked first: whether the server stops, whether
    /// somebody still wants the call, and every rule.
    fn still_stands(&self, understood: &Understood) -> Result<(), PlaceError> {
        if self.outbound.shutdown.drain.is_cancelled() {
            return Err(PlaceError::Stopping);
        }
        if self.entry.key.is_none() && self.client.gone.is_cancelled() {
            return Err(PlaceError::ClientGone);
        }
        self.ask_rules(understood).map_err(PlaceError::from)
    }

    /// The same, with what other servers know.
    async fn stands(&self, understood: &Understood) -> Result<(), PlaceError> {
        let Outbound { safety, cluster, .. } = self.outbound;
        if let Some(cluster) = cluster {
            cluster.consult(safety, &understood.number).await.map_err(|_| PlaceError::Unshared)?;
        }
        self.still_stands(understood)
    }

    async fn permit_and_dial(
        self,
        understood: Understood,
        lock: NumberLock,
    ) -> Result<Dialled, PlaceError> {
        match self.permit(&understood).await {
            Ok(slot) => self.dial(understood, slot, lock).await,
            Err(error) => Err(self.refused(error).await),
        }
    }

    /// Asks the rules, and takes a place: of this server's, or of those that all servers share.
    async fn permit(&self, understood: &Understood) -> Result<Option<Slot>, PlaceError> {
        self.stands(understood).await?;
        let Outbound { safety, cluster, clock, .. } = self.outbound;
        let Some(cluster) = cluster else {
            return safety.pace.take((clock.now)()).map(Some).map_err(PlaceError::TooMany);
        };
        self.take_shared_place(cluster).await.map(|()| None)
    }

    async fn dial(
        mut self,
        understood: Understood,
        slot: Option<Slot>,
        mut lock: NumberLock,
    ) -> Result<Dialled, PlaceError> {
        let rest = match self.outbound.account.rest() {
            Ok(rest) => rest,
            Err(error) => {
                let error = PlaceError::NoCarrier(error.clone());
                self.not_placed(&understood).await;
                return Err(self.failed(error).await);
            }
        };
        // The ledger knows of every call before the network does.
        let entry = Entry { what: What::Dialling, ..self.entry.clone() };
        if let Err(error) = self.outbound.safety.ledger.write(entry).await {
            self.not_placed(&understood).await;
            return Err(self.refused(PlaceError::Ledger(error.to_string())).await);
        }
        if let Err(error) = self.share_errand(&understood).await {
            self.not_placed(&understood).await;
            return Err(self.failed(error).await);
        }
        // The disk and other servers may have taken their time.
        if let Err(error) = self.stands(&understood).await {
            self.not_placed(&understood).await;
            return Err(self.refused(error).await);
        }
        let create = self.create(&understood);
        let pending = Pending::of(self.outbound, &understood.number);
        self.began = (self.outbound.clock.wall)();
        self.client.is_asked.store(true, Ordering::SeqCst);
        let still = || self.still_stands(&understood).is_ok();
        let created = match rest.create_call_while(&create, &still).await {
            Err(CarrierError::Unknown(why)) => {
                if let Ok(Some(call)) = self.look(LOOKING, &understood, self.began, &lock).await {
                    Ok(call)
                } else {
                    lock.doubt((self.outbound.clock.wall)());
                    Err(CarrierError::Unknown(why))
                }
            }
            created => created,
        };
        match created {
            Ok(call) => {
                let opened = self.open(call, understood, slot).await;
                drop(pending);
                opened
            }
            Err(failure @ CarrierError::Unknown(_)) => {
                self.perhaps_placed(&understood).await;
                Err(self.failed(failure.into()).await)
            }
            Err(CarrierError::Withdrawn) => {
                self.not_placed(&understood).await;
                // What forbade the next try may allow it again by now; it was forbidden all the same.
                let why = self.still_stands(&understood).err();
                Err(self.refused(why.unwrap_or_else(|| CarrierError::Withdrawn.into())).await)
            }
            Err(failure @ (CarrierError::Refused(_) | CarrierError::Unreachable(_))) => {
                self.not_placed(&understood).await;
                Err(self.failed(failure.into()).await)
            }
        }
    }

    /// The carrier has named the call: it begins here, too.
    async fn open(
        mut self,
        call: Call,
        understood: Understood,
        slot: Option<Slot>,
    ) -> Result<Dialled, PlaceError> {
        let Ok(sid) = CallSid::parse(&call.sid) else {
            let message = "Twilio's answer names no call".to_owned();
            return Err(self.failed(CarrierError::Unknown(message).into()).await);
        };
        let identity = Identity {
            sid: sid.clone(),
            from: understood.from.to_string(),
            to: understood.number.to_string(),
            direction: Direction::Outbound,
            carrier: "twilio".into(),
        };
        self.outbound.idempotency.give(sid.as_str());
        if !self.is_opened(&sid).await {
            let agent = understood.agent;
            self.outbound.calls.take_placed(Placed { identity, agent, slot });
            if let Some(handle) = self.outbound.calls.find(&sid) {
                handle.send(CallMessage::Progress(Progress::Queued)).await;
            }
            self.share_name(&sid, understood.number.as_str()).await;
        }
        metrics::counter!("phony_calls_placed_total").increment(1);
        self.entry.what = What::Placed;
        self.entry.call_sid = Some(sid.to_string());
        self.write().await;
        // A server that is killed right after the answer knows when it starts again who is to speak.
        self.outbound.history.hub().flush(&sid, WRITING).await;
        if self.entry.key.is_some() {
            // An earlier attempt may be among the orders that became no call.
            self.outbound.history.order_was_placed(&self.id());
        }
        let status = call.status.as_str();
        let status = if matches!(status, "" | "initiated") { "queued" } else { status }.to_owned();
        Ok(Dialled { call: sid, status, is_replay: false })
    }

    pub(super) async fn refused(mut self, error: PlaceError) -> PlaceError {
        self.entry.what = What::Refused;
        if self.is_doubtful {
            // What came of the order is as unknown as before.
            self.note(&error).await;
            return error;
        }
        self.tell(error, Outcome::Refused).await
    }

    /// A repeat that is refused while nobody knows yet what comes of the first order: it is in the
    /// ledger, and is no order of its own.
    pub(super) async fn refused_as_repeat(mut self, error: PlaceError) -> PlaceError {
        self.is_doubtful = true;
        self.refused(error).await
    }

    async fn failed(mut self, error: PlaceError) -> PlaceError {
        self.entry.what = What::Failed;
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
            who: self.orderer.who.clone(),
            rule,
            reason: error.to_string(),
        };
        self.outbound.history.keep_order(order).await;
        error
    }

    /// Writes into the ledger that there is no call, and why.
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
        // The thread that writes has said why.
        let _ = self.outbound.safety.ledger.write(entry).await;
    }
}
