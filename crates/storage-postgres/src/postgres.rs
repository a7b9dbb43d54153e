use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::future::join;
use staffa_context::{BoxFuture, Cancel, Cause, Context, Timestamp};
use staffa_storage::watch::{Meters, Operation};
use staffa_storage::{
    Backlog, By, Commit, Error, Event, Found, Kept, Migrate, Part, Result, Scan, Schema, Seen, Step, Store,
    Unsent,
};
use tokio::sync::{Notify, watch};
use tokio_postgres::Client;
use uuid::Uuid;

use crate::build::{self, Builder};
use crate::call::{Call, Work};
use crate::careful::careful;
use crate::commit::{Changes, Common, Tried, quick, told_of_commit, torn};
use crate::error::told;
use crate::options::Options;
use crate::pool::Pool;
use crate::row::{Param, get, in_order, list, seen};
use crate::schema::Plan;
use crate::session::{Session, Sql};
use crate::settle::settle;
use crate::table::{Look, Table, Tables, quoted};
use crate::watch::{OPERATION_SECONDS, SYSTEM};
use crate::{backfill, connection, kept, migration, outbox, scan};

/// How often a read keys the rows that an older binary goes on writing, before it says that it cannot.
const KEYINGS_MAX: usize = 10;

/// A store in one schema of a PostgreSQL database, which several processes may share.
///
/// Each operation has a connection of the pool for itself. Dropping its future, or the end of its context, cancels its
/// statement on the server; the connection goes back once that is certain, and is closed otherwise. A commit that was dropped may
/// happen. Dropping the store closes what is idle; [`Store::close`] waits for the rest.
pub struct Postgres {
    pub(crate) inner: Arc<Inner>,
    meters: Meters,
    builder: Cancel,
}

/// What outlives an operation's caller.
pub(crate) struct Inner {
    pub(crate) pool: Pool,
    pub(crate) options: Options,
    pub(crate) tables: Tables,
    pub(crate) common: Common,
    schemas: Vec<Schema>,
    /// Wakes the builder.
    stale: Notify,
}

impl Postgres {
    /// Opens the store in the schema of [`Options::schema`] on the server of `url`, made if there is none, and brings it to what
    /// `schemas` say. New indexes are built beside those who write; what is not whole after [`Options::build_wait`] is built on
    /// in the background, by one process at a time.
    ///
    /// `url` is `postgres://user:password@host:port/database?…` as providers print it: with `sslmode` up to `verify-full`,
    /// `sslrootcert` (a file, or `system`), several hosts, `target_session_attrs`, `channel_binding`, `connect_timeout`, `options`.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] when the server is away; [`Error::Unusable`] in words that say what to do, for a URL, user,
    /// database or server that cannot be used, a schema with somebody else's tables in it, schemas that do not fit, and what is missing
    /// when [`Options::migrate`] is [`Migrate::Check`]; [`Error::Duplicate`] and [`Error::NewerShape`] for rows that a new index
    /// cannot take; [`Error::Ended`].
    pub async fn open(ctx: &Context, url: &str, options: Options, schemas: Vec<Schema>) -> Result<Arc<Self>> {
        ctx.check()?;
        Schema::check(&schemas)?;
        let (pool, plan) = ctx.run(first(ctx, url, &options, &schemas)).await??;
        let space = quoted(&options.schema);
        let tables = plan.tables(&space, &schemas)?;
        let meters = Meters::new(ctx, SYSTEM, &OPERATION_SECONDS, schemas.iter().map(|schema| schema.kind));
        let common = Common::new(&space);
        let inner = Arc::new(Inner { pool, options, tables, common, schemas, stale: Notify::new() });
        let (background, builder) = ctx.shielded().with_cancel();
        let store = Arc::new(Self { inner: Arc::clone(&inner), meters, builder });
        store.inner.first_build(ctx, background).await?;
        Ok(store)
    }

