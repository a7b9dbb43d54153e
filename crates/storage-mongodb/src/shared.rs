//! What the tasks of operations work with: the client, what is known of the database, and the finders that they share.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bson::raw::{RawArrayBuf, RawDocumentBuf, cstr};
use bson::{Document, doc, rawdoc};
use futures_util::TryStreamExt;
use mongodb::options::{FindOptions, Hint};
use mongodb::{Client, Database};
use staffa_context::{Context, Timestamp};
use staffa_storage::{Result, Schema};

use crate::call::Call;
use crate::connection::{self, Connection, Primary};
use crate::error::told;
use crate::options::Options;
use crate::outbox::GATES;
use crate::presence::Presence;
use crate::registry::Registry;
use crate::table::Tables;

/// What tasks need.
pub(crate) struct Shared {
    pub(crate) client: Client,
    pub(crate) database: Database,
    pub(crate) tables: Tables,
    pub(crate) options: Options,
    pub(crate) registry: Registry,
    pub(crate) presence: Presence,
    gates: Gates,
    turns: AtomicI64,
    pub(crate) places: u32,
    pub(crate) primary: Primary,
}

/// Gates that no unit of this process is passing.
struct Gates(Mutex<VecDeque<i32>>);

impl Gates {
    fn new(first: u128) -> Self {
        let first = i32::try_from(first % GATES as u128).unwrap_or(0);
        Self(Mutex::new((0..GATES).map(|gate| (first + gate) % GATES).collect()))
    }

    fn free(&self) -> MutexGuard<'_, VecDeque<i32>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A gate for one unit. The last one that was given back is the first to be taken: the units of a process meet few others.
    fn take(&self) -> Gate<'_> {
        Gate { taken: self.free().pop_back(), gates: self, was_passed: true }
    }
}

/// A gate that a unit passes.
pub(crate) struct Gate<'a> {
    gates: &'a Gates,
    taken: Option<i32>,
    was_passed: bool,
}

impl Gate<'_> {
    /// More units than gates share the first one, and wait for each other.
    pub(crate) fn number(&self) -> i32 {
        self.taken.unwrap_or(0)
    }

    /// Says that the unit did not get through: a transaction whose process is gone may hold the gate, so it is taken last.
    pub(crate) fn was_not_passed(&mut self) {
        self.was_passed = false;
    }
}

impl Drop for Gate<'_> {
    fn drop(&mut self) {
        match self.taken {
            Some(number) if self.was_passed => self.gates.free().push_back(number),
            Some(number) => self.gates.free().push_front(number),
            None => {}
        }
    }
}

impl Shared {
    /// What the server has beyond the deadline: the caller's own clock ends an operation first, with its cause.
    pub(crate) const MARGIN: Duration = Duration::from_millis(10);

    /// Connects, and touches nothing.
    pub(crate) async fn connect(
        ctx: &Context,
        url: &str,
        options: Options,
        schemas: &[Schema],
    ) -> Result<Self> {
        let Connection { client, database, places, primary } =
            connection::connect(ctx, url, &options).await?;
        Ok(Self {
            client,
            database,
            tables: Tables::new(schemas),
            options,
            registry: Registry::default(),
            presence: Presence::new(ctx),
            gates: Gates::new(ctx.uuid().as_u128()),
            turns: AtomicI64::new(0),
            places,
            primary,
        })
    }

    /// A time that is above all that it gave before.
    pub(crate) fn turn(&self, now: Timestamp) -> i64 {
        let next = |last: i64| now.as_micros().max(last + 1);
        self.turns.fetch_update(Ordering::AcqRel, Ordering::Acquire, |last| Some(next(last))).map_or(0, next)
    }

