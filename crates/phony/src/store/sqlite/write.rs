//! Writing the file: calls, their deletion, and compaction.

use phony_call::CallSid;
use rusqlite::{Connection, TransactionBehavior, params};

use super::rows::{self, CallRow};
use crate::store::{Appended, CallSummary, Chunk, Entry, LAST_SEQ};

pub(super) fn append(
    connection: &mut Connection,
    chunks: &[Chunk],
) -> rusqlite::Result<Vec<Appended>> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let done = chunks.iter().map(|chunk| take(&transaction, chunk));
    let done = done.collect::<rusqlite::Result<Vec<_>>>()?;
    rows::move_fresh_if_many(&transaction)?;
    transaction.commit()?;
    Ok(done)
}

/// Appends a chunk.
fn take(connection: &Connection, chunk: &Chunk) -> rusqlite::Result<Appended> {
    let row = match rows::find(connection, &chunk.call)? {
        Some(row) => Some(row),
        None if chunk.after > 0 => None,
        None => {
            let first = chunk.entries.first().and_then(Entry::event);
            match first.as_ref().and_then(CallSummary::begin) {
                Some(summary) => {
                    Some(rows::insert(connection, chunk.term, without_events(summary))?)
                }
                None => None,
            }
        }
    };
    let Some(was) = row else { return Ok(Appended::Behind(0)) };
    let mut row = was.clone();
    if row.term > chunk.term {
        return Ok(Appended::Stale(row.term));
    }
    let last = row.summary.last_seq;
    if last < chunk.after {
        return Ok(Appended::Behind(last));
    }
    row.term = chunk.term;
    for entry in chunk.entries.iter().filter(|entry| entry.seq > last && entry.seq <= LAST_SEQ) {
        let event = entry.event();
        rows::insert_event(connection, row.id, entry, event.as_ref())?;
        if let Some(event) = &event {
            row.summary.apply(event);
        }
        row.summary.last_seq = entry.seq;
    }
    if chunk.status.is_some() {
        row.summary.status.clone_from(&chunk.status);
    }
    rows::update(connection, &was, &row)?;
    Ok(Appended::Kept(row.summary.last_seq))
}

pub(super) fn claim(connection: &mut Connection, sid: &CallSid) -> rusqlite::Result<Option<u64>> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let open = rows::find(&transaction, sid)?.filter(|row| row.summary.end.is_none());
    let Some(row) = open else { return Ok(None) };
    let term = row.term + 1;
    let sql = "UPDATE calls SET term = ?2 WHERE id = ?1";
    transaction.prepare_cached(sql)?.execute(params![row.id, term])?;
    transaction.commit()?;
    Ok(Some(term))
}

pub(super) fn set_status(
    connection: &mut Connection,
    sid: &CallSid,
    status: &str,
) -> rusqlite::Result<bool> {
    let sql = "UPDATE calls SET status = ?2 WHERE sid = ?1";
    let changed = connection.prepare_cached(sql)?.execute(params![sid.as_str(), status])?;
    Ok(changed > 0)
}

pub(super) fn delete(connection: &mut Connection, sid: &CallSid) -> rusqlite::Result<bool> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let Some(row) = rows::find(&transaction, sid)? else { return Ok(false) };
    rows::move_fresh(&transaction)?;
    rows::delete(&transaction, &row)?;
    transaction.commit()?;
    release_space(connection)?;
    Ok(true)
}

/// Deletes at most `most` of the oldest ended calls that ended before this time, in milliseconds
/// since 1970; returns their number.
pub(super) fn forget(
    connection: &mut Connection,
    before: Option<i64>,
    most: u64,
) -> rusqlite::Result<u64> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let old = oldest(&transaction, before.unwrap_or(i64::MAX), most)?;
    if !old.is_empty() {
        rows::move_fresh(&transaction)?;
    }
    for row in &old {
        rows::delete(&transaction, row)?;
    }
    transaction.commit()?;
    Ok(old.len() as u64)
}

/// How many of the oldest calls must be deleted for the file to have this size in bytes, with 5 %
/// to spare.
pub(super) fn excess(connection: &mut Connection, most: u64) -> rusqlite::Result<u64> {
    let calls = "SELECT count(*) FROM calls";
    let calls: u64 = connection.query_row(calls, [], |row| row.get(0))?;
    let size = size(connection);
    if size <= most || calls == 0 {
        return Ok(0);
    }
    let of_one = (size / calls).max(1);
    Ok((size - most / 20 * 19).div_ceil(of_one))
}

/// One step of shrinking the file after calls were deleted; false if it was the last.
pub(super) fn compact(connection: &mut Connection, first: bool) -> rusqlite::Result<bool> {
    const PAGES: i64 = 500;
    let mut more = false;
    // Entries of deleted words stay in the indexes until these are merged.
    for merge in [
        "INSERT INTO said(said, rank) VALUES ('merge', ?1)",
        "INSERT INTO names(names, rank) VALUES ('merge', ?1)",
    ] {
        let before = connection.total_changes();
        connection.execute(merge, [if first { -PAGES } else { PAGES }])?;
        more |= connection.total_changes() - before >= 2;
    }
    if !more {
        release_space(connection)?;
    }
    Ok(more)
}

/// Returns free pages to the file system, and truncates the write-ahead log, which may still have
/// deleted content.
pub(super) fn release_space(connection: &Connection) -> rusqlite::Result<()> {
    let mut vacuum = connection.prepare("PRAGMA incremental_vacuum(4096)")?;
    let mut rows = vacuum.query([])?;
    while rows.next()?.is_some() {}
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
}

/// Checks that the file can be written, without writing it.
pub(super) fn check(connection: &mut Connection) -> rusqlite::Result<()> {
    connection.transaction_with_behavior(TransactionBehavior::Immediate)?.rollback()
}

fn oldest(connection: &Connection, before: i64, most: u64) -> rusqlite::Result<Vec<CallRow>> {
    let sql = rows::calls!("WHERE ended_ms < ?1 ORDER BY ended_ms LIMIT ?2");
    let mut statement = connection.prepare_cached(sql)?;
    statement.query_map(params![before, most], rows::call)?.collect()
}

/// The size in use, in bytes.
fn size(connection: &Connection) -> u64 {
    let number = |name| {
        let value = connection.pragma_query_value(None, name, |row| row.get::<_, u64>(0));
        value.unwrap_or(0)
    };
    number("page_count").saturating_sub(number("freelist_count")) * number("page_size")
}

fn without_events(summary: CallSummary) -> CallSummary {
    CallSummary { last_seq: 0, ..summary }
}
