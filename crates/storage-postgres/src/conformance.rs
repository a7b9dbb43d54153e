//! Opens stores for the port's conformance suite: a PostgreSQL schema for each place.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use staffa_context::Context;
use staffa_storage::conformance::{Ability, Open, Slow, schemas};
use staffa_storage::{Moving, Result, Schema, Store};
use tokio_postgres::types::Type;

use crate::error::told;
use crate::row::{Param, get};
use crate::session::Sql;
use crate::table::quoted;
use crate::{Options, Postgres, connection};

/// Stores on the server of a URL.
#[derive(Clone, Debug)]
pub struct Databases {
    /// The URL.
    pub url: String,
    /// The options; the schema is the place's.
    pub options: Options,
}

impl Databases {
    /// Stores on this server, with the adapter's own defaults.
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), options: Options::default() }
    }

    fn at(&self, place: &str) -> Options {
        Options { schema: place.to_owned(), ..self.options.clone() }
    }

    async fn store(&self, ctx: &Context, place: &str, schemas: Vec<Schema>) -> Result<Arc<Postgres>> {
        Postgres::open(ctx, &self.url, self.at(place), schemas).await
    }

    /// Rows of a statement on a connection of its own.
    async fn ask(&self, ctx: &Context, sql: Sql, params: Vec<Param>) -> Result<Vec<tokio_postgres::Row>> {
        let pool = connection::reach(ctx, &self.url, &self.at("staffa_suite")).await?;
        let session = pool.session(ctx).await?;
        session.query(&sql, &params).await.map_err(|error| told(&error))
    }
}

#[async_trait]
impl Open for Databases {
    async fn open(&self, ctx: &Context, place: &str, schemas: Vec<Schema>) -> Result<Arc<dyn Store>> {
        Ok(self.store(ctx, place, schemas).await?)
    }

    async fn remove(&self, ctx: &Context, place: &str) {
        let drop = Sql::new(format!("DROP SCHEMA IF EXISTS {} CASCADE", quoted(place)), []);
        if let Err(error) = self.ask(ctx, drop, Vec::new()).await {
            tracing::warn!(%error, place, "the place stays");
        }
    }

    fn can(&self, ability: Ability) -> bool {
        !matches!(ability, Ability::Faults)
    }

    async fn moving(&self, ctx: &Context, place: &str, schemas: Vec<Schema>) -> Result<Arc<dyn Moving>> {
        Ok(self.store(ctx, place, schemas).await?)
    }

    async fn slow(&self, ctx: &Context, place: &str) -> Result<Arc<dyn Slow>> {
        let options = Options { connections_max: 4, ..self.at(place) };
        Ok(Arc::new(Sleeper(Postgres::open(ctx, &self.url, options, schemas()).await?)))
    }

    async fn leftovers(&self, ctx: &Context, place: &str) -> Result<Vec<String>> {
        let sql = Sql::new(
            "SELECT state || ': ' || query FROM pg_stat_activity \
             WHERE application_name = $1 AND pid <> pg_backend_pid() AND state <> 'idle'",
            [Type::TEXT],
        );
        let rows = self.ask(ctx, sql, vec![Param::Text(format!("staffa {place}"))]).await?;
        rows.iter().map(|row| get(row, 0)).collect()
    }
}

/// A store whose statements sleep.
struct Sleeper(Arc<Postgres>);

#[async_trait]
impl Slow for Sleeper {
    fn store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.0) as Arc<dyn Store>
    }

    fn pool_len(&self) -> usize {
        self.0.inner.options.connections_max
    }

    async fn run(&self, ctx: &Context, lasting: Duration) -> Result<()> {
        let seconds = lasting.as_secs_f64();
        self.0
            .read(ctx, move |client| {
                Box::pin(async move { client.execute("SELECT pg_sleep($1)", &[&seconds]).await.map(drop) })
            })
            .await
    }
}
