//! The data file's own structure, and what it records of itself in `staffa_meta`: its format, and of each kind the type
//! of its ids, its indexes, and which keys its rows have.
//!
//! Invariants:
//! 1. Every row has an index set: the name of a list of indexes whose keys it has. The kind's record says which lists
//!    its rows may have, that of the binary that owns the file included, before it writes.
//! 2. An index serves reads only while each of those lists has it.
//! 3. A column of an index that a row's list lacks is null, or still true: who writes a row makes null what it does not
//!    know. So a guard of unique keys never meets what is no longer true.
//! 4. A list that has lost an index in a contraction is never written again: the lists of later binaries have other names.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use staffa_storage::{Error, Phase, Result, Schema, Step};

use crate::error::told;
use crate::table::{Index, Layout, Table, bare_name, columns, guard_name, index_name};

/// The format of the file: tables of the adapter's own, and how kinds are laid out.
pub(crate) const FORMAT: u32 = 2;

pub(crate) const CREATE: &str = "CREATE TABLE staffa_meta (
  key TEXT PRIMARY KEY NOT NULL,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE staffa_outbox (
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
CREATE INDEX \"staffa_outbox.unsent\" ON staffa_outbox (place) WHERE sent_at IS NULL;
CREATE INDEX \"staffa_outbox.sent\" ON staffa_outbox (at) WHERE sent_at IS NOT NULL;
CREATE TABLE staffa_kept (
  scope TEXT NOT NULL,
  key TEXT NOT NULL,
  digest BLOB NOT NULL,
  answer TEXT NOT NULL,
  at INTEGER NOT NULL,
  PRIMARY KEY (scope, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX \"staffa_kept.at\" ON staffa_kept (at)";

/// What `staffa_meta` says of a kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct KindRecord {
    /// The type of its ids.
    pub(crate) id: String,
    /// The index set of the binary that owned the file last; empty in a file of format 1.
    #[serde(default)]
    pub(crate) set: String,
    /// The index sets that rows may have, and the lines of the indexes that each stands for.
    #[serde(default)]
    pub(crate) sets: BTreeMap<String, String>,
    /// The last id that the backfill for `set` has seen; null before the first.
    #[serde(default)]
    pub(crate) filled: Value,
    /// How often indexes were taken away.
    #[serde(default)]
    pub(crate) contracted: u32,
}

/// What `staffa_meta` says of an index.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct IndexRecord {
    pub(crate) parts: Vec<String>,
    /// Whether it has a guard.
    pub(crate) unique: bool,
    /// In a file of format 1: whether every row has its key.
    #[serde(default, skip_serializing)]
    whole: bool,
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

/// The format of the file, `None` when no store is in it yet; refuses one that a newer binary made.
pub(crate) fn check_format(connection: &Connection) -> Result<Option<u32>> {
    if !exists(connection, "staffa_meta")? {
        return Ok(None);
    }
    match get::<u32>(connection, "format")? {
        Some(format) if format > FORMAT => Err(Error::Unusable(format!(
            "the data file has format {format}, and this binary knows up to {FORMAT}: update the binary",
        ))),
        format => Ok(format),
    }
}

pub(crate) fn exists(connection: &Connection, table: &str) -> Result<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?1)";
    connection.query_row(sql, [table], |row| row.get(0)).map_err(told)
}

/// Refuses to write by an index set that is not the owner's: it may fill indexes that these rows would not be in.
pub(crate) fn check_owner(connection: &Connection, table: &Table) -> Result<()> {
    let record: Option<KindRecord> = get(connection, &kind_key(table.kind))?;
    if record.is_some_and(|record| record.set == table.set) {
        return Ok(());
    }
    Err(Error::Unavailable("another binary has taken the data file over: run the command again".into()))
}

/// What a file has of a kind.
pub(crate) struct Known {
    pub(crate) record: Option<KindRecord>,
    pub(crate) indexes: BTreeMap<String, IndexRecord>,
    /// What a file of format 1 needs first.
    lifts: Vec<String>,
}

impl Known {
    pub(crate) fn nothing() -> Self {
        Self { record: None, indexes: BTreeMap::new(), lifts: Vec::new() }
    }

