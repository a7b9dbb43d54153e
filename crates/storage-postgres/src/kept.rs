//! Kept answers and the inbox: one record for both.

use staffa_context::Timestamp;
use staffa_storage::{Error, Kept, Result};
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use crate::row::{Json, Param, get, value};
use crate::session::Sql;

/// The statements of kept records.
pub(crate) struct Records {
    /// Puts one in; a key that is taken is an error.
    pub(crate) put: Sql,
    /// Puts one in unless its key is taken.
    pub(crate) claim: Sql,
    pub(crate) find: Sql,
    pub(crate) sweep: Sql,
    /// Reads records after one, in the order of scope and key.
    pub(crate) export: Sql,
    /// Writes a record as another store had it.
    pub(crate) import: Sql,
}

impl Records {
    pub(crate) fn new(space: &str) -> Self {
        let table = format!("{space}.staffa_kept");
        let put = format!("INSERT INTO {table} (scope, key, digest, answer, at) VALUES ($1, $2, $3, $4, $5)");
        let types = [Type::TEXT, Type::TEXT, Type::BYTEA, Type::JSONB, Type::INT8];
        Self {
            import: Sql::new(
                format!(
                    "{put} ON CONFLICT (scope, key) DO UPDATE SET digest = excluded.digest, answer = excluded.answer, at = excluded.at"
                ),
                types.clone(),
            ),
            export: Sql::new(
                format!(
                    "SELECT scope, key, digest, answer, at FROM {table} WHERE (scope, key) > ($1, $2) ORDER BY scope, key LIMIT $3"
                ),
                [Type::TEXT, Type::TEXT, Type::INT8],
            ),
            claim: Sql::new(format!("{put} ON CONFLICT (scope, key) DO NOTHING"), types.clone()),
            put: Sql::new(put, types),
            find: Sql::new(
                format!("SELECT scope, key, digest, answer, at FROM {table} WHERE scope = $1 AND key = $2"),
                [Type::TEXT, Type::TEXT],
            ),
            sweep: Sql::new(
                format!(
                    "DELETE FROM {table} WHERE (scope, key) IN (SELECT scope, key FROM {table} \
                     WHERE at < $1 ORDER BY at LIMIT $2)"
                ),
                [Type::INT8, Type::INT8],
            ),
        }
    }
}

/// The parameters that put a record in.
pub(crate) fn params(kept: &Kept) -> Vec<Param> {
    vec![
        Param::Text(kept.scope.clone()),
        Param::Text(kept.key.clone()),
        Param::Bytes(kept.digest.to_vec()),
        Param::Json(Json::of(&kept.answer)),
        Param::Int(kept.at.as_micros()),
    ]
}

/// The record in a row of its columns.
pub(crate) fn record(row: &Row) -> Result<Kept> {
    let digest: Vec<u8> = get(row, 2)?;
    let damaged = |_| Error::Unusable("a kept record has a digest that is not SHA-256's".into());
    Ok(Kept {
        scope: get(row, 0)?,
        key: get(row, 1)?,
        digest: digest.try_into().map_err(damaged)?,
        answer: value(row, 3)?,
        at: Timestamp::from_micros(get(row, 4)?),
    })
}
