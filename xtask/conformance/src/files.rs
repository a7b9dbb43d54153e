//! Stores of the SQLite adapter in one folder, with the adapter's own defaults.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use anyhow::Context as _;
use async_trait::async_trait;
use staffa_context::Context;
use staffa_storage::conformance::{Ability, Open, Slow};
use staffa_storage::{Moving, Result, Schema, Store};
use staffa_storage_sqlite::{Access, Options, Sqlite};
use tempfile::TempDir;

/// The cases leave nothing behind in it, and it goes when it is empty.
pub(crate) struct Files {
    folder: PathBuf,
    /// A folder of its own goes with its content.
    _own: Option<TempDir>,
    /// Who owns each place.
    owners: Mutex<BTreeMap<String, Weak<Sqlite>>>,
}

impl Files {
    pub(crate) fn new(folder: &str) -> anyhow::Result<Self> {
        let own = folder.is_empty().then(TempDir::new).transpose().context("a folder of its own")?;
        let folder = own.as_ref().map_or_else(|| PathBuf::from(folder), |own| own.path().to_owned());
        fs::create_dir_all(&folder).with_context(|| format!("the folder {}", folder.display()))?;
        Ok(Self { folder, _own: own, owners: Mutex::default() })
    }

    fn file(&self, place: &str) -> PathBuf {
        self.folder.join(format!("{place}.sqlite"))
    }

    /// Who owns the file while it is open.
    async fn owner(&self, ctx: &Context, place: &str) -> Option<Arc<Sqlite>> {
        let owner = self.owners.lock().unwrap_or_else(PoisonError::into_inner).get(place)?.upgrade()?;
        owner.ping(ctx).await.is_ok().then_some(owner)
    }

    async fn beside(&self, ctx: &Context, place: &str, schemas: Vec<Schema>) -> Result<Arc<Sqlite>> {
        let options = Options { access: Access::Beside, ..Options::default() };
        Sqlite::open(ctx, self.file(place), options, schemas).await
    }
}

#[async_trait]
impl Open for Files {
    /// The first one owns the file, and those that come while it is open work beside it.
    async fn open(&self, ctx: &Context, place: &str, schemas: Vec<Schema>) -> Result<Arc<dyn Store>> {
        if self.owner(ctx, place).await.is_some() {
            return Ok(self.beside(ctx, place, schemas).await?);
        }
        let owner = Sqlite::open(ctx, self.file(place), Options::default(), schemas).await?;
        let mut owners = self.owners.lock().unwrap_or_else(PoisonError::into_inner);
        owners.insert(place.to_owned(), Arc::downgrade(&owner));
        Ok(owner)
    }

    fn can(&self, ability: Ability) -> bool {
        matches!(ability, Ability::Reopen | Ability::Share | Ability::Move | Ability::Slow)
    }

    async fn moving(&self, ctx: &Context, place: &str, schemas: Vec<Schema>) -> Result<Arc<dyn Moving>> {
        Ok(self.beside(ctx, place, schemas).await?)
    }

    async fn slow(&self, ctx: &Context, place: &str) -> Result<Arc<dyn Slow>> {
        Ok(Arc::new(Counter(self.beside(ctx, place, staffa_storage::conformance::schemas()).await?)))
    }

    /// The file and what SQLite and the adapter keep beside it.
    async fn remove(&self, _ctx: &Context, place: &str) {
        remove_all(&self.folder, &format!("{place}.sqlite"));
    }
}

fn remove_all(folder: &Path, prefix: &str) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        if entry.file_name().to_string_lossy().starts_with(prefix) {
            // A file that stays is seen in the folder, which then stays as well.
            let _ = fs::remove_file(entry.path());
        }
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        // Only an empty folder can be removed this way.
        let _ = fs::remove_dir(&self.folder);
    }
}

/// A store whose statements count for as long as one likes.
struct Counter(Arc<Sqlite>);

#[async_trait]
impl Slow for Counter {
    fn store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.0) as Arc<dyn Store>
    }

    fn pool_len(&self) -> usize {
        Options::default().readers
    }

    async fn run(&self, ctx: &Context, lasting: Duration) -> Result<()> {
        // Some 10 million rows a second: a statement that is not stopped outlasts what was asked for.
        let rows = i64::try_from(lasting.as_millis()).unwrap_or(i64::MAX).saturating_mul(20_000);
        let count = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < ?1) SELECT count(*) FROM n";
        self.0.read(ctx, move |connection| connection.query_row(count, [rows], |_| Ok(()))).await
    }
}
