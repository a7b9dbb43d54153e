use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use std::{fmt, path::PathBuf};

use async_trait::async_trait;
use rusqlite::{Connection, Transaction};
use staffa_context::{Context, Timestamp};
use staffa_storage::watch::{Meters, Operation, Watch};
use staffa_storage::{Backlog, Commit, Event, Found, Kept, Part, Result, Scan, Schema, Seen, Store, Unsent};
use tokio::sync::{oneshot, watch};
use uuid::Uuid;

use crate::backfill::Backfill;
use crate::call::Call;
use crate::commit::{Changes, Unit};
use crate::error::told;
use crate::options::{Access, Options};
use crate::queue::Queue;
use crate::row::{Column, seen};
use crate::table::{Table, Tables};
use crate::watch::{OPERATION_SECONDS, QUEUE_LENGTH, SYSTEM};
use crate::worker::{self, Hold, Job};
use crate::writer::{Asked, Write};
use crate::{connection, kept, lock, migration, outbox, reader, scan, schema, writer};

/// A store in one SQLite file, which this process has for itself.
///
/// It has one thread that writes and some that read; every operation waits for them within its context. Dropping
/// the future of an operation, or the end of its context, stops its statement; a commit that has begun is finished.
/// Dropping the store lets its threads end what they are at; [`Store::close`] waits for that.
pub struct Sqlite {
    path: PathBuf,
    pub(crate) tables: Tables,
    meters: Meters,
    reads: Arc<Queue<Job>>,
    writes: Arc<Queue<Write>>,
    busy_wait: Duration,
    alive: watch::Receiver<()>,
}

/// What the writer's thread gives once the file is ready.
struct Ready {
    tables: Tables,
    readers: Vec<Connection>,
    hold: Hold,
}

impl Sqlite {
    /// Opens the store in the file at `path`, made if there is none (its folder must exist), and brings it to what
    /// `schemas` say: tables are made, new indexes filled. It waits for the filling no longer than
    /// [`Options::build_wait`]; then that goes on in batches between the writes, [`Store::ping`] and reads by those indexes
    /// are unavailable until it is done, and stopped it goes on at the next opening.
    ///
    /// # Errors
    ///
    /// [`staffa_storage::Error::Unavailable`] when another process has the file, or the disk is full; [`staffa_storage::Error::Unusable`] when the
    /// file cannot be written, is no database, is damaged, has a newer format or does not fit the schemas;
    /// [`staffa_storage::Error::Duplicate`] when entities have the same key of a new unique index, and
    /// [`staffa_storage::Error::NewerShape`] when a new index would need documents that only a newer binary reads, if that is found
    /// within the wait; [`staffa_storage::Error::Ended`].
    pub async fn open(
        ctx: &Context,
        path: impl AsRef<Path>,
        options: Options,
        schemas: Vec<Schema>,
    ) -> Result<Arc<Self>> {
        ctx.check()?;
        Schema::check(&schemas)?;
        let path = path.as_ref().to_owned();
        let length = |queue| ctx.series(&QUEUE_LENGTH, &[("system", SYSTEM), ("queue", queue)]);
        let (lives, alive) = watch::channel(());
        let mut store = Self {
            tables: Tables::default(),
            meters: Meters::new(ctx, SYSTEM, &OPERATION_SECONDS, schemas.iter().map(|schema| schema.kind)),
            reads: Arc::new(Queue::new(options.read_queue_max, options.place_wait, length("read"))),
            writes: Arc::new(Queue::new(options.write_queue_max, options.place_wait, length("write"))),
            path: path.clone(),
            busy_wait: options.busy_wait,
            alive,
        };
        let call = Call::new(ctx.clone());
        let (ready, opened) = oneshot::channel();
        let (asked, writes) = (Arc::clone(&call), Arc::clone(&store.writes));
        worker::start("sqlite-writer", move || match prepare(&path, &options, &schemas, &asked, lives) {
            Err(error) => drop(ready.send(Err(error))),
            Ok((connection, backfill, first)) => {
                let hold = first.hold.clone();
                if ready.send(Ok(first)).is_ok() {
                    writer::serve(connection, &writes, &options, backfill, hold);
                }
            }
        })?;
        let Ready { tables, readers, hold } = call.answer(opened).await?;
        store.tables = tables;
        for connection in readers {
            reader::start(connection, Arc::clone(&store.reads), hold.clone())?;
        }
        Ok(Arc::new(store))
    }

    /// Reads with SQL of one's own, on a thread and connection that only read. The statement is stopped when the
    /// context ends or the future is dropped.
    ///
    /// `rusqlite` is part of this crate's interface on purpose, as [`crate::rusqlite`]: a port of one's own is an
    /// adapter of SQLite, written in its terms.
    ///
    /// # Errors
    ///
    /// [`staffa_storage::Error::Ended`], [`staffa_storage::Error::Unavailable`]; [`staffa_storage::Error::Unusable`] for an error of the SQL.
    pub async fn read<T, F>(&self, ctx: &Context, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        self.run(ctx, Operation::Read, "", move |connection, _| work(connection).map_err(told)).await
    }

