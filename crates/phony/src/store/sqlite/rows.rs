//! The rows and index entries of calls and events.

use jiff::Timestamp;
use phony_call::{CallSid, Event};
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use serde::de::DeserializeOwned;

use super::super::search::fold;
use super::super::summary::searchable_words;
use super::super::{CallSummary, End, Entry, LAST_SEQ};
use crate::store::summary::wire_name;

/// Midnight before 2020, UTC, in milliseconds since 1970.
const EPOCH_MS: i64 = 1_577_836_800_000;
/// How many bits of an event's id hold its number within the call.
const SEQ_BITS: u32 = 20;
/// Events that are moved from `fresh` to `events` together: 1,000 calls produce them in four
/// seconds.
const FRESH: i64 = 4096;

/// The columns of a call, in the order that [`call`] reads them. What changes with every event of a
/// live call is in `live`, where hundreds of calls share a page, since every write costs a page.
macro_rules! calls {
    ($($more:literal),*) => {
        concat!(
            "SELECT calls.id, term, sid, from_party, to_party, direction, agent, carrier, ",
            "started_at, status, ended_at, end_reason, duration_ms, ",
            "coalesce(live.turns, calls.turns), coalesce(live.cost_usd, calls.cost_usd), ",
            "coalesce(live.last_seq, calls.last_seq) ",
            "FROM calls LEFT JOIN live ON live.id = calls.id",
            $(" ", $more),*
        )
    };
}
pub(super) use calls;

/// A row of a call.
#[derive(Debug, Clone)]
pub(super) struct CallRow {
    pub(super) id: i64,
    pub(super) term: u64,
    pub(super) summary: CallSummary,
}

/// The lowest id of a call that started at this time, in milliseconds since 1970.
pub(super) fn first_id(started_ms: i64) -> i64 {
    started_ms.saturating_sub(EPOCH_MS).clamp(1, (1 << 40) - 1) << 3
}

/// The id of an event.
pub(super) fn event_id(call: i64, seq: u64) -> i64 {
    (call << SEQ_BITS) | i64::try_from(seq.min(LAST_SEQ)).unwrap_or(0)
}

/// The id of an event's call, and the event's number.
pub(super) fn parts_of(event: i64) -> (i64, u64) {
    let seq = event & ((1 << SEQ_BITS) - 1);
    (event >> SEQ_BITS, u64::try_from(seq).unwrap_or(0))
}

/// Reads a row of [`calls`].
pub(super) fn call(row: &Row<'_>) -> rusqlite::Result<CallRow> {
    let sid: String = row.get(2)?;
    let end = match row.get::<_, Option<String>>(10)? {
        None => None,
        Some(at) => Some(End {
            reason: from_name(row, 11)?,
            at: time(&at, 10)?,
            duration_ms: row.get::<_, Option<u64>>(12)?.unwrap_or(0),
        }),
    };
    let mut summary = CallSummary {
        sid: CallSid::parse(&sid).map_err(|error| unreadable(2, error))?,
        from: row.get(3)?,
        to: row.get(4)?,
        direction: from_name(row, 5)?,
        agent: row.get(6)?,
        carrier: row.get(7)?,
        started: time(&row.get::<_, String>(8)?, 8)?,
        status: row.get(9)?,
        end,
        turns: row.get(13)?,
        cost_usd: row.get(14)?,
        last_seq: row.get(15)?,
    };
    summary.set_final_status();
    Ok(CallRow { id: row.get(0)?, term: row.get(1)?, summary })
}

/// The row of a call.
pub(super) fn find(connection: &Connection, sid: &CallSid) -> rusqlite::Result<Option<CallRow>> {
    let sql = calls!("WHERE sid = ?1");
    connection.prepare_cached(sql)?.query_row([sid.as_str()], call).optional()
}

