use serde_json::Value;

use crate::{Part, PartType, Result};

/// What an adapter knows of one kind of entity.
#[derive(Clone, Debug)]
pub struct Schema {
    /// The kind: 1 to 40 of `a-z`, `0-9` and `_`, a letter first.
    pub kind: &'static str,
    /// The shape that this binary writes; it reads this and all older ones.
    pub shape: u32,
    /// The type of the id.
    pub id: PartType,
    /// The declared indexes, in the order in which [`crate::Write`] gives their keys.
    pub indexes: Vec<IndexSchema>,
    /// The key of every index, from a stored document of any known shape: for backfills.
    pub keys: fn(shape: u32, document: Value) -> Result<Vec<Vec<Part>>>,
}

/// One declared index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexSchema {
    /// The name: as a kind's.
    pub name: &'static str,
    /// Whether two entities may not have the same key. A key with a none part is not checked.
    pub unique: bool,
    /// The types of the key's parts, 1 to 4.
    pub parts: Vec<PartType>,
}