    /// Reads with SQL of one's own, in a transaction that only reads. The server stops the statement when the context ends or the
    /// future is dropped.
    ///
    /// `tokio_postgres` is part of this crate's interface on purpose, as [`crate::tokio_postgres`]: a port of one's own is an adapter of
    /// PostgreSQL, written in its terms. Name tables with their schema: the connection's search path is the server's. Behind a pooler,
    /// statements that are prepared are good until `work` ends.
    ///
    /// # Errors
    ///
    /// [`Error::Ended`], [`Error::Unavailable`]; [`Error::Unusable`] for an error of the SQL.
    pub async fn read<T, F>(&self, ctx: &Context, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: for<'a> FnOnce(&'a Client) -> BoxFuture<'a, std::result::Result<T, tokio_postgres::Error>>
            + Send
            + 'static,
    {
        self.run(ctx, Operation::Read, "", |session, call| {
            Box::pin(async move {
                let begin = begin_reading(&call);
                let work = session.watched(work(session.client()));
                let (begun, worked) = join(session.begin(&begin), work).await;
                let result = begun.and(worked).map_err(|error| told(&error));
                session.rollback().await;
                result
            })
        })
        .await
    }

    /// Writes with SQL of one's own, in a transaction of its own: committed when `work` gives a value and the context has not
    /// ended, else taken back; `work` must not end the transaction itself. It is refused while the store is frozen. Tables
    /// whose names begin with `staffa_`, and those of the port's kinds, are the adapter's: they may be read, not written.
    ///
    /// # Errors
    ///
    /// As [`Postgres::read`], also when `work` went on after an error of its SQL; nothing happened. [`Error::Frozen`]. [`Error::Unknown`] when the outcome of the commit was not seen.
    pub async fn write<T, F>(&self, ctx: &Context, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: for<'a> FnOnce(&'a Client) -> BoxFuture<'a, std::result::Result<T, tokio_postgres::Error>>
            + Send
            + 'static,
    {
        let inner = Arc::clone(&self.inner);
        self.run(ctx, Operation::Write, "", |session, call| {
            Box::pin(async move {
                let begin = inner.common.begin(&call);
                let work = session.watched(work(session.client()));
                let (begun, worked) = join(session.begin(&begin), work).await;
                let worked = begun.and(worked).map_err(|error| told(&error));
                let value = match worked.and_then(|value| call.hold().map(|()| value)) {
                    Ok(value) => value,
                    Err(error) => {
                        session.rollback().await;
                        return Err(if session.is_torn() { torn() } else { error });
                    }
                };
                if let Err(error) = session.commit_whole().await {
                    session.rollback().await;
                    return Err(told_of_commit(&error));
                }
                Ok(value)
            })
        })
        .await
    }

    /// Connections that it has now; at most [`Options::connections_max`].
    pub fn connections(&self) -> usize {
        self.inner.pool.size()
    }

    /// Runs an operation on a connection of its own, watched.
    pub(crate) async fn run<T, F>(
        &self,
        ctx: &Context,
        operation: Operation,
        about: &'static str,
        work: F,
    ) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(Session, Arc<Call>) -> BoxFuture<'static, Result<T>> + Send,
    {
        ctx.check()?;
        let mut watch = self.meters.watch(ctx, operation, about);
        let call = Call::new(watch.context().clone());
        let result = match self.inner.pool.session(call.context()).await {
            Err(error) => Err(error),
            Ok(session) => {
                watch.begin();
                let stop = session.stop();
                Work::new(Arc::clone(&call), stop, work(session, call)).answer().await
            }
        };
        watch.end(&result);
        result
    }

    /// Runs statements that change the adapter's own tables as one transaction, in one round trip; gives how many rows each
    /// wrote.
    async fn change(
        &self,
        ctx: &Context,
        operation: Operation,
        params: Vec<Vec<Param>>,
        of: for<'a> fn(&'a Common) -> Vec<&'a Sql>,
    ) -> Result<Vec<u64>> {
        let inner = Arc::clone(&self.inner);
        self.run(ctx, operation, "", |session, call| {
            Box::pin(async move {
                let common = &inner.common;
                settle(&session, common, &of(common), &params, &call).await
            })
        })
        .await
    }
}

