//! Places calls: asks the rules, writes the ledger, tells the carrier, and opens the call.
//!
//! The call is bound to its scenario by the carrier's name for it, in this process and, where
//! there are several, in what they share; nothing in a URL says more than where this server is. A
//! webhook may come before the carrier's own answer does: it [waits](Dials::settled) for the call
//! to be opened, here or on another node.

mod keys;
mod lanes;
mod line;
mod order;
mod shared;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use phony_call::{CallSid, Direction, Identity, NotDialled, NotHungUp, PhoneNumber, Progress};
use phony_wire::twilio::rest::Call;
use serde_json::json;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

pub use self::order::Order;

use self::keys::{Keys, Known};
use self::lanes::{Lane, Lanes};
use self::order::Understood;
pub(crate) use self::shared::Started;
use crate::carriers::twilio::rest::{NoClient, RestClient, RestFailure};
use crate::cluster::dialling::Carried;
use crate::error::{ApiError, ErrorCode};
use crate::numbers;
use crate::registry::{Letter, random_token};
use crate::safety::ledger::{Entry, What, digest};
use crate::safety::pace::{Slot, TooMany};
use crate::safety::{Forbidden, Question};
use crate::switchboard::{Placed, Switchboard};

/// How long a webhook waits for the call it is about.
const SETTLING: Duration = Duration::from_secs(8);

/// How long the carrier may take to end a call: a supervisor waits for it.
pub(crate) const HANG_UP_LIMIT: Duration = Duration::from_secs(5);
/// How often, and how long apart, it is asked to end a call that is over here.
const HANG_UP_TRIES: u32 = 20;
const BETWEEN_HANG_UPS: Duration = Duration::from_secs(3);

/// Calls that are being placed, and the keys of those that were.
#[derive(Debug)]
pub struct Dials {
    rest: Result<RestClient, NoClient>,
    keys: Keys,
    lanes: Lanes,
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
}

impl Dials {
    /// For the account of the configuration.
    #[must_use]
    pub fn new(config: &crate::config::Config) -> Self {
        let rest = RestClient::new(&config.twilio);
        let (settled, _) = watch::channel(0);
        let (keys, lanes) = (Keys::default(), Lanes::default());
        Self { rest, keys, lanes, pending: Mutex::default(), settled }
    }

    /// With what the ledger of the data folder knows of earlier calls.
    #[must_use]
    pub fn remember(mut self, config: &crate::config::Config) -> Self {
        self.keys = Keys::of(&config.data_dir);
        self
    }

    /// The orders under keys of which calls came here.
    pub(crate) fn carried_out(&self) -> Vec<Carried> {
        self.keys.carried_out()
    }

