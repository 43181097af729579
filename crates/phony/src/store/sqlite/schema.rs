//! The schema of the file, and its migrations.
//!
//! A call's id grows with the time of its start: eighths of a millisecond since 2020, incremented
//! where that is taken. An event's id combines its call's id and its own number, so reading
//! backwards yields the newest call first, both in the events and in the full-text index, whose
//! results are therefore never sorted.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use super::super::StoreError;
use super::rows;

/// The migrations from an empty file to the current schema. A released migration never changes.
const MIGRATIONS: &[Migration] = &[
    Migration { sql: CALLS, fill: |_| Ok(()) },
    Migration { sql: NAMES, fill: rows::index_names },
    Migration { sql: LIVE, fill: |_| Ok(()) },
    Migration { sql: FRESH, fill: |_| Ok(()) },
    Migration { sql: ORDERS, fill: |_| Ok(()) },
];

/// Version 1: calls, their events, and the words that were said.
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
-- By the ids of events; the words themselves are in the events, folded before they are indexed.
CREATE VIRTUAL TABLE said USING fts5(
  words, content='', tokenize='unicode61 remove_diacritics 0', prefix='2 3'
);
INSERT INTO said(said, rank) VALUES('secure-delete', 1);
";

/// Version 2: indexes that find any part of a party, an agent's id or a call's id, and the calls of
/// an agent or a status, without reading all calls.
const NAMES: &str = "
CREATE VIRTUAL TABLE names USING fts5(words, content='', tokenize='trigram');
INSERT INTO names(names, rank) VALUES('secure-delete', 1);
CREATE INDEX calls_by_agent ON calls(agent, started_ms, sid);
CREATE INDEX calls_by_status ON calls(status, started_ms, sid);
";

/// Version 3: what changes with every event of a live call is kept in a table of its own until the
/// call ends.
const LIVE: &str = "
CREATE TABLE live (
  id       INTEGER PRIMARY KEY,     -- the call's number
  turns    INTEGER NOT NULL,
  cost_usd REAL NOT NULL,
  last_seq INTEGER NOT NULL
);
INSERT INTO live SELECT id, turns, cost_usd, last_seq FROM calls WHERE ended_ms IS NULL;
";

/// Version 4: new events are stored in order of arrival, and moved to `events` and the index about
/// four thousand at a time. In `events`, the next event of each live call belongs on a page of its
/// own, so that each would cost a page write; and the smaller the batches, the more often the index
/// is merged.
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

/// Version 5: orders that became no call.
const ORDERS: &str = "
CREATE TABLE orders (
  id    TEXT NOT NULL UNIQUE,
  at_ms INTEGER NOT NULL,           -- since 1970
  json  TEXT NOT NULL
);
CREATE INDEX orders_by_time ON orders(at_ms, id);
";

struct Migration {
    sql: &'static str,
    fill: fn(&Connection) -> rusqlite::Result<()>,
}

/// Migrates the file to the current schema.
pub(super) fn prepare(connection: &mut Connection, path: &Path) -> Result<(), StoreError> {
    let known = u32::try_from(MIGRATIONS.len()).unwrap_or(u32::MAX);
    let failed = |error: rusqlite::Error| {
        StoreError::failed(format!("the store {} cannot be used", path.display()), error)
    };
    let found = version(connection).map_err(failed)?;
    if found > known {
        return Err(StoreError::Newer { place: path.display().to_string(), found, known });
    }
    migrate(connection, MIGRATIONS).map_err(failed)
}

fn migrate(connection: &mut Connection, migrations: &[Migration]) -> rusqlite::Result<()> {
    if version(connection)? == 0 {
        connection.pragma_update(None, "auto_vacuum", "incremental")?;
    }
    connection.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Another process may have migrated it meanwhile.
    let done = version(&transaction)?;
    for (n, migration) in migrations.iter().enumerate().skip(done as usize) {
        transaction.execute_batch(migration.sql)?;
        (migration.fill)(&transaction)?;
        transaction.pragma_update(None, "user_version", n + 1)?;
        tracing::info!(form = n + 1, "the store was migrated");
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
    fn a_file_of_any_earlier_version_migrates_to_the_schema_of_a_new_one() {
        let mut new = Connection::open_in_memory().unwrap();
        prepare(&mut new, Path::new("new")).unwrap();
        for migrations in 0..MIGRATIONS.len() {
            let mut old = Connection::open_in_memory().unwrap();
            migrate(&mut old, &MIGRATIONS[..migrations]).unwrap();
            assert_eq!(version(&old).unwrap() as usize, migrations);
            prepare(&mut old, Path::new("old")).unwrap();
            assert_eq!(columns(&old), columns(&new));
            assert_eq!(version(&old).unwrap() as usize, MIGRATIONS.len());
        }
    }

    #[test]
    fn calls_of_version_1_are_found_by_name_after_the_migration() {
        let mut old = Connection::open_in_memory().unwrap();
        migrate(&mut old, &MIGRATIONS[..1]).unwrap();
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