impl Inner {
    /// Builds what is missing for as long as opening waits, then in the background.
    async fn first_build(self: &Arc<Self>, ctx: &Context, background: Context) -> Result<()> {
        let (told, mut first) = watch::channel(None);
        let inner = Arc::clone(self);
        let spawner = Arc::clone(&ctx.instruments().spawner);
        // It ends with its context, which the store ends.
        let _task = spawner.spawn(Box::pin(async move { inner.keep_building(&background, &told).await }));
        let waiting = ctx.with_timeout(self.options.build_wait);
        let outcome = waiting.run(first.wait_for(Option::is_some)).await;
        ctx.check()?;
        match outcome {
            Ok(Ok(outcome)) => outcome.clone().unwrap_or(Ok(())),
            Ok(Err(_)) => Err(Error::Unavailable("the building of indexes stopped".into())),
            Err(_) => {
                tracing::warn!(schema = self.options.schema, "indexes are being built in the background");
                Ok(())
            }
        }
    }

    async fn keep_building(&self, ctx: &Context, first: &watch::Sender<Option<Result<()>>>) {
        let schema = &self.options.schema;
        let builder = Builder { pool: &self.pool, schema, schemas: &self.schemas, tables: &self.tables };
        let mut trouble = None;
        loop {
            let mut observe = |step: &Step| tracing::info!(schema, step = step.statement, "built");
            let built = match ctx.run(builder.run(ctx, &mut observe)).await {
                Ok(built) => built,
                Err(_) => return,
            };
            let again = matches!(built, Err(Error::Unavailable(_)));
            if again {
                let error = built.err();
                if trouble != error {
                    tracing::warn!(schema, ?error, "indexes could not be built; trying again");
                }
                trouble = error;
            } else {
                trouble = None;
                // Nobody listens once opening has waited long enough.
                let _ = first.send(Some(built));
            }
            let woken = ctx.run(self.stale.notified());
            let ended = match again {
                true => ctx.sleep(std::time::Duration::from_secs(1)).await,
                false => woken.await,
            };
            if ended.is_err() {
                return;
            }
        }
    }

    /// Why an index of a kind does not serve.
    async fn not_whole(&self, session: &Session, table: &Table, index: usize) -> Result<Error> {
        let name = table.indexes.get(index).map_or("", |index| index.schema.name);
        let kind = table.kind();
        if let Some(error) = table.progress.failed() {
            return Ok(Error::Unavailable(format!("the index {kind}.{name} cannot be made whole: {error}")));
        }
        let left = backfill::count(session, table, usize::MAX).await?;
        Ok(Error::Unavailable(format!("the index {kind}.{name} is being built: {left} rows to go")))
    }

    /// One page.
    async fn page(&self, session: &Session, call: &Call, table: &Table, scan: &Scan) -> Result<Vec<Found>> {
        match scan.by {
            By::Id => {
                let page = scan::Page::new(table, scan, Look::Any)?;
                page.read(session).await.map(Option::unwrap_or_default)
            }
            By::Index(index) => self.page_by(session, call, table, scan, index).await,
        }
    }

    /// One page by an index. Rows that an older binary wrote, and that lack a key in it, are keyed first if they are few.
    async fn page_by(
        &self,
        session: &Session,
        call: &Call,
        table: &Table,
        scan: &Scan,
        index: usize,
    ) -> Result<Vec<Found>> {
        let Some(mut look) = table.look(index) else {
            return Err(self.not_whole(session, table, index).await?);
        };
        for _ in 0..KEYINGS_MAX {
            if let Some(found) = scan::Page::new(table, scan, look)?.read(session).await? {
                return Ok(found);
            }
            call.check()?;
            if look == Look::Any {
                // Perhaps it is only another index that they lack a key in.
                look = Look::Own(table.mask);
                continue;
            }
            let few = table.progress.is_whole()
                && backfill::count(session, table, backfill::FEW + 1).await? <= backfill::FEW;
            if !few {
                break;
            }
            while backfill::batch(session, table).await.map_err(unkeyed)? > 0 {
                call.check()?;
            }
        }
        self.stale.notify_one();
        Err(self.not_whole(session, table, index).await?)
    }
}

