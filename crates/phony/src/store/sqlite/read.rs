//! Reading the file: calls, events, lists and search.

use std::collections::BTreeMap;

use phony_call::CallSid;
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension as _, Rows, params, params_from_iter};
use tokio_tungstenite::tungstenite::Utf8Bytes;

use super::rows::{self, CallRow};
use crate::store::summary::{searchable_words, wire_name};
use crate::store::{
    CallFilter, CallSummary, Cursor, Entry, LAST_SEQ, ListQuery, Match, Page, Query,
};

/// How far the ids of calls that started at one moment may be off from the time of their start.
const MOVED: i64 = 4096;
/// The shortest text that the index of names can find, in characters. A shorter one is searched for
/// in the newest 5,000 calls only.
const TRIGRAM: usize = 3;
/// Up to this many calls are checked one by one for the words, rather than searching all calls.
const FEW: usize = 200;

pub(super) fn summary(
    connection: &Connection,
    sid: &CallSid,
) -> rusqlite::Result<Option<CallSummary>> {
    Ok(rows::find(connection, sid)?.map(|row| row.summary))
}

pub(super) fn events(
    connection: &Connection,
    sid: &CallSid,
    after: u64,
) -> rusqlite::Result<Option<Vec<Utf8Bytes>>> {
    let Some(CallRow { id, .. }) = rows::find(connection, sid)? else { return Ok(None) };
    let sql = "SELECT json FROM told WHERE id > ?1 AND id <= ?2 ORDER BY id";
    let mut statement = connection.prepare_cached(sql)?;
    let range = [rows::event_id(id, after), rows::event_id(id, LAST_SEQ)];
    let events = statement.query_map(range, |row| Ok(row.get::<_, String>(0)?.into()))?;
    events.collect::<rusqlite::Result<_>>().map(Some)
}

pub(super) fn open(connection: &Connection) -> rusqlite::Result<Vec<CallSummary>> {
    let sql = rows::calls!("WHERE ended_ms IS NULL ORDER BY started_ms DESC, sid DESC");
    let mut statement = connection.prepare_cached(sql)?;
    statement.query_map([], |row| Ok(rows::call(row)?.summary))?.collect()
}

/// A page of calls. One more than the limit is read to know whether there are more.
pub(super) fn list(connection: &Connection, wanted: &ListQuery) -> rusqlite::Result<Page> {
    let calls = match &wanted.filter.query {
        None => {
            let rows = listed(connection, wanted, wanted.limit + 1)?;
            rows.into_iter().map(|row| (row.summary, None)).collect()
        }
        Some(query) => found(connection, wanted, query)?,
    };
    let more = calls.len() > wanted.limit;
    let mut page = Page { calls, more };
    page.calls.truncate(wanted.limit);
    Ok(page)
}

/// Calls that pass the filter apart from its query, newest first.
fn listed(
    connection: &Connection,
    wanted: &ListQuery,
    limit: usize,
) -> rusqlite::Result<Vec<CallRow>> {
    let mut sql = rows::calls!("WHERE 1").to_owned();
    let mut values: Vec<Value> = Vec::new();
    let CallFilter { live, direction, number, agent, status, from, until, query: _ } =
        &wanted.filter;
    let mut and = |text: &str, new: &[Value]| {
        sql.push_str(" AND ");
        sql.push_str(text);
        values.extend_from_slice(new);
    };
    let live = match status.as_deref() {
        Some(word @ ("live" | "ended")) if live.is_none_or(|is| is == (word == "live")) => {
            Some(word == "live")
        }
        Some("live" | "ended") => return Ok(Vec::new()),
        Some(status) => {
            and("status = ?", &[text(status)]);
            *live
        }
        None => *live,
    };
    match live {
        Some(true) => and("ended_ms IS NULL", &[]),
        Some(false) => and("ended_ms IS NOT NULL", &[]),
        None => {}
    }
    if let Some(direction) = direction {
        and("direction = ?", &[Value::Text(wire_name(direction))]);
    }
    if let Some(agent) = agent {
        and("agent = ?", &[text(agent)]);
    }
    if let Some(number) = number {
        let number = text(number);
        and("(instr(from_party, ?) OR instr(to_party, ?))", &[number.clone(), number]);
    }
    if let Some(from) = from {
        and("started_ms >= ?", &[from.as_millisecond().into()]);
    }
    if let Some(until) = until {
        and("started_ms <= ?", &[until.as_millisecond().into()]);
    }
    if let Some(Cursor { started_ms, sid }) = &wanted.after {
        and("(started_ms, sid) < (?, ?)", &[(*started_ms).into(), text(sid.as_str())]);
    }
    sql.push_str(" ORDER BY started_ms DESC, sid DESC LIMIT ?");
    // Times are finer than milliseconds, so some rows at the bounds are filtered out below.
    let is_exact = from.is_none() && until.is_none();
    values.push(Value::Integer(if is_exact { i64::try_from(limit).unwrap_or(-1) } else { -1 }));
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map(params_from_iter(values), rows::call)?;
    let admitted =
        rows.filter(|row| row.as_ref().map_or(true, |row| wanted.filter.admits(&row.summary)));
    admitted.take(limit).collect()
}

