//! The live calls: from a call's id to the mailbox of its task.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use phony_call::{
    Answerer, Budget, CallSid, EndStatus, Next, NotHungUp, Presence, Progress, Refused,
    SupervisorId,
};
use serde_json::Value;
use subtle::ConstantTimeEq as _;
use tokio::sync::{mpsc, oneshot};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::agents::Agent;
use crate::cluster::{LegReport, Report, SupervisorAction};
use crate::ports::CarrierPort;
use crate::token;

/// Messages that may wait for a call. Its task empties the box at once, so a full one is a fault.
pub const MAILBOX: usize = 64;

/// How often a call whose record is being read is looked at.
const READING: Duration = Duration::from_millis(2);

/// What a call's task can be told from outside.
#[derive(Debug)]
pub enum CallMessage {
    /// A supervisor acts.
    Act {
        /// What to do, and who wants it.
        action: SupervisorAction,
        /// Whether it was done.
        reply: oneshot::Sender<Result<(), Refused>>,
    },
    /// The carrier asks how the call goes on.
    LegEnded {
        /// Why it asks.
        report: LegReport,
        /// The answer.
        reply: oneshot::Sender<Next>,
    },
    /// Reports that did not say which line they are about have waited long enough for its end.
    AmbiguityTimeout,
    /// A line for the call's words; an older one is dropped.
    Attach(CarrierPort),
    /// The carrier says that a call of ours has got further.
    Progress(Progress),
    /// The carrier has found out who answered a call of ours.
    AnsweredBy(Answerer),
    /// The money for all calls together runs out.
    Budget(Budget),
    /// A supervisor who may hold the takeover can be seen, or no more.
    Presence {
        /// Who.
        who: SupervisorId,
        /// What is seen of them.
        presence: Presence,
    },
    /// The carrier says that the call is over.
    Over(EndStatus),
    /// What the carrier said when it was asked to end the call.
    HungUp(Result<(), NotHungUp>),
    /// Somebody wants to know everything about the call.
    Snapshot(oneshot::Sender<Value>),
    /// The server wants something of the call.
    Signal(Signal),
}

impl From<Report> for CallMessage {
    fn from(report: Report) -> Self {
        match report {
            Report::Progress(progress) => Self::Progress(progress),
            Report::AnsweredBy(who) => Self::AnsweredBy(who),
            Report::Over(status) => Self::Over(status),
        }
    }
}

/// What the server can want of a call; each comes at most once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// Everything ends at once.
    Kill,
    /// The call has another owner: not a word more.
    Released,
    /// The call shall be left to another server.
    HandOver,
    /// The call shall say goodbye.
    Stop,
}

/// The way to a live call.
#[derive(Debug, Clone)]
pub struct Handle {
    mailbox: mpsc::Sender<Box<CallMessage>>,
    stop: CancellationToken,
}

impl Handle {
    /// Sends a message; false if the call is gone.
    pub async fn send(&self, message: CallMessage) -> bool {
        self.mailbox.send(Box::new(message)).await.is_ok()
    }

    /// Room in the call's mailbox for a line; `None` if the call is gone.
    pub async fn reserve(&self) -> Option<LinePlace<'_>> {
        self.mailbox.reserve().await.ok().map(LinePlace)
    }

    /// Asks the call something; `None` if it is gone.
    pub async fn ask<T>(
        &self,
        message: impl FnOnce(oneshot::Sender<T>) -> CallMessage,
    ) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        self.mailbox.send(Box::new(message(reply))).await.ok()?;
        answer.await.ok()
    }

    /// Waits until the call is gone from here.
    pub async fn closed(&self) {
        self.mailbox.closed().await;
    }

    /// Asks the call to say goodbye and end.
    pub fn stop(&self) {
        self.stop.cancel();
    }
}

/// Room in a call's mailbox for a line.
#[derive(Debug)]
pub struct LinePlace<'a>(mpsc::Permit<'a, Box<CallMessage>>);

impl LinePlace<'_> {
    /// Gives the call a line, which replaces an older one.
    pub fn attach(self, line: CarrierPort) {
        self.0.send(Box::new(CallMessage::Attach(line)));
    }
}