/// A server that was reached, and a store on it whose tables and columns are there.
async fn first(ctx: &Context, url: &str, options: &Options, schemas: &[Schema]) -> Result<(Pool, Plan)> {
    let pool = connection::reach(ctx, url, options).await?;
    let session = pool.session(ctx).await?;
    let plan = match options.migrate {
        Migrate::Apply => build::expand(ctx, &session, &options.schema, schemas, &mut |_| {}).await?,
        Migrate::Check => migration::checked(&session, &options.schema, schemas).await?,
    };
    drop(session);
    Ok((pool, plan))
}

/// A row that an older binary wrote and that has no place in an index: the reader is not who wrote it.
fn unkeyed(error: Error) -> Error {
    match error {
        Error::Duplicate { kind, index } => Error::Unavailable(format!(
            "an older binary wrote two of {kind} with the same {index}: change one of them"
        )),
        other => other,
    }
}

fn begin_reading(call: &Call) -> String {
    match call.context().remaining() {
        Some(left) => {
            let millis = (left.as_millis() + 20).min(2_000_000_000);
            format!("SET TRANSACTION READ ONLY; SET LOCAL statement_timeout = {millis}")
        }
        None => "SET TRANSACTION READ ONLY".into(),
    }
}

#[async_trait]
impl Store for Postgres {
    async fn get(&self, ctx: &Context, kind: &'static str, id: &Part) -> Result<Seen> {
        let (table, id) = (Arc::clone(self.inner.tables.of(kind)?), id.clone());
        self.run(ctx, Operation::Get, kind, |session, _| {
            Box::pin(async move {
                let rows = session.query(&table.get, &[Param::from(&id)]).await;
                let rows = rows.map_err(|error| told(&error))?;
                rows.first().map_or(Ok(Seen::Absent { last: 0 }), |row| seen(row, 0, id))
            })
        })
        .await
    }

    async fn get_many(&self, ctx: &Context, kind: &'static str, ids: &[Part]) -> Result<Vec<Seen>> {
        let (table, ids) = (Arc::clone(self.inner.tables.of(kind)?), ids.to_vec());
        self.run(ctx, Operation::GetMany, kind, |session, _| {
            Box::pin(async move {
                let rows = session.query(&table.get_many, &[list(table.schema.id, ids.iter())]).await;
                let rows = rows.map_err(|error| told(&error))?;
                in_order(&rows, table.schema.id, &ids)
            })
        })
        .await
    }

    async fn scan(&self, ctx: &Context, scan: Scan) -> Result<Vec<Found>> {
        let (inner, kind) = (Arc::clone(&self.inner), scan.kind);
        let table = Arc::clone(inner.tables.of(kind)?);
        self.run(ctx, Operation::Scan, kind, |session, call| {
            Box::pin(async move { inner.page(&session, &call, &table, &scan).await })
        })
        .await
    }

    async fn commit(&self, ctx: &Context, commit: Commit) -> Result<()> {
        let about = commit.writes.first().map_or("", |write| write.kind);
        let changes = Changes::of(commit, &self.inner.tables)?;
        let inner = Arc::clone(&self.inner);
        self.run(ctx, Operation::Commit, about, |session, call| {
            Box::pin(async move {
                match quick(&session, &changes, &inner.common, &call).await? {
                    Tried::Done => Ok(()),
                    Tried::Refused => careful(&session, &changes, &inner.common, &call).await,
                }
            })
        })
        .await
    }

