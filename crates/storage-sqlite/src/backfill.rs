//! Makes the keys of rows that were written by binaries which do not know an index, in bounded batches.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use rusqlite::{Connection, params_from_iter};
use staffa_storage::{Error, Part, Result};

use crate::error::told;
use crate::row::{Column, entity, id_to_store, part, stored_id};
use crate::schema::{self, KindRecord, is_taken};
use crate::table::{Index, Table, Tables};

/// Rows that are seen in one transaction: the writer is held for some milliseconds.
const BATCH: usize = 500;

/// The kinds some of whose rows lack keys. Each batch goes on where the last one ended, whoever made it.
#[derive(Default)]
pub(crate) struct Backfill(VecDeque<Arc<Table>>);

impl Backfill {
    pub(crate) fn of(tables: &Tables) -> Self {
        Self(tables.iter().filter(|table| !table.stale.is_empty()).cloned().collect())
    }

    /// The kind that is filled next.
    pub(crate) fn next(&self) -> Option<Arc<Table>> {
        self.0.front().cloned()
    }

    /// Makes the keys of the next rows; whether the kind that they are of is whole now.
    pub(crate) fn step(&mut self, connection: &Connection) -> Result<bool> {
        let Some(table) = self.0.front() else { return Ok(true) };
        if batch(connection, table)? {
            return Ok(false);
        }
        finish(connection, table)?;
        self.0.pop_front();
        Ok(true)
    }

    /// Leaves the kind that is filled next as it is, for this reason: reads by its new indexes stay unavailable.
    pub(crate) fn give_up(&mut self, error: Error) {
        if let Some(table) = self.0.pop_front() {
            tracing::error!(kind = table.kind, %error, "new indexes cannot be filled");
            // It is said once: the kind is not filled again before the next opening.
            let _ = table.trouble.set(error);
        }
    }
}

/// Makes the keys of the next rows; `false` once there are no more.
fn batch(connection: &Connection, table: &Table) -> Result<bool> {
    let tx = schema::begin(connection)?;
    let mut record = record(&tx, table)?;
    let after = match &record.filled {
        serde_json::Value::Null => None,
        id => Some(stored_id(table.id, id).ok_or_else(|| damaged(table))?),
    };
    let rows = rows_after(&tx, table, after.as_ref())?;
    let Some((last, _)) = rows.last() else { return Ok(false) };
    record.filled = id_to_store(last);
    let sql = update_sql(table);
    let mut statement = tx.prepare_cached(&sql).map_err(told)?;
    for (id, keys) in rows.iter().filter_map(|(id, keys)| Some((id, keys.as_ref()?))) {
        let parts = std::iter::once(id).chain(keys.iter().flatten());
        match statement.execute(params_from_iter(parts.map(Column))) {
            Err(error) if is_taken(&error) => return Err(taken(&tx, table, id, keys).unwrap_or(told(error))),
            result => result.map_err(told)?,
        };
    }
    drop(statement);
    schema::put(&tx, &schema::kind_key(table.kind), &record)?;
    tx.commit().map_err(told)?;
    table.filled.fetch_add(rows.len() as u64, Ordering::Relaxed);
    Ok(true)
}

fn update_sql(table: &Table) -> String {
    let columns = table.indexes.iter().flat_map(|index| &index.columns);
    let updates: Vec<String> =
        columns.zip(2..).map(|(column, place)| format!("{column} = ?{place}, ")).collect();
    format!("UPDATE {} SET {}index_set = '{}' WHERE id = ?1", table.name, updates.concat(), table.set)
}

fn record(connection: &Connection, table: &Table) -> Result<KindRecord> {
    schema::get(connection, &schema::kind_key(table.kind))?.ok_or_else(|| damaged(table))
}

fn damaged(table: &Table) -> Error {
    Error::Unusable(format!("the record of {} in staffa_meta is damaged", table.kind))
}

/// An id, with the keys of its entity if it lacks some.
type Keyed = (Part, Option<Vec<Vec<Part>>>);

fn rows_after(connection: &Connection, table: &Table, after: Option<&Part>) -> Result<Vec<Keyed>> {
    let from = if after.is_some() { "AND id > ?1" } else { "" };
    let sql = format!(
        "SELECT id, version, shape, document, index_set FROM {} WHERE document IS NOT NULL {from} \
         ORDER BY id LIMIT {BATCH}",
        table.name,
    );
    let mut statement = connection.prepare_cached(&sql).map_err(told)?;
    let mut rows = statement.query(params_from_iter(after.map(Column))).map_err(told)?;
    let mut keyed = Vec::new();
    while let Some(row) = rows.next().map_err(told)? {
        let set = row.get_ref(4).and_then(|set| Ok(set.as_str()?)).map_err(told)?;
        let keys = match table.stale.iter().any(|stale| stale == set) {
            true => Some(keys(table, row)?),
            false => None,
        };
        keyed.push((part(row, 0, table.id).map_err(told)?, keys));
    }
    Ok(keyed)
}

fn keys(table: &Table, row: &rusqlite::Row<'_>) -> Result<Vec<Vec<Part>>> {
    let row = entity(row, table)?;
    if row.shape > table.shape {
        return Err(Error::NewerShape { kind: table.kind.into(), id: row.id.to_string(), shape: row.shape });
    }
    (table.keys)(row.shape, row.document.value()?)
}

/// Forgets the index sets that no row has any more; then the indexes are whole.
fn finish(connection: &Connection, table: &Table) -> Result<()> {
    let tx = schema::begin(connection)?;
    let mut record = record(&tx, table)?;
    record.sets.retain(|set, _| !table.stale.contains(set));
    record.filled = serde_json::Value::Null;
    schema::put(&tx, &schema::kind_key(table.kind), &record)?;
    tx.commit().map_err(told)?;
    table.indexes.iter().for_each(|index| index.whole.store(true, Ordering::Release));
    Ok(())
}

/// Which unique key of this entity another one has.
fn taken(connection: &Connection, table: &Table, id: &Part, keys: &[Vec<Part>]) -> Option<Error> {
    let taken = |(index, key): &(&Index, &Vec<Part>)| {
        let other = other_with_key(connection, table, index, key, |other| other == id);
        index.schema.unique && other.is_ok_and(|other| other.is_some())
    };
    let (index, _) = table.indexes.iter().zip(keys).find(taken)?;
    tracing::error!(kind = table.kind, index = index.schema.name, %id, "another entity has the key of this one");
    Some(Error::Duplicate { kind: table.kind.into(), index: index.schema.name.into() })
}

/// The entity that has this unique key, but for those that do not count.
pub(crate) fn other_with_key(
    connection: &Connection,
    table: &Table,
    index: &Index,
    key: &[Part],
    passed_over: impl Fn(&Part) -> bool,
) -> Result<Option<Part>> {
    if key.contains(&Part::None) {
        return Ok(None);
    }
    let mut statement = connection.prepare_cached(&index.same_key_sql).map_err(told)?;
    let mut rows = statement.query(params_from_iter(key.iter().map(Column))).map_err(told)?;
    while let Some(row) = rows.next().map_err(told)? {
        let id = part(row, 0, table.id).map_err(told)?;
        if !passed_over(&id) {
            return Ok(Some(id));
        }
    }
    Ok(None)
}