    /// Waits until no call to this number is without a name, but not for ever.
    pub async fn settled(&self, to: &str) {
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

    /// Asks the carrier once to end a call that has no line of ours to be ended on. One that is over
    /// already has been ended.
    pub async fn hang_up(&self, call: &CallSid) -> Result<(), NotHungUp> {
        let rest = self.rest.as_ref().map_err(|error| NotHungUp {
            code: None,
            message: error.to_string(),
            unknown: false,
        })?;
        let failed = match timeout(HANG_UP_LIMIT, rest.end_call(call)).await {
            Ok(Ok(_)) => return Ok(()),
            Ok(Err(failure)) => NotHungUp {
                code: failure.code(),
                message: failure.to_string(),
                unknown: matches!(failure, RestFailure::Unknown(_)),
            },
            Err(_) => {
                let message = "Twilio has not answered in time".to_owned();
                NotHungUp { code: None, message, unknown: true }
            }
        };
        tracing::warn!(callSid = %call, why = failed.message, "the carrier has not ended a call");
        metrics::counter!("phony_hang_ups_failed_total").increment(1);
        Err(failed)
    }

    /// The same, again and again, for a call that is over here: nobody else would ask.
    pub async fn hang_up_behind(&self, call: &CallSid) {
        if self.rest.is_err() {
            return;
        }
        for _ in 0..HANG_UP_TRIES {
            if self.hang_up(call).await.is_ok() {
                return;
            }
            sleep(BETWEEN_HANG_UPS).await;
        }
        tracing::error!(callSid = %call, "a call that is over here may go on at the carrier");
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, u32>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A call that has no name yet.
struct Pending<'a> {
    dials: &'a Dials,
    to: String,
}

impl<'a> Pending<'a> {
    fn of(dials: &'a Dials, to: &PhoneNumber) -> Self {
        let to = to.to_string();
        *dials.lock().entry(to.clone()).or_default() += 1;
        Self { dials, to }
    }
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        let mut pending = self.dials.lock();
        if let Some(count) = pending.get_mut(&self.to) {
            *count -= 1;
            if *count == 0 {
                pending.remove(&self.to);
            }
        }
        drop(pending);
        self.dials.settled.send_modify(|changes| *changes += 1);
    }
}

/// Places a call, or refuses it; either way the ledger says so. `by` is whose hand it was, `key`
/// makes a repeat of the same order return the first call.
pub async fn place(
    switchboard: &Arc<Switchboard>,
    order: Order,
    by: &str,
    key: Option<&str>,
) -> Result<Dialled, ApiError> {
    let (by, key) = (by.to_owned(), key.map(str::to_owned));
    let work = {
        let switchboard = Arc::clone(switchboard);
        async move {
            numbers::unfolded().await;
            carry_out(&switchboard, order, &by, key.as_deref()).await
        }
    };
    // Whoever gave the order may go away before the carrier has answered: the call is there then all
    // the same, and has to be known.
    switchboard.calls.spawn(work).await.unwrap_or_else(|_| Err(internal("was not carried out")))
}

async fn carry_out(
    switchboard: &Switchboard,
    order: Order,
    by: &str,
    key: Option<&str>,
) -> Result<Dialled, ApiError> {
    let Some(key) = key else {
        return Attempt::new(switchboard, order, by, None).run(None).await;
    };
    let body = serde_json::to_vec(&order).map_err(|_| internal("could not be read"))?;
    let (name, body) = (digest(key.as_bytes()), digest(&body));
    let mut held = switchboard.dials.keys.hold(&name).await;
    let mut since = match held.known(&body) {
        Known::New => None,
        Known::Done(dialled) => return Ok(dialled),
        Known::Uncertain(since) => Some(since),
        Known::Other => return Err(another_order()),
    };
    let attempt = Attempt::new(switchboard, order, by, Some((name, body.clone())));
    let shared = match attempt.hold_shared_key().await {
        Err(error) => return Err(attempt.refused(error).await),
        Ok(None) => None,
        Ok(Some(Known::Done(dialled))) => {
            held.done(body, dialled.clone());
            return Ok(dialled);
        }
        Ok(Some(Known::Other)) => return Err(another_order()),
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
        Err(error) if is_uncertain(error) => held.uncertain(body, since.unwrap_or(began)),
        Err(_) => {}
    }
    if let Some(shared) = shared {
        // Who found nothing the second time does not know more than after the first.
        shared.settle(&done, since.is_some()).await;
    }
    done
}

/// One attempt to place a call.
struct Attempt<'a> {
    switchboard: &'a Switchboard,
    order: Order,
    began: Timestamp,
    entry: Entry,
}

impl<'a> Attempt<'a> {
    fn new(
        switchboard: &'a Switchboard,
        order: Order,
        by: &str,
        key: Option<(String, String)>,
    ) -> Self {
        let began = (switchboard.clock.wall)();
        let entry = Entry {
            attempt: random_token()[..16].to_owned(),
            to: order.to.chars().take(64).collect(),
            scenario: order.scenario.clone(),
            agent: order.agent.clone(),
            overrides: if order.ignore_calling_hours { vec!["calling_hours"] } else { Vec::new() },
            key,
            ..Entry::new(began, What::Refused, by)
        };
        Self { switchboard, order, began, entry }
    }

