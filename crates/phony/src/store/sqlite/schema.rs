//! The form of the file, and how an older one becomes it.
//!
//! A call has a number that grows with the time of its beginning: eighths of a millisecond since
//! 2020, moved on where that is taken. An event has its call's number and its own in one, so that
//! the newest call comes first wherever one reads backwards: in the events, and in what is found in
//! the full-text index, which is never sorted therefore.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use super::super::StoreError;
use super::rows;

/// The steps from an empty file to the form of today. A step is never changed once it is out.
const STEPS: &[Step] = &[
    Step { sql: CALLS, fill: |_| Ok(()) },
    Step { sql: NAMES, fill: rows::index_names },
    Step { sql: LIVE, fill: |_| Ok(()) },
    Step { sql: FRESH, fill: |_| Ok(()) },
    Step { sql: ORDERS, fill: |_| Ok(()) },
];

/// The first form: calls, their events, and the words that were said.
const CALLS: &str = "
CREATE TABLE calls (
  id          INTEGER PRIMARY KEY,  -- see above
  sid         TEXT NOT NULL UNIQUE,
  term        INTEGER NOT NULL,
  from_party  TEXT NOT NULL,
  to_party    TEXT NOT NULL,
  direction   TEXT NOT NULL,
  agent       TEXT NOT NULL,
  carrier     TEXT NOT NULL,
  started_ms  INTEGER NOT NULL,     -- since 1970
  started_at  TEXT NOT NULL,        -- RFC 3339
  status      TEXT,                 -- in the carrier's words
  ended_ms    INTEGER,
  ended_at    TEXT,
  end_reason  TEXT,
  duration_ms INTEGER,
  turns       INTEGER NOT NULL,
  cost_usd    REAL NOT NULL,
  last_seq    INTEGER NOT NULL
);
CREATE INDEX calls_by_start ON calls(started_ms, sid);
CREATE INDEX calls_by_end ON calls(ended_ms);
CREATE TABLE events (
  id   INTEGER PRIMARY KEY,         -- the call's number * 2^20 + seq
  json TEXT NOT NULL
);
-- By the events' numbers; the words themselves are in the events, folded before they are indexed.
CREATE VIRTUAL TABLE said USING fts5(
  words, content='', tokenize='unicode61 remove_diacritics 0', prefix='2 3'
);
INSERT INTO said(said, rank) VALUES('secure-delete', 1);
";

/// The second form: any part of a party, an agent's id or a call's is found without reading all
/// calls, and so are the calls of an agent and those of a status.
const NAMES: &str = "
CREATE VIRTUAL TABLE names USING fts5(words, content='', tokenize='trigram');
INSERT INTO names(names, rank) VALUES('secure-delete', 1);
CREATE INDEX calls_by_agent ON calls(agent, started_ms, sid);
CREATE INDEX calls_by_status ON calls(status, started_ms, sid);
";

/// The third form: what changes with every event of a live call stands apart until its end.
const LIVE: &str = "
CREATE TABLE live (
  id       INTEGER PRIMARY KEY,     -- the call's number
  turns    INTEGER NOT NULL,
  cost_usd REAL NOT NULL,
  last_seq INTEGER NOT NULL
);
INSERT INTO live SELECT id, turns, cost_usd, last_seq FROM calls WHERE ended_ms IS NULL;
";

/// The fourth form: events stand in the order in which they came, until they are put into their
/// places four thousand at a time, and what was said in them into the index. There the next event
/// of each live call belongs into a page of its own, and a write is a page; and the index is merged
/// the more often the less it is given at once.
const FRESH: &str = "
CREATE TABLE fresh (
  id    INTEGER NOT NULL UNIQUE,    -- as in events
  words TEXT,                       -- what the index is given of it
  json  TEXT NOT NULL
);
CREATE VIEW told AS SELECT id, json FROM events UNION ALL SELECT id, json FROM fresh;
-- How many bytes of words are held in memory until they are written.
INSERT INTO said(said, rank) VALUES('hashsize', 262144);
";

