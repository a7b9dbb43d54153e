use std::fmt;
use std::future::Future;
use std::rc::Rc;
use std::sync::Arc;

use async_trait::async_trait;
use futures_channel::{mpsc, oneshot};
use staffa_context::{Context, Timestamp};
use staffa_storage::{Backlog, Commit, Event, Found, Kept, Part, Result, Scan, Schema, Seen, Store, Unsent};
use uuid::Uuid;
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::spawn_local;
use web_sys::IdbTransactionMode;

use crate::call::{self, Call};
use crate::commit::Changes;
use crate::connection::{self, Database};
use crate::options::Options;
use crate::row::{entity, is_trace, whole};
use crate::schema::{KEPT, OUTBOX};
use crate::table::{Table, Tables};
use crate::transaction::{answer, asked};
use crate::watch::Watch;
use crate::worker::{self, Asked};
use crate::{kept, key, outbox, scan, schema};

/// A store in one IndexedDB database of the page's origin, which other tabs may have open too.
///
/// Every operation is a transaction of its own. Dropping the future of an operation, or the end of its context, aborts
/// its transaction; a commit that the browser has begun to write is finished. Dropping the store closes it once what it
/// is at has ended; [`Store::close`] waits for that.
pub struct IndexedDb {
    name: String,
    tables: Tables,
    asks: mpsc::UnboundedSender<Asked>,
}

impl IndexedDb {
    /// Opens the database of this name, made if there is none, and brings it to what `schemas` say: object stores are
    /// made, new indexes filled, in one transaction that waits for other tabs to close the older form. Tabs whose page
    /// has this adapter do so by themselves, and are then unavailable until they are reloaded.
    ///
    /// # Errors
    ///
    /// [`staffa_storage::Error::Unusable`] when the browser gives the page no IndexedDB, as in some private windows, and when the database is
    /// somebody else's, has a newer format or does not fit the schemas; [`staffa_storage::Error::Unavailable`] when another tab holds an older
    /// form for longer than [`Options::blocked_wait`], and when there is no room; [`staffa_storage::Error::Duplicate`] when a new unique index
    /// has a key twice; [`staffa_storage::Error::NewerShape`] when a new index would need documents that only a newer page reads;
    /// [`staffa_storage::Error::Ended`].
    pub async fn open(
        ctx: &Context,
        name: &str,
        options: Options,
        schemas: Vec<Schema>,
    ) -> Result<Arc<Self>> {
        ctx.check()?;
        Schema::check(&schemas)?;
        let tables = Tables::new(schemas);
        let (asks, asked) = mpsc::unbounded();
        let (opened, reply) = oneshot::channel();
        local(open(ctx.clone(), name.to_owned(), options, tables.clone(), asked, opened));
        ctx.run(reply).await?.unwrap_or_else(|_| Err(call::gone()))?;
        Ok(Arc::new(Self { name: name.to_owned(), tables, asks }))
    }

    /// Removes the database of this name with all that is in it, once every tab has closed it. One that is not there is passed over.
    ///
    /// # Errors
    ///
    /// [`staffa_storage::Error::Unavailable`] when another tab holds it for longer than [`Options::blocked_wait`]; it goes as soon as that
    /// closes. [`staffa_storage::Error::Unusable`] when there is no IndexedDB; [`staffa_storage::Error::Ended`].
    pub async fn remove(ctx: &Context, name: &str, options: &Options) -> Result<()> {
        ctx.check()?;
        let (mut removed, reply) = oneshot::channel();
        let (ctx_too, name, options) = (ctx.clone(), name.to_owned(), options.clone());
        local(async move {
            let result = connection::remove(&ctx_too, &name, &options, &mut removed).await;
            // A caller that left does not listen.
            let _ = removed.send(result);
        });
        ctx.run(reply).await?.unwrap_or_else(|_| Err(call::gone()))
    }

    /// Runs an operation in the page's task.
    async fn run<T, F>(
        &self,
        ctx: &Context,
        operation: &'static str,
        about: &'static str,
        work: impl FnOnce(Rc<Database>, Rc<Call>) -> F + Send + 'static,
    ) -> Result<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>> + 'static,
    {
        ctx.check()?;
        let watch = Watch::of(ctx, operation, about);
        let (reply, answer) = oneshot::channel();
        let (stop, stopped) = oneshot::channel();
        let job = move |database: Rc<Database>| -> std::pin::Pin<Box<dyn Future<Output = ()>>> {
            Box::pin(async move {
                let call = Rc::<Call>::default();
                let result = call::until(stopped, &call, work(database, Rc::clone(&call))).await;
                // A caller that left does not listen.
                let _ = reply.send(result);
            })
        };
        self.asks.unbounded_send(Asked::Work(Box::new(job))).map_err(|_| call::gone())?;
        let result = call::answer(watch.context(), stop, answer).await;
        watch.end(&result);
        result
    }
}

