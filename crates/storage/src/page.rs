use crate::{Cursor, Error, Result, Versioned};

/// Which part of a read to give.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// How many entities at most: 50 unless set otherwise, 1 to 1,000.
    pub limit: usize,
    /// Where the page begins: `next` of the page before. `None` for the first page.
    pub after: Option<Cursor>,
}

impl Page {
    /// The limit unless another is set.
    pub const LIMIT: usize = 50;
    /// The greatest limit.
    pub const LIMIT_MAX: usize = 1_000;

    /// The first page.
    pub fn first() -> Self {
        Self::after(None)
    }

    /// The page after this cursor; the first one without a cursor.
    pub fn after(cursor: impl Into<Option<Cursor>>) -> Self {
        Self { limit: Self::LIMIT, after: cursor.into() }
    }

    /// The same with another limit.
    #[must_use]
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }

    pub(crate) fn check(&self) -> Result<()> {
        if (1..=Self::LIMIT_MAX).contains(&self.limit) {
            return Ok(());
        }
        Err(Error::invalid("limit", format!("{} is not from 1 to {}", self.limit, Self::LIMIT_MAX)))
    }
}

impl Default for Page {
    fn default() -> Self {
        Self::first()
    }
}

/// A page of what was read.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct PageOf<T> {
    /// The entities, in the order of the read.
    pub items: Vec<Versioned<T>>,
    /// Where the next page begins; `None` when there is nothing more.
    pub next: Option<Cursor>,
}
