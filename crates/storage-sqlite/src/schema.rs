//! The data file's own structure: created, and upgraded in place, when the store is opened.
//!
//! What a file is made of is recorded in `staffa_meta`: its format, the shape and id type of each kind, and each
//! index with whether it is whole. Invariants:
//! 1. An index serves reads only while it is recorded as whole, and every binary that opens the file either
//!    writes it or records that it is no longer whole.
//! 2. Keys are made by the shape that wrote them: where an older binary may have written, they are made again.

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use staffa_storage::{Error, PartType, Result, Schema};

use crate::backfill;
use crate::call::Call;
use crate::error::told;
use crate::table::{Index, Table, bare_name, columns};

/// The format of the file: tables of the adapter's own, and how kinds are laid out.
const FORMAT: u32 = 1;

const CREATE: &str = "
CREATE TABLE IF NOT EXISTS staffa_meta (
  key TEXT PRIMARY KEY NOT NULL,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS staffa_outbox (
  place INTEGER PRIMARY KEY NOT NULL,
  id TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL,
  kind TEXT NOT NULL,
  entity TEXT NOT NULL,
  version INTEGER NOT NULL,
  n INTEGER NOT NULL,
  at INTEGER NOT NULL,
  trace TEXT,
  payload TEXT NOT NULL,
  sent_at INTEGER
) STRICT;
CREATE INDEX IF NOT EXISTS \"staffa_outbox.unsent\" ON staffa_outbox (place) WHERE sent_at IS NULL;
CREATE INDEX IF NOT EXISTS \"staffa_outbox.sent\" ON staffa_outbox (at) WHERE sent_at IS NOT NULL;
CREATE TABLE IF NOT EXISTS staffa_kept (
  scope TEXT NOT NULL,
  key TEXT NOT NULL,
  digest BLOB NOT NULL,
  answer TEXT NOT NULL,
  at INTEGER NOT NULL,
  PRIMARY KEY (scope, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS \"staffa_kept.at\" ON staffa_kept (at);
";

/// Brings the file to what the schemas say. It may be stopped anywhere, and goes on at the next opening.
pub(crate) fn upgrade(connection: &Connection, schemas: &[Schema], call: &Call) -> Result<()> {
    let tx = begin(connection)?;
    check_format(&tx)?;
    tx.execute_batch(CREATE).map_err(told)?;
    put(&tx, "format", &json!(FORMAT))?;
    tx.commit().map_err(told)?;
    for schema in schemas {
        call.check()?;
        let table = Table::new(schema);
        let tx = begin(connection)?;
        upgrade_kind(&tx, &table)?;
        tx.commit().map_err(told)?;
        backfill::run(connection, schema, &table, call)?;
    }
    Ok(())
}

/// What `staffa_meta` says of a kind.
#[derive(Serialize, Deserialize)]
pub(crate) struct KindRecord {
    id: String,
    shape: u32,
    /// The last id whose keys a backfill under way has made; null before the first.
    pub(crate) filled: Value,
}

/// What `staffa_meta` says of an index.
#[derive(Serialize, Deserialize)]
pub(crate) struct IndexRecord {
    parts: Vec<String>,
    unique: bool,
    /// Whether every row has its key.
    pub(crate) whole: bool,
}

pub(crate) fn kind_key(kind: &str) -> String {
    format!("kind.{kind}")
}

pub(crate) fn index_key(kind: &str, index: &str) -> String {
    format!("index.{kind}.{index}")
}

pub(crate) fn begin(connection: &Connection) -> Result<Transaction<'_>> {
    Transaction::new_unchecked(connection, TransactionBehavior::Immediate).map_err(told)
}

pub(crate) fn get<T: for<'de> Deserialize<'de>>(connection: &Connection, key: &str) -> Result<Option<T>> {
    let text: Option<String> = connection
        .query_row("SELECT value FROM staffa_meta WHERE key = ?1", [key], |row| row.get(0))
        .optional()
        .map_err(told)?;
    text.map(|text| serde_json::from_str(&text).map_err(|error| damaged(key, &error))).transpose()
}

pub(crate) fn put(connection: &Connection, key: &str, value: &impl Serialize) -> Result<()> {
    let text = serde_json::to_string(value).map_err(|error| damaged(key, &error))?;
    let sql =
        "INSERT INTO staffa_meta VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = excluded.value";
    connection.execute(sql, (key, text)).map_err(told)?;
    Ok(())
}

fn damaged(key: &str, error: &serde_json::Error) -> Error {
    Error::Unusable(format!("the record {key} in staffa_meta is damaged: {error}"))
}

/// Refuses a file that a newer binary made.
pub(crate) fn check_format(connection: &Connection) -> Result<()> {
    if !exists(connection, "staffa_meta")? {
        return Ok(());
    }
    match get::<u32>(connection, "format")? {
        Some(format) if format > FORMAT => Err(Error::Unusable(format!(
            "the data file has format {format}, and this binary knows up to {FORMAT}: update the binary",
        ))),
        _ => Ok(()),
    }
}

/// Refuses a file that is no store's yet, for one who only works beside its owner.
pub(crate) fn check_beside(connection: &Connection) -> Result<()> {
    check_format(connection)?;
    if exists(connection, "staffa_meta")? {
        return Ok(());
    }
    Err(Error::Unusable("the data file has no store in it yet: start its service once".into()))
}

fn exists(connection: &Connection, table: &str) -> Result<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?1)";
    connection.query_row(sql, [table], |row| row.get(0)).map_err(told)
}

