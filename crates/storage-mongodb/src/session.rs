//! Statements of one's own, by the store's rules of deadlines and cancellation.

use std::sync::Arc;
use std::time::Duration;

use bson::{Document, doc};
use futures_util::TryStreamExt;
use mongodb::{ClientSession, Database};
use staffa_context::{BoxFuture, Context};
use staffa_storage::watch::Operation;
use staffa_storage::{Error, Result};

use crate::call::Call;
use crate::error::{is_transient, told};
use crate::freezing;
use crate::mongodb::MongoDb;
use crate::outbox;
use crate::shared::Shared;
use crate::transaction::{Stop, Transaction};

/// The store's database, with the session that a statement must be run in for the store to stop it.
pub struct Session<'a> {
    store: &'a Shared,
    call: &'a Call,
    session: &'a mut ClientSession,
}

impl Session<'_> {
    /// The store's database. Collections whose names begin with `staffa_`, and those of the port's kinds, are the adapter's: they
    /// may be read, not written.
    pub fn database(&self) -> &Database {
        &self.store.database
    }

    /// The session: every statement takes it by `.session(…)`.
    pub fn session(&mut self) -> &mut ClientSession {
        self.session
    }

    /// How long the server may work from now on: every statement takes it by `.max_time(…)`.
    pub fn max_time(&self) -> Duration {
        self.store.max_time(self.call)
    }

    /// Whether the work is still wanted: what has several statements asks between them, since the server is told to stop the one
    /// under way only.
    ///
    /// # Errors
    ///
    /// An error of the driver's that [`MongoDb::read`] and [`MongoDb::write`] turn into [`Error::Ended`].
    pub fn check(&self) -> mongodb::error::Result<()> {
        self.call.ended().map_or(Ok(()), |cause| Err(mongodb::error::Error::custom(cause)))
    }

    /// Everything that an aggregation of a collection gives, in memory.
    ///
    /// # Errors
    ///
    /// Those of the driver.
    pub async fn aggregate(
        &mut self,
        collection: &str,
        pipeline: Vec<Document>,
    ) -> mongodb::error::Result<Vec<Document>> {
        self.check()?;
        let collection = self.store.database.collection::<Document>(collection);
        let aggregate = collection.aggregate(pipeline).max_time(self.store.max_time(self.call));
        let mut cursor = aggregate.session(&mut *self.session).await?;
        cursor.stream(&mut *self.session).try_collect().await
    }
}

impl std::fmt::Debug for Session<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("database", &self.store.database.name()).finish_non_exhaustive()
    }
}

impl MongoDb {
    /// Reads with statements of one's own. They run in a task, on a connection of the store's; when the context ends or the
    /// future is dropped, the server is told to stop them.
    ///
    /// The driver is part of this crate's interface on purpose, as [`crate::driver`]: a port of one's own is an adapter of
    /// MongoDB, written in its terms. A kind's documents are in the collection named after it, each with its entity in the field
    /// `document`; what was deleted has no such field.
    ///
    /// # Errors
    ///
    /// [`Error::Ended`], [`Error::Unavailable`]; [`Error::Unusable`] for an error of the statement.
    pub async fn read<T, F>(&self, ctx: &Context, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: for<'a> FnOnce(&'a mut Session<'_>) -> BoxFuture<'a, mongodb::error::Result<T>> + Send + 'static,
    {
        self.run(ctx, Operation::Read, "", |store, call| async move {
            let mut session = store.client.start_session().await.map_err(told)?;
            let id = session.id().clone();
            let mut own = Session { store: &store, call: &call, session: &mut session };
            store.stoppable(&call, &id, work(&mut own)).await.map_err(told)
        })
        .await
    }

    /// Writes with statements of one's own, in a transaction of its own: committed when `work` gives a value and the context
    /// has not ended, else taken back; it must not end the transaction itself. It is not run again when others are in its way.
    ///
    /// # Errors
    ///
    /// As [`MongoDb::read`], [`Error::Frozen`]; nothing happened. [`Error::Unavailable`] when another transaction wrote the same:
    /// try again. [`Error::Unknown`] when the outcome of the commit was not seen.
    pub async fn write<T, F>(&self, ctx: &Context, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: for<'a> FnOnce(&'a mut Session<'_>) -> BoxFuture<'a, mongodb::error::Result<T>> + Send + 'static,
    {
        self.run(ctx, Operation::Write, "", |store, call| async move {
            let gate = store.gate();
            let mut tx = Transaction::begin(&store, &call).await?;
            let done = own_work(&store, &call, &mut tx, gate.number(), work).await;
            match tx.finish(done).await {
                Ok(output) => Ok(output),
                Err(Stop::Failed(error)) => Err(error),
                Err(Stop::Unmet) => Err(frozen_or_busy(&store, &call, gate.number()).await),
                Err(Stop::Again) => {
                    store.presence.held_up();
                    Err(busy())
                }
            }
        })
        .await
    }
}

async fn own_work<T, F>(
    store: &Arc<Shared>,
    call: &Call,
    tx: &mut Transaction<'_>,
    gate: i32,
    work: F,
) -> Result<T, Stop>
where
    F: for<'a> FnOnce(&'a mut Session<'_>) -> BoxFuture<'a, mongodb::error::Result<T>>,
{
    tx.update(outbox::COLLECTION, vec![outbox::pass(gate)?]).await?;
    let session = tx.session();
    let id = session.id().clone();
    let mut own = Session { store, call, session };
    let done = store.stoppable(call, &id, work(&mut own)).await;
    done.map_err(|error| if is_transient(&error) { Stop::Again } else { Stop::Failed(told(error)) })
}

async fn frozen_or_busy(store: &Shared, call: &Call, gate: i32) -> Error {
    let shut = store.find_one(call, outbox::COLLECTION, doc! { "_id": gate, "frozen": true }).await;
    match shut {
        Ok(Some(_)) => match freezing::finish_thaw(store, call, gate).await {
            Ok(false) => Error::Frozen,
            Ok(true) => Error::Unavailable("the store is just being thawed: try again".into()),
            Err(error) => error,
        },
        Ok(None) => busy(),
        Err(error) => error,
    }
}

fn busy() -> Error {
    Error::Unavailable("another transaction wrote the same: try again".into())
}
