//! A database of a test's own, and what is kept in it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use staffa_context::{Context, Timestamp};
use staffa_storage::conformance::Open;
use staffa_storage::{Entity, Happened, Index, Indexes, Result, Schema, Store};
use staffa_storage_mongodb::conformance::Databases;
use staffa_storage_mongodb::{MongoDb, Options, driver};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Product {
    pub(crate) code: String,
    pub(crate) pence: i64,
    pub(crate) weight: f64,
    pub(crate) seen: Option<Timestamp>,
}

pub(crate) const PENCE: Index<Product, i64> = Index::new("pence", |product| product.pence);
pub(crate) const SEEN: Index<Product, (Option<Timestamp>, String)> =
    Index::unique("seen", |product| (product.seen, product.code.to_lowercase()));

impl Entity for Product {
    type Id = String;
    const KIND: &'static str = "product";
    const INDEXES: Indexes<Self> = &[&PENCE, &SEEN];
    fn id(&self) -> &String {
        &self.code
    }
}

/// What an older build knew: one index.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Older(pub(crate) Product);

const OLD_WEIGHT: Index<Older, bool> = Index::new("heavy", |older| older.0.weight > 1.0);

impl Entity for Older {
    type Id = String;
    const KIND: &'static str = "product";
    const INDEXES: Indexes<Self> = &[&OLD_WEIGHT];
    fn id(&self) -> &String {
        &self.0.code
    }
}

#[derive(Serialize)]
pub(crate) struct Priced {
    pub(crate) pence: i64,
}

impl Happened for Priced {
    const NAME: &'static str = "priced";
}

pub(crate) fn product(code: &str, pence: i64) -> Product {
    Product { code: code.into(), pence, weight: 0.5, seen: None }
}

/// A database that nobody else has. [`Place::remove`] takes it away.
pub(crate) struct Place {
    pub(crate) ctx: Context,
    name: String,
    all: Databases,
}

impl Place {
    pub(crate) fn new() -> Self {
        let ctx = Context::background();
        Self { name: format!("own_{}", ctx.uuid().simple()), all: Databases::new(crate::url()), ctx }
    }

    pub(crate) fn options(&self) -> Options {
        self.all.options(&self.name)
    }

    pub(crate) async fn try_open(&self, options: Options, schemas: Vec<Schema>) -> Result<Arc<MongoDb>> {
        MongoDb::open(&self.ctx, crate::url(), options, schemas).await
    }

    pub(crate) async fn open(&self) -> Arc<MongoDb> {
        self.try_open(self.options(), vec![Schema::of::<Product>()]).await.unwrap()
    }

    /// The database by the driver alone, as a person's tool has it.
    pub(crate) async fn by_hand(&self) -> driver::Database {
        let client = driver::Client::with_uri_str(crate::url()).await.unwrap();
        client.database(&self.options().database.unwrap())
    }

    pub(crate) async fn remove(self) {
        self.all.remove(&self.ctx, &self.name).await;
    }
}

pub(crate) async fn insert(ctx: &Context, store: &Arc<MongoDb>, products: &[Product]) -> Result<()> {
    let store: Arc<dyn Store> = Arc::<MongoDb>::clone(store);
    let mut unit = store.unit();
    products.iter().cloned().for_each(|product| drop(unit.insert(product)));
    unit.commit(ctx).await
}