    /// Writes with SQL of one's own, in a transaction of its own: committed when `work` gives a value and the context
    /// has not ended, else taken back; it must not end the transaction itself. Tables whose names begin with
    /// `staffa_`, and those of the port's kinds, are the adapter's: they may be read, not written.
    ///
    /// # Errors
    ///
    /// As [`Sqlite::read`], and [`staffa_storage::Error::Frozen`]; nothing happened. [`staffa_storage::Error::Unknown`] when the outcome of the commit was not seen.
    pub async fn write<T, F>(&self, ctx: &Context, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
    {
        ctx.check()?;
        let (watch, call) = self.watch(ctx, Operation::Write, "");
        let (asked, wait) = (Arc::clone(&call), self.busy_wait);
        let (job, reply) =
            job(watch, call, move |connection, call| writer::work(connection, call, wait, work));
        self.writes.push(ctx, Write::Work(job)).await?;
        asked.answer(reply).await
    }

    /// Runs a read on one of the reading threads.
    pub(crate) async fn run<T, F>(
        &self,
        ctx: &Context,
        operation: Operation,
        about: &'static str,
        work: F,
    ) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection, &Call) -> Result<T> + Send + 'static,
    {
        ctx.check()?;
        let (watch, call) = self.watch(ctx, operation, about);
        let asked = Arc::clone(&call);
        let (job, reply) = job(watch, call, work);
        self.reads.push(ctx, job).await?;
        asked.answer(reply).await
    }

    /// Hands a unit to the writer.
    pub(crate) async fn unit(
        &self,
        ctx: &Context,
        operation: Operation,
        about: &'static str,
        unit: Unit,
    ) -> Result<usize> {
        ctx.check()?;
        let (watch, call) = self.watch(ctx, operation, about);
        let (reply, answer) = oneshot::channel();
        let asked = Asked { unit, call: Arc::clone(&call), watch, reply };
        self.writes.push(ctx, Write::Unit(Box::new(asked))).await?;
        call.answer(answer).await
    }

    fn watch(&self, ctx: &Context, operation: Operation, about: &'static str) -> (Watch, Arc<Call>) {
        let watch = self.meters.watch(ctx, operation, about);
        let call = Call::new(watch.context().clone());
        (watch, call)
    }
}

/// Work for a thread, with its caller inside, and where the answer comes.
fn job<T, F>(mut watch: Watch, call: Arc<Call>, work: F) -> (Job, oneshot::Receiver<Result<T>>)
where
    T: Send + 'static,
    F: FnOnce(&Connection, &Call) -> Result<T> + Send + 'static,
{
    let (reply, answer) = oneshot::channel();
    let job = Box::new(move |connection: &mut Connection| {
        watch.begin();
        let result = worker::run(connection, &call, |connection| work(connection, &call));
        watch.end(&result);
        // A caller that left does not listen.
        let _ = reply.send(result);
    });
    (job, answer)
}

/// Locks, opens and upgrades the file. Blocks the thread.
fn prepare(
    path: &Path,
    options: &Options,
    schemas: &[Schema],
    call: &Arc<Call>,
    alive: watch::Sender<()>,
) -> Result<(Connection, Backfill, Ready)> {
    // Another name of the same file has the same lock.
    let path = &path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let locked = match options.access {
        Access::Own => Some(Arc::new(lock::lock(path, options.busy_wait, call)?)),
        Access::Beside => None,
    };
    let hold = Hold { _lock: locked, _alive: alive };
    let mut connection = connection::writer(path, options)?;
    let (tables, backfill) = worker::run(&mut connection, call, |connection| match options.access {
        Access::Own => own(connection, options, schemas, call),
        Access::Beside => Ok((migration::beside(connection, schemas)?, Backfill::default())),
    })?;
    connection.progress_handler(0, None::<fn() -> bool>).map_err(told)?;
    let readers = (0..options.readers.max(1))
        .map(|_| connection::reader(path, options))
        .collect::<Result<Vec<Connection>>>()?;
    Ok((connection, backfill, Ready { tables, readers, hold }))
}

/// Brings the file to what the schemas say, and waits a while for new indexes to be filled.
fn own(
    connection: &Connection,
    options: &Options,
    schemas: &[Schema],
    call: &Call,
) -> Result<(Tables, Backfill)> {
    let tables = migration::upgrade(connection, schemas, options, call, &mut |step| {
        tracing::info!(statement = step.statement, "changed the data file's structure");
    })?;
    let mut backfill = Backfill::of(&tables);
    let begun = call.now();
    while backfill.next().is_some() && call.now() - begun < options.build_wait {
        call.check()?;
        backfill.step(connection)?;
    }
    Ok((tables, backfill))
}