    pub(crate) fn gate(&self) -> Gate<'_> {
        self.gates.take()
    }

    /// How long the server may work on a call: to its deadline, and no longer than the options say.
    pub(crate) fn max_time(&self, call: &Call) -> Duration {
        let most = self.options.operation_max;
        let left = call.context().remaining().map_or(most, |left| (left + Self::MARGIN).min(most));
        // Nothing would mean no limit.
        left.max(Duration::from_millis(1))
    }

    /// The same in milliseconds, as commands have it.
    pub(crate) fn millis(&self, call: &Call) -> i64 {
        i64::try_from(self.max_time(call).as_millis()).unwrap_or(i64::MAX).max(1)
    }

    /// Waits for an operation of this session to its end; once its call is gone, the server is told to stop it.
    pub(crate) async fn stoppable<T>(
        &self,
        call: &Call,
        session: &Document,
        operation: impl Future<Output = mongodb::error::Result<T>>,
    ) -> mongodb::error::Result<T> {
        let mut operation = std::pin::pin!(operation);
        tokio::select! {
            biased;
            done = &mut operation => return done,
            () = call.gone() => {}
        }
        let kill = self.database.run_command(doc! { "killSessions": [session.clone()] });
        if let Err(error) = kill.await {
            tracing::debug!(%error, "an operation could not be stopped, and ends with its time");
        }
        operation.await
    }

    /// All documents that match outside of a transaction, in an order, at most `limit`.
    pub(crate) async fn find(
        &self,
        call: &Call,
        collection: &str,
        filter: Document,
        sort: Document,
        limit: usize,
    ) -> Result<Vec<RawDocumentBuf>> {
        self.find_after(call, collection, filter, sort, 0, limit).await
    }

    /// The same without the first ones.
    pub(crate) async fn find_after(
        &self,
        call: &Call,
        collection: &str,
        filter: Document,
        sort: Document,
        skip: u64,
        limit: usize,
    ) -> Result<Vec<RawDocumentBuf>> {
        let find = FindOptions::builder().sort(sort).skip(skip).limit(most(limit)).build();
        self.read(call, collection, filter, find).await
    }

    /// The same by an index of this name, in its order.
    pub(crate) async fn find_by(
        &self,
        call: &Call,
        collection: &str,
        filter: Document,
        index: &str,
        limit: usize,
    ) -> Result<Vec<RawDocumentBuf>> {
        let find = FindOptions::builder().hint(Hint::Name(index.into())).limit(most(limit)).build();
        self.read(call, collection, filter, find).await
    }

    /// All documents that match outside of a transaction, as the options say.
    pub(crate) async fn read(
        &self,
        call: &Call,
        collection: &str,
        filter: Document,
        find: FindOptions,
    ) -> Result<Vec<RawDocumentBuf>> {
        let mut session = self.client.start_session().await.map_err(told)?;
        let id = session.id().clone();
        let found = self.database.collection::<RawDocumentBuf>(collection);
        let read = async {
            let find = found.find(filter).with_options(find).max_time(self.max_time(call));
            let mut cursor = find.session(&mut session).await?;
            cursor.stream(&mut session).try_collect().await
        };
        self.stoppable(call, &id, read).await.map_err(told)
    }

    /// Runs statements of `update` outside of a transaction, each by itself, and gives the reply.
    pub(crate) async fn update(
        &self,
        call: &Call,
        collection: &str,
        updates: Vec<RawDocumentBuf>,
    ) -> Result<Document> {
        self.try_update(call, collection, updates, self.options.operation_max).await.map_err(told)
    }

    /// The same with the driver's own error, within a time.
    pub(crate) async fn try_update(
        &self,
        call: &Call,
        collection: &str,
        updates: Vec<RawDocumentBuf>,
        at_most: Duration,
    ) -> mongodb::error::Result<Document> {
        let mut asked = rawdoc! { "update": collection };
        asked.append(cstr!("updates"), updates.into_iter().collect::<RawArrayBuf>());
        asked.append(cstr!("ordered"), false);
        let millis = self.max_time(call).min(at_most).as_millis();
        asked.append(cstr!("maxTimeMS"), i64::try_from(millis).unwrap_or(i64::MAX));
        asked.append(cstr!("writeConcern"), rawdoc! { "w": "majority" });
        let mut session = self.client.start_session().await?;
        let id = session.id().clone();
        let run = self.database.run_raw_command(asked).session(&mut session);
        self.stoppable(call, &id, async { run.await }).await
    }

    /// How many documents match, counted up to a limit above 0.
    pub(crate) async fn count(
        &self,
        call: &Call,
        collection: &str,
        filter: Document,
        limit: usize,
    ) -> Result<usize> {
        let mut session = self.client.start_session().await.map_err(told)?;
        let id = session.id().clone();
        let found = self.database.collection::<Document>(collection);
        let count = found.count_documents(filter).limit(limit as u64).max_time(self.max_time(call));
        let count = count.session(&mut session);
        let count = self.stoppable(call, &id, async { count.await }).await.map_err(told)?;
        Ok(usize::try_from(count).unwrap_or(limit))
    }

    /// The one document with this id.
    pub(crate) async fn find_one(
        &self,
        call: &Call,
        collection: &str,
        named: Document,
    ) -> Result<Option<RawDocumentBuf>> {
        let mut session = self.client.start_session().await.map_err(told)?;
        let id = session.id().clone();
        let found = self.database.collection::<RawDocumentBuf>(collection);
        let find = found.find_one(named).max_time(self.max_time(call)).session(&mut session);
        self.stoppable(call, &id, async { find.await }).await.map_err(told)
    }
}

/// A limit as the server takes it; 0 would be none.
pub(crate) fn most(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