    /// `since` is when an earlier attempt with the same key was made whose fate is unknown.
    async fn run(mut self, since: Option<Timestamp>) -> Result<Dialled, ApiError> {
        if self.switchboard.life.drain.is_cancelled() {
            let message = "the server is stopping and places no calls";
            return Err(ApiError::new(ErrorCode::Unavailable, message));
        }
        let understood = match self.order.understand(self.switchboard) {
            Ok(understood) => understood,
            Err(error) => return Err(self.refused(error).await),
        };
        self.entry.to = understood.number.to_string();
        self.entry.from = Some(understood.from.to_string());
        self.entry.agent = Some(understood.agent.call.id.clone());
        let mut lane = None;
        if let Some(since) = since {
            let own = lane.insert(self.lane(&understood).await);
            match self.look(&understood, since, own).await {
                Ok(None) => {}
                Ok(Some(call)) => {
                    own.known();
                    let now = (self.switchboard.clock.now)();
                    let slot = match &self.switchboard.cluster {
                        // It takes its place among those of all servers by being opened.
                        Some(_) => None,
                        None => self.switchboard.safety.pace.take(now).ok(),
                    };
                    return self.open(call, understood, slot).await;
                }
                Err(error) => return Err(self.failed(error).await),
            }
        }
        let slot = match self.permit(&understood).await {
            Ok(slot) => slot,
            Err(error) => return Err(self.refused(error).await),
        };
        let lane = match lane {
            Some(lane) => lane,
            None => self.lane(&understood).await,
        };
        self.dial(understood, slot, lane).await
    }

    /// The way to the number, once nobody else is at it.
    async fn lane(&self, understood: &Understood) -> Lane {
        let key = self.entry.key.as_ref().map(|(name, _)| name);
        let whose = key.unwrap_or(&self.entry.attempt);
        self.switchboard.dials.lanes.enter(understood.number.as_str(), whose).await
    }

    /// Asks the rules, and takes a place: of this server's, or of those that all servers share.
    async fn permit(&self, understood: &Understood) -> Result<Option<Slot>, ApiError> {
        let Switchboard { safety, config, clock, .. } = self.switchboard;
        let question = Question {
            number: &understood.number,
            consent: self.order.consent,
            at_any_hour: self.order.ignore_calling_hours,
        };
        let allowed = safety.allow(question, config);
        if let Some(cluster) = &self.switchboard.cluster {
            match allowed {
                // What others know changes nothing about these.
                Err(why @ (Forbidden::Consent | Forbidden::Number(_) | Forbidden::Hours(_))) => {
                    return Err(refusal(&why));
                }
                Ok(()) | Err(Forbidden::DoNotCall | Forbidden::Spend { .. }) => {}
            }
            cluster.consult(safety, &understood.number).await.map_err(|_| unshared())?;
            safety.allow(question, config).map_err(|why| refusal(&why))?;
            self.take_shared_place(cluster).await?;
            return Ok(None);
        }
        allowed.map_err(|why| refusal(&why))?;
        safety.pace.take((clock.now)()).map(Some).map_err(too_many)
    }

