//! Kept answers and the inbox: one record for both.

use rusqlite::{Connection, OptionalExtension};
use staffa_context::Timestamp;
use staffa_storage::{Error, Kept, Result};

use crate::error::told;
use crate::row::json;

/// Keeps a record, whose answer comes as text; [`Error::Kept`] when its scope and key are taken.
pub(crate) fn keep(connection: &Connection, kept: &Kept, answer: &str) -> Result<()> {
    let sql = "INSERT INTO staffa_kept (scope, key, digest, answer, at) VALUES (?1, ?2, ?3, ?4, ?5) \
               ON CONFLICT (scope, key) DO NOTHING";
    let mut statement = connection.prepare_cached(sql).map_err(told)?;
    let values = (&kept.scope, &kept.key, kept.digest.as_slice(), answer, kept.at.as_micros());
    match statement.execute(values).map_err(told)? {
        0 => Err(Error::Kept),
        _ => Ok(()),
    }
}

/// Keeps a record as another store had it, in the place of one that is there.
pub(crate) fn replace(connection: &Connection, kept: &Kept, answer: &str) -> Result<()> {
    let sql =
        "INSERT OR REPLACE INTO staffa_kept (scope, key, digest, answer, at) VALUES (?1, ?2, ?3, ?4, ?5)";
    let mut statement = connection.prepare_cached(sql).map_err(told)?;
    let values = (&kept.scope, &kept.key, kept.digest.as_slice(), answer, kept.at.as_micros());
    statement.execute(values).map(|_| ()).map_err(told)
}

/// The record of a scope and key.
pub(crate) fn find(connection: &Connection, scope: &str, key: &str) -> Result<Option<Kept>> {
    let sql = "SELECT digest, answer, at FROM staffa_kept WHERE scope = ?1 AND key = ?2";
    let mut statement = connection.prepare_cached(sql).map_err(told)?;
    let found = statement.query_row((scope, key), |row| {
        Ok(Kept {
            scope: scope.to_owned(),
            key: key.to_owned(),
            digest: row.get(0)?,
            answer: json(row, 1)?,
            at: Timestamp::from_micros(row.get(2)?),
        })
    });
    found.optional().map_err(told)
}

/// Removes records from before a time, `limit` at most; gives how many went.
pub(crate) fn sweep(connection: &Connection, before: Timestamp, limit: usize) -> Result<usize> {
    let sql = "DELETE FROM staffa_kept WHERE (scope, key) IN (SELECT scope, key FROM staffa_kept \
               WHERE at < ?1 ORDER BY at LIMIT ?2)";
    let mut statement = connection.prepare_cached(sql).map_err(told)?;
    statement.execute((before.as_micros(), i64::try_from(limit).unwrap_or(i64::MAX))).map_err(told)
}
