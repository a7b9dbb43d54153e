//! Stores for the port's suite: a database for each place, on one server.

use std::sync::Arc;

use async_trait::async_trait;
use staffa_context::Context;
use staffa_storage::conformance::Open;
use staffa_storage::{Result, Schema, Store};

use crate::connection::{self, Connection};
use crate::error::told;
use crate::{MongoDb, Options};

/// Opens stores on the server of this URL. Whatever database it names is left alone.
#[derive(Clone, Debug)]
pub struct Databases {
    /// The URL of the server.
    pub url: String,
    /// How the stores work; the database is the place's.
    pub options: Options,
}

impl Databases {
    /// Stores as they are by default.
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), options: Options::default() }
    }

    /// The options of the store at this place. A place is at most 60 characters, and a database's name may have 63.
    pub fn options(&self, place: &str) -> Options {
        Options { database: Some(format!("t_{place}")), ..self.options.clone() }
    }
}

#[async_trait]
impl Open for Databases {
    async fn open(&self, ctx: &Context, place: &str, schemas: Vec<Schema>) -> Result<Arc<dyn Store>> {
        Ok(MongoDb::open(ctx, &self.url, self.options(place), schemas).await?)
    }

    async fn remove(&self, ctx: &Context, place: &str) {
        let options = self.options(place);
        let dropped = async {
            let Connection { client, database, .. } = connection::connect(ctx, &self.url, &options).await?;
            let dropped = database.drop().await.map_err(told);
            client.shutdown().immediate(true).await;
            dropped
        };
        if let Err(error) = dropped.await {
            tracing::warn!(%error, place, "a database of the suite was left behind");
        }
    }
}
