//! A folder of a test's own, and the entity that tests keep in it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use staffa_context::Context;
use staffa_storage::{Entity, Index, Indexes, Part, Result, Schema, Seen, Store};
use staffa_storage_sqlite::{Options, Sqlite};

/// Removed when the test ends.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("staffa-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.0.join("store.db")
    }

    pub(crate) async fn open(&self, options: Options) -> Arc<Sqlite> {
        self.try_open(options).await.unwrap()
    }

    pub(crate) async fn try_open(&self, options: Options) -> Result<Arc<Sqlite>> {
        Sqlite::open(&Context::background(), self.file(), options, vec![Schema::of::<Product>()]).await
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // A folder that stays does no harm to the next test.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Options that make a test wait for nothing, with one reader: what hits it hits the next read.
pub(crate) fn quick() -> Options {
    Options { readers: 1, busy_wait: Duration::from_millis(20), ..Options::default() }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Product {
    pub(crate) code: String,
    pub(crate) number: i64,
    pub(crate) pence: Option<i64>,
}

pub(crate) const NUMBER: Index<Product, i64> = Index::unique("number", |product| product.number);
pub(crate) const PENCE: Index<Product, (Option<i64>, String)> =
    Index::new("pence", |product| (product.pence, product.code.clone()));

impl Entity for Product {
    type Id = String;
    const KIND: &'static str = "product";
    const INDEXES: Indexes<Self> = &[&NUMBER, &PENCE];
    fn id(&self) -> &String {
        &self.code
    }
}

pub(crate) fn product(number: i64) -> Product {
    Product { code: format!("code {number}"), number, pence: Some(number * 100) }
}

pub(crate) async fn insert(
    store: &Sqlite,
    ctx: &Context,
    products: impl IntoIterator<Item = Product>,
) -> Result<()> {
    let mut unit = (store as &dyn Store).unit();
    for product in products {
        unit.insert(product);
    }
    unit.commit(ctx).await
}

pub(crate) async fn is_there(store: &Sqlite, number: i64) -> bool {
    let id = Part::Text(product(number).code);
    matches!(store.get(&Context::background(), "product", &id).await.unwrap(), Seen::Row(_))
}
