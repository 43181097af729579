//! Idempotency keys: the outcome of the orders under them, and which calls belong to an order, with
//! a key or without. Owns both, in memory, and reads them from the ledger after a restart;
//! [`super::Outbound`] calls it.

use std::collections::{HashMap, HashSet, VecDeque};
use std::path::Path;
use std::sync::{Arc, Mutex as StdMutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use phony_call::CallSid;
use serde_json::Value;
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::PlacedCall;
use crate::cluster::outbound::CompletedOrder;
use crate::safety::ledger;

/// How many keys, and how many calls, are remembered; the oldest are forgotten first.
const MOST: usize = 10_000;
/// How much of the ledger's end is read after a restart, in bytes.
const TAIL: usize = 4 * 1024 * 1024;
/// How old a ledger line may be to count, from the newest line.
const OLDEST: SignedDuration = SignedDuration::from_hours(24);

/// The idempotency keys of this node.
#[derive(Debug, Default)]
pub(super) struct IdempotencyKeys {
    known: StdMutex<Inner>,
    claimed: StdMutex<ClaimedCalls>,
}

/// Calls that belong to an order.
#[derive(Debug, Default)]
struct ClaimedCalls {
    calls: HashSet<String>,
    order: VecDeque<String>,
}

#[derive(Debug, Default)]
struct Inner {
    entries: HashMap<String, Arc<Mutex<Option<Outcome>>>>,
    order: VecDeque<String>,
}

/// The outcome of an order.
#[derive(Debug, Clone)]
enum Outcome {
    Done { body: String, placed: PlacedCall },
    Uncertain { body: String, since: Timestamp },
}

/// A key that is held while an order is carried out under it; repeats wait.
pub(super) struct KeyGuard(OwnedMutexGuard<Option<Outcome>>);

/// The state of a key.
pub(super) enum KeyState {
    /// It is free: unused, or its order became no call.
    New,
    /// The same order placed this call.
    Done(PlacedCall),
    /// The same order may have placed a call, at this time.
    Uncertain(Timestamp),
    /// It was used for another order.
    Other,
}

impl IdempotencyKeys {
    /// Reads the keys from the ledger of a data folder.
    pub(super) fn of(folder: &Path) -> Self {
        let keys = Self::default();
        let lines = last_lines(&folder.join(ledger::FILE));
        let placed = lines.iter().filter(|line| line["what"] == "placed");
        for call in placed.filter_map(|line| line["callSid"].as_str()) {
            keys.claim(call);
        }
        for (name, outcome) in replay(&lines) {
            let entry = keys.entry(&name);
            if let Ok(mut entry) = entry.try_lock() {
                *entry = Some(outcome);
            }
        }
        keys
    }

    /// Marks a call as an order's.
    pub(super) fn claim(&self, call: &str) {
        let mut claimed = self.claimed.lock().unwrap_or_else(PoisonError::into_inner);
        if claimed.order.len() >= MOST
            && let Some(oldest) = claimed.order.pop_front()
        {
            claimed.calls.remove(&oldest);
        }
        if claimed.calls.insert(call.to_owned()) {
            claimed.order.push_back(call.to_owned());
        }
    }

    /// Whether a call is an order's. A call that was merely answered here is not.
    pub(super) fn is_claimed(&self, call: &str) -> bool {
        self.claimed.lock().unwrap_or_else(PoisonError::into_inner).calls.contains(call)
    }

    /// Waits until the key is free, and holds it.
    pub(super) async fn hold(&self, name: &str) -> KeyGuard {
        KeyGuard(self.entry(name).lock_owned().await)
    }

    /// The orders that became calls, without those that are being carried out.
    pub(super) fn completed_orders(&self) -> Vec<CompletedOrder> {
        let inner = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let completed = inner.order.iter().filter_map(|name| {
            let entry = inner.entries.get(name)?.try_lock().ok()?;
            let Some(Outcome::Done { body, placed }) = &*entry else { return None };
            let PlacedCall { call, status, .. } = placed.clone();
            Some(CompletedOrder { key: name.clone(), body: body.clone(), call, status })
        });
        completed.collect()
    }

    fn entry(&self, name: &str) -> Arc<Mutex<Option<Outcome>>> {
        let mut inner = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = inner.entries.get(name) {
            return Arc::clone(entry);
        }
        if inner.order.len() >= MOST
            && let Some(oldest) = inner.order.pop_front()
        {
            inner.entries.remove(&oldest);
        }
        let entry = Arc::<Mutex<_>>::default();
        inner.order.push_back(name.to_owned());
        inner.entries.insert(name.to_owned(), Arc::clone(&entry));
        entry
    }
}

impl KeyGuard {
    pub(super) fn state(&self, order: &str) -> KeyState {
        match &*self.0 {
            None => KeyState::New,
            Some(Outcome::Done { body, .. } | Outcome::Uncertain { body, .. }) if body != order => {
                KeyState::Other
            }
            Some(Outcome::Done { placed, .. }) => KeyState::Done(placed.clone()),
            Some(Outcome::Uncertain { since, .. }) => KeyState::Uncertain(*since),
        }
    }

    pub(super) fn done(&mut self, body: String, placed: PlacedCall) {
        *self.0 = Some(Outcome::Done { body, placed });
    }

    pub(super) fn uncertain(&mut self, body: String, since: Timestamp) {
        *self.0 = Some(Outcome::Uncertain { body, since });
    }
}

/// The last lines of a ledger, at most [`TAIL`] bytes, oldest first.
pub(super) fn last_lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read(path).unwrap_or_default();
    let tail = text.get(text.len().saturating_sub(TAIL)..).unwrap_or_default();
    let lines = tail.split(|byte| *byte == b'\n');
    lines.filter_map(|line| serde_json::from_slice(line).ok()).collect()
}