/// The live calls of this process.
#[derive(Debug, Default)]
pub struct Registry {
    calls: Mutex<HashMap<CallSid, Entry>>,
    cut_off: AtomicUsize,
}

#[derive(Debug)]
struct Entry {
    handle: Handle,
    lost: CancellationToken,
    /// The token of the socket that is to come next.
    token: Option<String>,
    /// How many sockets have come; `None` until the record of a call that goes on here is read.
    sockets: Option<u32>,
    /// Until when the token of the first socket is good, in seconds since 1970.
    first_until: i64,
    agent: Option<Arc<Agent>>,
}

/// The next socket of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NextSocket {
    /// How many came before it.
    pub after: u32,
    /// Until when it may come if it is the first, in seconds since 1970.
    pub first_until: i64,
}

/// What a call's task holds: its mailbox, its stop signal, and its place in the registry.
#[derive(Debug)]
pub struct Registered {
    /// Messages, boxed: a queue has room for 32 of them from the start, and they are large.
    pub mailbox: mpsc::Receiver<Box<CallMessage>>,
    /// The way into it, for the call's own use.
    pub handle: Handle,
    /// Cancelled when the call shall say goodbye.
    pub stop: CancellationToken,
    /// Cancelled when the call has another owner: not a word more.
    pub lost: CancellationToken,
    /// Unregisters the call when it is dropped, for whatever reason.
    pub place: Place,
}

/// A place in the registry.
#[derive(Debug)]
pub struct Place {
    registry: Arc<Registry>,
    call: CallSid,
}

impl Place {
    /// The call is ended without a goodbye.
    pub fn cut_off(&self) {
        self.registry.cut_off.fetch_add(1, Ordering::Relaxed);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.registry.lock().remove(&self.call);
    }
}

impl Entry {
    fn takes_socket(&mut self) -> Handle {
        self.token = None;
        self.sockets = Some(self.sockets.unwrap_or_default().saturating_add(1));
        self.handle.clone()
    }
}

impl Registry {
    /// Makes a place for a call; `None` if there is one of this id.
    #[must_use]
    pub fn register(
        self: &Arc<Self>,
        call: &CallSid,
        stop: CancellationToken,
    ) -> Option<Registered> {
        let mut calls = self.lock();
        if calls.contains_key(call) {
            return None;
        }
        let (mailbox, messages) = mpsc::channel(MAILBOX);
        let handle = Handle { mailbox, stop: stop.clone() };
        let lost = CancellationToken::new();
        let entry = Entry {
            handle: handle.clone(),
            lost: lost.clone(),
            token: None,
            sockets: None,
            first_until: 0,
            agent: None,
        };
        calls.insert(call.clone(), entry);
        let place = Place { registry: Arc::clone(self), call: call.clone() };
        Some(Registered { mailbox: messages, handle, stop, lost, place })
    }

    /// The way to a call.
    #[must_use]
    pub fn find(&self, call: &CallSid) -> Option<Handle> {
        self.lock().get(call).map(|entry| entry.handle.clone())
    }

    /// Says who speaks in a call that begins or goes on here, how many sockets have come to it, and
    /// until when the token of the first is good.
    pub fn begins(&self, call: &CallSid, agent: Arc<Agent>, sockets: u32, first_until: i64) {
        if let Some(entry) = self.lock().get_mut(call) {
            entry.agent = Some(agent);
            // One may have come meanwhile.
            entry.sockets = Some(entry.sockets.map_or(sockets, |come| come.max(sockets)));
            entry.first_until = first_until;
        }
    }

    /// Who speaks in a call.
    #[must_use]
    pub fn agent_of(&self, call: &CallSid) -> Option<Arc<Agent>> {
        self.lock().get(call)?.agent.clone()
    }

    /// The live calls.
    #[must_use]
    pub fn calls(&self) -> Vec<CallSid> {
        self.lock().keys().cloned().collect()
    }

    /// The call has another owner: it falls silent at once, and goes from here without an end.
    pub fn release(&self, call: &CallSid) {
        if let Some(entry) = self.lock().get(call) {
            entry.lost.cancel();
        }
    }

