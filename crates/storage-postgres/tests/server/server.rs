//! The server that the tests are given, and places on it.

use std::env;
use std::sync::Arc;

use staffa_context::Context;
use staffa_storage::conformance::Open;
use staffa_storage::{Entity, Result, Schema, Store, Versioned};
use staffa_storage_postgres::conformance::Databases;
use staffa_storage_postgres::{Options, Postgres};
use tokio_postgres::{Client, NoTls};

/// The URL of a server on which the tests may make schemas.
pub(crate) fn url() -> String {
    env::var("STAFFA_TEST_POSTGRES")
        .expect("STAFFA_TEST_POSTGRES names the server of these tests: they are run by `cargo xtask test`")
}

/// The same with this parameter.
pub(crate) fn with(parameter: &str) -> String {
    let url = url();
    let sign = if url.contains('?') { '&' } else { '?' };
    format!("{url}{sign}{parameter}")
}

/// A PostgreSQL schema of a test's own.
pub(crate) struct Place {
    pub(crate) ctx: Context,
    pub(crate) options: Options,
}

impl Place {
    pub(crate) fn new() -> Self {
        let ctx = Context::background();
        let schema = format!("test_{}", ctx.uuid().simple());
        Self { ctx, options: Options { schema, ..Options::default() } }
    }

    pub(crate) fn schema(&self) -> &str {
        &self.options.schema
    }

    pub(crate) async fn open(&self, schemas: Vec<Schema>) -> Result<Arc<Postgres>> {
        Postgres::open(&self.ctx, &url(), self.options.clone(), schemas).await
    }

    /// A connection of the test's own.
    pub(crate) async fn client(&self) -> Client {
        let (client, connection) = tokio_postgres::connect(&url(), NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    }

    /// The first column of what a query of the test's own gives.
    pub(crate) async fn texts(&self, sql: &str) -> Vec<String> {
        let rows = self.client().await.query(sql, &[]).await.unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    }

    pub(crate) async fn run(&self, sql: &str) {
        self.client().await.batch_execute(sql).await.unwrap();
    }

    pub(crate) async fn remove(self) {
        Databases::new(url()).remove(&self.ctx, self.schema()).await;
    }
}

/// Inserts entities, 500 a unit.
pub(crate) async fn insert<E: Entity>(place: &Place, store: &Arc<Postgres>, entities: Vec<E>) -> Result<()> {
    let store: Arc<dyn Store> = store.clone();
    for some in entities.chunks(500) {
        let mut unit = store.unit();
        for entity in some {
            unit.insert(entity.clone());
        }
        unit.commit(&place.ctx).await?;
    }
    Ok(())
}

/// Replaces an entity in this version.
pub(crate) async fn update<E: Entity>(
    place: &Place,
    store: &Arc<Postgres>,
    version: i64,
    value: E,
) -> Result<()> {
    let store: Arc<dyn Store> = store.clone();
    let mut unit = store.unit();
    unit.update(Versioned { version, value });
    unit.commit(&place.ctx).await
}
