//! What SQLite calls things: the names and statements of one kind.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;
use staffa_storage::{Error, IndexSchema, Part, PartType, Result, Schema};

use crate::row::column_type;

/// The tables of a store, by kind.
pub(crate) struct Tables(HashMap<&'static str, Arc<Table>>);

impl Tables {
    pub(crate) fn new(schemas: &[Schema]) -> Self {
        Self(schemas.iter().map(|schema| (schema.kind, Arc::new(Table::new(schema)))).collect())
    }

    pub(crate) fn of(&self, kind: &str) -> Result<&Arc<Table>> {
        self.0
            .get(kind)
            .ok_or_else(|| Error::Unusable(format!("the store was opened without the kind {kind}")))
    }
}

/// One kind's table. Names are ready to stand in SQL.
pub(crate) struct Table {
    pub(crate) kind: &'static str,
    pub(crate) shape: u32,
    pub(crate) id: PartType,
    pub(crate) keys: fn(u32, Value) -> Result<Vec<Vec<Part>>>,
    pub(crate) name: String,
    pub(crate) indexes: Vec<Index>,
    /// Reads version, shape, and whether there is a document, by id.
    pub(crate) seen_sql: String,
    /// Reads id, version, shape and document by id.
    pub(crate) get_sql: String,
    /// Writes id, version, shape, document and the columns of all indexes.
    pub(crate) put_sql: String,
}

/// One index of a table.
pub(crate) struct Index {
    pub(crate) schema: IndexSchema,
    pub(crate) name: String,
    pub(crate) columns: Vec<String>,
    /// Reads the ids that have a key, two at most.
    pub(crate) same_key_sql: String,
}

impl Table {
    pub(crate) fn new(schema: &Schema) -> Self {
        let bare = bare_name(schema.kind);
        let name = format!("\"{bare}\"");
        let indexes: Vec<Index> =
            schema.indexes.iter().map(|index| Index::new(&bare, index.clone())).collect();
        let columns: Vec<&str> = ["id", "version", "shape", "document"]
            .into_iter()
            .chain(indexes.iter().flat_map(|index| index.columns.iter().map(String::as_str)))
            .collect();
        let places: Vec<String> = (1..=columns.len()).map(|place| format!("?{place}")).collect();
        let updates: Vec<String> =
            columns[1..].iter().map(|column| format!("{column} = excluded.{column}")).collect();
        Self {
            kind: schema.kind,
            shape: schema.shape,
            id: schema.id,
            keys: schema.keys,
            seen_sql: format!("SELECT version, shape, document IS NOT NULL FROM {name} WHERE id = ?1"),
            get_sql: format!("SELECT id, version, shape, document FROM {name} WHERE id = ?1"),
            put_sql: format!(
                "INSERT INTO {name} ({}) VALUES ({}) ON CONFLICT (id) DO UPDATE SET {}",
                columns.join(", "),
                places.join(", "),
                updates.join(", "),
            ),
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
            "document TEXT".into(),
        ];
        columns.extend(self.indexes.iter().flat_map(Index::column_definitions));
        format!("CREATE TABLE {} (\n  {}\n) STRICT", self.name, columns.join(",\n  "))
    }
}

impl Index {
    pub(crate) fn new(table: &str, schema: IndexSchema) -> Self {
        let name = format!("\"{table}.{}\"", schema.name);
        let columns = columns(schema.name, schema.parts.len());
        let same: Vec<String> =
            columns.iter().zip(1..).map(|(column, place)| format!("{column} = ?{place}")).collect();
        let same_key_sql = format!(
            "SELECT id FROM \"{table}\" INDEXED BY {name} WHERE {} AND document IS NOT NULL LIMIT 2",
            same.join(" AND "),
        );
        Self { schema, name, columns, same_key_sql }
    }

    /// A column's name and type, for each part.
    pub(crate) fn column_definitions(&self) -> impl Iterator<Item = String> {
        self.columns
            .iter()
            .zip(&self.schema.parts)
            .map(|(column, part)| format!("{column} {}", column_type(*part)))
    }

    /// The statement that makes the index. It is never unique to SQLite, which would check in the middle of a unit
    /// in which two entities swap their keys; the writer checks at the unit's end.
    pub(crate) fn create_sql(&self, table: &Table) -> String {
        format!(
            "CREATE INDEX IF NOT EXISTS {} ON {} ({}, id) WHERE document IS NOT NULL",
            self.name,
            table.name,
            self.columns.join(", "),
        )
    }
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
    let own = matches!(index, "id" | "version" | "shape" | "document");
    vec![quoted(&if numbered || own { format!("_{index}") } else { index.into() })]
}

fn quoted(name: &str) -> String {
    format!("\"{name}\"")
}
