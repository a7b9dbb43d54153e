use std::ops::Range;
use std::sync::atomic::{AtomicI64, Ordering};

use async_trait::async_trait;

use super::ITEMS;

/// The work that is compared. Ids are from 0 to one less than [`ITEMS`], groups those of the items.
#[async_trait]
pub(crate) trait Contestant: Send + Sync {
    /// Reads one item by its id, and decodes it.
    async fn read(&self, id: i64) -> anyhow::Result<()>;

    /// Reads the first 50 items of a group in the order of ids, and decodes them.
    async fn page(&self, group: i64) -> anyhow::Result<()>;

    /// Changes these items in one unit, each in the version that it has, and says so in one event.
    async fn change(&self, ids: Range<i64>) -> anyhow::Result<()>;
}

/// The version of each item, as a caller has it who has just read them.
pub(crate) struct Versions(Vec<AtomicI64>);

impl Versions {
    pub(crate) fn new() -> Self {
        Self((0..ITEMS).map(|_| AtomicI64::new(1)).collect())
    }

    pub(crate) fn of(&self, id: i64) -> i64 {
        self.0[Self::place(id)].load(Ordering::Relaxed)
    }

    pub(crate) fn set(&self, id: i64, version: i64) {
        self.0[Self::place(id)].store(version, Ordering::Relaxed);
    }

    fn place(id: i64) -> usize {
        usize::try_from(id).unwrap_or_default()
    }
}
