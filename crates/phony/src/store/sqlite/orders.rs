//! Orders that became no call. They are few, so they are read newest first and filtered one by one.

use phony_call::CallSid;
use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior, params};

use super::write::release_space;
use crate::store::{ListQuery, MOST_ORDERS, UnplacedOrder};

pub(super) fn put(connection: &mut Connection, orders: &[UnplacedOrder]) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for order in orders {
        let json = serde_json::to_string(order)
            .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
        let sql = "INSERT INTO orders(id, at_ms, json) VALUES (?1, ?2, ?3) \
                   ON CONFLICT(id) DO UPDATE SET at_ms = ?2, json = ?3";
        let values = params![order.id.as_str(), order.at.as_millisecond(), json];
        transaction.prepare_cached(sql)?.execute(values)?;
    }
    let sql = "DELETE FROM orders WHERE rowid IN \
               (SELECT rowid FROM orders ORDER BY at_ms DESC, id DESC LIMIT -1 OFFSET ?1)";
    transaction.prepare_cached(sql)?.execute([MOST_ORDERS])?;
    transaction.commit()
}

pub(super) fn list(
    connection: &Connection,
    wanted: &ListQuery,
) -> rusqlite::Result<Vec<UnplacedOrder>> {
    let after = wanted.after.as_ref();
    let (at_ms, id) = after.map_or((i64::MAX, ""), |after| (after.started_ms, after.sid.as_str()));
    let sql = "SELECT json FROM orders WHERE (at_ms, id) < (?1, ?2) ORDER BY at_ms DESC, id DESC";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map(params![at_ms, id], |row| row.get::<_, String>(0))?;
    let mut found = Vec::new();
    for json in rows {
        let order = read(&json?).filter(|order| wanted.filter.admits_order(order));
        found.extend(order);
        if found.len() > wanted.limit {
            break;
        }
    }
    Ok(found)
}

pub(super) fn find(
    connection: &Connection,
    id: &CallSid,
) -> rusqlite::Result<Option<UnplacedOrder>> {
    let mut statement = connection.prepare_cached("SELECT json FROM orders WHERE id = ?1")?;
    let json: Option<String> = statement.query_row([id.as_str()], |row| row.get(0)).optional()?;
    Ok(json.as_deref().and_then(read))
}

pub(super) fn delete(connection: &mut Connection, id: &CallSid) -> rusqlite::Result<bool> {
    let sql = "DELETE FROM orders WHERE id = ?1";
    let deleted = connection.prepare_cached(sql)?.execute([id.as_str()])? > 0;
    if deleted {
        release_space(connection)?;
    }
    Ok(deleted)
}

/// Deletes the orders given before this time, in milliseconds since 1970.
pub(super) fn forget(connection: &mut Connection, before: i64) -> rusqlite::Result<()> {
    let sql = "DELETE FROM orders WHERE at_ms < ?1";
    if connection.prepare_cached(sql)?.execute([before])? > 0 {
        release_space(connection)?;
    }
    Ok(())
}

/// Parses an order; `None` if a later version wrote it in another format.
fn read(json: impl AsRef<str>) -> Option<UnplacedOrder> {
    serde_json::from_str(json.as_ref()).ok()
}
