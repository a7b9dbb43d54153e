use serde_json::Value;
use sha2::{Digest, Sha256};

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

    /// The names of its indexes and the types of their parts, one index a line in the order of names: `price int,text`.
    ///
    /// A row that was written with these lines has the key of every index that they name. So an adapter that lays
    /// them down under [`Schema::index_set`] tells from a row's set whether another binary keyed it for an index of its own.
    pub fn index_lines(&self) -> String {
        let mut lines: Vec<String> = self.indexes.iter().map(IndexSchema::line).collect();
        lines.sort();
        lines.join("\n")
    }

    /// What names its set of indexes in a row: the first 16 hexadecimal digits of the SHA-256 of
    /// [`Schema::index_lines`].
    ///
    /// Two binaries have the same set if, and but for accident only if, their indexes have the same names and parts, in
    /// whatever order. Uniqueness is no part of it: a key is the same with and without. Nor is the shape: an index whose
    /// key is made otherwise MUST have another name.
    pub fn index_set(&self) -> String {
        let digest = Sha256::digest(self.index_lines());
        digest[..8].iter().map(|byte| format!("{byte:02x}")).collect()
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

impl IndexSchema {
    /// Its name and the types of its parts: `price int,text`.
    pub fn line(&self) -> String {
        let parts: Vec<&str> = self.parts.iter().map(|part| part.name()).collect();
        format!("{} {}", self.name, parts.join(","))
    }
}

fn check_names<'a>(of: &str, names: impl Iterator<Item = &'a str>) -> Result<()> {
    // They are few, and a list has less code than a set.
    let mut known = Vec::new();
    for name in names {
        if !is_name(name) {
            let rule = "is not 1 to 40 of a-z, 0-9 and _, a letter first";
            return Err(Error::Unusable(format!("the name of the {of} `{name}` {rule}")));
        }
        if known.contains(&name) {
            return Err(Error::Unusable(format!("there are two of the {of} {name}")));
        }
        known.push(name);
    }
    Ok(())
}

fn is_name(name: &str) -> bool {
    let letters = name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'));
    letters && name.len() <= 40 && name.starts_with(|first: char| first.is_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema<const N: usize>(indexes: [(&'static str, bool, &[PartType]); N]) -> Schema {
        let indexes = indexes
            .into_iter()
            .map(|(name, unique, parts)| IndexSchema { name, unique, parts: parts.to_vec() })
            .collect();
        Schema { kind: "product", shape: 1, id: PartType::Int, indexes, keys: |_, _| Ok(vec![]) }
    }

    #[test]
    fn an_index_set_is_laid_down_for_good() {
        let product =
            schema([("price", false, &[PartType::Int, PartType::Text]), ("code", true, &[PartType::Text])]);
        assert_eq!(product.index_lines(), "code text\nprice int,text");
        assert_eq!(product.index_set(), "38602ea7071ae877");
        assert_eq!(schema([]).index_set(), "e3b0c44298fc1c14");
    }

    #[test]
    fn an_index_set_is_names_and_parts_alone() {
        let set = |schema: Schema| schema.index_set();
        let (text, int): (&[PartType], &[PartType]) = (&[PartType::Text], &[PartType::Int]);
        let first = set(schema([("a", false, text), ("b", false, int)]));
        assert_eq!(first, set(schema([("b", true, int), ("a", false, text)])));
        assert_ne!(first, set(schema([("a", false, text)])));
        assert_ne!(first, set(schema([("a", false, int), ("b", false, int)])));
        assert_ne!(first, set(schema([("c", false, text), ("b", false, int)])));
    }
}
