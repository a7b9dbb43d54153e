use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;
use staffa_context::{Context, Timestamp};
use staffa_storage::{
    Backlog, Commit, Error, Event, Found, Kept, Part, Result, Scan, Schema, Seen, Store, Unsent,
};
use uuid::Uuid;
use wasm_bindgen::JsValue;

use crate::call::{Call, Late, waiting};
use crate::options::Options;
use crate::row::{Told, list};
use crate::scan::Order;
use crate::scripts::{self, Operation};
use crate::table::Tables;
use crate::watch::Watch;
use crate::{key, row};

/// A store in one IndexedDB database of the page's origin, which other tabs may have open too.
///
/// Every operation is a transaction of its own. Dropping the future of an operation, or the end of its context, aborts
/// its transaction; a commit that the browser has begun to write is finished, and an operation whose context has ended
/// waits up to [`Options::end_wait`] for that: it is [`Error::Unknown`] then. Dropping the store closes it once what it is at
/// has ended; [`Store::close`] waits for that.
pub struct IndexedDb {
    name: String,
    tables: Tables,
    database: Database,
    end_wait: Duration,
}

/// The number of a database that is open, or being opened. Dropped, it is closed.
struct Database(u32);

impl Drop for Database {
    fn drop(&mut self) {
        // It is closed at once to whoever asks; nobody waits for the rest.
        let _ = scripts::close(self.0);
    }
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
        let call = Call::new();
        let Options { durability, blocked_wait, operations_max, end_wait } = options;
        let opened = Self { name: name.to_owned(), database: Database(call.0), tables, end_wait };
        let tables = &opened.tables;
        let (durability, wait) = (durability.word(), millis(blocked_wait));
        let asked = list![name, durability, wait, operations_max.max(1), tables.told()];
        let answer = waiting(scripts::open(call.0, &staffa_context::json(&asked), &indexes(tables)));
        call.answer(ctx, tables, answer, Late { wait: end_wait, writes: false }).await?;
        Ok(Arc::new(opened))
    }

    /// Removes the database of this name with all that is in it, once every tab has closed it. One that is not there is passed over.
    ///
    /// # Errors
    ///
    /// [`staffa_storage::Error::Unavailable`] when another tab holds it for longer than [`Options::blocked_wait`]; it goes as soon as that
    /// closes. [`staffa_storage::Error::Unusable`] when there is no IndexedDB; [`staffa_storage::Error::Ended`].
    pub async fn remove(ctx: &Context, name: &str, options: &Options) -> Result<()> {
        ctx.check()?;
        let call = Call::new();
        let asked = list![name, millis(options.blocked_wait)];
        let answer = waiting(scripts::remove(call.0, &staffa_context::json(&asked)));
        let late = Late { wait: options.end_wait, writes: false };
        call.answer(ctx, &Tables::new(Vec::new()), answer, late).await.map(drop)
    }

    async fn find(&self, ctx: &Context, kind: &'static str, ids: &[Part]) -> Result<Value> {
        self.tables.of(kind)?;
        let ids: Vec<Value> = ids.iter().map(|id| key::id(id).into()).collect();
        self.read(ctx, ("get", kind), scripts::get, list![kind, ids]).await
    }

    /// Runs an operation that reads.
    async fn read(&self, ctx: &Context, name: Name, run: Operation, asked: Value) -> Result<Value> {
        self.run(ctx, name, run, asked, false).await
    }

    /// Runs one that writes.
    async fn write(&self, ctx: &Context, name: Name, run: Operation, asked: Value) -> Result<Value> {
        self.run(ctx, name, run, asked, true).await
    }

    async fn run(
        &self,
        ctx: &Context,
        name: Name,
        run: Operation,
        asked: Value,
        writes: bool,
    ) -> Result<Value> {
        ctx.check()?;
        let watch = Watch::of(ctx, name.0, name.1);
        let call = Call::new();
        let answer = waiting(run(call.0, self.database.0, &staffa_context::json(&asked)));
        let result =
            call.answer(watch.context(), &self.tables, answer, Late { wait: self.end_wait, writes }).await;
        watch.end(&result);
        result
    }
}

/// An operation's name, and the kind that it is about, the first one of several.
type Name = (&'static str, &'static str);

fn millis(wait: Duration) -> u32 {
    u32::try_from(wait.as_millis()).unwrap_or(u32::MAX)
}

/// A limit as IndexedDB counts.
fn most(limit: usize) -> u32 {
    u32::try_from(limit).unwrap_or(u32::MAX)
}

/// What makes and fills the kinds' indexes.
#[cfg(feature = "indexes")]
fn indexes(tables: &Tables) -> JsValue {
    use wasm_bindgen::closure::Closure;
    let tables = tables.clone();
    let keys_of =
        Closure::<dyn Fn(String, u32, String) -> String>::new(move |kind: String, shape, document| {
            let told = match tables.of(&kind).and_then(|table| table.keys_of(shape, document)) {
                Ok(keys) => std::iter::once("".into()).chain(row::texts(&keys)).collect(),
                Err(error) => crate::error::told(error),
            };
            staffa_context::json(&Value::Array(told))
        });
    scripts::indexes(&keys_of.into_js_value())
}

