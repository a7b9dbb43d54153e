use std::fmt;

use crate::{Entity, Key, Part, PartType, Result, value};

/// What entities of one kind can be read by, as a value: `pub const CODE: Index<Product, String> = …`.
///
/// The order of a read is the key's, then the id's. Declare it in [`Entity::INDEXES`]: only declared indexes are kept.
pub struct Index<E, K> {
    name: &'static str,
    unique: bool,
    key: fn(&E) -> K,
}

impl<E, K> Index<E, K> {
    /// An index under this name (as a kind's) whose key `key` gives. `key` MUST depend on nothing else than the entity.
    ///
    /// Keys are kept at rest, where older and newer binaries meet them: an index whose key is made otherwise, or has other
    /// parts, MUST have another name.
    pub const fn new(name: &'static str, key: fn(&E) -> K) -> Self {
        Self { name, unique: false, key }
    }

    /// The same, and no two entities may have the same key. A key with a none part is not checked.
    pub const fn unique(name: &'static str, key: fn(&E) -> K) -> Self {
        Self { name, unique: true, key }
    }

    /// The name.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Whether two entities may not have the same key.
    pub const fn is_unique(&self) -> bool {
        self.unique
    }
}

impl<E, K> fmt::Debug for Index<E, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Index")
            .field("name", &self.name)
            .field("unique", &self.unique)
            .finish_non_exhaustive()
    }
}

/// An [`Index`] of `E` with any key. Nothing else implements it.
pub trait DeclaredIndex<E>: sealed::Sealed + Sync {
    /// The name.
    fn name(&self) -> &'static str;

    /// Whether two entities may not have the same key.
    fn is_unique(&self) -> bool;

    /// The types of the key's parts.
    fn types(&self) -> Vec<PartType>;

    /// The entity's key.
    ///
    /// # Errors
    ///
    /// [`crate::Error::Invalid`] for a key that no store takes: with U+0000, above 1,024 bytes or above `i64::MAX`.
    fn key(&self, entity: &E) -> Result<Vec<Part>>;
}

mod sealed {
    pub trait Sealed {}
    impl<E, K> Sealed for super::Index<E, K> {}
}

impl<E: Entity, K: Key> DeclaredIndex<E> for Index<E, K> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn is_unique(&self) -> bool {
        self.unique
    }

    fn types(&self) -> Vec<PartType> {
        K::types()
    }

    fn key(&self, entity: &E) -> Result<Vec<Part>> {
        checked(E::KIND, self.name, &(self.key)(entity))
    }
}

/// The parts of a key of this index, checked.
pub(crate) fn checked<K: Key>(kind: &str, index: &str, key: &K) -> Result<Vec<Part>> {
    let path = || format!("{kind}.{index}");
    let parts = key.parts().map_err(|error| error.at(path()))?;
    value::check_key(path, &parts)?;
    Ok(parts)
}