    async fn dial(
        mut self,
        understood: Understood,
        slot: Option<Slot>,
        mut lane: Lane,
    ) -> Result<Dialled, ApiError> {
        let rest = match &self.switchboard.dials.rest {
            Ok(rest) => rest,
            Err(error) => {
                let error = ApiError::new(ErrorCode::TwilioError, error.to_string());
                self.not_placed(&understood).await;
                return Err(self.failed(error).await);
            }
        };
        // The ledger knows of every call before the network does.
        let entry = Entry { what: What::Dialling, ..self.entry.clone() };
        if let Err(error) = self.switchboard.safety.ledger.write(entry).await {
            let message = format!("{error}, so nobody is called; look after the data folder");
            self.not_placed(&understood).await;
            return Err(ApiError::new(ErrorCode::Unavailable, message));
        }
        if let Err(error) = self.share_errand(&understood).await {
            self.not_placed(&understood).await;
            return Err(self.failed(error).await);
        }
        let create = self.create(&understood);
        let pending = Pending::of(&self.switchboard.dials, &understood.number);
        self.began = (self.switchboard.clock.wall)();
        let created = match rest.create_call(&create).await {
            Err(RestFailure::Unknown(why)) => {
                if let Ok(Some(call)) = self.look(&understood, self.began, &lane).await {
                    Ok(call)
                } else {
                    lane.doubt((self.switchboard.clock.wall)());
                    Err(RestFailure::Unknown(why))
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
            Err(failure @ RestFailure::Unknown(_)) => {
                self.perhaps_placed(&understood).await;
                Err(self.failed(failure.into()).await)
            }
            Err(failure) => {
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
    ) -> Result<Dialled, ApiError> {
        let Ok(sid) = CallSid::parse(&call.sid) else {
            let message = "Twilio's answer names no call".to_owned();
            return Err(self.failed(RestFailure::Unknown(message).into()).await);
        };
        let identity = Identity {
            sid: sid.clone(),
            from: understood.from.to_string(),
            to: understood.number.to_string(),
            direction: Direction::Outbound,
            carrier: "twilio".into(),
        };
        self.switchboard.dials.keys.give(sid.as_str());
        if !self.is_opened(&sid).await {
            let agent = understood.agent;
            self.switchboard.take_placed(Placed { identity, agent, slot });
            if let Some(handle) = self.switchboard.find(&sid) {
                handle.send(Letter::Progress(Progress::Queued)).await;
            }
            self.share_name(&sid, understood.number.as_str()).await;
        }
        metrics::counter!("phony_calls_placed_total").increment(1);
        self.entry.what = What::Placed;
        self.entry.call_sid = Some(sid.to_string());
        self.write().await;
        let status = call.status.as_str();
        let status = if matches!(status, "" | "initiated") { "queued" } else { status }.to_owned();
        Ok(Dialled { call: sid, status })
    }

    async fn refused(mut self, error: ApiError) -> ApiError {
        self.entry.what = What::Refused;
        self.tell(&error).await
    }

    async fn failed(mut self, error: ApiError) -> ApiError {
        self.entry.what = What::Failed;
        self.tell(&error).await
    }

    async fn tell(&mut self, error: &ApiError) -> ApiError {
        let rule = error.details.as_ref().and_then(|details| details["rule"].as_str());
        let code = serde_json::to_value(error.code).unwrap_or_default();
        let code = || code.as_str().unwrap_or_default().to_lowercase();
        let rule = rule.map_or_else(code, str::to_owned);
        metrics::counter!("phony_calls_refused_total", "rule" => rule.clone()).increment(1);
        tracing::info!(rule, "an outbound call was not placed");
        self.entry.rule = Some(rule);
        self.entry.reason = Some(error.message.clone());
        self.write().await;
        error.clone()
    }

    async fn write(&self) {
        let at = (self.switchboard.clock.wall)();
        let entry = Entry { at, ..self.entry.clone() };
        // The thread that writes has said why.
        let _ = self.switchboard.safety.ledger.write(entry).await;
    }
}

fn refusal(why: &Forbidden) -> ApiError {
    let details = json!({ "rule": why.rule() });
    ApiError { details: Some(details), ..ApiError::new(ErrorCode::Refused, why.to_string()) }
}

fn is_uncertain(error: &ApiError) -> bool {
    error.details.as_ref().is_some_and(|details| details["outcome"] == "unknown")
}

fn another_order() -> ApiError {
    ApiError::new(ErrorCode::Conflict, "this Idempotency-Key was used for another order")
}

fn too_many(why: TooMany) -> ApiError {
    let (rule, wait) = match why {
        TooMany::Rate { wait, .. } => ("dial_rate", wait),
        TooMany::AtOnce { .. } => ("concurrent_calls", Duration::from_secs(10)),
    };
    let retry_after = Some(wait.as_secs().max(1));
    let details = Some(json!({ "rule": rule }));
    let error = ApiError::new(ErrorCode::RateLimited, why.to_string());
    ApiError { details, retry_after, ..error }
}

/// Without Redis nobody knows whether the callee has asked another server not to be called.
fn unshared() -> ApiError {
    let message = "the shared store does not answer, and with it the do-not-call list and the \
                   limits of all servers: nobody is called until it does";
    ApiError::new(ErrorCode::Unavailable, message)
}

fn internal(what: &str) -> ApiError {
    ApiError::new(ErrorCode::Internal, format!("the order {what}"))
}

impl From<NotDialled> for ApiError {
    fn from(why: NotDialled) -> Self {
        refusal(&Forbidden::Number(why))
    }
}