#[async_trait]
impl Store for Sqlite {
    async fn get(&self, ctx: &Context, kind: &'static str, id: &Part) -> Result<Seen> {
        let (table, id) = (Arc::clone(self.tables.of(kind)?), id.clone());
        self.run(ctx, Operation::Get, kind, move |connection, _| find(connection, &table, &id)).await
    }

    async fn get_many(&self, ctx: &Context, kind: &'static str, ids: &[Part]) -> Result<Vec<Seen>> {
        let (table, ids) = (Arc::clone(self.tables.of(kind)?), ids.to_vec());
        self.run(ctx, Operation::GetMany, kind, move |connection, call| {
            find_many(connection, &table, &ids, call)
        })
        .await
    }

    async fn scan(&self, ctx: &Context, scan: Scan) -> Result<Vec<Found>> {
        let (table, kind) = (Arc::clone(self.tables.of(scan.kind)?), scan.kind);
        self.run(ctx, Operation::Scan, kind, move |connection, call| {
            scan::page(connection, &table, &scan, call)
        })
        .await
    }

    async fn commit(&self, ctx: &Context, commit: Commit) -> Result<()> {
        let about = commit.writes.first().map_or("", |write| write.kind);
        let unit = Unit::Changes(Changes::of(commit, &self.tables)?);
        self.unit(ctx, Operation::Commit, about, unit).await.map(|_| ())
    }

    async fn kept(&self, ctx: &Context, scope: &str, key: &str) -> Result<Option<Kept>> {
        let (scope, key) = (scope.to_owned(), key.to_owned());
        self.run(ctx, Operation::Kept, "", move |connection, _| kept::find(connection, &scope, &key)).await
    }

    async fn unsent(&self, ctx: &Context, unsent: Unsent<'_>) -> Result<Vec<Event>> {
        let Unsent { partitions, limit, .. } = unsent;
        let held = unsent.held.to_vec();
        self.run(ctx, Operation::Unsent, "", move |connection, _| {
            outbox::unsent(connection, Unsent { partitions, held: &held, limit })
        })
        .await
    }

    async fn backlog(&self, ctx: &Context, limit: usize) -> Result<Backlog> {
        self.run(ctx, Operation::Unsent, "", move |connection, _| outbox::backlog(connection, limit)).await
    }

    async fn mark_sent(&self, ctx: &Context, events: &[Uuid]) -> Result<()> {
        let unit = Unit::Sent(events.to_vec(), ctx.wall());
        self.unit(ctx, Operation::MarkSent, "", unit).await.map(|_| ())
    }

    async fn sweep(&self, ctx: &Context, before: Timestamp, limit: usize) -> Result<usize> {
        self.unit(ctx, Operation::Sweep, "", Unit::Sweep(before, limit)).await
    }

    /// Asks a reader for a row of the file, and the writer for a turn; unavailable while an index is not whole.
    async fn ping(&self, ctx: &Context) -> Result<()> {
        self.run(ctx, Operation::Ping, "", |connection, _| schema::check_format(connection)).await?;
        self.tables.check_whole()?;
        self.unit(ctx, Operation::Ping, "", Unit::Nothing).await.map(|_| ())
    }

    async fn close(&self, ctx: &Context) -> Result<()> {
        ctx.check()?;
        self.reads.close();
        self.writes.close();
        let mut alive = self.alive.clone();
        // An error says that the last thread has dropped its end.
        ctx.run(async { while alive.changed().await.is_ok() {} }).await?;
        Ok(())
    }
}

fn find(connection: &Connection, table: &Table, id: &Part) -> Result<Seen> {
    let mut statement = connection.prepare_cached(&table.get_sql).map_err(told)?;
    let mut rows = statement.query([Column(id)]).map_err(told)?;
    match rows.next().map_err(told)? {
        None => Ok(Seen::Absent { last: 0 }),
        Some(row) => seen(row, table).map(|(_, seen)| seen),
    }
}

/// One statement run for each, since SQLite has no round trips; a transaction makes them see one state.
fn find_many(connection: &Connection, table: &Table, ids: &[Part], call: &Call) -> Result<Vec<Seen>> {
    // Dropping it ends it.
    let _state = connection.unchecked_transaction().map_err(told)?;
    let find = |id| call.check().and_then(|()| find(connection, table, id));
    ids.iter().map(find).collect()
}

impl Drop for Sqlite {
    fn drop(&mut self) {
        self.reads.close();
        self.writes.close();
    }
}

impl fmt::Debug for Sqlite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sqlite").field("path", &self.path).finish_non_exhaustive()
    }
}