#[cfg(not(feature = "indexes"))]
fn indexes(_: &Tables) -> JsValue {
    JsValue::UNDEFINED
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

#[async_trait]
impl Store for IndexedDb {
    async fn get(&self, ctx: &Context, kind: &'static str, id: &Part) -> Result<Seen> {
        let told = self.find(ctx, kind, std::slice::from_ref(id)).await?;
        Told(&told).at(0).seen(self.tables.of(kind)?)
    }

    async fn get_many(&self, ctx: &Context, kind: &'static str, ids: &[Part]) -> Result<Vec<Seen>> {
        let told = self.find(ctx, kind, ids).await?;
        let table = self.tables.of(kind)?;
        Told(&told).list().iter().map(|seen| Told(seen).seen(table)).collect()
    }

    async fn scan(&self, ctx: &Context, scan: Scan) -> Result<Vec<Found>> {
        let order = Order::of(self.tables.of(scan.kind)?, &scan)?;
        let Some(asked) = order.asked(&scan) else { return Ok(Vec::new()) };
        let told = self.read(ctx, ("scan", scan.kind), scripts::scan, asked).await?;
        Told(&told).list().iter().map(|found| order.found(&Told(found))).collect()
    }

    async fn commit(&self, ctx: &Context, commit: Commit) -> Result<()> {
        let about = commit.writes.first().map_or("", |write| write.kind);
        let asked = row::commit(commit, &self.tables)?;
        self.write(ctx, ("commit", about), scripts::commit, asked).await.map(drop)
    }

    async fn kept(&self, ctx: &Context, scope: &str, key: &str) -> Result<Option<Kept>> {
        let told = self.read(ctx, ("kept", ""), scripts::kept, list![scope, key]).await?;
        let told = Told(&told);
        if told.list().is_empty() { Ok(None) } else { told.kept(scope, key).map(Some) }
    }

    async fn unsent(&self, ctx: &Context, unsent: Unsent<'_>) -> Result<Vec<Event>> {
        let Unsent { partitions, held, limit } = unsent;
        let mut events: Vec<Event> = Vec::new();
        let (mut after, mut batch) = (Value::from(0), limit);
        while events.len() < limit {
            let asked = list![after, most(batch)];
            let told = self.read(ctx, ("unsent", ""), scripts::unsent, asked).await?;
            let told = Told(&told).list();
            for event in told {
                let event = Told(event).event()?;
                let is_held = held.iter().any(|(kind, id)| *kind == event.kind && *id == event.entity);
                if partitions.contains(event.partition()) && !is_held && events.len() < limit {
                    events.push(event);
                }
            }
            if told.len() < batch {
                break;
            }
            after = told.last().map_or(Value::Null, |last| Told(last).at(0).0.clone());
            batch = batch.max(UNSENT_BATCH);
        }
        Ok(events)
    }

    async fn backlog(&self, ctx: &Context, limit: usize) -> Result<Backlog> {
        let told = self.read(ctx, ("unsent", ""), scripts::backlog, list![most(limit)]).await?;
        let told = Told(&told);
        let oldest = if told.list().len() > 1 { Some(told.at(1).time()?) } else { None };
        Ok(Backlog { events: told.at(0).number()? as usize, oldest })
    }

    async fn mark_sent(&self, ctx: &Context, events: &[Uuid]) -> Result<()> {
        let ids: Vec<Value> = events.iter().map(|id| id.to_string().into()).collect();
        self.write(ctx, ("mark_sent", ""), scripts::mark_sent, Value::Array(ids)).await.map(drop)
    }

    async fn sweep(&self, ctx: &Context, before: Timestamp, limit: usize) -> Result<usize> {
        let asked = list![row::time(before), most(limit)];
        let told = self.write(ctx, ("sweep", ""), scripts::sweep, asked).await?;
        Ok(Told(&told).number()? as usize)
    }

    /// Reads the database's format.
    async fn ping(&self, ctx: &Context) -> Result<()> {
        self.read(ctx, ("ping", ""), scripts::ping, Value::Null).await.map(drop)
    }

    async fn close(&self, ctx: &Context) -> Result<()> {
        ctx.check()?;
        let closed = waiting(scripts::close(self.database.0));
        // It has no answer.
        let _ = ctx.run(closed).await?;
        Ok(())
    }
}

/// How many unsent events are read at a time, after the first ones, to find those of some partitions.
const UNSENT_BATCH: usize = 100;

impl fmt::Debug for IndexedDb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IndexedDb").field("name", &self.name).finish_non_exhaustive()
    }
}