/// The keys in these lines whose orders became calls or have an unknown outcome.
fn replay(lines: &[Value]) -> Vec<(String, Outcome)> {
    let at = |line: &Value| line["at"].as_str()?.parse::<Timestamp>().ok();
    let newest = lines.iter().rev().find_map(at);
    let oldest = newest.and_then(|newest| newest.checked_sub(OLDEST).ok());
    let (mut order, mut histories) = (Vec::new(), HashMap::<&str, KeyHistory<'_>>::new());
    for line in lines {
        let at = at(line).filter(|at| oldest.is_none_or(|oldest| *at >= oldest));
        let (Some(at), Some(name), Some(body)) =
            (at, line["key"][0].as_str(), line["key"][1].as_str())
        else {
            continue;
        };
        let history = histories.entry(name).or_insert_with(|| {
            order.push(name);
            KeyHistory::default()
        });
        history.apply(line, body, at);
    }
    let outcome = |name: &str| Some((name.to_owned(), histories.remove(name)?.outcome()?));
    order.into_iter().filter_map(outcome).collect()
}

/// The history of one key in the ledger.
#[derive(Default)]
struct KeyHistory<'a> {
    /// The hash of the order under it.
    body: &'a str,
    placed: Option<CallSid>,
    /// Attempts that may have placed a call, and when they were made.
    unknown: Vec<(&'a str, Timestamp)>,
}

impl<'a> KeyHistory<'a> {
    fn apply(&mut self, line: &'a Value, body: &'a str, at: Timestamp) {
        let attempt = line["attempt"].as_str().unwrap_or_default();
        match (line["what"].as_str(), line["outcome"].as_str()) {
            (Some("placed"), _) => {
                let call = line["callSid"].as_str();
                if let Some(call) = call.and_then(|call| CallSid::parse(call).ok()) {
                    *self = Self { body, placed: Some(call), unknown: Vec::new() };
                }
            }
            (Some("dialling"), _) => self.attempted(attempt, body, at),
            (Some("failed"), Some("unknown")) if self.placed.is_none() => {
                self.attempted(attempt, body, at);
            }
            // Failures written by earlier versions have no outcome and stay unknown, which is safe:
            // the call is looked for first.
            (Some("failed"), Some("failed")) | (Some("refused"), _) => {
                self.unknown.retain(|(whose, _)| *whose != attempt);
            }
            _ => {}
        }
    }

    fn attempted(&mut self, attempt: &'a str, body: &'a str, at: Timestamp) {
        self.placed = None;
        if self.body != body {
            self.unknown.clear();
            self.body = body;
        }
        if self.unknown.iter().all(|(whose, _)| *whose != attempt) {
            self.unknown.push((attempt, at));
        }
    }

    fn outcome(self) -> Option<Outcome> {
        let body = self.body.to_owned();
        if let Some(call) = self.placed {
            return Some(Outcome::Done { body, placed: PlacedCall::new(call, "queued") });
        }
        let since = self.unknown.into_iter().map(|(_, at)| at).min()?;
        Some(Outcome::Uncertain { body, since })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A line of an attempt, so many seconds after noon.
    fn line(second: u32, what: &str, attempt: &str, more: &Value) -> Value {
        let mut line = json!({
            "at": format!("2026-01-15T12:00:{second:02}Z"), "what": what, "attempt": attempt,
            "key": ["k", "order"],
        });
        line.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        line
    }

    /// What is known of the key: nothing, the call, or since when it is not known.
    fn known(lines: &[Value]) -> Option<Result<String, u32>> {
        let found = replay(lines).pop().map(|(_, outcome)| outcome);
        found.map(|outcome| match outcome {
            Outcome::Done { placed, .. } => Ok(placed.call.to_string()),
            Outcome::Uncertain { since, .. } => {
                Err(since.to_string()[17..19].parse::<u32>().unwrap())
            }
        })
    }

    #[test]
    fn a_key_s_state_is_restored_from_the_ledger() {
        let of = |second, what, attempt| line(second, what, attempt, &json!({}));
        let came = |second, attempt, outcome| {
            line(second, "failed", attempt, &json!({ "outcome": outcome }))
        };
        let placed = |second, attempt| line(second, "placed", attempt, &json!({"callSid": "CA1"}));
        let first = of(1, "dialling", "a");
        assert_eq!(known(std::slice::from_ref(&first)), Some(Err(1)), "the server was killed");
        assert_eq!(known(&[first.clone(), placed(2, "a")]), Some(Ok("CA1".to_owned())));
        // Twilio has said no, or was not asked after all: the key is free.
        assert_eq!(known(&[first.clone(), came(2, "a", "failed")]), None);
        assert_eq!(known(&[first.clone(), of(2, "refused", "a")]), None);
        assert_eq!(known(&[first.clone(), came(2, "a", "unknown")]), Some(Err(1)));
        // A line of an earlier version, which may mean either.
        assert_eq!(known(&[first.clone(), of(2, "failed", "a")]), Some(Err(1)));
        // What becomes of a repeat says nothing about the first attempt.
        let doubt = [first, came(2, "a", "unknown")];
        let then = |lines: &[Value]| known(&[&doubt[..], lines].concat());
        assert_eq!(then(&[of(3, "refused", "b")]), Some(Err(1)));
        assert_eq!(then(&[of(3, "dialling", "b"), came(4, "b", "failed")]), Some(Err(1)));
        assert_eq!(then(&[came(3, "b", "unknown")]), Some(Err(1)));
        let call = Some(Ok("CA1".to_owned()));
        assert_eq!(then(&[of(3, "dialling", "b"), placed(4, "b")]), call);
        // Another order under a key of which a call has come was refused.
        let other = line(5, "refused", "c", &json!({ "key": ["k", "other"] }));
        assert_eq!(then(&[placed(4, "b"), other]), call);
        // Once the key is free it may stand for another order.
        let other = line(5, "dialling", "c", &json!({ "key": ["k", "other"] }));
        let lines = [of(1, "dialling", "a"), came(2, "a", "failed"), other];
        let (_, outcome) = replay(&lines).pop().unwrap();
        assert!(matches!(outcome, Outcome::Uncertain { body, .. } if body == "other"));
    }
}