fn upgrade_kind(tx: &Connection, table: &Table) -> Result<()> {
    let Some(record) = get::<KindRecord>(tx, &kind_key(table.kind))? else {
        return create_kind(tx, table);
    };
    if record.id != part_name(table.id) {
        return Err(Error::Unusable(format!(
            "the ids of {} are stored as {}, and this binary says {}: an id's type never changes",
            table.kind,
            record.id,
            part_name(table.id),
        )));
    }
    // Keys that an older shape made are made again; a newer shape's own rows stay as they are.
    let mut again = record.shape < table.shape;
    for index in &table.indexes {
        again |= upgrade_index(tx, table, index)?;
    }
    again |= leave_unknown(tx, table)?;
    if again || record.shape != table.shape {
        for index in table.indexes.iter().filter(|_| record.shape < table.shape) {
            put_index(tx, table, index, false)?;
        }
        put_kind(tx, table, if again { Value::Null } else { record.filled })?;
    }
    Ok(())
}

fn create_kind(tx: &Connection, table: &Table) -> Result<()> {
    if exists(tx, &bare_name(table.kind))? {
        return Err(Error::Unusable(format!(
            "the data file has a table {} that is not this store's: choose another file",
            table.name,
        )));
    }
    tx.execute_batch(&table.create_sql()).map_err(told)?;
    for index in &table.indexes {
        tx.execute_batch(&index.create_sql(table)).map_err(told)?;
        put_index(tx, table, index, true)?;
    }
    put_kind(tx, table, Value::Null)
}

/// Whether the index has to be filled from its beginning.
fn upgrade_index(tx: &Connection, table: &Table, index: &Index) -> Result<bool> {
    let record: Option<IndexRecord> = get(tx, &index_key(table.kind, index.schema.name))?;
    match record {
        Some(record) if record.parts == part_names(index) => {
            if record.unique != index.schema.unique {
                put_index(tx, table, index, record.whole && !index.schema.unique)?;
            }
            return Ok(false);
        }
        Some(record) => drop_index(tx, table, index, record.parts.len())?,
        None => {}
    }
    for column in index.column_definitions() {
        tx.execute_batch(&format!("ALTER TABLE {} ADD COLUMN {column}", table.name)).map_err(told)?;
    }
    put_index(tx, table, index, false)?;
    Ok(true)
}

/// Takes away an index whose parts have changed, with its columns.
fn drop_index(tx: &Connection, table: &Table, index: &Index, parts: usize) -> Result<()> {
    tx.execute_batch(&format!("DROP INDEX IF EXISTS {}", index.name)).map_err(told)?;
    for column in columns(index.schema.name, parts) {
        tx.execute_batch(&format!("ALTER TABLE {} DROP COLUMN {column}", table.name)).map_err(told)?;
    }
    Ok(())
}

/// Records that indexes which this binary does not know, and so does not write, are no longer whole.
fn leave_unknown(tx: &Connection, table: &Table) -> Result<bool> {
    let prefix = index_key(table.kind, "");
    let mut statement =
        tx.prepare("SELECT key FROM staffa_meta WHERE substr(key, 1, length(?1)) = ?1").map_err(told)?;
    let keys: Vec<String> =
        statement.query_map([&prefix], |row| row.get(0)).and_then(Iterator::collect).map_err(told)?;
    let mut left = false;
    for key in keys {
        let known = table.indexes.iter().any(|index| key[prefix.len()..] == *index.schema.name);
        let record: Option<IndexRecord> = if known { None } else { get(tx, &key)? };
        if let Some(record) = record {
            put(tx, &key, &IndexRecord { whole: false, ..record })?;
            left = true;
        }
    }
    Ok(left)
}

pub(crate) fn put_index(tx: &Connection, table: &Table, index: &Index, whole: bool) -> Result<()> {
    let record = IndexRecord { parts: part_names(index), unique: index.schema.unique, whole };
    put(tx, &index_key(table.kind, index.schema.name), &record)
}

pub(crate) fn put_kind(tx: &Connection, table: &Table, filled: Value) -> Result<()> {
    let record = KindRecord { id: part_name(table.id).into(), shape: table.shape, filled };
    put(tx, &kind_key(table.kind), &record)
}

fn part_names(index: &Index) -> Vec<String> {
    index.schema.parts.iter().map(|part| part_name(*part).to_owned()).collect()
}

fn part_name(part: PartType) -> &'static str {
    match part {
        PartType::Bool => "bool",
        PartType::Int => "int",
        PartType::Text => "text",
        PartType::Uuid => "uuid",
        PartType::Time => "time",
    }
}
