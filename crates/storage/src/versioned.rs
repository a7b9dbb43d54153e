use std::ops::Deref;

use serde::{Deserialize, Serialize};

/// An entity as it was read or will be written: with its version, which every write raises.
///
/// It is written as `{"version":1,"value":{…}}`, and reads like the entity itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Versioned<E> {
    /// 1 or greater. Versions of an id never repeat, not even when it is deleted and inserted again.
    pub version: i64,
    /// The entity.
    pub value: E,
}

impl<E> Versioned<E> {
    /// The entity changed by `change`, for [`crate::Unit::update`]. The version stays the one that was read.
    #[must_use]
    pub fn map(self, change: impl FnOnce(E) -> E) -> Self {
        Self { version: self.version, value: change(self.value) }
    }

    /// The same for a change that may be refused.
    ///
    /// # Errors
    ///
    /// That of `change`.
    pub fn try_map<X>(self, change: impl FnOnce(E) -> Result<E, X>) -> Result<Self, X> {
        Ok(Self { version: self.version, value: change(self.value)? })
    }
}

impl<E> Deref for Versioned<E> {
    type Target = E;

    fn deref(&self) -> &E {
        &self.value
    }
}
