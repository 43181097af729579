//! The persistence of calls: the interface of every store.
//!
//! A call is stored as its events, verbatim, and as a [`CallSummary`] that is folded from them.
//! Only [one writer](crate::history) writes to a store, behind the calls: no call waits for it.
//! Every implementation of [`Store`] passes the conformance suite in `tests/it/store`.
//!
//! # Terms
//!
//! A call has one owner at a time. A node that takes a call over [claims](Store::claim) it and gets
//! a number higher than all before, its term; from then on writes under a lower term are refused
//! ([`Appended::Stale`]), so that a node which only seemed dead cannot go on writing.

pub mod list;
pub mod redis;
pub mod search;
pub mod sqlite;
pub mod summary;
pub mod unplaced;

use std::fmt;
use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use phony_call::{CallSid, Event};
use tokio_tungstenite::tungstenite::Utf8Bytes;

use crate::config::Retention;
pub use list::{CallFilter, ListQuery, Match, Page};
pub use search::Query;
pub use sqlite::Sqlite;
pub use summary::{BadCursor, CallSummary, Cursor, End};
pub use unplaced::{MOST_ORDERS, Outcome, UnplacedOrder};

/// The term of a call's first owner, before any claim.
pub const FIRST_TERM: u64 = 1;

/// The highest number that an event of a call can have. No call comes near: that is one event every
/// 3 ms for an hour.
pub const LAST_SEQ: u64 = (1 << 20) - 1;

/// The future result of a store's method.
pub type StoreFuture<'a, T> = BoxFuture<'a, Result<T, StoreError>>;

/// A store of calls, to be shared by many tasks.
///
/// Lists are ordered newest first: by the time of the first event in whole milliseconds, then by
/// the id, both descending.
pub trait Store: fmt::Debug + Send + Sync + 'static {
    /// Appends to several calls: all of it durably, or an error. The result has the outcome of each
    /// chunk at the same index; a chunk that is refused does not affect the others. Appending the
    /// same chunk again changes nothing.
    fn append(&self, chunks: Vec<Chunk>) -> StoreFuture<'_, Vec<Appended>>;

    /// Takes a call over and returns the new owner's term; `None` if there is no such call, or if
    /// it has ended.
    fn claim<'a>(&'a self, call: &'a CallSid) -> StoreFuture<'a, Option<u64>>;

    /// The events of a call after number `after`, oldest first; `None` if there is no such call.
    fn events<'a>(
        &'a self,
        call: &'a CallSid,
        after: u64,
    ) -> StoreFuture<'a, Option<Vec<Utf8Bytes>>>;

    /// The summary of a call.
    fn summary<'a>(&'a self, call: &'a CallSid) -> StoreFuture<'a, Option<CallSummary>>;

    /// A page of calls, newest first.
    fn list<'a>(&'a self, wanted: &'a ListQuery) -> StoreFuture<'a, Page>;

    /// The calls that have not ended, newest first: after a restart, those to resume or to close.
    fn open_calls(&self) -> StoreFuture<'_, Vec<CallSummary>>;

    /// Sets the carrier's status of a call; false if there is no such call.
    fn set_status<'a>(&'a self, call: &'a CallSid, status: &'a str) -> StoreFuture<'a, bool>;

    /// Deletes a call for good, so that its words are in none of the store's files any more; false
    /// if there is no such call.
    fn delete<'a>(&'a self, call: &'a CallSid) -> StoreFuture<'a, bool>;

    /// Stores orders that became no call: all of them durably, or an error. An order replaces one
    /// with the same id; beyond [`MOST_ORDERS`] the oldest are deleted.
    fn put_orders(&self, orders: Vec<UnplacedOrder>) -> StoreFuture<'_, ()>;

    /// Orders that became no call, newest first; one more than the limit if there are more.
    fn orders<'a>(&'a self, wanted: &'a ListQuery) -> StoreFuture<'a, Vec<UnplacedOrder>>;

    /// One order that became no call.
    fn order<'a>(&'a self, id: &'a CallSid) -> StoreFuture<'a, Option<UnplacedOrder>>;

    /// Deletes an order that became no call, as thoroughly as a [call](Store::delete); false if
    /// there is no such order.
    fn delete_order<'a>(&'a self, id: &'a CallSid) -> StoreFuture<'a, bool>;

    /// Deletes ended calls that are too old or too many, oldest first, and orders that became no
    /// call and are too old; returns the number of calls.
    fn retain<'a>(&'a self, retention: &'a Retention, now: Timestamp) -> StoreFuture<'a, u64>;

    /// Does the work that can be put off when calls are written, such as indexing. Called about
    /// every second.
    fn compact(&self) -> StoreFuture<'_, ()> {
        Box::pin(std::future::ready(Ok(())))
    }

    /// How long a write may be delayed so that it holds more events. A process that is killed loses
    /// the events of that time, and of one write.
    fn linger(&self) -> Duration {
        Duration::from_millis(120)
    }

    /// Checks that the store can be written, as far as that can be told without writing a call.
    fn check(&self) -> StoreFuture<'_, ()>;
}

/// Consecutive events of one call, to be appended.
#[derive(Debug, Clone)]
pub struct Chunk {
    /// The call.
    pub call: CallSid,
    /// The term under which it is written.
    pub term: u64,
    /// The number of the last event known to be in the store; 0 for none.
    pub after: u64,
    /// Events with higher numbers, ascending. Numbers are missing where events were dropped because
    /// the store was unreachable for too long.
    pub entries: Vec<Entry>,
    /// The carrier's status of the call, if it has changed.
    pub status: Option<String>,
}

/// A stored event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its number.
    pub seq: u64,
    /// The event as a JSON object, as it is stored and shown.
    pub json: Utf8Bytes,
}

/// The outcome of appending a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Appended {
    /// It is stored: the store has everything up to this number.
    Kept(u64),
    /// Something before it is missing: the store ends at this number, 0 if it does not know the
    /// call. Everything after that must be appended again.
    Behind(u64),
    /// Another node owns the call, under this term. Nothing can be written under the old one.
    Stale(u64),
}

/// Why a store failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It was written by a later version of Phony.
    #[error(
        "{place} was written by a later version of Phony (form {found}, this one knows up to \
         {known}): start that version, or name another data folder (PHONY_DATA_DIR)"
    )]
    Newer {
        /// The file or address.
        place: String,
        /// The version of its schema.
        found: u32,
        /// The latest version that this program knows.
        known: u32,
    },
    /// An operation failed, perhaps temporarily.
    #[error("{doing}")]
    Failed {
        /// The failure in words, such as `calls cannot be written to …/phony.db`.
        doing: String,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl Entry {
    /// The parsed event; `None` if this version does not know its type.
    #[must_use]
    pub fn event(&self) -> Option<Event> {
        serde_json::from_str(&self.json).ok()
    }
}

impl StoreError {
    /// A failed operation.
    pub fn failed(
        doing: impl Into<String>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::Failed { doing: doing.into(), source: source.into() }
    }

    /// The error and its causes in one line.
    #[must_use]
    pub fn chain(&self) -> String {
        match self {
            Self::Newer { .. } => self.to_string(),
            Self::Failed { doing, .. } => format!("{doing}: {}", self.cause()),
        }
    }

    /// The causes of the error, without the address of the store.
    #[must_use]
    pub fn cause(&self) -> String {
        let Self::Failed { source, .. } = self else { return self.to_string() };
        let mut text = source.to_string();
        let mut next = source.source();
        while let Some(cause) = next {
            text.push_str(": ");
            text.push_str(&cause.to_string());
            next = cause.source();
        }
        text
    }
}