    pub(crate) fn read(connection: &Connection, kind: &str) -> Result<Self> {
        let Some(record) = get::<KindRecord>(connection, &kind_key(kind))? else {
            return Ok(Self::nothing());
        };
        let prefix = index_key(kind, "");
        let sql = "SELECT key FROM staffa_meta WHERE substr(key, 1, length(?1)) = ?1";
        let mut statement = connection.prepare(sql).map_err(told)?;
        let keys: rusqlite::Result<Vec<String>> =
            statement.query_map([&prefix], |row| row.get(0)).and_then(Iterator::collect);
        let mut indexes = BTreeMap::new();
        for key in keys.map_err(told)? {
            if let Some(record) = get(connection, &key)? {
                indexes.insert(key[prefix.len()..].to_owned(), record);
            }
        }
        let mut known = Self { record: Some(record), indexes, lifts: Vec::new() };
        known.lift(kind);
        Ok(known)
    }

    /// Takes a kind of format 1 for what its rows have: the keys of its whole indexes, and no guards.
    fn lift(&mut self, kind: &str) {
        let Some(record) = self.record.as_mut().filter(|record| record.set.is_empty()) else { return };
        let bare = bare_name(kind);
        self.lifts = vec![format!("ALTER TABLE \"{bare}\" ADD COLUMN index_set TEXT NOT NULL DEFAULT ''")];
        let (whole, broken): (BTreeMap<_, _>, BTreeMap<_, _>) =
            std::mem::take(&mut self.indexes).into_iter().partition(|(_, index)| index.whole);
        for (name, index) in broken {
            self.lifts.extend(drop_index(&bare, &name, &index));
        }
        let lines: Vec<String> =
            whole.iter().map(|(name, index)| format!("{name} {}", index.parts.join(","))).collect();
        record.sets = BTreeMap::from([(String::new(), lines.join("\n"))]);
        record.filled = Value::Null;
        self.indexes =
            whole.into_iter().map(|(name, index)| (name, IndexRecord { unique: false, ..index })).collect();
    }

    /// The kind's table, as a binary with this schema sees it.
    pub(crate) fn table(&self, schema: &Schema, beside: bool) -> Table {
        let set = self.set(schema);
        let ours = schema.index_lines();
        let lacks = |lines: &str| !ours.lines().all(|line| lines.lines().any(|known| known == line));
        let sets = self.record.iter().flat_map(|record| &record.sets);
        let stale = sets
            .filter(|(name, lines)| **name != set && lacks(lines))
            .map(|(name, lines)| (name.clone(), lines.clone()))
            .collect();
        let others = self.others(schema).flat_map(|(name, index)| columns(name, index.parts.len())).collect();
        Table::new(schema, Layout { set, beside, others, stale })
    }

    fn set(&self, schema: &Schema) -> String {
        match self.record.as_ref().map_or(0, |record| record.contracted) {
            0 => schema.index_set(),
            times => format!("{}.{times}", schema.index_set()),
        }
    }

