//! What MongoDB calls things: the collection, fields and indexes of one kind.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use bson::{Bson, Document, doc};
use serde_json::Value;
use staffa_storage::{Error, IndexSchema, Part, PartType, Result, Schema};

use crate::row;

/// The collections of a store, by kind.
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

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Table>> {
        self.0.values()
    }
}

/// One kind's collection.
pub(crate) struct Table {
    pub(crate) kind: &'static str,
    pub(crate) shape: u32,
    pub(crate) id: PartType,
    /// The collection's name.
    pub(crate) name: String,
    pub(crate) indexes: Vec<Index>,
    /// The index set that this binary writes.
    pub(crate) set: IndexSet,
    /// The digest of `set`, as rows record it.
    pub(crate) digest: String,
    keys: fn(u32, Value) -> Result<Vec<Vec<Part>>>,
}

impl Table {
    pub(crate) fn new(schema: &Schema) -> Self {
        let indexes: Vec<Index> = schema.indexes.iter().cloned().map(Index::new).collect();
        let set = IndexSet { indexes: indexes.iter().map(|index| index.sign.clone()).collect() };
        Self {
            kind: schema.kind,
            shape: schema.shape,
            id: schema.id,
            name: collection(schema.kind),
            digest: set.digest(),
            set,
            indexes,
            keys: schema.keys,
        }
    }

    /// The keys of a stored document of any known shape.
    pub(crate) fn keys(&self, shape: u32, document: Value) -> Result<Vec<Vec<Part>>> {
        (self.keys)(shape, document)
    }

    /// The fields `keys` and `ties` of a row with these keys.
    pub(crate) fn fields(&self, id: &Part, keys: &[Vec<Part>]) -> Result<(Document, Document)> {
        let fit = keys.len() == self.indexes.len()
            && keys.iter().zip(&self.indexes).all(|(key, index)| key.len() == index.fields.len());
        if !fit {
            return Err(Error::Unusable(format!("a write of {} does not fit its indexes", self.kind)));
        }
        let (mut fields, mut ties) = (Document::new(), Document::new());
        for (index, key) in self.indexes.iter().zip(keys) {
            fields.extend(index.fields.iter().cloned().zip(key.iter().map(row::bson)));
            if index.schema.unique {
                ties.insert(index.schema.name, index.tie(id, key));
            }
        }
        Ok((fields, ties))
    }
}

/// One index of a kind.
pub(crate) struct Index {
    pub(crate) schema: IndexSchema,
    /// The name that MongoDB has for it: another number of parts, or uniqueness, is another index.
    pub(crate) name: String,
    /// The fields of `keys` that have its parts.
    pub(crate) fields: Vec<String>,
    /// What an index set says of it.
    pub(crate) sign: String,
}

impl Index {
    pub(crate) fn new(schema: IndexSchema) -> Self {
        let parts = schema.parts.len();
        let unique = if schema.unique { ".unique" } else { "" };
        let types: Vec<&str> = schema.parts.iter().map(|part| part_name(*part)).collect();
        Self {
            name: format!("{}.{parts}{unique}", schema.name),
            fields: fields(schema.name, parts),
            sign: format!("{}({}){unique}", schema.name, types.join(",")),
            schema,
        }
    }

    /// The last field of the index. Two entities may have a key with a none part, whose tie is then the entity's id; a tie that
    /// is null lets MongoDB refuse the second entity with the key.
    pub(crate) fn tie_field(&self) -> String {
        if self.schema.unique { format!("ties.{}", self.schema.name) } else { "_id".into() }
    }

    pub(crate) fn tie(&self, id: &Part, key: &[Part]) -> Bson {
        if key.contains(&Part::None) { row::bson(id) } else { Bson::Null }
    }

    /// The field that a row has when it is in the index, and lacks when it was deleted or an older binary wrote it.
    pub(crate) fn mark(&self) -> String {
        if self.schema.unique { self.tie_field() } else { format!("keys.{}", self.fields[0]) }
    }

    /// What makes the index.
    pub(crate) fn specification(&self) -> Document {
        let mut key: Document =
            self.fields.iter().map(|field| (format!("keys.{field}"), Bson::Int32(1))).collect();
        key.insert(self.tie_field(), 1);
        let mut made = doc! {
            "key": key,
            "name": &self.name,
            "partialFilterExpression": { self.mark(): { "$exists": true } },
        };
        if self.schema.unique {
            made.insert("unique", true);
        }
        made
    }
}

/// The indexes that a writer knows. Its shape is no part of it: an index whose key is made otherwise has another name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct IndexSet {
    /// The signs of its indexes.
    pub(crate) indexes: BTreeSet<String>,
}

impl IndexSet {
    /// What rows record: FNV-1a (64 bits; Fowler, Noll and Vo) of its text, which is kept beside.
    pub(crate) fn digest(&self) -> String {
        let signs = self.indexes.iter().flat_map(|sign| sign.bytes().chain([b';']));
        let hash = signs.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        format!("{hash:016x}")
    }

    /// Whether a row that was written with it has its key in the index.
    pub(crate) fn has(&self, sign: &str) -> bool {
        self.indexes.contains(sign)
    }

    /// The same with these indexes made anew; what an index of the same name was before is gone.
    pub(crate) fn with(&self, other: &Self) -> Self {
        let name = |sign: &str| sign.split('(').next().unwrap_or_default().to_owned();
        let made: BTreeSet<String> = other.indexes.iter().map(|sign| name(sign)).collect();
        let kept = self.indexes.iter().filter(|sign| !made.contains(&name(sign)));
        Self { indexes: kept.chain(&other.indexes).cloned().collect() }
    }
}

/// The kind's own name, but for the prefix that the adapter keeps for itself. A kind begins with a letter, so no two meet.
pub(crate) fn collection(kind: &str) -> String {
    if kind.starts_with("staffa_") { format!("_{kind}") } else { kind.into() }
}

/// `index` for one part, `index_1`, `index_2`, … for several. One part's name that another index's could have gets a `_` before
/// it.
fn fields(index: &str, parts: usize) -> Vec<String> {
    if parts > 1 {
        return (1..=parts).map(|part| format!("{index}_{part}")).collect();
    }
    let numbered = index.rsplit_once('_').is_some_and(|(_, end)| matches!(end, "1" | "2" | "3" | "4"));
    vec![if numbered { format!("_{index}") } else { index.into() }]
}

pub(crate) fn part_name(part: PartType) -> &'static str {
    match part {
        PartType::Bool => "bool",
        PartType::Int => "int",
        PartType::Text => "text",
        PartType::Uuid => "uuid",
        PartType::Time => "time",
    }
}