/// Inserts a new call.
pub(super) fn insert(
    connection: &Connection,
    term: u64,
    summary: CallSummary,
) -> rusqlite::Result<CallRow> {
    let started_ms = summary.started.as_millisecond();
    let mut id = first_id(started_ms);
    let mut taken = connection.prepare_cached("SELECT 1 FROM calls WHERE id = ?1")?;
    while taken.exists([id])? {
        id += 1;
    }
    connection
        .prepare_cached(
            "INSERT INTO calls (id, sid, term, from_party, to_party, direction, agent, carrier, \
             started_ms, started_at, turns, cost_usd, last_seq) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, 0, 0.0, 0)",
        )?
        .execute(params![
            id,
            summary.sid.as_str(),
            term,
            summary.from,
            summary.to,
            wire_name(&summary.direction),
            summary.agent,
            summary.carrier,
            started_ms,
            summary.started.to_string(),
        ])?;
    connection
        .prepare_cached("INSERT INTO live (id, turns, cost_usd, last_seq) VALUES (?1, 0, 0.0, 0)")?
        .execute([id])?;
    connection
        .prepare_cached("INSERT INTO names(rowid, words) VALUES (?1, ?2)")?
        .execute(params![id, names(&summary)])?;
    Ok(CallRow { id, term, summary })
}

/// Writes what has changed of a call since it was read.
pub(super) fn update(
    connection: &Connection,
    was: &CallRow,
    row: &CallRow,
) -> rusqlite::Result<()> {
    let CallRow { id, term, summary } = row;
    let progress = params![id, summary.turns, summary.cost_usd, summary.last_seq];
    if summary.end.is_none() {
        let sql = "UPDATE live SET turns = ?2, cost_usd = ?3, last_seq = ?4 WHERE id = ?1";
        connection.prepare_cached(sql)?.execute(progress)?;
    } else {
        let sql = "UPDATE calls SET turns = ?2, cost_usd = ?3, last_seq = ?4 WHERE id = ?1";
        connection.prepare_cached(sql)?.execute(progress)?;
        connection.prepare_cached("DELETE FROM live WHERE id = ?1")?.execute([id])?;
    }
    let end = summary.end.as_ref();
    if *term == was.term && summary.status == was.summary.status && end == was.summary.end.as_ref()
    {
        return Ok(());
    }
    connection
        .prepare_cached(
            "UPDATE calls SET term = ?2, status = ?3, ended_ms = ?4, ended_at = ?5, \
             end_reason = ?6, duration_ms = ?7 WHERE id = ?1",
        )?
        .execute(params![
            id,
            term,
            summary.status,
            end.map(|end| end.at.as_millisecond()),
            end.map(|end| end.at.to_string()),
            end.map(|end| wire_name(&end.reason)),
            end.map(|end| end.duration_ms),
        ])?;
    Ok(())
}

/// Inserts an event into `fresh`.
pub(super) fn insert_event(
    connection: &Connection,
    call: i64,
    entry: &Entry,
    event: Option<&Event>,
) -> rusqlite::Result<()> {
    connection.prepare_cached("INSERT INTO fresh(id, words, json) VALUES (?1, ?2, ?3)")?.execute(
        params![
            event_id(call, entry.seq),
            event.and_then(|event| searchable_words(&event.body)).map(fold),
            entry.json.as_str(),
        ],
    )?;
    Ok(())
}

/// Moves the fresh events to `events`, if there are enough of them.
pub(super) fn move_fresh_if_many(connection: &Connection) -> rusqlite::Result<()> {
    // Their row ids start at 1 after each move.
    let sql = "SELECT coalesce(max(rowid), 0) FROM fresh";
    let fresh: i64 = connection.prepare_cached(sql)?.query_row([], |row| row.get(0))?;
    if fresh < FRESH { Ok(()) } else { move_fresh(connection) }
}

