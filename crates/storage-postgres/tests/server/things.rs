//! One kind as three builds know it.

use serde::{Deserialize, Serialize};
use staffa_storage::{Entity, Index, Indexes};

/// A product as the old build knows it: by its name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Old {
    pub(crate) id: i64,
    pub(crate) name: String,
    pub(crate) pence: i64,
}

pub(crate) const OLD_NAME: Index<Old, String> = Index::new("name", |old| old.name.clone());

impl Entity for Old {
    type Id = i64;
    const KIND: &'static str = "product";
    const INDEXES: Indexes<Self> = &[&OLD_NAME];
    fn id(&self) -> &i64 {
        &self.id
    }
}

/// As the new build knows it: by its price too.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct New {
    pub(crate) id: i64,
    pub(crate) name: String,
    pub(crate) pence: i64,
}

pub(crate) const NEW_NAME: Index<New, String> = Index::new("name", |new| new.name.clone());
pub(crate) const PENCE: Index<New, i64> = Index::new("pence", |new| new.pence);

impl Entity for New {
    type Id = i64;
    const KIND: &'static str = "product";
    const INDEXES: Indexes<Self> = &[&NEW_NAME, &PENCE];
    fn id(&self) -> &i64 {
        &self.id
    }
}

/// As a later build knows it: by a price that is text, alone in its name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Later {
    pub(crate) id: i64,
    pub(crate) name: String,
    pub(crate) pence: i64,
}

pub(crate) const LATER_PENCE: Index<Later, String> = Index::new("pence", |later| later.pence.to_string());
pub(crate) const ONLY_NAME: Index<Later, String> = Index::unique("only_name", |later| later.name.clone());

impl Entity for Later {
    type Id = i64;
    const KIND: &'static str = "product";
    const INDEXES: Indexes<Self> = &[&LATER_PENCE, &ONLY_NAME];
    fn id(&self) -> &i64 {
        &self.id
    }
}

pub(crate) fn old(id: i64) -> Old {
    Old { id, name: format!("n{id}"), pence: id % 7 }
}

pub(crate) fn new(id: i64) -> New {
    New { id, name: format!("n{id}"), pence: id % 7 }
}