    async fn kept(&self, ctx: &Context, scope: &str, key: &str) -> Result<Option<Kept>> {
        let (inner, params) = (Arc::clone(&self.inner), [Param::from(scope), Param::from(key)]);
        self.run(ctx, Operation::Kept, "", |session, _| {
            Box::pin(async move {
                let rows = session.query(&inner.common.kept.find, &params).await;
                rows.map_err(|error| told(&error))?.first().map(kept::record).transpose()
            })
        })
        .await
    }

    async fn unsent(&self, ctx: &Context, unsent: Unsent<'_>) -> Result<Vec<Event>> {
        let (inner, params) = (Arc::clone(&self.inner), self.inner.common.outbox.unsent(&unsent).1);
        self.run(ctx, Operation::Unsent, "", |session, _| {
            Box::pin(async move {
                let outbox = &inner.common.outbox;
                let sql = if params.len() == 2 { &outbox.unsent } else { &outbox.unsent_free };
                let rows = session.query(sql, &params).await.map_err(|error| told(&error))?;
                rows.iter().map(outbox::event).collect()
            })
        })
        .await
    }

    async fn backlog(&self, ctx: &Context, limit: usize) -> Result<Backlog> {
        let (inner, limit) = (Arc::clone(&self.inner), [Param::Int(outbox::limit(limit))]);
        self.run(ctx, Operation::Unsent, "", |session, _| {
            Box::pin(async move {
                let rows = session.query(&inner.common.outbox.backlog, &limit).await;
                rows.map_err(|error| told(&error))?.first().map_or(Ok(Backlog::default()), outbox::backlog)
            })
        })
        .await
    }

    async fn mark_sent(&self, ctx: &Context, events: &[Uuid]) -> Result<()> {
        let events = events.iter().map(|event| Some(*event)).collect();
        let params = vec![vec![Param::Uuids(events), Param::Int(ctx.wall().as_micros())]];
        let of: for<'a> fn(&'a Common) -> Vec<&'a Sql> = |common| vec![&common.outbox.mark_sent];
        self.change(ctx, Operation::MarkSent, params, of).await.map(drop)
    }

    async fn sweep(&self, ctx: &Context, before: Timestamp, limit: usize) -> Result<usize> {
        let params = vec![Param::Int(before.as_micros()), Param::Int(outbox::limit(limit))];
        let of: for<'a> fn(&'a Common) -> Vec<&'a Sql> =
            |common| vec![&common.outbox.sweep, &common.kept.sweep];
        let swept = self.change(ctx, Operation::Sweep, vec![params.clone(), params], of).await?;
        Ok(swept.into_iter().map(|count| usize::try_from(count).unwrap_or(0)).sum())
    }

    /// Asks the server whether it takes writes, and whether all indexes are whole.
    async fn ping(&self, ctx: &Context) -> Result<()> {
        let inner = Arc::clone(&self.inner);
        self.run(ctx, Operation::Ping, "", |session, _| {
            Box::pin(async move {
                let rows = session.query(&Sql::new("SELECT pg_is_in_recovery()", []), &[]).await;
                let rows = rows.map_err(|error| told(&error))?;
                if rows.first().map_or(Ok(false), |row| get(row, 0))? {
                    return Err(Error::Unavailable("the server is a standby, and takes no writes".into()));
                }
                match inner.tables.all().find(|table| !table.progress.is_whole()) {
                    Some(table) => {
                        let index = (0..table.indexes.len()).find(|index| table.look(*index).is_none());
                        Err(inner.not_whole(&session, table, index.unwrap_or(0)).await?)
                    }
                    None => Ok(()),
                }
            })
        })
        .await
    }

    async fn close(&self, ctx: &Context) -> Result<()> {
        ctx.check()?;
        self.builder.cancel(Cause::cancelled("the store is closed"));
        self.inner.pool.close(ctx).await
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.builder.cancel(Cause::cancelled("the store was dropped"));
    }
}

impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Postgres").field("schema", &self.inner.options.schema).finish_non_exhaustive()
    }
}