    /// The indexes that a schema does not have.
    fn others<'a>(&'a self, schema: &'a Schema) -> impl Iterator<Item = (&'a String, &'a IndexRecord)> {
        let known = |name: &str| schema.indexes.iter().any(|index| index.name == name);
        self.indexes.iter().filter(move |(name, _)| !known(name))
    }

    /// What the table lacks before a binary with this schema may write to it.
    pub(crate) fn expansion(&self, table: &Table) -> Result<Vec<Change>> {
        let Some(record) = &self.record else {
            let mut changes = vec![Change::expand(table.create_sql())];
            changes.extend(table.indexes.iter().flat_map(|index| make_index(table, index)));
            return Ok(changes);
        };
        if record.id != table.id.name() {
            return Err(Error::Unusable(format!(
                "the ids of {} are stored as {}, and this binary says {}: an id's type never changes",
                table.kind,
                record.id,
                table.id.name(),
            )));
        }
        let mut changes: Vec<Change> = self.lifts.iter().cloned().map(Change::expand).collect();
        for index in &table.indexes {
            changes.extend(self.expand_index(table, index)?);
        }
        Ok(changes)
    }

    fn expand_index(&self, table: &Table, index: &Index) -> Result<Vec<Change>> {
        let Some(record) = self.indexes.get(index.schema.name) else {
            let columns = index
                .column_definitions()
                .map(|column| Change::expand(format!("ALTER TABLE {} ADD COLUMN {column}", table.name)));
            return Ok(columns.chain(make_index(table, index)).collect());
        };
        if record.parts != part_names(index) {
            return Err(Error::Unusable(format!(
                "the index {} of {} is stored with the parts {}, and this binary says {}: give the new one another name",
                index.schema.name,
                table.kind,
                record.parts.join(", "),
                part_names(index).join(", "),
            )));
        }
        Ok(match (record.unique, index.schema.unique) {
            (false, true) => vec![Change::guard(table, index)],
            (true, false) => vec![Change::expand(format!("DROP INDEX {}", index.guard))],
            _ => vec![],
        })
    }

    /// Records the indexes of an expanded table.
    pub(crate) fn put_indexes(&self, tx: &Connection, table: &Table) -> Result<()> {
        if !self.lifts.is_empty() {
            let prefix = index_key(table.kind, "");
            let sql = "DELETE FROM staffa_meta WHERE substr(key, 1, length(?1)) = ?1";
            tx.execute(sql, [prefix]).map_err(told)?;
            for (name, record) in &self.indexes {
                put(tx, &index_key(table.kind, name), record)?;
            }
        }
        for index in &table.indexes {
            let record = IndexRecord { parts: part_names(index), unique: index.schema.unique, whole: true };
            put(tx, &index_key(table.kind, index.schema.name), &record)?;
        }
        Ok(())
    }

    /// What takes away the indexes that a schema does not have, and their names.
    pub(crate) fn contraction(&self, schema: &Schema) -> Vec<(String, Vec<Change>)> {
        let bare = bare_name(schema.kind);
        self.others(schema)
            .map(|(name, index)| {
                let contract =
                    |statement| Change { step: Step { phase: Phase::Contract, statement }, guards: None };
                (name.clone(), drop_index(&bare, name, index).into_iter().map(contract).collect())
            })
            .collect()
    }

    /// The kind's record once a binary with this table owns it.
    pub(crate) fn owned(&self, table: &Table, lines: String) -> KindRecord {
        let mut record = self.record.clone().unwrap_or_else(|| KindRecord {
            id: table.id.name().into(),
            set: table.set.clone(),
            sets: BTreeMap::new(),
            filled: Value::Null,
            contracted: 0,
        });
        if record.set != table.set {
            record.filled = Value::Null;
            record.set.clone_from(&table.set);
        }
        record.sets.insert(table.set.clone(), lines);
        record
    }
}

/// One change of the file's structure.
pub(crate) struct Change {
    pub(crate) step: Step,
    /// The kind and index whose keys must not be there twice.
    pub(crate) guards: Option<(&'static str, &'static str)>,
}

impl Change {
    pub(crate) fn expand(statement: String) -> Self {
        Self { step: Step { phase: Phase::Expand, statement }, guards: None }
    }

    fn guard(table: &Table, index: &Index) -> Self {
        Self { guards: Some((table.kind, index.schema.name)), ..Self::expand(index.guard_sql(table)) }
    }

    pub(crate) fn apply(&self, tx: &Connection) -> Result<()> {
        let Err(error) = tx.execute_batch(&self.step.statement) else { return Ok(()) };
        match self.guards {
            Some((kind, index)) if is_taken(&error) => {
                Err(Error::Duplicate { kind: kind.into(), index: index.into() })
            }
            _ => Err(told(error)),
        }
    }
}

/// Whether SQLite refused a key that is there already.
pub(crate) fn is_taken(error: &rusqlite::Error) -> bool {
    error.sqlite_error().is_some_and(|error| error.extended_code == rusqlite::ffi::SQLITE_CONSTRAINT_UNIQUE)
}

fn make_index(table: &Table, index: &Index) -> Vec<Change> {
    let mut changes = vec![Change::expand(index.create_sql(table))];
    if index.schema.unique {
        changes.push(Change::guard(table, index));
    }
    changes
}

fn drop_index(bare: &str, name: &str, index: &IndexRecord) -> Vec<String> {
    let indexes = [index_name(bare, name), guard_name(bare, name)];
    let indexes = indexes.into_iter().map(|index| format!("DROP INDEX IF EXISTS {index}"));
    let columns = columns(name, index.parts.len()).into_iter();
    indexes.chain(columns.map(|column| format!("ALTER TABLE \"{bare}\" DROP COLUMN {column}"))).collect()
}

fn part_names(index: &Index) -> Vec<String> {
    index.schema.parts.iter().map(|part| part.name().to_owned()).collect()
}
