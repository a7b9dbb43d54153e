//! Stores of the SQLite adapter in one folder, with the adapter's own defaults.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use async_trait::async_trait;
use staffa_context::Context;
use staffa_storage::conformance::{Ability, Open};
use staffa_storage::{Moving, Result, Schema, Store};
use staffa_storage_sqlite::{Access, Options, Sqlite};

/// The cases leave nothing behind in it, and it goes when it is empty.
pub(crate) struct Files(PathBuf);

impl Files {
    pub(crate) fn new(folder: &str) -> anyhow::Result<Self> {
        fs::create_dir_all(folder).with_context(|| format!("the folder {folder}"))?;
        Ok(Self(PathBuf::from(folder)))
    }
}

#[async_trait]
impl Open for Files {
    async fn open(&self, ctx: &Context, place: &str, schemas: Vec<Schema>) -> Result<Arc<dyn Store>> {
        let file = self.0.join(format!("{place}.sqlite"));
        Ok(Sqlite::open(ctx, file, Options::default(), schemas).await?)
    }

    fn can(&self, ability: Ability) -> bool {
        matches!(ability, Ability::Reopen | Ability::Move)
    }

    async fn moving(&self, ctx: &Context, place: &str, schemas: Vec<Schema>) -> Result<Arc<dyn Moving>> {
        let options = Options { access: Access::Beside, ..Options::default() };
        Ok(Sqlite::open(ctx, self.0.join(format!("{place}.sqlite")), options, schemas).await?)
    }

    /// The file and what SQLite and the adapter keep beside it.
    async fn remove(&self, _ctx: &Context, place: &str) {
        let Ok(entries) = fs::read_dir(&self.0) else { return };
        for entry in entries.flatten() {
            if entry.file_name().to_string_lossy().starts_with(&format!("{place}.sqlite")) {
                // A file that stays is seen in the folder, which then stays as well.
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        // Only an empty folder can be removed this way.
        let _ = fs::remove_dir(&self.0);
    }
}
