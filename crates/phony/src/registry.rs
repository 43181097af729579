//! The live calls: from a call's id to the mailbox of its task.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use phony_call::{
    Action, Answerer, Budget, CallSid, EndStatus, LegEnd, Next, Presence, Progress, Refused,
    SupervisorId,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use subtle::ConstantTimeEq as _;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::agents::Agent;
use crate::carriers::CarrierPort;

/// Letters that may wait for a call. Its task empties the box at once, so a full one is a fault.
pub const MAILBOX: usize = 64;

/// Tokens that a call keeps for sockets that have not come yet; the oldest is forgotten first.
const TOKENS: usize = 8;

/// What a supervisor orders of a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// What to do.
    pub action: Action,
    /// Whose order it is, if it is known.
    #[serde(default)]
    pub by: Option<SupervisorId>,
}

/// What a call's task can be told from outside.
#[derive(Debug)]
pub enum Letter {
    /// A supervisor acts.
    Act {
        /// What to do, and who wants it.
        order: Order,
        /// Whether it was done.
        reply: oneshot::Sender<Result<(), Refused>>,
    },
    /// The carrier asks how the call goes on.
    LegEnded {
        /// Why it asks.
        end: LegEnd,
        /// The answer.
        reply: oneshot::Sender<Next>,
    },
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
    /// Somebody wants to know everything about the call.
    Snapshot(oneshot::Sender<Value>),
    /// The server wants something of the call.
    Signal(Signal),
}

/// What the server can want of a call; each comes at most once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// Everything ends at once.
    Kill,
    /// The call has another owner: not a word more.
    Lost,
    /// The call shall be left to another server.
    HandOver,
    /// The call shall say goodbye.
    Stop,
}

/// The way to a live call.
#[derive(Debug, Clone)]
pub struct Handle {
    mailbox: mpsc::Sender<Box<Letter>>,
    stop: CancellationToken,
}

impl Handle {
    /// Sends a letter; false if the call is gone.
    pub async fn send(&self, letter: Letter) -> bool {
        self.mailbox.send(Box::new(letter)).await.is_ok()
    }

    /// Gives the call a line, which is made if the call is there; false if it is gone.
    pub async fn attach(&self, line: impl FnOnce() -> CarrierPort) -> bool {
        let Ok(place) = self.mailbox.reserve().await else { return false };
        place.send(Box::new(Letter::Attach(line())));
        true
    }

    /// Asks the call something; `None` if it is gone.
    pub async fn ask<T>(&self, letter: impl FnOnce(oneshot::Sender<T>) -> Letter) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        self.mailbox.send(Box::new(letter(reply))).await.ok()?;
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
    tokens: Vec<String>,
    agent: Option<Arc<Agent>>,
}

/// What a call's task holds: its mailbox, its stop signal, and its place in the registry.
#[derive(Debug)]
pub struct Registered {
    /// Letters, boxed: a queue has room for 32 of them from the start, and they are large.
    pub mailbox: mpsc::Receiver<Box<Letter>>,
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
        let (mailbox, letters) = mpsc::channel(MAILBOX);
        let handle = Handle { mailbox, stop: stop.clone() };
        let lost = CancellationToken::new();
        let entry =
            Entry { handle: handle.clone(), lost: lost.clone(), tokens: Vec::new(), agent: None };
        calls.insert(call.clone(), entry);
        let place = Place { registry: Arc::clone(self), call: call.clone() };
        Some(Registered { mailbox: letters, handle, stop, lost, place })
    }

    /// The way to a call.
    #[must_use]
    pub fn find(&self, call: &CallSid) -> Option<Handle> {
        self.lock().get(call).map(|entry| entry.handle.clone())
    }

    /// Says who speaks in a call.
    pub fn speaks(&self, call: &CallSid, agent: Arc<Agent>) {
        if let Some(entry) = self.lock().get_mut(call) {
            entry.agent = Some(agent);
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
    pub fn lose(&self, call: &CallSid) {
        if let Some(entry) = self.lock().get(call) {
            entry.lost.cancel();
        }
    }

    /// A new single-use token for a socket of this call; `None` if the call is gone.
    #[must_use]
    pub fn mint(&self, call: &CallSid) -> Option<String> {
        let token = random_token();
        self.await_token(call, &token).then_some(token)
    }

    /// A token that will come with a socket of this call; false if the call is gone.
    pub fn await_token(&self, call: &CallSid, token: &str) -> bool {
        let mut calls = self.lock();
        let Some(entry) = calls.get_mut(call) else { return false };
        if entry.tokens.len() == TOKENS {
            entry.tokens.remove(0);
        }
        entry.tokens.push(token.to_owned());
        true
    }

    /// The call for which `token` was minted, if it is `call`; the token is used up.
    #[must_use]
    pub fn redeem(&self, call: &CallSid, token: &str) -> Option<Handle> {
        let mut calls = self.lock();
        let entry = calls.get_mut(call)?;
        let same = |minted: &String| minted.as_bytes().ct_eq(token.as_bytes()).into();
        let at = entry.tokens.iter().position(same)?;
        entry.tokens.remove(at);
        Some(entry.handle.clone())
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

/// 256 random bits in hexadecimal.
///
/// # Panics
///
/// If the operating system has no random bits to give: nothing would be safe then.
#[must_use]
pub fn random_token() -> String {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
    hex(&bytes)
}

/// Bytes in hexadecimal.
#[must_use]
pub(crate) fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from(b"0123456789abcdef"[usize::from(nibble & 15)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(*byte)]).collect()
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
        assert!(registry.redeem(&one, &token).is_some());
        assert!(registry.redeem(&one, &token).is_none(), "a used one");
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
