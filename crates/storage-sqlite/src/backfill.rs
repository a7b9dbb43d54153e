//! Makes the keys of rows that were written before an index was declared, or by an older shape.

use rusqlite::{Connection, params_from_iter};
use serde_json::Value;
use staffa_storage::{Error, Part, Result, Schema};

use crate::call::Call;
use crate::error::told;
use crate::row::{Column, entity, id_to_store, part, stored_id};
use crate::schema::{self, IndexRecord, KindRecord};
use crate::table::{Index, Table};

/// Rows whose keys are made in one transaction.
const BATCH: usize = 500;

/// Fills the indexes of a kind that are not whole, in batches; each goes on where the last one ended.
pub(crate) fn run(connection: &Connection, schema: &Schema, table: &Table, call: &Call) -> Result<()> {
    let mut broken = Vec::new();
    for index in &table.indexes {
        let record: Option<IndexRecord> =
            schema::get(connection, &schema::index_key(table.kind, index.schema.name))?;
        if record.is_none_or(|record| !record.whole) {
            broken.push(index);
        }
    }
    if broken.is_empty() {
        return Ok(());
    }
    tracing::info!(kind = table.kind, indexes = broken.len(), "filling new indexes");
    while batch(connection, schema, table)? {
        call.check()?;
    }
    for index in broken {
        call.check()?;
        finish(connection, table, index)?;
    }
    Ok(())
}

/// Makes the keys of the next rows; `false` once there are no more.
fn batch(connection: &Connection, schema: &Schema, table: &Table) -> Result<bool> {
    let tx = schema::begin(connection)?;
    let record: Option<KindRecord> = schema::get(&tx, &schema::kind_key(table.kind))?;
    let filled = match record.map(|record| record.filled) {
        None | Some(Value::Null) => None,
        Some(id) => Some(stored_id(table.id, &id).ok_or_else(|| {
            Error::Unusable(format!("the record of {} in staffa_meta is damaged", table.kind))
        })?),
    };
    let rows = keys_after(&tx, schema, table, filled.as_ref())?;
    let Some((last, _)) = rows.last() else { return Ok(false) };
    let last = id_to_store(last);
    let columns: Vec<&String> = table.indexes.iter().flat_map(|index| &index.columns).collect();
    let updates: Vec<String> =
        columns.iter().zip(2..).map(|(column, place)| format!("{column} = ?{place}")).collect();
    let sql = format!("UPDATE {} SET {} WHERE id = ?1", table.name, updates.join(", "));
    let mut statement = tx.prepare_cached(&sql).map_err(told)?;
    for (id, keys) in &rows {
        let parts = std::iter::once(id).chain(keys.iter().flatten());
        statement.execute(params_from_iter(parts.map(Column))).map_err(told)?;
    }
    drop(statement);
    schema::put_kind(&tx, table, last)?;
    tx.commit().map_err(told)?;
    Ok(true)
}

/// An id with the keys of its entity.
type Keyed = (Part, Vec<Vec<Part>>);

fn keys_after(
    connection: &Connection,
    schema: &Schema,
    table: &Table,
    filled: Option<&Part>,
) -> Result<Vec<Keyed>> {
    let after = if filled.is_some() { "AND id > ?1" } else { "" };
    let sql = format!(
        "SELECT id, version, shape, document FROM {} WHERE document IS NOT NULL {after} ORDER BY id LIMIT {BATCH}",
        table.name,
    );
    let mut statement = connection.prepare_cached(&sql).map_err(told)?;
    let mut rows = statement.query(params_from_iter(filled.map(Column))).map_err(told)?;
    let mut keyed = Vec::new();
    while let Some(row) = rows.next().map_err(told)? {
        let row = entity(row, table)?;
        if row.shape > table.shape {
            return Err(Error::NewerShape {
                kind: table.kind.into(),
                id: row.id.to_string(),
                shape: row.shape,
            });
        }
        keyed.push((row.id, (schema.keys)(row.shape, row.document.value()?)?));
    }
    Ok(keyed)
}

fn finish(connection: &Connection, table: &Table, index: &Index) -> Result<()> {
    let tx = schema::begin(connection)?;
    tx.execute_batch(&index.create_sql(table)).map_err(told)?;
    if index.schema.unique {
        refuse_doubles(&tx, table, index)?;
    }
    schema::put_index(&tx, table, index, true)?;
    tx.commit().map_err(told)
}

fn refuse_doubles(tx: &Connection, table: &Table, index: &Index) -> Result<()> {
    let present: Vec<String> = index.columns.iter().map(|column| format!("{column} IS NOT NULL")).collect();
    let sql = format!(
        "SELECT id, min(id) FROM {} WHERE document IS NOT NULL AND {} GROUP BY {} HAVING count(*) > 1 LIMIT 1",
        table.name,
        present.join(" AND "),
        index.columns.join(", "),
    );
    let mut statement = tx.prepare(&sql).map_err(told)?;
    let mut rows = statement.query([]).map_err(told)?;
    let Some(row) = rows.next().map_err(told)? else { return Ok(()) };
    let id = part(row, 0, table.id).map_err(told)?;
    tracing::error!(kind = table.kind, index = index.schema.name, %id, "another entity has the key of this one");
    Err(Error::Duplicate { kind: table.kind.into(), index: index.schema.name.into() })
}