/// Calls that match a query, newest first; one more than the limit, if there is one.
fn found(
    connection: &Connection,
    wanted: &ListQuery,
    query: &Query,
) -> rusqlite::Result<Vec<(CallSummary, Option<Match>)>> {
    let filter = &wanted.filter;
    if filter.live == Some(true)
        || filter.number.is_some()
        || filter.status.as_deref() == Some("live")
    {
        let few = ListQuery { limit: FEW, ..wanted.clone() };
        let candidates = listed(connection, &few, FEW + 1)?;
        if candidates.len() <= FEW {
            return among(connection, candidates, query, wanted.limit + 1);
        }
    }
    let newest = match (&wanted.after, filter.until) {
        (None, None) => i64::MAX >> 21,
        (after, until) => {
            let after = after.as_ref().map_or(i64::MAX, |at| at.started_ms);
            let until = until.map_or(i64::MAX, jiff::Timestamp::as_millisecond);
            rows::first_id(after.min(until).saturating_add(1)) + MOVED
        }
    };
    let oldest = filter.from.map_or(0, |from| rows::first_id(from.as_millisecond()));
    let range = [rows::event_id(oldest, 0), rows::event_id(newest, LAST_SEQ)];
    let fresh = fresh(connection, query, range)?;
    let (mut said, mut names);
    let (said_rows, names_rows) = {
        said = connection.prepare_cached(
            "SELECT rowid FROM said WHERE said MATCH ?1 AND rowid BETWEEN ?2 AND ?3 \
             ORDER BY rowid DESC",
        )?;
        names = connection.prepare_cached(if query.as_str().chars().count() < TRIGRAM {
            "SELECT id FROM (SELECT id, lower(sid || char(10) || from_party || char(10) || \
             to_party || char(10) || agent) AS words FROM calls WHERE id BETWEEN ?2 AND ?3 \
             ORDER BY id DESC LIMIT 5000) WHERE instr(words, ?1)"
        } else {
            "SELECT rowid FROM names WHERE names MATCH ?1 AND rowid BETWEEN ?2 AND ?3 \
             ORDER BY rowid DESC"
        })?;
        let said = match query.fts() {
            None => None,
            Some(fts) => Some(said.query(params![fts, range[0], range[1]])?),
        };
        let name = if query.as_str().chars().count() < TRIGRAM {
            query.as_str().to_owned()
        } else {
            format!("\"{}\"", query.as_str().replace('"', "\"\""))
        };
        (said, names.query(params![name, oldest, newest])?)
    };
    let mut places = Places::new(said_rows, fresh, names_rows)?;
    let mut best = BTreeMap::<Cursor, (CallRow, Option<u64>)>::new();
    let mut load = connection.prepare_cached(rows::calls!("WHERE calls.id = ?1"))?;
    while let Some((id, seq)) = places.next()? {
        if best.len() > wanted.limit {
            // All remaining calls started before the last one on the page.
            let last = best.keys().next().map_or(0, |last| last.started_ms);
            if id < rows::first_id(last) {
                break;
            }
        }
        let Some(row) = load.query_row([id], rows::call).optional()? else { continue };
        let cursor = row.summary.cursor();
        let earlier = wanted.after.as_ref().is_none_or(|after| cursor < *after);
        if !earlier || !filter.admits(&row.summary) {
            continue;
        }
        best.insert(cursor, (row, seq));
        if best.len() > wanted.limit + 1 {
            best.pop_first();
        }
    }
    let shown = best.into_values().rev().map(|(row, seq)| {
        let place = seq.map(|seq| shown(connection, row.id, seq, query)).transpose()?;
        Ok((row.summary, place))
    });
    shown.collect()
}

