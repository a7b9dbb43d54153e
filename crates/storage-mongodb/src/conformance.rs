//! Stores for the port's suite: a database for each place, on one server.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bson::{Document, doc};
use futures_util::TryStreamExt;
use staffa_context::Context;
use staffa_storage::conformance::{Ability, Open, Slow, schemas};
use staffa_storage::{Moving, Result, Schema, Store};

use crate::connection::{self, Connection};
use crate::error::{is_expired, told};
use crate::{MongoDb, Options, Session, driver};

/// Opens stores on the server of this URL. Whatever database it names is left alone.
#[derive(Clone, Debug)]
pub struct Databases {
    /// The URL of the server.
    pub url: String,
    /// How the stores work; the database is the place's.
    pub options: Options,
}

impl Databases {
    /// Stores that are opened with whole indexes even on a slow server; else as they are by default.
    pub fn new(url: impl Into<String>) -> Self {
        let options = Options { build_wait: Duration::from_secs(40), ..Options::default() };
        Self { url: url.into(), options }
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

    /// Everything but to be cut off: who opens them through a line that can be cut says so.
    fn can(&self, ability: Ability) -> bool {
        !matches!(ability, Ability::Faults)
    }

    async fn moving(&self, ctx: &Context, place: &str, schemas: Vec<Schema>) -> Result<Arc<dyn Moving>> {
        Ok(MongoDb::open(ctx, &self.url, self.options(place), schemas).await?)
    }

    async fn slow(&self, ctx: &Context, place: &str) -> Result<Arc<dyn Slow>> {
        let options = Options { connections_max: SLOW_POOL, ..self.options(place) };
        let store = MongoDb::open(ctx, &self.url, options, schemas()).await?;
        let piece = if stops(store.client()).await? { Duration::MAX } else { PIECE };
        Ok(Arc::new(Endless { store, piece }))
    }

    async fn leftovers(&self, ctx: &Context, place: &str) -> Result<Vec<String>> {
        let name = self.options(place).database.unwrap_or_default();
        let options = Options { database: Some("t_leftovers".into()), ..self.options.clone() };
        let Connection { client, .. } = connection::connect(ctx, &self.url, &options).await?;
        let asked = doc! { "$currentOp": { "allUsers": true, "idleSessions": true, "localOps": true } };
        let listed = async {
            let cursor = client.database("admin").aggregate([asked]).await?;
            cursor.try_collect::<Vec<Document>>().await
        };
        let listed = listed.await.map_err(told);
        client.shutdown().immediate(true).await;
        Ok(listed?.iter().filter_map(|operation| left(operation, &name)).collect())
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

/// Whether an operation is one of this database, or an open transaction of one of its stores; in words.
fn left(operation: &Document, database: &str) -> Option<String> {
    let namespace = operation.get_str("ns").unwrap_or_default();
    let here = namespace.split('.').next() == Some(database);
    let own = operation.get_str("appName").is_ok_and(|name| name == connection::app_name(database));
    let idle = own && operation.contains_key("transaction");
    let active = here && operation.get_bool("active").unwrap_or(true);
    (active || idle).then(|| format!("{} {namespace}", operation.get_str("op").unwrap_or("transaction")))
}

const SLOW_POOL: u32 = 4;

/// How long a statement of the long work lasts on a server that ends one by its time only, as SecantusDB does. MongoDB ends it when
/// it is told to, and there it is one statement.
const PIECE: Duration = Duration::from_millis(40);

/// A handle whose statements never end by themselves.
struct Endless {
    store: Arc<MongoDb>,
    piece: Duration,
}

#[async_trait]
impl Slow for Endless {
    fn store(&self) -> Arc<dyn Store> {
        Arc::<MongoDb>::clone(&self.store)
    }

    fn pool_len(&self) -> usize {
        SLOW_POOL as usize
    }

    async fn run(&self, ctx: &Context, lasting: Duration) -> Result<()> {
        let piece = self.piece;
        let work = self.store.read(ctx, move |session| {
            Box::pin(async move {
                let mut left = lasting;
                while !left.is_zero() {
                    session.check()?;
                    let some = left.min(piece);
                    endless(session, some).await?;
                    left -= some;
                }
                Ok(())
            })
        });
        work.await
    }
}

/// Keeps the server busy with one statement for this time.
async fn endless(session: &mut Session<'_>, lasting: Duration) -> driver::error::Result<()> {
    let count = || doc! { "$group": { "_id": null, "n": { "$sum": 1 } } };
    let gates = || doc! { "$match": { "frozen": false } };
    // Each stage goes over all gates for each document of the one before: 64⁴ steps, and each is a document.
    let over = |stage: Document| {
        let inner = vec![gates(), stage, count()];
        doc! { "$lookup": { "from": crate::outbox::COLLECTION, "pipeline": inner, "as": "n" } }
    };
    let pipeline = vec![gates(), over(over(over(gates()))), count()];
    let collection = session.database().collection::<Document>(crate::outbox::COLLECTION);
    let (most, whole) = (session.max_time(), lasting <= session.max_time());
    let aggregate = collection.aggregate(pipeline).max_time(most.min(lasting));
    let worked = async {
        let mut cursor = aggregate.session(session.session()).await?;
        cursor.stream(session.session()).try_collect::<Vec<Document>>().await
    };
    match worked.await {
        // It lasted as long as it was to.
        Err(error) if whole && is_expired(&error) => Ok(()),
        other => other.map(drop),
    }
}

/// Whether the server stops an operation when its session is killed.
async fn stops(client: &driver::Client) -> Result<bool> {
    let built = client.database("admin").run_command(doc! { "buildInfo": 1 }).await.map_err(told)?;
    Ok(!built.contains_key("secantusVersion"))
}
