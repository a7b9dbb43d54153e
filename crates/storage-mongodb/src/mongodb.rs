use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use bson::doc;
use staffa_context::{Cause, Context, Timestamp};
use staffa_storage::watch::{Meters, Operation};
use staffa_storage::{
    Backlog, Commit, Error, Event, Found, Kept, Part, Result, Scan, Schema, Seen, Store, Unsent,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use uuid::Uuid;

use crate::builder::Builder;
use crate::call::Call;
use crate::commit::Changes;
use crate::many;
use crate::options::Options;
use crate::outbox;
use crate::presence::Present;
use crate::row::{self, Stored};
use crate::settle::{Sent, Sweep};
use crate::shared::Shared;
use crate::table::Table;
use crate::transaction;
use crate::watch::{OPERATION_SECONDS, SYSTEM};
use crate::{kept, scan, schema};

/// A store in one database of a MongoDB replica set.
///
/// Each operation runs in a task of its own on one of the connections, and its caller waits for it within its context.
/// Dropping the future of an operation, or the end of its context, stops it on the server; a commit that has begun is
/// finished. Several processes may have the same database open.
pub struct MongoDb {
    shared: Arc<Shared>,
    builder: Builder,
    present: Present,
    meters: Meters,
    places: Arc<Semaphore>,
    closed: AtomicBool,
}

impl MongoDb {
    /// Opens the store at `url`, whose database is made if there is none, and brings it to what `schemas` say: collections
    /// and indexes are made beside those who write, and new indexes filled.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] when no server could be reached; [`Error::Unusable`] for a wrong URL, user or password, for a
    /// server that is too old, a standalone one or a secondary, for a database with somebody else's collections, for one that
    /// does not fit the schemas, and under [`staffa_storage::Migrate::Check`] for what is missing;
    /// [`Error::NewerShape`] when a new index would need documents that only a newer binary reads; [`Error::Duplicate`] when
    /// entities break a new unique index; [`Error::Ended`].
    pub async fn open(
        ctx: &Context,
        url: impl AsRef<str>,
        options: Options,
        schemas: Vec<Schema>,
    ) -> Result<Arc<Self>> {
        ctx.check()?;
        Schema::check(&schemas)?;
        let meters = Meters::new(ctx, SYSTEM, &OPERATION_SECONDS, schemas.iter().map(|schema| schema.kind));
        let (url, asked) = (url.as_ref().to_owned(), ctx.clone());
        let call = Call::new(ctx.clone());
        let opening = Arc::clone(&call);
        let opened = call.run(async move {
            let shared = Arc::new(Shared::connect(&asked, &url, options, &schemas).await?);
            // First: what a killed process left locked may be in the way of what follows.
            let present = Present::start(&asked, &shared);
            let made = match schema::open(&shared, &opening).await {
                Ok(()) => {
                    let builder = Builder::start(&asked, &shared);
                    builder.wait(&asked, shared.options.build_wait).await.map(|()| builder)
                }
                Err(error) => Err(error),
            };
            if made.is_err() {
                shared.client.clone().shutdown().immediate(true).await;
            }
            made.map(|builder| (shared, builder, present))
        });
        let (shared, builder, present) = opened.await?;
        let places = Arc::new(Semaphore::new(shared.places as usize));
        Ok(Arc::new(Self { shared, builder, present, meters, places, closed: AtomicBool::new(false) }))
    }

    /// Runs an operation in a task, once there is a place for it.
    pub(crate) async fn run<T, F, W>(
        &self,
        ctx: &Context,
        operation: Operation,
        about: &'static str,
        work: W,
    ) -> Result<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>> + Send + 'static,
        W: FnOnce(Arc<Shared>, Arc<Call>) -> F,
    {
        ctx.check()?;
        let mut watch = self.meters.watch(ctx, operation, about);
        let place = self.place(watch.context()).await?;
        let call = Call::new(watch.context().clone());
        let asked = Arc::clone(&call);
        let work = work(Arc::clone(&self.shared), asked);
        let task = async move {
            watch.begin();
            let result = work.await;
            watch.end(&result);
            drop(place);
            result
        };
        call.run(task).await.map_err(|error| self.in_time(&call, error))
    }

    /// Why the time was over: no server was there to work, or one ended what took as long as the options allow, before its
    /// caller's own time was over.
    fn in_time(&self, call: &Call, error: Error) -> Error {
        let ends_soon = call.context().remaining().is_some_and(|left| left < Shared::MARGIN * 2);
        match error {
            Error::Ended(Cause::DeadlineExceeded) if !self.shared.primary.is_known() => Error::Unavailable(
                "no server that takes writes was reached in the time that there was".into(),
            ),
            Error::Ended(Cause::DeadlineExceeded) if call.context().cause().is_none() && !ends_soon => {
                let most = self.shared.options.operation_max;
                Error::Unavailable(format!("the server did not end within {most:?}"))
            }
            Error::Ended(cause @ Cause::Cancelled(_)) if call.context().cause().is_none() => {
                Error::Unavailable(format!("somebody else told the server to stop: {cause}"))
            }
            error => error,
        }
    }

    /// A place among the operations that are under way.
    async fn place(&self, ctx: &Context) -> Result<OwnedSemaphorePermit> {
        if self.closed.load(Ordering::Acquire) {
            return Err(closed());
        }
        if let Ok(place) = Arc::clone(&self.places).try_acquire_owned() {
            return Ok(place);
        }
        let waiting = ctx.with_timeout(self.shared.options.place_wait);
        match waiting.run(Arc::clone(&self.places).acquire_owned()).await {
            Ok(Ok(place)) => Ok(place),
            Ok(Err(_)) => Err(closed()),
            Err(_) => {
                ctx.check()?;
                Err(Error::Unavailable(format!("all {} connections are busy", self.shared.places)))
            }
        }
    }

    #[cfg(feature = "conformance")]
    pub(crate) fn client(&self) -> &mongodb::Client {
        &self.shared.client
    }

    pub(crate) fn table(&self, kind: &str) -> Result<Arc<Table>> {
        self.shared.tables.of(kind).map(Arc::clone)
    }
}

fn closed() -> Error {
    Error::Unavailable("the store is closed".into())
}

#[async_trait]
impl Store for MongoDb {
    async fn get(&self, ctx: &Context, kind: &'static str, id: &Part) -> Result<Seen> {
        let (table, id) = (self.table(kind)?, id.clone());
        self.run(ctx, Operation::Get, kind, |store, call| async move {
            let found = store.find_one(&call, &table.name, doc! { "_id": row::bson(&id) }).await?;
            found.map_or(Ok(Seen::Absent { last: 0 }), |found| Stored::of(&found, &table)?.seen())
        })
        .await
    }

    async fn get_many(&self, ctx: &Context, kind: &'static str, ids: &[Part]) -> Result<Vec<Seen>> {
        let (table, ids) = (self.table(kind)?, ids.to_vec());
        self.run(ctx, Operation::GetMany, kind, |store, call| async move {
            many::get(&store, &call, &table, &ids).await
        })
        .await
    }

    async fn scan(&self, ctx: &Context, scan: Scan) -> Result<Vec<Found>> {
        let table = self.table(scan.kind)?;
        self.run(ctx, Operation::Scan, scan.kind, |store, call| async move {
            scan::run(&store, &call, &table, &scan).await
        })
        .await
    }

    async fn commit(&self, ctx: &Context, commit: Commit) -> Result<()> {
        let about = commit.writes.first().map_or("", |write| write.kind);
        self.run(ctx, Operation::Commit, about, |store, call| async move {
            let changes = |gate| Changes::of(commit, &store.tables, gate);
            transaction::pass(&store, &call, changes).await
        })
        .await
    }

    async fn kept(&self, ctx: &Context, scope: &str, key: &str) -> Result<Option<Kept>> {
        let named = kept::named(scope, key);
        self.run(ctx, Operation::Kept, "", |store, call| async move {
            let found = store.find_one(&call, kept::COLLECTION, named).await?;
            found.map(|found| kept::read(&found)).transpose()
        })
        .await
    }

    async fn unsent(&self, ctx: &Context, unsent: Unsent<'_>) -> Result<Vec<Event>> {
        let (filter, limit) = (outbox::unsent(&unsent), unsent.limit);
        self.run(ctx, Operation::Unsent, "", |store, call| async move {
            if limit == 0 {
                return Ok(Vec::new());
            }
            let found = store.find(&call, outbox::COLLECTION, filter, outbox::order(), limit).await?;
            found.iter().map(|document| outbox::event(document)).collect()
        })
        .await
    }

    async fn backlog(&self, ctx: &Context, limit: usize) -> Result<Backlog> {
        self.run(ctx, Operation::Unsent, "", |store, call| async move {
            outbox::backlog(&store, &call, limit).await
        })
        .await
    }

    async fn mark_sent(&self, ctx: &Context, events: &[Uuid]) -> Result<()> {
        let (events, at) = (events.to_vec(), ctx.wall());
        self.run(ctx, Operation::MarkSent, "", |store, call| async move {
            transaction::pass(&store, &call, |slot| Ok(Sent { events, at, slot })).await
        })
        .await
    }

    async fn sweep(&self, ctx: &Context, before: Timestamp, limit: usize) -> Result<usize> {
        self.run(ctx, Operation::Sweep, "", |store, call| async move {
            transaction::pass(&store, &call, |slot| Ok(Sweep { before, limit, slot })).await
        })
        .await
    }

    /// Asks the primary for a document of the store, and whether all indexes are whole.
    async fn ping(&self, ctx: &Context) -> Result<()> {
        self.run(ctx, Operation::Ping, "", |store, call| async move { schema::ping(&store, &call).await })
            .await?;
        self.builder.check()
    }

    async fn close(&self, ctx: &Context) -> Result<()> {
        ctx.check()?;
        if self.closed.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        // All places are free once what was accepted has ended.
        let all = ctx.run(self.places.acquire_many(self.shared.places)).await;
        let stopped = self.builder.stop(ctx).await.and(self.present.stop(ctx).await);
        self.places.close();
        let (store, at_rest) = (Arc::clone(&self.shared), all.is_ok());
        let call = Call::new(ctx.shielded());
        call.run(async move {
            if at_rest && let Err(error) = store.presence.leave(&store).await {
                tracing::debug!(%error, "who comes next finds the record of a store that is closed");
            }
            store.client.clone().shutdown().immediate(true).await;
            Ok(())
        })
        .await?;
        all.map(drop)?;
        stopped
    }
}

impl fmt::Debug for MongoDb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MongoDb").field("database", &self.shared.database.name()).finish_non_exhaustive()
    }
}