    /// The single-use token of the next socket of this call: the same until that has come. `None` if
    /// the call is gone.
    #[must_use]
    pub fn mint(&self, call: &CallSid) -> Option<String> {
        self.next_token(call, |_| token::random()).map(|(token, _)| token)
    }

    /// The same, made so if there is none yet, and whether it was.
    pub fn next_token(
        &self,
        call: &CallSid,
        make: impl FnOnce(NextSocket) -> String,
    ) -> Option<(String, bool)> {
        let mut calls = self.lock();
        let entry = calls.get_mut(call)?;
        let (is_new, first_until) = (entry.token.is_none(), entry.first_until);
        let next = NextSocket { after: entry.sockets.unwrap_or_default(), first_until };
        let token = entry.token.get_or_insert_with(|| make(next)).clone();
        Some((token, is_new))
    }

    /// The call whose next socket has this token, if it is `call`; the token is used up.
    #[must_use]
    pub fn redeem(&self, call: &CallSid, token: &str) -> Option<Handle> {
        let mut calls = self.lock();
        let entry = calls.get_mut(call)?;
        let next = entry.token.as_ref()?;
        if !bool::from(next.as_bytes().ct_eq(token.as_bytes())) {
            return None;
        }
        Some(entry.takes_socket())
    }

    /// The call, if so many sockets have come to it and this is the next.
    #[must_use]
    pub fn admit(&self, call: &CallSid, after: u32) -> Option<Handle> {
        let mut calls = self.lock();
        let entry = calls.get_mut(call)?;
        (entry.sockets == Some(after)).then(|| entry.takes_socket())
    }

    /// A socket has come to this call, with whatever token; none that was made before is good any
    /// more.
    pub fn connected(&self, call: &CallSid) {
        if let Some(entry) = self.lock().get_mut(call) {
            entry.takes_socket();
        }
    }

    /// Whether a socket has ever come to this call; `None` if the call is gone.
    #[must_use]
    pub fn has_connected(&self, call: &CallSid) -> Option<bool> {
        self.lock().get(call).map(|entry| entry.sockets.is_some_and(|sockets| sockets > 0))
    }

    /// Waits until it is known how many sockets have come to a call that goes on here.
    pub async fn until_read(&self, call: &CallSid) {
        while self.lock().get(call).is_some_and(|entry| entry.sockets.is_none()) {
            sleep(READING).await;
        }
    }

    /// How many calls were ended without a goodbye.
    #[must_use]
    pub fn cut_off(&self) -> usize {
        self.cut_off.load(Ordering::Relaxed)
    }

    /// How many calls are live.
    #[must_use]
    pub fn count(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<CallSid, Entry>> {
        // Nothing is done under the lock that could leave the map half changed.
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_opens_its_own_call_once() {
        let registry = Arc::new(Registry::default());
        let (one, two) = (CallSid::parse("CA1").unwrap(), CallSid::parse("CA2").unwrap());
        let _a = registry.register(&one, CancellationToken::new()).unwrap();
        let _b = registry.register(&two, CancellationToken::new()).unwrap();
        let token = registry.mint(&one).unwrap();
        assert!(registry.redeem(&two, &token).is_none(), "another call's");
        assert!(registry.redeem(&one, "").is_none(), "none at all");
        assert_eq!(registry.mint(&one).as_ref(), Some(&token), "the same until it is used");
        assert_eq!(registry.has_connected(&one), Some(false));
        assert!(registry.redeem(&one, &token).is_some());
        assert!(registry.redeem(&one, &token).is_none(), "a used one");
        assert_eq!(registry.has_connected(&one), Some(true));
        let next = registry.mint(&one).unwrap();
        assert_ne!(next, token);
        registry.connected(&one);
        assert!(registry.redeem(&one, &next).is_none(), "one from before a socket came");
    }

    #[test]
    fn a_place_is_given_once_and_given_back() {
        let registry = Arc::new(Registry::default());
        let call = CallSid::parse("CA1").unwrap();
        let first = registry.register(&call, CancellationToken::new()).unwrap();
        assert!(registry.register(&call, CancellationToken::new()).is_none());
        assert_eq!(registry.count(), 1);
        drop(first);
        assert_eq!(registry.count(), 0);
        assert!(registry.mint(&call).is_none());
    }
}