/// Moves the fresh events to `events`, and their words into the index: by ascending id, since the
/// index flushes its buffer to the file whenever an id is lower than the one before (SQLite, "FTS5
/// Extension").
///
/// A statement that changes many rows and can be rolled back on its own keeps the original pages in
/// memory. So the large one rolls back the whole transaction, and the index is filled row by row.
pub(super) fn move_fresh(connection: &Connection) -> rusqlite::Result<()> {
    let mut fresh = connection
        .prepare_cached("SELECT id, words FROM fresh WHERE words IS NOT NULL ORDER BY id")?;
    let mut index = connection.prepare_cached("INSERT INTO said(rowid, words) VALUES (?1, ?2)")?;
    let mut rows = fresh.query([])?;
    while let Some(row) = rows.next()? {
        let (id, words) = (row.get::<_, i64>(0)?, row.get_ref(1)?.as_str()?);
        index.execute(params![id, words])?;
    }
    drop(rows);
    let sql = "INSERT OR ROLLBACK INTO events(id, json) SELECT id, json FROM fresh ORDER BY id";
    connection.prepare_cached(sql)?.execute([])?;
    connection.prepare_cached("DELETE FROM fresh")?.execute([])?;
    Ok(())
}

/// Deletes a call with all its events, also from the indexes. None of its events may be fresh.
pub(super) fn delete(connection: &Connection, row: &CallRow) -> rusqlite::Result<()> {
    let range = [event_id(row.id, 0), event_id(row.id, LAST_SEQ)];
    // A contentless index must be given the exact words to delete.
    let mut events =
        connection.prepare_cached("SELECT id, json FROM events WHERE id BETWEEN ?1 AND ?2")?;
    let mut forget = connection
        .prepare_cached("INSERT INTO said(said, rowid, words) VALUES ('delete', ?1, ?2)")?;
    let mut rows = events.query(range)?;
    while let Some(event) = rows.next()? {
        let (id, json): (i64, String) = (event.get(0)?, event.get(1)?);
        let entry = Entry { seq: 0, json: json.into() };
        if let Some(words) = entry.event().as_ref().and_then(|event| searchable_words(&event.body))
        {
            forget.execute(params![id, fold(words)])?;
        }
    }
    connection.prepare_cached("DELETE FROM events WHERE id BETWEEN ?1 AND ?2")?.execute(range)?;
    connection
        .prepare_cached("INSERT INTO names(names, rowid, words) VALUES ('delete', ?1, ?2)")?
        .execute(params![row.id, names(&row.summary)])?;
    connection.prepare_cached("DELETE FROM live WHERE id = ?1")?.execute([row.id])?;
    connection.prepare_cached("DELETE FROM calls WHERE id = ?1")?.execute([row.id])?;
    Ok(())
}

/// Indexes the names of every call, for files that had no such index.
pub(super) fn index_names(connection: &Connection) -> rusqlite::Result<()> {
    let mut calls = connection.prepare("SELECT id, sid, from_party, to_party, agent FROM calls")?;
    let mut put = connection.prepare("INSERT INTO names(rowid, words) VALUES (?1, ?2)")?;
    let mut rows = calls.query([])?;
    while let Some(row) = rows.next()? {
        let name = |column| row.get::<_, String>(column);
        let names = joined([&name(1)?, &name(2)?, &name(3)?, &name(4)?]);
        put.execute(params![row.get::<_, i64>(0)?, names])?;
    }
    Ok(())
}

/// The names by which a call is found.
fn names(summary: &CallSummary) -> String {
    joined([summary.sid.as_str(), &summary.from, &summary.to, &summary.agent])
}

/// Names in lower case, one per line so that no query matches across two of them.
fn joined(names: [&str; 4]) -> String {
    names.join("\n").to_lowercase()
}

fn from_name<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    let name: String = row.get(column)?;
    serde_json::from_value(name.into()).map_err(|error| unreadable(column, error))
}

fn time(text: &str, column: usize) -> rusqlite::Result<Timestamp> {
    text.parse().map_err(|error: jiff::Error| unreadable(column, error))
}

fn unreadable(
    column: usize,
    error: impl std::error::Error + Send + Sync + 'static,
) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error))
}
