//! What IndexedDB calls things: the names of one kind.

use std::sync::Arc;

use serde_json::Value;
use staffa_storage::{Error, IndexSchema, Part, PartType, Result, Schema};

/// The object stores of kinds, which are few.
#[derive(Clone)]
pub(crate) struct Tables(Arc<Vec<Arc<Table>>>);

impl Tables {
    pub(crate) fn new(schemas: Vec<Schema>) -> Self {
        Self(Arc::new(schemas.into_iter().map(|schema| Arc::new(Table::new(schema))).collect()))
    }

    pub(crate) fn of(&self, kind: &str) -> Result<&Arc<Table>> {
        self.iter()
            .find(|table| table.kind == kind)
            .ok_or_else(|| Error::Unusable(["the store was opened without the kind ", kind].concat()))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Table>> {
        self.0.iter()
    }
}

/// One kind's object store.
pub(crate) struct Table {
    pub(crate) kind: &'static str,
    /// The object store.
    pub(crate) name: String,
    pub(crate) shape: u32,
    pub(crate) id: PartType,
    pub(crate) indexes: Vec<IndexSchema>,
    /// What rows record of this binary: its shape, and by which indexes it made their keys.
    pub(crate) writer: String,
    /// Where writers of a newer shape begin.
    pub(crate) newer: String,
    pub(crate) keys: fn(shape: u32, document: Value) -> Result<Vec<Vec<Part>>>,
}

impl Table {
    fn new(schema: Schema) -> Self {
        let Schema { kind, shape, id, indexes, keys } = schema;
        let mut writer = format!("{shape:010} {}", part_name(id));
        for index in &indexes {
            writer.push(' ');
            writer.push_str(&index_word(index));
        }
        let newer = format!("{:010}", u64::from(shape) + 1);
        Self { kind, name: bare_name(kind), shape, id, indexes, writer, newer, keys }
    }

    /// Whether a row of this writer has a key in each of our indexes.
    pub(crate) fn is_keyed_by(&self, writer: &str) -> bool {
        self.indexes.iter().all(|index| writer.split(' ').any(|word| word == index_word(index)))
    }

    /// Refuses a writer whose ids are of another type.
    pub(crate) fn check_id(&self, writer: &str) -> Result<()> {
        let (stored, own) = (writer.split(' ').nth(1).unwrap_or_default(), part_name(self.id));
        if stored == own {
            return Ok(());
        }
        Err(Error::Unusable(format!(
            "the ids of {} are stored as {stored}, and this page says {own}: an id's type never changes",
            self.kind,
        )))
    }
}

/// `name:text,int`: where an index has the same word, it has the same keys.
fn index_word(index: &IndexSchema) -> String {
    let parts: Vec<&str> = index.parts.iter().map(|part| part_name(*part)).collect();
    [index.name, ":", &parts.join(",")].concat()
}

/// The kind's own name, but for the prefix that the adapter keeps for itself.
fn bare_name(kind: &str) -> String {
    if kind.starts_with("staffa_") { ["_", kind].concat() } else { kind.into() }
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