/// The fifth form: orders that became no call.
const ORDERS: &str = "
CREATE TABLE orders (
  id    TEXT NOT NULL UNIQUE,
  at_ms INTEGER NOT NULL,           -- since 1970
  json  TEXT NOT NULL
);
CREATE INDEX orders_by_time ON orders(at_ms, id);
";

struct Step {
    sql: &'static str,
    fill: fn(&Connection) -> rusqlite::Result<()>,
}

/// Makes the file what it must be today.
pub(super) fn prepare(connection: &mut Connection, path: &Path) -> Result<(), StoreError> {
    let known = u32::try_from(STEPS.len()).unwrap_or(u32::MAX);
    let failed = |error: rusqlite::Error| {
        StoreError::failed(format!("the store {} cannot be used", path.display()), error)
    };
    let found = version(connection).map_err(failed)?;
    if found > known {
        return Err(StoreError::Newer { place: path.display().to_string(), found, known });
    }
    upgrade(connection, STEPS).map_err(failed)
}

fn upgrade(connection: &mut Connection, steps: &[Step]) -> rusqlite::Result<()> {
    if version(connection)? == 0 {
        connection.pragma_update(None, "auto_vacuum", "incremental")?;
    }
    connection.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Another process may have done it meanwhile.
    let done = version(&transaction)?;
    for (n, step) in steps.iter().enumerate().skip(done as usize) {
        transaction.execute_batch(step.sql)?;
        (step.fill)(&transaction)?;
        transaction.pragma_update(None, "user_version", n + 1)?;
        tracing::info!(form = n + 1, "the store was brought to a later form");
    }
    transaction.commit()
}

fn version(connection: &Connection) -> rusqlite::Result<u32> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(connection: &Connection) -> Vec<String> {
        let sql = "SELECT name FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%' ORDER BY name";
        let mut statement = connection.prepare(sql).unwrap();
        let names = statement.query_map([], |row| row.get(0)).unwrap();
        names.map(Result::unwrap).collect()
    }

    #[test]
    fn a_file_of_any_earlier_form_becomes_the_same_as_a_new_one() {
        let mut new = Connection::open_in_memory().unwrap();
        prepare(&mut new, Path::new("new")).unwrap();
        for steps in 0..STEPS.len() {
            let mut old = Connection::open_in_memory().unwrap();
            upgrade(&mut old, &STEPS[..steps]).unwrap();
            assert_eq!(version(&old).unwrap() as usize, steps);
            prepare(&mut old, Path::new("old")).unwrap();
            assert_eq!(columns(&old), columns(&new));
            assert_eq!(version(&old).unwrap() as usize, STEPS.len());
        }
    }

    #[test]
    fn calls_of_the_first_form_are_found_by_name_after_the_upgrade() {
        let mut old = Connection::open_in_memory().unwrap();
        upgrade(&mut old, &STEPS[..1]).unwrap();
        let insert = "INSERT INTO calls VALUES (8, 'CA00aa', 1, '+15005550001', '+15005550002',
            'inbound', 'hotline', 'twilio', 1790000000000, '2026-09-21T13:46:40Z', NULL, NULL,
            NULL, NULL, NULL, 0, 0.0, 1)";
        old.execute(insert, []).unwrap();
        prepare(&mut old, Path::new("old")).unwrap();
        let query =
            crate::store::Query::parse("0000 hot").map(|_| crate::store::Query::parse("hotl"));
        let filter = crate::store::CallFilter { query: query.unwrap(), ..Default::default() };
        let wanted = crate::store::ListQuery { filter, after: None, limit: 5 };
        let page = super::super::read::list(&old, &wanted).unwrap();
        assert_eq!(page.calls[0].0.sid.as_str(), "CA00aa");
    }
}
