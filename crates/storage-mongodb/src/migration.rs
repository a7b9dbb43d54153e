//! Takes a database to the schemas of a binary: expands it, makes the keys of rows, and contracts it when asked to.

use std::collections::BTreeSet;
use std::sync::Arc;

use bson::{Document, doc};
use staffa_context::{BoxFuture, Context};
use staffa_storage::{Migrate, Phase, Result, Schema, Step};

use crate::backfill::{self, Rows};
use crate::call::Call;
use crate::error::told;
use crate::options::Options;
use crate::schema::{self, Lack, META, STALE, kind_key};
use crate::shared::Shared;
use crate::table::Table;

/// What the database lacks for these schemas, and with `contract` what it has besides them; it only reads. Services may have the
/// database meanwhile.
///
/// # Errors
///
/// Those of [`crate::MongoDb::open`].
pub async fn plan(
    ctx: &Context,
    url: impl AsRef<str>,
    options: &Options,
    schemas: &[Schema],
    contract: bool,
) -> Result<Vec<Step>> {
    beside(ctx, url.as_ref(), options, schemas, move |store, call| {
        Box::pin(async move {
            let lacking = schema::lacking(store, call).await?;
            let mut steps: Vec<Step> = lacking.iter().map(Lack::step).collect();
            if contract {
                for extra in extras(store, call).await? {
                    steps.push(extra.step());
                }
            }
            steps.sort_by_key(|step| step.phase);
            Ok(steps)
        })
    })
    .await
}

/// Does what [`plan`] tells beside the services that have the database, and waits until every index is whole; `observe` is told of
/// each step once it is done.
///
/// A contraction takes away what older binaries need: none may run any more.
///
/// # Errors
///
/// Those of [`crate::MongoDb::open`]. What was done until then stays, and is not done again.
pub async fn migrate(
    ctx: &Context,
    url: impl AsRef<str>,
    options: &Options,
    schemas: &[Schema],
    contract: bool,
    mut observe: impl FnMut(&Step) + Send + 'static,
) -> Result<()> {
    beside(ctx, url.as_ref(), options, schemas, move |store, call| {
        Box::pin(async move {
            // Of a set that was just entered, rows may be seen that lack its keys.
            for _ in 0..2 {
                for lack in schema::lacking(store, call).await? {
                    call.check()?;
                    lack.make(store, call).await?;
                    observe(&lack.step());
                }
            }
            if contract {
                for extra in extras(store, call).await? {
                    call.check()?;
                    extra.take_away(store, call).await?;
                    observe(&extra.step());
                }
            }
            Ok(())
        })
    })
    .await
}

/// Runs work on a connection of its own, in a task.
async fn beside<T, W>(ctx: &Context, url: &str, options: &Options, schemas: &[Schema], work: W) -> Result<T>
where
    T: Send + 'static,
    W: for<'a> FnOnce(&'a Shared, &'a Call) -> BoxFuture<'a, Result<T>> + Send + 'static,
{
    ctx.check()?;
    Schema::check(schemas)?;
    let call = Call::new(ctx.clone());
    let (url, options, schemas) = (url.to_owned(), options.clone(), schemas.to_vec());
    let options = Options { migrate: Migrate::Apply, ..options };
    let (asked, ctx) = (Arc::clone(&call), ctx.clone());
    call.run(async move {
        let store = Shared::connect(&ctx, &url, options, &schemas).await?;
        let done = work(&store, &asked).await;
        store.client.clone().shutdown().immediate(true).await;
        done
    })
    .await
}

/// Something that the database has and the schemas do not ask for.
enum Extra {
    /// Keys of other indexes in this many rows of a kind.
    Keys(Arc<Table>, Rows),
    /// An index.
    Index(String, String),
    /// An index set that no binary writes any more.
    Set(Arc<Table>, String),
}

async fn extras(store: &Shared, call: &Call) -> Result<Vec<Extra>> {
    let mut extras = Vec::new();
    for table in store.tables.iter() {
        let sets = store.registry.look(store, call, table).await?.sets;
        let others: Vec<String> = sets.into_keys().filter(|digest| *digest != table.digest).collect();
        let rows = backfill::count(store, call, table, &[&table.digest]).await?;
        if !rows.are_none() {
            extras.push(Extra::Keys(Arc::clone(table), rows));
        }
        let known: BTreeSet<&str> =
            table.indexes.iter().map(|index| index.name.as_str()).chain(["_id_", STALE]).collect();
        let indexes = schema::index_names(store, &table.name).await?;
        let indexes = indexes.into_iter().filter(|name| !known.contains(name.as_str()));
        extras.extend(indexes.map(|name| Extra::Index(table.name.clone(), name)));
        extras.extend(others.into_iter().map(|digest| Extra::Set(Arc::clone(table), digest)));
    }
    Ok(extras)
}

impl Extra {
    fn step(&self) -> Step {
        let statement = match self {
            Self::Keys(table, rows) => {
                format!(
                    "// make the keys of {rows} documents of db.{} anew, without those of other indexes",
                    table.name
                )
            }
            Self::Index(collection, name) => format!("db.{collection}.dropIndex(\"{name}\")"),
            Self::Set(table, digest) => format!(
                "db.{META}.updateOne({{ _id: \"{}\" }}, {{ $unset: {{ \"sets.{digest}\": \"\" }} }})",
                kind_key(table.kind)
            ),
        };
        Step { phase: Phase::Contract, statement }
    }

    async fn take_away(&self, store: &Shared, call: &Call) -> Result<()> {
        match self {
            Self::Keys(table, _) => backfill::only_own(store, call, table).await,
            Self::Index(collection, name) => {
                let collection = store.database.collection::<Document>(collection);
                collection.drop_index(name.as_str()).await.map_err(told)
            }
            Self::Set(table, digest) => {
                let records = store.database.collection::<Document>(META);
                let gone = doc! { "$unset": { format!("sets.{digest}"): "" } };
                records.update_one(doc! { "_id": kind_key(table.kind) }, gone).await.map(drop).map_err(told)
            }
        }
    }
}
