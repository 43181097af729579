//! Idempotency keys: what became of the orders that were given under them; and which calls have been
//! given to an order, with a key or without.
//!
//! They are kept in memory, and found again in the ledger after a restart.

use std::collections::{HashMap, HashSet, VecDeque};
use std::path::Path;
use std::sync::{Arc, Mutex as StdMutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use phony_call::CallSid;
use serde_json::Value;
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::Dialled;
use crate::cluster::dialling::Carried;
use crate::safety::ledger;

/// The most keys, and calls, that are remembered; the oldest are forgotten first.
const MOST: usize = 10_000;
/// How much of the ledger's end is looked through after a restart.
const TAIL: usize = 4 * 1024 * 1024;
/// How old a line of the ledger may be that still counts.
const OLDEST: SignedDuration = SignedDuration::from_hours(24);

/// All keys.
#[derive(Debug, Default)]
pub(super) struct Keys {
    known: StdMutex<Inner>,
    given: StdMutex<Given>,
}

/// Calls that are some order's.
#[derive(Debug, Default)]
struct Given {
    calls: HashSet<String>,
    order: VecDeque<String>,
}

#[derive(Debug, Default)]
struct Inner {
    entries: HashMap<String, Arc<Mutex<Option<Outcome>>>>,
    order: VecDeque<String>,
}

/// What became of the order.
#[derive(Debug, Clone)]
enum Outcome {
    Done { body: String, dialled: Dialled },
    Uncertain { body: String, since: Timestamp },
}

/// A key while an order is carried out under it: repeats wait.
pub(super) struct Held(OwnedMutexGuard<Option<Outcome>>);

/// What is known of a key.
pub(super) enum Known {
    /// Nothing, or nothing came of it.
    New,
    /// The same order placed this call.
    Done(Dialled),
    /// The same order may have placed a call, at this time.
    Uncertain(Timestamp),
    /// It stands for another order.
    Other,
}

impl Keys {
    /// The keys that the ledger of a data folder knows.
    pub(super) fn of(folder: &Path) -> Self {
        let keys = Self::default();
        let lines = last_lines(&folder.join(ledger::FILE));
        let placed = lines.iter().filter(|line| line["what"] == "placed");
        for call in placed.filter_map(|line| line["callSid"].as_str()) {
            keys.give(call);
        }
        for (name, outcome) in remembered(&lines) {
            let entry = keys.entry(&name);
            if let Ok(mut entry) = entry.try_lock() {
                *entry = Some(outcome);
            }
        }
        keys
    }

    /// A call is an order's from now on.
    pub(super) fn give(&self, call: &str) {
        let mut given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        if given.order.len() >= MOST
            && let Some(oldest) = given.order.pop_front()
        {
            given.calls.remove(&oldest);
        }
        if given.calls.insert(call.to_owned()) {
            given.order.push_back(call.to_owned());
        }
    }

    /// Whether a call is an order's. One that was merely answered here is not: nobody knew why it
    /// rang.
    pub(super) fn is_given(&self, call: &str) -> bool {
        self.given.lock().unwrap_or_else(PoisonError::into_inner).calls.contains(call)
    }

    /// Takes a key; whoever has it goes first.
    pub(super) async fn hold(&self, name: &str) -> Held {
        Held(self.entry(name).lock_owned().await)
    }

    /// The orders of which calls came; those that are being carried out are told of later.
    pub(super) fn carried_out(&self) -> Vec<Carried> {
        let inner = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let carried = inner.order.iter().filter_map(|name| {
            let entry = inner.entries.get(name)?.try_lock().ok()?;
            let Some(Outcome::Done { body, dialled }) = &*entry else { return None };
            let Dialled { call, status, .. } = dialled.clone();
            Some(Carried { key: name.clone(), body: body.clone(), call, status })
        });
        carried.collect()
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

impl Held {
    pub(super) fn known(&self, order: &str) -> Known {
        match &*self.0 {
            None => Known::New,
            Some(Outcome::Done { body, .. } | Outcome::Uncertain { body, .. }) if body != order => {
                Known::Other
            }
            Some(Outcome::Done { dialled, .. }) => Known::Done(dialled.clone()),
            Some(Outcome::Uncertain { since, .. }) => Known::Uncertain(*since),
        }
    }

    pub(super) fn done(&mut self, body: String, dialled: Dialled) {
        *self.0 = Some(Outcome::Done { body, dialled });
    }

    pub(super) fn uncertain(&mut self, body: String, since: Timestamp) {
        *self.0 = Some(Outcome::Uncertain { body, since });
    }
}

/// The last lines of a ledger, oldest first.
fn last_lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read(path).unwrap_or_default();
    let tail = text.get(text.len().saturating_sub(TAIL)..).unwrap_or_default();
    let lines = tail.split(|byte| *byte == b'\n');
    lines.filter_map(|line| serde_json::from_slice(line).ok()).collect()
}

/// The keys in these lines: of calls that were placed, and of those that were about to be when the
/// server ended.
fn remembered(lines: &[Value]) -> Vec<(String, Outcome)> {
    let at = |line: &Value| line["at"].as_str()?.parse::<Timestamp>().ok();
    let newest = lines.iter().rev().find_map(at);
    let oldest = newest.and_then(|newest| newest.checked_sub(OLDEST).ok());
    let outcome = |line: &Value| {
        let since = at(line).filter(|at| oldest.is_none_or(|oldest| *at >= oldest))?;
        let text = |place: usize| line["key"][place].as_str().map(str::to_owned);
        let (name, body) = (text(0)?, text(1)?);
        let outcome = match line["what"].as_str()? {
            "placed" => {
                let call = CallSid::parse(line["callSid"].as_str()?).ok()?;
                Outcome::Done { body, dialled: Dialled::new(call, "queued") }
            }
            "dialling" => Outcome::Uncertain { body, since },
            _ => return None,
        };
        Some((name, outcome))
    };
    lines.iter().filter_map(outcome).collect()
}
