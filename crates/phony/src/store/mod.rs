//! Where calls are kept: what every store can do.
//!
//! A call is kept as its stored events, word for word, and as a [`CallSummary`] that is folded from
//! them. A store is written by [one writer](crate::history) alone, behind the calls: no call waits
//! for it. Whatever implements [`Store`] runs the conformance suite in `tests/it/store`.
//!
//! # Terms
//!
//! A call has one owner at a time. Whoever takes a call over [claims](Store::claim) it and gets a
//! number higher than all before, its term; from then on what is written under a lower one is
//! refused ([`Appended::Stale`]), so that a node which only seemed dead cannot write on.

pub mod list;
pub mod redis;
pub mod search;
pub mod sqlite;
pub mod summary;
pub mod unplaced;

use std::fmt;
use std::time::Duration;

use axum::extract::ws::Utf8Bytes;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use phony_call::{CallSid, Event};

use crate::config::Retention;
pub use list::{CallFilter, ListQuery, Match, Page};
pub use search::Query;
pub use sqlite::Sqlite;
pub use summary::{BadCursor, CallSummary, Cursor, End};
pub use unplaced::{MOST_ORDERS, Outcome, UnplacedOrder};

/// The term of a call that nobody has claimed: its first owner's.
pub const FIRST_TERM: u64 = 1;

/// The number that no event of a call may reach. No call comes near: it is one event in 3 ms for
/// an hour.
pub const LAST_SEQ: u64 = (1 << 20) - 1;

/// What comes back from a store.
pub type StoreFuture<'a, T> = BoxFuture<'a, Result<T, StoreError>>;

/// A store of calls. It may be reached by many tasks at once.
///
/// Order is the newest first: by the time of the first event in whole milliseconds, then by the id,
/// both descending.
pub trait Store: fmt::Debug + Send + Sync + 'static {
    /// Appends to the records of several calls: all of it durably, or an error. What became of each
    /// chunk is in the same place of the answer; one that is refused does not hinder the others.
    /// To append the same chunk again changes nothing.
    fn append(&self, chunks: Vec<Chunk>) -> StoreFuture<'_, Vec<Appended>>;

    /// Takes a call over and gives the new owner's term; `None` if there is no such call, or if it
    /// has ended.
    fn claim<'a>(&'a self, call: &'a CallSid) -> StoreFuture<'a, Option<u64>>;

    /// The events of a call after number `after`, oldest first; `None` if there is no such call.
    fn events<'a>(
        &'a self,
        call: &'a CallSid,
        after: u64,
    ) -> StoreFuture<'a, Option<Vec<Utf8Bytes>>>;

    /// One call's line.
    fn summary<'a>(&'a self, call: &'a CallSid) -> StoreFuture<'a, Option<CallSummary>>;

    /// A page of calls, newest first.
    fn list<'a>(&'a self, wanted: &'a ListQuery) -> StoreFuture<'a, Page>;

    /// The calls that have not ended, newest first: after a restart, those to be resumed or closed.
    fn open(&self) -> StoreFuture<'_, Vec<CallSummary>>;

    /// Sets what the carrier calls the state of a call; false if there is no such call.
    fn set_status<'a>(&'a self, call: &'a CallSid, status: &'a str) -> StoreFuture<'a, bool>;

    /// Forgets a call for good, so that its words cannot be found in the store's own files either;
    /// false if there is no such call.
    fn delete<'a>(&'a self, call: &'a CallSid) -> StoreFuture<'a, bool>;

    /// Keeps orders that became no call: all of them durably, or an error. One that has the id of
    /// another takes its place; of more than [`MOST_ORDERS`] the oldest are forgotten.
    fn put_orders(&self, orders: Vec<UnplacedOrder>) -> StoreFuture<'_, ()>;

    /// Orders that became no call, newest first; one more than the limit if there are more.
    fn orders<'a>(&'a self, wanted: &'a ListQuery) -> StoreFuture<'a, Vec<UnplacedOrder>>;

    /// One order that became no call.
    fn order<'a>(&'a self, id: &'a CallSid) -> StoreFuture<'a, Option<UnplacedOrder>>;

    /// Forgets an order that became no call, as a call is [forgotten](Store::delete); false if there
    /// is no such order.
    fn delete_order<'a>(&'a self, id: &'a CallSid) -> StoreFuture<'a, bool>;

    /// Forgets ended calls that are too old or too many, the oldest first, and orders that became
    /// no call and are too old; gives the number of calls.
    fn retain<'a>(&'a self, retention: &'a Retention, now: Timestamp) -> StoreFuture<'a, u64>;

    /// Does now and then what need not be done when calls are written. Called about every second.
    fn compact(&self) -> StoreFuture<'_, ()> {
        Box::pin(std::future::ready(Ok(())))
    }

    /// How long news may wait for more, so that many events become one write. A process that is
    /// killed loses that, and the time of a write.
    fn linger(&self) -> Duration {
        Duration::from_millis(120)
    }

    /// Whether the store can be written, as far as can be told without writing a call.
    fn check(&self) -> StoreFuture<'_, ()>;
}

/// A part of one call's record.
#[derive(Debug, Clone)]
pub struct Chunk {
    /// The call.
    pub call: CallSid,
    /// Under which term it is written.
    pub term: u64,
    /// The last event that is known to be in the store; 0 for none.
    pub after: u64,
    /// Events with higher numbers, ascending. Numbers may be missing: those were given up when the
    /// store was out of reach for too long.
    pub entries: Vec<Entry>,
    /// What the carrier calls the call's state, where that has changed.
    pub status: Option<String>,
}

/// A stored event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its number.
    pub seq: u64,
    /// The event as it is shown and kept, a JSON object.
    pub json: Utf8Bytes,
}

/// What became of a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Appended {
    /// It is in the store, which now holds everything up to this number.
    Kept(u64),
    /// Something before it is missing: the store ends at this number, 0 if it does not know the
    /// call. What comes after that must be sent again.
    Behind(u64),
    /// Somebody else owns the call, under this term. Nothing more can be written under the old one.
    Stale(u64),
}

/// Why a store does not do what it should.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It was written by a later version of this program.
    #[error(
        "{place} was written by a later version of Phony (form {found}, this one knows up to \
         {known}): start that version, or name another data folder (PHONY_DATA_DIR)"
    )]
    Newer {
        /// The file or address.
        place: String,
        /// Its form.
        found: u32,
        /// The latest form known here.
        known: u32,
    },
    /// It does not work, perhaps only now.
    #[error("{doing}")]
    Failed {
        /// What could not be done, such as `calls cannot be written to …/phony.db`.
        doing: String,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl Entry {
    /// The event itself; `None` if it is of a kind that this version does not know.
    #[must_use]
    pub fn event(&self) -> Option<Event> {
        serde_json::from_str(&self.json).ok()
    }
}

impl StoreError {
    /// A store that does not work.
    pub fn failed(
        doing: impl Into<String>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::Failed { doing: doing.into(), source: source.into() }
    }

    /// The error and what is behind it, in one sentence.
    #[must_use]
    pub fn chain(&self) -> String {
        match self {
            Self::Newer { .. } => self.to_string(),
            Self::Failed { doing, .. } => format!("{doing}: {}", self.cause()),
        }
    }

    /// What is behind the error, without the place where the store is.
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
