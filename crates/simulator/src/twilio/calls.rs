//! The calls of the network, and what the API can do to them.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use phony_wire::twilio::rest::Call;
use phony_wire::twilio::webhook::CallStatus;
use tokio::sync::{Notify, mpsc};

use super::clock::{self, Clock};
use super::record::{CallRecord, Fate, Said};

/// A command to a running call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Control {
    Complete,
    Cancel,
    Redirect(Source),
    TimeLimit {
        seconds: u64,
    },
    /// Drop the socket of the session or stream without closing it.
    DropSocket,
}

/// Where TwiML comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    Url { url: String, method: String },
    Inline(String),
}

/// A call, shared between its task, the API and readers of its record.
#[derive(Debug)]
pub(crate) struct CallCell {
    pub(crate) sid: String,
    pub(crate) clock: Clock,
    pub(crate) control: mpsc::Sender<Control>,
    pub(crate) changed: Notify,
    record: Mutex<CallRecord>,
    dates: Mutex<Dates>,
}

#[derive(Debug, Clone, Copy)]
struct Dates {
    created: Timestamp,
    started: Option<Timestamp>,
    ended: Option<Timestamp>,
}

impl CallCell {
    pub(crate) fn new(
        record: CallRecord,
        clock: Clock,
        control: mpsc::Sender<Control>,
    ) -> Arc<Self> {
        let dates = Dates { created: clock::date(), started: None, ended: None };
        Arc::new(Self {
            sid: record.sid.clone(),
            clock,
            control,
            changed: Notify::new(),
            record: Mutex::new(record),
            dates: Mutex::new(dates),
        })
    }

    /// Changes the record and notifies those who wait for a change.
    pub(crate) fn update(&self, change: impl FnOnce(&mut CallRecord)) {
        change(&mut lock(&self.record));
        self.changed.notify_waiters();
    }

    pub(crate) fn record(&self) -> CallRecord {
        lock(&self.record).clone()
    }

    pub(crate) fn read<T>(&self, at: impl FnOnce(&CallRecord) -> T) -> T {
        at(&lock(&self.record))
    }

    pub(crate) fn status(&self) -> CallStatus {
        self.read(|record| CallStatus::parse(&record.status))
    }

    pub(crate) fn set_status(&self, status: &CallStatus) {
        let now_ms = self.clock.now_ms();
        {
            let mut dates = lock(&self.dates);
            if *status == CallStatus::InProgress {
                dates.started.get_or_insert_with(clock::date);
            }
            if status.is_final() {
                dates.ended.get_or_insert_with(clock::date);
            }
        }
        self.update(|record| {
            status.as_str().clone_into(&mut record.status);
            if *status == CallStatus::InProgress {
                record.answered_ms.get_or_insert(now_ms);
            }
            if status.is_final() {
                record.ended_ms.get_or_insert(now_ms);
                settle(&mut record.said, usize::MAX, Fate::Lost);
            }
        });
    }

    /// Duration since the answer, until now or the call's end, in seconds of the call's time,
    /// rounded up.
    pub(crate) fn duration_s(&self) -> u64 {
        let now_ms = self.clock.now_ms();
        self.read(|record| {
            let Some(answered_ms) = record.answered_ms else { return 0 };
            record.ended_ms.unwrap_or(now_ms).saturating_sub(answered_ms).div_ceil(1000)
        })
    }

    /// When it was answered, or created if it was not.
    pub(crate) fn began(&self) -> Timestamp {
        let dates = lock(&self.dates);
        dates.started.unwrap_or(dates.created)
    }

    /// The call's resource in the API.
    pub(crate) fn resource(&self, account_sid: &str) -> Call {
        let dates = *lock(&self.dates);
        // Only callbacks have the status `initiated`.
        let status = Some(self.status()).filter(|status| *status != CallStatus::Initiated);
        let status = status.unwrap_or(CallStatus::Queued);
        let duration = status.is_final().then(|| self.duration_s());
        self.read(|record| Call {
            sid: record.sid.clone(),
            account_sid: account_sid.to_owned(),
            to: record.to.clone(),
            from: record.from.clone(),
            status,
            direction: record.direction.clone(),
            duration,
            // The resource does not tell kinds of machine apart, as callbacks do.
            answered_by: record.answered_by.as_deref().map(|by| {
                if by.starts_with("machine") { "machine".to_owned() } else { by.to_owned() }
            }),
            price: None,
            price_unit: Some("USD".to_owned()),
            date_created: Some(clock::rfc2822(dates.created)),
            start_time: dates.started.map(clock::rfc2822),
            end_time: dates.ended.map(clock::rfc2822),
            uri: format!("/2010-04-01/Accounts/{account_sid}/Calls/{}.json", record.sid),
        })
    }
}

/// All calls, oldest first. The oldest finished calls are dropped when there are too many.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    by_sid: HashMap<String, u64>,
    in_order: BTreeMap<u64, Arc<CallCell>>,
    over: VecDeque<u64>,
    next: u64,
}

impl Calls {
    pub(crate) fn insert(&mut self, cell: Arc<CallCell>) {
        self.by_sid.insert(cell.sid.clone(), self.next);
        self.in_order.insert(self.next, cell);
        self.next += 1;
    }

    pub(crate) fn get(&self, sid: &str) -> Option<Arc<CallCell>> {
        self.by_sid.get(sid).and_then(|index| self.in_order.get(index)).cloned()
    }

    pub(crate) fn oldest_first(&self) -> impl DoubleEndedIterator<Item = &Arc<CallCell>> {
        self.in_order.values()
    }

    /// Notes that a call is over. At most `keep` such calls are kept.
    pub(crate) fn retire(&mut self, sid: &str, keep: usize) {
        let Some(index) = self.by_sid.get(sid) else { return };
        self.over.push_back(*index);
        while self.over.len() > keep {
            let oldest = self.over.pop_front().and_then(|index| self.in_order.remove(&index));
            if let Some(cell) = oldest {
                self.by_sid.remove(&cell.sid);
            }
        }
    }
}

/// Sets the fate of the oldest `count` utterances that are still open.
pub(crate) fn settle(said: &mut [Said], count: usize, fate: Fate) {
    for said in said.iter_mut().filter(|said| said.fate == Fate::Open).take(count) {
        said.fate = fate;
    }
}

/// Locks a mutex, poisoned or not: no panic leaves the guarded values half changed.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A new SID: the prefix and 32 hexadecimal digits.
pub(crate) fn new_sid(prefix: &str) -> String {
    let mut bytes = [0_u8; 16];
    if getrandom::fill(&mut bytes).is_err() {
        // Without randomness the SIDs are still distinct.
        static COUNTER: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);
        let count = COUNTER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        bytes[8..].copy_from_slice(&count.to_be_bytes());
    }
    let mut sid = String::with_capacity(34);
    sid.push_str(prefix);
    for byte in bytes {
        for nibble in [byte >> 4, byte & 15] {
            sid.push(char::from_digit(u32::from(nibble), 16).unwrap_or('0'));
        }
    }
    sid
}
