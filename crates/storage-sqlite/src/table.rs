//! What SQLite calls things: the names and statements of one kind.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use serde_json::Value;
use staffa_storage::{Error, IndexSchema, Part, PartType, Result, Schema};

use crate::row::column_type;

/// The tables of a store, by kind.
#[derive(Default)]
pub(crate) struct Tables(HashMap<&'static str, Arc<Table>>);

impl Tables {
    pub(crate) fn put(&mut self, table: Table) {
        self.0.insert(table.kind, Arc::new(table));
    }

    pub(crate) fn of(&self, kind: &str) -> Result<&Arc<Table>> {
        self.0.get(kind).ok_or_else(|| {
            Error::Unusable(format!(
                "the store was opened without the kind {kind}, or another binary owns it"
            ))
        })
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Table>> {
        self.0.values()
    }

    /// Refuses a store some of whose indexes are not whole yet.
    pub(crate) fn check_whole(&self) -> Result<()> {
        self.iter().try_for_each(|table| table.indexes.iter().try_for_each(|index| table.check_whole(index)))
    }
}

/// How the file lays a kind out besides what this binary knows of it.
#[derive(Default)]
pub(crate) struct Layout {
    /// What this binary writes as the index set of a row.
    pub(crate) set: String,
    /// Whether another process may own the file.
    pub(crate) beside: bool,
    /// The columns of indexes that this binary does not know. It leaves none of their keys behind that is no longer true.
    pub(crate) others: Vec<String>,
    /// The index sets of rows that lack keys, with the lines of the indexes that they have.
    pub(crate) stale: Vec<(String, String)>,
}

/// One kind's table. Names are ready to stand in SQL.
pub(crate) struct Table {
    pub(crate) kind: &'static str,
    pub(crate) shape: u32,
    pub(crate) id: PartType,
    pub(crate) set: String,
    /// Whether another process may own the file, which decides what index sets are written.
    pub(crate) beside: bool,
    pub(crate) keys: fn(u32, Value) -> Result<Vec<Vec<Part>>>,
    pub(crate) name: String,
    pub(crate) indexes: Vec<Index>,
    /// The index sets whose rows a backfill keys.
    pub(crate) stale: Vec<String>,
    /// How many rows the backfill has seen.
    pub(crate) filled: AtomicU64,
    /// Why the backfill stopped for good.
    pub(crate) trouble: OnceLock<Error>,
    /// Reads version, shape, and whether there is a document, by id.
    pub(crate) seen_sql: String,
    /// Reads id, version, shape and document by id.
    pub(crate) get_sql: String,
    /// Writes id, version, shape, index set, document and the columns of all indexes.
    pub(crate) put_sql: String,
    /// Takes the keys of all unique indexes from a row, by id; empty when there is no such index.
    pub(crate) vacate_sql: String,
}

/// One index of a table.
pub(crate) struct Index {
    pub(crate) schema: IndexSchema,
    pub(crate) name: String,
    pub(crate) columns: Vec<String>,
    /// The name of the index that lets no key be there twice.
    pub(crate) guard: String,
    /// Reads the ids that have a key of a unique index.
    pub(crate) same_key_sql: String,
    /// Whether every row has its key.
    pub(crate) whole: AtomicBool,
}

/// The columns of every table, in the order of its `put_sql`.
const COLUMNS: [&str; 5] = ["id", "version", "shape", "index_set", "document"];

impl Table {
    pub(crate) fn new(schema: &Schema, layout: Layout) -> Self {
        let bare = bare_name(schema.kind);
        let name = format!("\"{bare}\"");
        let index = |index: &IndexSchema| {
            let line = index.line();
            let whole = layout.stale.iter().all(|(_, lines)| lines.lines().any(|known| known == line));
            Index::new(&bare, index.clone(), whole)
        };
        let indexes: Vec<Index> = schema.indexes.iter().map(index).collect();
        let unique = indexes.iter().filter(|index| index.schema.unique).flat_map(|index| &index.columns);
        let vacated: Vec<String> = unique.map(|column| format!("{column} = NULL")).collect();
        let vacate_sql = match vacated.is_empty() {
            true => String::new(),
            false => format!("UPDATE {name} SET {} WHERE id = ?1", vacated.join(", ")),
        };
        Self {
            kind: schema.kind,
            shape: schema.shape,
            id: schema.id,
            keys: schema.keys,
            beside: layout.beside,
            stale: layout.stale.into_iter().map(|(set, _)| set).collect(),
            filled: AtomicU64::new(0),
            trouble: OnceLock::new(),
            seen_sql: format!("SELECT version, shape, document IS NOT NULL FROM {name} WHERE id = ?1"),
            get_sql: format!("SELECT id, version, shape, document FROM {name} WHERE id = ?1"),
            put_sql: put_sql(&name, &indexes, &layout.others),
            vacate_sql,
            set: layout.set,
            name,
            indexes,
        }
    }

    /// The statement that makes the table with the columns of its indexes.
    pub(crate) fn create_sql(&self) -> String {
        let mut columns = vec![
            format!("id {} PRIMARY KEY NOT NULL", column_type(self.id)),
            "version INTEGER NOT NULL".into(),
            "shape INTEGER NOT NULL".into(),
            "index_set TEXT NOT NULL".into(),
            "document TEXT".into(),
        ];
        columns.extend(self.indexes.iter().flat_map(Index::column_definitions));
        format!("CREATE TABLE {} (\n  {}\n) STRICT", self.name, columns.join(",\n  "))
    }

    /// Refuses a read by an index in which rows may be missing.
    pub(crate) fn check_whole(&self, index: &Index) -> Result<()> {
        if index.whole.load(Ordering::Acquire) {
            return Ok(());
        }
        let of = format!("the index {} of {}", index.schema.name, self.kind);
        Err(Error::Unavailable(match self.trouble.get() {
            Some(trouble) => format!("{of} cannot be built: {trouble}"),
            None => format!("{of} is being built: {} rows are done", self.filled.load(Ordering::Relaxed)),
        }))
    }
}

fn put_sql(name: &str, indexes: &[Index], others: &[String]) -> String {
    let own = indexes.iter().flat_map(|index| index.columns.iter().map(String::as_str));
    let columns: Vec<&str> = COLUMNS.into_iter().chain(own).collect();
    let places: Vec<String> = (1..=columns.len()).map(|place| format!("?{place}")).collect();
    let updates = columns[1..].iter().map(|column| format!("{column} = excluded.{column}"));
    let updates: Vec<String> = updates.chain(others.iter().map(|other| format!("{other} = NULL"))).collect();
    format!(
        "INSERT INTO {name} ({}) VALUES ({}) ON CONFLICT (id) DO UPDATE SET {}",
        columns.join(", "),
        places.join(", "),
        updates.join(", "),
    )
}

impl Index {
    pub(crate) fn new(table: &str, schema: IndexSchema, whole: bool) -> Self {
        let name = index_name(table, schema.name);
        let guard = guard_name(table, schema.name);
        let columns = columns(schema.name, schema.parts.len());
        let same: Vec<String> =
            columns.iter().zip(1..).map(|(column, place)| format!("{column} = ?{place}")).collect();
        let same_key_sql = format!(
            "SELECT id FROM \"{table}\" INDEXED BY {guard} WHERE {} AND document IS NOT NULL",
            same.join(" AND "),
        );
        Self { schema, name, columns, guard, same_key_sql, whole: AtomicBool::new(whole) }
    }

    /// A column's name and type, for each part.
    pub(crate) fn column_definitions(&self) -> impl Iterator<Item = String> {
        self.columns
            .iter()
            .zip(&self.schema.parts)
            .map(|(column, part)| format!("{column} {}", column_type(*part)))
    }

    /// The statement that makes the index.
    pub(crate) fn create_sql(&self, table: &Table) -> String {
        let (name, table, columns) = (&self.name, &table.name, self.columns.join(", "));
        format!("CREATE INDEX {name} ON {table} ({columns}, id) WHERE document IS NOT NULL")
    }

    /// The statement that makes the guard of a unique index. To SQLite, as to the port, nulls are never the same.
    pub(crate) fn guard_sql(&self, table: &Table) -> String {
        let (guard, table, columns) = (&self.guard, &table.name, self.columns.join(", "));
        format!("CREATE UNIQUE INDEX {guard} ON {table} ({columns}) WHERE document IS NOT NULL")
    }
}

pub(crate) fn index_name(table: &str, index: &str) -> String {
    format!("\"{table}.{index}\"")
}

pub(crate) fn guard_name(table: &str, index: &str) -> String {
    format!("\"{table}.{index}.unique\"")
}

/// The kind's own name, but for the prefixes that SQLite and the adapter keep for themselves. A kind begins with a
/// letter, so no two meet.
pub(crate) fn bare_name(kind: &str) -> String {
    if kind.starts_with("sqlite_") || kind.starts_with("staffa_") { format!("_{kind}") } else { kind.into() }
}

/// `index` for one part, `index_1`, `index_2`, … for several. One part's name that another index's or the table's
/// own could have gets a `_` before it.
pub(crate) fn columns(index: &str, parts: usize) -> Vec<String> {
    if parts > 1 {
        return (1..=parts).map(|part| quoted(&format!("{index}_{part}"))).collect();
    }
    let numbered = index.rsplit_once('_').is_some_and(|(_, end)| matches!(end, "1" | "2" | "3" | "4"));
    let own = COLUMNS.contains(&index);
    vec![quoted(&if numbered || own { format!("_{index}") } else { index.into() })]
}

fn quoted(name: &str) -> String {
    format!("\"{name}\"")
}
