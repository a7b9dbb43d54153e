use serde_json::Value;

use crate::{Error, Part, PartType, Result};

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

impl Schema {
    /// Refuses schemas that no store takes. An adapter calls it when it opens a store.
    ///
    /// # Errors
    ///
    /// [`Error::Unusable`] for a kind or index whose name is not 1 to 40 of `a-z`, `0-9` and `_` with a letter first,
    /// for an index named `id`, for a name or kind that is there twice, for a shape 0, and for a key of other than
    /// 1 to 4 parts.
    pub fn check(schemas: &[Self]) -> Result<()> {
        check_names("kind", schemas.iter().map(|schema| schema.kind))?;
        schemas.iter().try_for_each(Self::check_one)
    }

    fn check_one(&self) -> Result<()> {
        check_names(&format!("index of {}", self.kind), self.indexes.iter().map(|index| index.name))?;
        if self.shape == 0 {
            return Err(Error::Unusable(format!("the shape of {} is not 1 or greater", self.kind)));
        }
        for index in &self.indexes {
            if index.name == "id" {
                return Err(Error::Unusable(format!(
                    "{} has an index named id, as the id itself",
                    self.kind
                )));
            }
            if !(1..=4).contains(&index.parts.len()) {
                return Err(Error::Unusable(format!("{}.{} has not 1 to 4 parts", self.kind, index.name)));
            }
        }
        Ok(())
    }
}

fn check_names<'a>(of: &str, names: impl Iterator<Item = &'a str>) -> Result<()> {
    let mut known = std::collections::BTreeSet::new();
    for name in names {
        if !is_name(name) {
            let rule = "is not 1 to 40 of a-z, 0-9 and _, a letter first";
            return Err(Error::Unusable(format!("the name of the {of} {name:?} {rule}")));
        }
        if !known.insert(name) {
            return Err(Error::Unusable(format!("there are two of the {of} {name}")));
        }
    }
    Ok(())
}

fn is_name(name: &str) -> bool {
    let letters = name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'));
    letters && name.len() <= 40 && name.starts_with(|first: char| first.is_ascii_lowercase())
}