#[expect(clippy::disallowed_methods, reason = "a group's tasks are `Send`; these hold the browser's handles")]
fn local(task: impl Future<Output = ()> + 'static) {
    spawn_local(task);
}

/// The whole life of a store in the page's task.
async fn open(
    ctx: Context,
    name: String,
    options: Options,
    tables: Tables,
    asked: mpsc::UnboundedReceiver<Asked>,
    mut opened: oneshot::Sender<Result<()>>,
) {
    match connection::open(&ctx, &name, &options, &tables, &mut opened).await {
        Err(error) => drop(opened.send(Err(error))),
        Ok(database) => {
            if opened.send(Ok(())).is_ok() {
                worker::serve(database, asked).await;
            }
        }
    }
}

#[async_trait]
impl Store for IndexedDb {
    async fn get(&self, ctx: &Context, kind: &'static str, id: &Part) -> Result<Seen> {
        let (table, id) = (Arc::clone(self.tables.of(kind)?), key::id(id));
        self.run(ctx, "get", kind, async move |database, _| find(&database, &table, &id).await).await
    }

    async fn scan(&self, ctx: &Context, scan: Scan) -> Result<Vec<Found>> {
        let (table, kind) = (Arc::clone(self.tables.of(scan.kind)?), scan.kind);
        self.run(ctx, "scan", kind, async move |database, call| {
            scan::page(&database, &call, &table, &scan).await
        })
        .await
    }

    async fn commit(&self, ctx: &Context, commit: Commit) -> Result<()> {
        let about = commit.writes.first().map_or("", |write| write.kind);
        let changes = Changes::of(commit, &self.tables)?;
        self.run(ctx, "commit", about, async move |database, call| changes.run(&database, &call).await).await
    }

    async fn kept(&self, ctx: &Context, scope: &str, key: &str) -> Result<Option<Kept>> {
        let (scope, key) = (scope.to_owned(), key.to_owned());
        self.run(ctx, "kept", "", async move |database, _| kept::find(&database, scope, key).await).await
    }

    async fn unsent(&self, ctx: &Context, unsent: Unsent<'_>) -> Result<Vec<Event>> {
        let Unsent { partitions, limit, .. } = unsent;
        let by = outbox::Asked { partitions, held: unsent.held.iter().cloned().collect(), limit };
        self.run(ctx, "unsent", "", async move |database, _| outbox::unsent(&database, by).await).await
    }

    async fn backlog(&self, ctx: &Context, limit: usize) -> Result<Backlog> {
        self.run(ctx, "unsent", "", async move |database, _| outbox::backlog(&database, limit).await).await
    }

    async fn mark_sent(&self, ctx: &Context, events: &[Uuid]) -> Result<()> {
        let events = events.to_vec();
        self.run(ctx, "mark_sent", "", async move |database, call| {
            outbox::mark_sent(&database, &call, &events).await
        })
        .await
    }

    async fn sweep(&self, ctx: &Context, before: Timestamp, limit: usize) -> Result<usize> {
        self.run(ctx, "sweep", "", async move |database, call| sweep(&database, &call, before, limit).await)
            .await
    }

    /// Reads the database's format.
    async fn ping(&self, ctx: &Context) -> Result<()> {
        self.run(ctx, "ping", "", async move |database, _| schema::check_format(&database).await).await
    }

    async fn close(&self, ctx: &Context) -> Result<()> {
        ctx.check()?;
        let (done, closed) = oneshot::channel();
        // It is closed already when nobody takes this, or drops it.
        if self.asks.unbounded_send(Asked::Close(done)).is_ok() {
            let _ = ctx.run(closed).await?;
        }
        Ok(())
    }
}

async fn find(database: &Database, table: &Table, id: &str) -> Result<Seen> {
    let tx = database.transaction(&[&table.name], IdbTransactionMode::Readonly)?;
    let record = answer(&asked(tx.store(&table.name)?.get(&JsValue::from_str(id)))?).await?;
    tx.leave();
    if record.is_undefined() {
        return Ok(Seen::Absent { last: 0 });
    }
    if is_trace(&record) {
        return Ok(Seen::Absent { last: whole(&record, "version")? });
    }
    Ok(Seen::Row(entity(&record, table)?))
}

async fn sweep(database: &Database, call: &Call, before: Timestamp, limit: usize) -> Result<usize> {
    let tx = database.transaction(&[OUTBOX, KEPT], IdbTransactionMode::Readwrite)?;
    let events = kept::sweep(&tx.store(OUTBOX)?, "sent", before, limit).await?;
    let records = kept::sweep(&tx.store(KEPT)?, "at", before, limit).await?;
    tx.commit(call).await?;
    Ok(events + records)
}

impl fmt::Debug for IndexedDb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IndexedDb").field("name", &self.name).finish_non_exhaustive()
    }
}