/// The fresh events that have the words, by ascending id. This must run before the index is
/// searched: an event that is moved there in between is then found twice rather than missed.
fn fresh(connection: &Connection, query: &Query, range: [i64; 2]) -> rusqlite::Result<Vec<i64>> {
    if query.phrases().is_empty() {
        return Ok(Vec::new());
    }
    let sql = "SELECT id, words FROM fresh NOT INDEXED \
               WHERE words IS NOT NULL AND id BETWEEN ?1 AND ?2";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(range)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let words = row.get_ref(1)?.as_str()?;
        // A cheap test that rules out most events.
        let mut wanted = query.phrases().iter().flatten();
        if wanted.all(|word| words.contains(word.as_str())) && query.find(words).is_some() {
            found.push(row.get(0)?);
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// Those of a few calls that match a query.
fn among(
    connection: &Connection,
    candidates: Vec<CallRow>,
    query: &Query,
    limit: usize,
) -> rusqlite::Result<Vec<(CallSummary, Option<Match>)>> {
    let fts = query.fts();
    let fresh = fresh(connection, query, [0, i64::MAX])?;
    let mut asked = connection.prepare_cached(
        "SELECT rowid FROM said WHERE said MATCH ?1 AND rowid BETWEEN ?2 AND ?3 \
         ORDER BY rowid LIMIT 1",
    )?;
    let mut calls = Vec::new();
    for CallRow { id, summary, .. } in candidates {
        let range = (rows::event_id(id, 0), rows::event_id(id, LAST_SEQ));
        let place: Option<i64> = match &fts {
            None => None,
            Some(fts) => {
                asked.query_row(params![fts, range.0, range.1], |row| row.get(0)).optional()?
            }
        };
        let fresh = fresh.get(fresh.partition_point(|id| *id < range.0)).copied();
        let fresh = fresh.filter(|id| *id <= range.1);
        let place = place.into_iter().chain(fresh).min();
        let place = match place.map(|id| rows::parts_of(id).1) {
            None if !query.matches_names(&summary) => continue,
            None => None,
            Some(seq) => Some(shown(connection, id, seq, query)?),
        };
        calls.push((summary, place));
        if calls.len() == limit {
            break;
        }
    }
    Ok(calls)
}

/// The match in an event, with its excerpt.
fn shown(connection: &Connection, call: i64, seq: u64, query: &Query) -> rusqlite::Result<Match> {
    let mut statement = connection.prepare_cached("SELECT json FROM told WHERE id = ?1")?;
    let json: Option<String> =
        statement.query_row([rows::event_id(call, seq)], |row| row.get(0)).optional()?;
    let event = json.and_then(|json| Entry { seq, json: json.into() }.event());
    let words = event.as_ref().and_then(|event| searchable_words(&event.body)).unwrap_or_default();
    Ok(Match { seq, text: query.find(words).unwrap_or_default() })
}

/// Merges what the indexes find, newest call first: ids of calls, each with the number of its first
/// event with the words.
struct Places<'a> {
    said: Source<'a>,
    names: Source<'a>,
}

/// Ids from an index, highest first.
struct Source<'a> {
    rows: Option<Rows<'a>>,
    /// The next id from the index.
    indexed: Option<i64>,
    /// The ids of matching events that are not indexed yet, highest last.
    fresh: Vec<i64>,
    next: Option<i64>,
}

impl<'a> Places<'a> {
    fn new(said: Option<Rows<'a>>, fresh: Vec<i64>, names: Rows<'a>) -> rusqlite::Result<Self> {
        let (said, names) = (Source::new(said, fresh)?, Source::new(Some(names), Vec::new())?);
        Ok(Self { said, names })
    }

    fn next(&mut self) -> rusqlite::Result<Option<(i64, Option<u64>)>> {
        let said = self.said.next.map(|event| rows::parts_of(event).0);
        let Some(call) = said.max(self.names.next) else { return Ok(None) };
        if self.names.next == Some(call) {
            self.names.advance()?;
        }
        let mut first = None;
        while let Some(event) = self.said.next
            && let (of, seq) = rows::parts_of(event)
            && of == call
        {
            first = Some(seq);
            self.said.advance()?;
        }
        Ok(Some((call, first)))
    }
}

impl<'a> Source<'a> {
    fn new(rows: Option<Rows<'a>>, fresh: Vec<i64>) -> rusqlite::Result<Self> {
        let mut source = Self { rows, indexed: None, fresh, next: None };
        source.read()?;
        source.advance()?;
        Ok(source)
    }

    fn advance(&mut self) -> rusqlite::Result<()> {
        let fresh = self.fresh.last().copied();
        self.next = fresh.max(self.indexed);
        if self.next.is_some() && self.next == self.indexed {
            self.read()?;
        }
        if fresh.is_some() && fresh == self.next {
            self.fresh.pop();
        }
        Ok(())
    }

    fn read(&mut self) -> rusqlite::Result<()> {
        self.indexed = match &mut self.rows {
            None => None,
            Some(rows) => rows.next()?.map(|row| row.get(0)).transpose()?,
        };
        Ok(())
    }
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}
