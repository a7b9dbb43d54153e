//! The kinds that a store was opened with.

use std::sync::Arc;

use serde_json::Value;
#[cfg(feature = "indexes")]
use staffa_storage::{Document, Part};
use staffa_storage::{Error, IndexSchema, PartType, Result, Schema};

use crate::row::list;

/// The kinds, which are few.
#[derive(Clone)]
pub(crate) struct Tables(Arc<Vec<Table>>);

impl Tables {
    pub(crate) fn new(schemas: Vec<Schema>) -> Self {
        Self(Arc::new(schemas.into_iter().map(Table::new).collect()))
    }

    pub(crate) fn of(&self, kind: &str) -> Result<&Table> {
        self.0
            .iter()
            .find(|table| table.kind == kind)
            .ok_or_else(|| Error::Unusable(["the store was opened without the kind ", kind].concat()))
    }

    /// As the scripts have them.
    pub(crate) fn told(&self) -> Vec<Value> {
        self.0.iter().map(|table| table.told()).collect()
    }
}

/// One kind.
pub(crate) struct Table {
    pub(crate) kind: &'static str,
    pub(crate) id: PartType,
    pub(crate) indexes: Vec<IndexSchema>,
    shape: u32,
    #[cfg(feature = "indexes")]
    keys: fn(shape: u32, document: Value) -> Result<Vec<Vec<Part>>>,
}

impl Table {
    fn new(schema: Schema) -> Self {
        Self {
            kind: schema.kind,
            id: schema.id,
            indexes: schema.indexes,
            shape: schema.shape,
            #[cfg(feature = "indexes")]
            keys: schema.keys,
        }
    }

    /// The keys of a document, one for each index.
    #[cfg(feature = "indexes")]
    pub(crate) fn keys_of(&self, shape: u32, document: String) -> Result<Vec<Vec<Part>>> {
        (self.keys)(shape, Document::Text(document).value()?)
    }

    /// As the scripts have it.
    fn told(&self) -> Value {
        let indexes = self.indexes.iter().map(|index| {
            let parts: Vec<Value> = index.parts.iter().map(|part| part_name(*part).into()).collect();
            list![index.name, index.unique, parts]
        });
        list![self.kind, self.shape, part_name(self.id), indexes.collect::<Vec<Value>>()]
    }
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
