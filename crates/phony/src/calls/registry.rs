//! The live calls of this process: from a call's id to the mailbox of its actor, and the token of
//! its next socket. Owned by [`super::Calls`]; its lock is held for a map operation only. The
//! actors hold [`Registered`], everybody else a [`Handle`].

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use phony_call::{
    Answerer, Budget, CallSid, EndStatus, LegReport, Next, NotHungUp, Presence, Progress, Refused,
    SupervisorId,
};
use serde_json::Value;
use subtle::ConstantTimeEq as _;
use tokio::sync::{mpsc, oneshot};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::agents::Agent;
use crate::cluster::{Report, SupervisorAction};
use crate::ports::CarrierPort;
use crate::token;

/// The capacity of a call's mailbox. Its actor empties it at once, so a full one is a fault.
pub const MAILBOX: usize = 64;

/// How often to check whether the record of a resumed call has been read.
const READING: Duration = Duration::from_millis(2);

/// A message to the actor of a call.
#[derive(Debug)]
pub enum CallMessage {
    /// A supervisor acts.
    Act {
        /// What to do, and for whom.
        action: SupervisorAction,
        /// Whether it was done.
        reply: oneshot::Sender<Result<(), Refused>>,
    },
    /// The carrier asks how the call continues.
    LegEnded {
        /// What has ended.
        report: LegReport,
        /// The answer.
        reply: oneshot::Sender<Next>,
    },
    /// Reports that name no line have waited long enough for the line's end.
    AmbiguityTimeout,
    /// A new line for the call; it replaces an older one.
    Attach(CarrierPort),
    /// The carrier reports the progress of an outbound call.
    Progress(Progress),
    /// The carrier reports who answered an outbound call.
    AnsweredBy(Answerer),
    /// The day's budget for outbound calls runs low or out.
    Budget(Budget),
    /// A supervisor who holds the takeover has connected or disconnected.
    Presence {
        /// The supervisor.
        who: SupervisorId,
        /// Whether they are connected, or since when not.
        presence: Presence,
    },
    /// The carrier reports that the call has ended.
    Over(EndStatus),
    /// The carrier's answer to the request to end the call.
    HungUp(Result<(), NotHungUp>),
    /// Asks for the call's snapshot, as JSON.
    Snapshot(oneshot::Sender<Value>),
    /// A signal of the server.
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

/// A signal of the server to a call; each comes at most once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// End at once.
    Kill,
    /// Another node owns the call: fall silent at once.
    Released,
    /// Leave the call to another node.
    HandOver,
    /// Say goodbye and end.
    Stop,
}

/// Sends messages to a live call.
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

    /// Sends a message and waits for its answer; `None` if the call is gone.
    pub async fn ask<T>(
        &self,
        message: impl FnOnce(oneshot::Sender<T>) -> CallMessage,
    ) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        self.mailbox.send(Box::new(message(reply))).await.ok()?;
        answer.await.ok()
    }

    /// Waits until the call has ended or left this node.
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
    /// The token of the next socket.
    token: Option<String>,
    /// How many sockets were attached; `None` until the record of a resumed call is read.
    sockets: Option<u32>,
    /// Until when the token of the first socket is valid, in Unix seconds.
    first_until: i64,
    agent: Option<Arc<Agent>>,
}

/// The next socket of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NextSocket {
    /// How many came before it.
    pub after: u32,
    /// Until when it may come if it is the first, in Unix seconds.
    pub first_until: i64,
}

/// What a call's actor holds: its mailbox, its signals and its registration.
#[derive(Debug)]
pub struct Registered {
    /// The messages, boxed: a channel allocates room for 32 at once, and they are large.
    pub mailbox: mpsc::Receiver<Box<CallMessage>>,
    /// The call's own handle.
    pub handle: Handle,
    /// Cancelled when the call is to say goodbye.
    pub stop: CancellationToken,
    /// Cancelled when another node owns the call.
    pub lost: CancellationToken,
    /// Removes the call from the registry when dropped.
    pub place: Place,
}

/// A call's registration; removes the call from the registry when dropped.
#[derive(Debug)]
pub struct Place {
    registry: Arc<Registry>,
    call: CallSid,
}

impl Place {
    /// Counts the call as ended without a goodbye.
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
    /// Registers a call; `None` if one of this id is registered.
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

    /// The handle of a call.
    #[must_use]
    pub fn find(&self, call: &CallSid) -> Option<Handle> {
        self.lock().get(call).map(|entry| entry.handle.clone())
    }

    /// Sets the agent of a call that begins or is resumed here, how many sockets were attached to
    /// it, and until when the token of the first is valid, in Unix seconds.
    pub fn begins(&self, call: &CallSid, agent: Arc<Agent>, sockets: u32, first_until: i64) {
        if let Some(entry) = self.lock().get_mut(call) {
            entry.agent = Some(agent);
            // A socket may have been attached meanwhile.
            entry.sockets = Some(entry.sockets.map_or(sockets, |come| come.max(sockets)));
            entry.first_until = first_until;
        }
    }

    /// The agent of a call.
    #[must_use]
    pub fn agent_of(&self, call: &CallSid) -> Option<Arc<Agent>> {
        self.lock().get(call)?.agent.clone()
    }

    /// The live calls.
    #[must_use]
    pub fn calls(&self) -> Vec<CallSid> {
        self.lock().keys().cloned().collect()
    }

    /// Releases a call that another node owns: it falls silent at once, without a `session_end`.
    pub fn release(&self, call: &CallSid) {
        if let Some(entry) = self.lock().get(call) {
            entry.lost.cancel();
        }
    }

    /// The single-use token of the call's next socket, the same until that socket has come. `None`
    /// if the call is gone.
    #[must_use]
    pub fn mint(&self, call: &CallSid) -> Option<String> {
        self.next_token(call, |_| token::random()).map(|(token, _)| token)
    }

    /// The same, made by `make` if there is none yet, and whether it was.
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

    /// Redeems the token of the call's next socket; `None` if it is another.
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

    /// Admits a socket if exactly `after` sockets came before it.
    #[must_use]
    pub fn admit(&self, call: &CallSid, after: u32) -> Option<Handle> {
        let mut calls = self.lock();
        let entry = calls.get_mut(call)?;
        (entry.sockets == Some(after)).then(|| entry.takes_socket())
    }

    /// Counts a socket of the call, and invalidates the token that was made before.
    pub fn connected(&self, call: &CallSid) {
        if let Some(entry) = self.lock().get_mut(call) {
            entry.takes_socket();
        }
    }

    /// Whether a socket was ever attached to the call; `None` if the call is gone.
    #[must_use]
    pub fn has_connected(&self, call: &CallSid) -> Option<bool> {
        self.lock().get(call).map(|entry| entry.sockets.is_some_and(|sockets| sockets > 0))
    }

    /// Waits until it is known how many sockets were attached to a resumed call.
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
        // A panic under the lock cannot leave the map half changed.
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
    fn a_call_registers_once_until_it_is_dropped() {
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
