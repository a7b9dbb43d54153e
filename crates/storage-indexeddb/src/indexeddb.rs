use std::fmt;
use std::future::Future;
use std::sync::Arc;

use async_trait::async_trait;
use futures_channel::{mpsc, oneshot};
use staffa_context::{Context, Timestamp};
use staffa_storage::{
    Backlog, Commit, Error, Event, Found, Kept, Part, Result, Scan, Schema, Seen, Store, Unsent,
};
use uuid::Uuid;
use wasm_bindgen_futures::spawn_local;

use crate::commit::Changes;
use crate::operation::{Answer, Operation};
use crate::options::Options;
use crate::table::Tables;
use crate::watch::Watch;
use crate::worker::{self, Asked};
use crate::{call, connection, outbox};

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
        check_indexes(&schemas)?;
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

    /// Has an operation run in the page's task.
    async fn run(&self, ctx: &Context, operation: Operation) -> Result<Answer> {
        ctx.check()?;
        let watch = Watch::of(ctx, operation.name, operation.about);
        let (reply, answer) = oneshot::channel();
        let (stop, stopped) = oneshot::channel();
        let asked = Asked::Work(operation, reply, stopped);
        self.asks.unbounded_send(asked).map_err(|_| call::gone())?;
        let result = call::answer(watch.context(), stop, answer).await;
        watch.end(&result);
        result
    }
}

#[expect(clippy::disallowed_methods, reason = "a group's tasks are `Send`; these hold the browser's handles")]
fn local(task: impl Future<Output = ()> + 'static) {
    spawn_local(task);
}

fn check_indexes(schemas: &[Schema]) -> Result<()> {
    let has_them = cfg!(feature = "indexes");
    match schemas.iter().find(|schema| !has_them && !schema.indexes.is_empty()) {
        Some(schema) => {
            let words = [schema.kind, " declares indexes, for which this page lacks the feature `indexes`"];
            Err(Error::Unusable(words.concat()))
        }
        None => Ok(()),
    }
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
        let table = Arc::clone(self.tables.of(kind)?);
        match self.run(ctx, Operation::get(table, id.clone())).await? {
            Answer::Seen(seen) => Ok(seen),
            _ => Err(astray()),
        }
    }

    async fn scan(&self, ctx: &Context, scan: Scan) -> Result<Vec<Found>> {
        let table = Arc::clone(self.tables.of(scan.kind)?);
        match self.run(ctx, Operation::scan(table, scan)).await? {
            Answer::Found(found) => Ok(found),
            _ => Err(astray()),
        }
    }

    async fn commit(&self, ctx: &Context, commit: Commit) -> Result<()> {
        let changes = Changes::of(commit, &self.tables)?;
        self.run(ctx, Operation::commit(changes)).await.map(drop)
    }

    async fn kept(&self, ctx: &Context, scope: &str, key: &str) -> Result<Option<Kept>> {
        match self.run(ctx, Operation::kept(scope.to_owned(), key.to_owned())).await? {
            Answer::Kept(kept) => Ok(kept),
            _ => Err(astray()),
        }
    }

    async fn unsent(&self, ctx: &Context, unsent: Unsent<'_>) -> Result<Vec<Event>> {
        let Unsent { partitions, limit, .. } = unsent;
        let by = outbox::Asked { partitions, held: unsent.held.to_vec(), limit };
        match self.run(ctx, Operation::unsent(by)).await? {
            Answer::Events(events) => Ok(events),
            _ => Err(astray()),
        }
    }

    async fn backlog(&self, ctx: &Context, limit: usize) -> Result<Backlog> {
        match self.run(ctx, Operation::backlog(limit)).await? {
            Answer::Backlog(backlog) => Ok(backlog),
            _ => Err(astray()),
        }
    }

    async fn mark_sent(&self, ctx: &Context, events: &[Uuid]) -> Result<()> {
        self.run(ctx, Operation::mark_sent(events.to_vec())).await.map(drop)
    }

    async fn sweep(&self, ctx: &Context, before: Timestamp, limit: usize) -> Result<usize> {
        match self.run(ctx, Operation::sweep(before, limit)).await? {
            Answer::Count(count) => Ok(count),
            _ => Err(astray()),
        }
    }

    /// Reads the database's format.
    async fn ping(&self, ctx: &Context) -> Result<()> {
        self.run(ctx, Operation::ping()).await.map(drop)
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

/// An operation gave what another one gives: a fault of this adapter.
fn astray() -> Error {
    Error::Unusable("an operation was answered with what another one gives".into())
}

impl fmt::Debug for IndexedDb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IndexedDb").field("name", &self.name).finish_non_exhaustive()
    }
}
