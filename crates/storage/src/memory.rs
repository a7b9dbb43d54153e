//! The adapter that keeps everything in memory, by the same rules as every other.
//!
//! It serves tests, demonstrations and pages without a disk. What is in it is gone with its last handle.
//!
//! ```
//! use serde::{Deserialize, Serialize};
//! use staffa_context::Context;
//! use staffa_storage::memory::Memory;
//! use staffa_storage::{Entity, Result, Schema, Store};
//!
//! #[derive(Clone, Serialize, Deserialize)]
//! struct Note { id: i64, text: String }
//!
//! impl Entity for Note {
//!     type Id = i64;
//!     const KIND: &'static str = "note";
//!     fn id(&self) -> &i64 { &self.id }
//! }
//!
//! # async fn example(ctx: &Context) -> Result<()> {
//! let store: std::sync::Arc<dyn Store> = Memory::open(vec![Schema::of::<Note>()])?;
//! let mut unit = store.unit();
//! unit.insert(Note { id: 1, text: "buy milk".into() });
//! unit.commit(ctx).await
//! # }
//! ```

mod kind;
mod outbox;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use staffa_context::{Context, Timestamp};
use uuid::Uuid;

use crate::{
    Backlog, Commit, Error, Event, Exported, Found, Kept, Mark, Moving, Part, Record, Result, Scan, Schema,
    Section, Seen, Store, Unsent,
};
use kind::Kind;
use outbox::Outbox;

/// A store in memory. Cheap: maps behind one lock, which is never held across an await point.
#[derive(Debug)]
pub struct Memory {
    schemas: BTreeMap<&'static str, Schema>,
    data: Arc<Mutex<Data>>,
    closed: AtomicBool,
}

/// What outlives a handle.
#[derive(Debug, Default)]
struct Data {
    kinds: BTreeMap<&'static str, Kind>,
    kept: BTreeMap<(String, String), Kept>,
    kept_by_time: BTreeSet<(Timestamp, String, String)>,
    outbox: Outbox,
    frozen: bool,
}

impl Memory {
    /// An empty store for these kinds.
    ///
    /// # Errors
    ///
    /// [`Error::Unusable`] for a schema that breaks the rules of names.
    pub fn open(schemas: Vec<Schema>) -> Result<Arc<Self>> {
        Self::over(Arc::default(), schemas)
    }

    /// Another handle on the same data with these kinds, as another binary would open it: new indexes are filled,
    /// those that are gone are dropped. Close the older handle first: it would write without the new indexes.
    ///
    /// # Errors
    ///
    /// [`Error::Unusable`] as for [`Memory::open`]; the error of a document that has no key in a new index.
    pub fn reopen(&self, schemas: Vec<Schema>) -> Result<Arc<Self>> {
        Self::over(Arc::clone(&self.data), schemas)
    }

    fn over(data: Arc<Mutex<Data>>, schemas: Vec<Schema>) -> Result<Arc<Self>> {
        Schema::check(&schemas)?;
        {
            let mut data = lock(&data);
            for schema in &schemas {
                data.kinds.entry(schema.kind).or_default().adapt(schema)?;
            }
        }
        let schemas = schemas.into_iter().map(|schema| (schema.kind, schema)).collect();
        Ok(Arc::new(Self { schemas, data, closed: AtomicBool::new(false) }))
    }

    /// The data, for a context that has not ended and a store that is not closed.
    fn data(&self, ctx: &Context) -> Result<MutexGuard<'_, Data>> {
        ctx.check()?;
        if self.closed.load(Ordering::Acquire) {
            return Err(Error::Unavailable("the store is closed".into()));
        }
        Ok(lock(&self.data))
    }

    /// The same, for one that is not frozen either.
    fn writable(&self, ctx: &Context) -> Result<MutexGuard<'_, Data>> {
        let data = self.data(ctx)?;
        if data.frozen { Err(Error::Frozen) } else { Ok(data) }
    }

    fn schema(&self, kind: &str) -> Result<&Schema> {
        self.schemas.get(kind).ok_or_else(|| Error::Unusable(format!("the store was opened without {kind}")))
    }
}

// A panic while the lock is held would be ours; the checks of a commit all come before its first change.
fn lock(data: &Mutex<Data>) -> MutexGuard<'_, Data> {
    data.lock().unwrap_or_else(PoisonError::into_inner)
}

#[async_trait]
impl Store for Memory {
    async fn get(&self, ctx: &Context, kind: &'static str, id: &Part) -> Result<Seen> {
        self.schema(kind)?;
        Ok(self.data(ctx)?.get(kind, id))
    }

    async fn get_many(&self, ctx: &Context, kind: &'static str, ids: &[Part]) -> Result<Vec<Seen>> {
        self.schema(kind)?;
        let data = self.data(ctx)?;
        Ok(ids.iter().map(|id| data.get(kind, id)).collect())
    }

    async fn scan(&self, ctx: &Context, scan: Scan) -> Result<Vec<Found>> {
        self.schema(scan.kind)?;
        Ok(self.data(ctx)?.kinds.get(scan.kind).map(|kind| kind.scan(&scan)).unwrap_or_default())
    }

    async fn commit(&self, ctx: &Context, commit: Commit) -> Result<()> {
        let mut data = self.writable(ctx)?;
        data.check(self, &commit)?;
        data.apply(self, commit);
        Ok(())
    }

    async fn kept(&self, ctx: &Context, scope: &str, key: &str) -> Result<Option<Kept>> {
        Ok(self.data(ctx)?.kept.get(&(scope.to_owned(), key.to_owned())).cloned())
    }

    async fn unsent(&self, ctx: &Context, unsent: Unsent<'_>) -> Result<Vec<Event>> {
        Ok(self.data(ctx)?.outbox.unsent(unsent))
    }

    async fn backlog(&self, ctx: &Context, limit: usize) -> Result<Backlog> {
        Ok(self.data(ctx)?.outbox.backlog(limit))
    }

    async fn mark_sent(&self, ctx: &Context, events: &[Uuid]) -> Result<()> {
        self.writable(ctx)?.outbox.mark_sent(events);
        Ok(())
    }

    async fn sweep(&self, ctx: &Context, before: Timestamp, limit: usize) -> Result<usize> {
        let mut data = self.writable(ctx)?;
        Ok(data.sweep_kept(before, limit) + data.outbox.sweep(before, limit))
    }

    async fn ping(&self, ctx: &Context) -> Result<()> {
        self.data(ctx).map(drop)
    }

    async fn close(&self, ctx: &Context) -> Result<()> {
        ctx.check()?;
        self.closed.store(true, Ordering::Release);
        Ok(())
    }
}

#[async_trait]
impl Moving for Memory {
    async fn freeze(&self, ctx: &Context, frozen: bool) -> Result<()> {
        self.data(ctx)?.frozen = frozen;
        Ok(())
    }

    async fn is_frozen(&self, ctx: &Context) -> Result<bool> {
        Ok(self.data(ctx)?.frozen)
    }

    async fn export(
        &self,
        ctx: &Context,
        section: Section,
        after: Option<&Mark>,
        limit: usize,
    ) -> Result<Exported> {
        if let Section::Rows(kind) = section {
            self.schema(kind)?;
        }
        let data = self.data(ctx)?;
        let done = moved(after)?;
        let records: Vec<Record> = match section {
            Section::Rows(kind) => match data.kinds.get(kind) {
                Some(kind) => kind.records().skip(done).take(limit).collect::<Result<_>>()?,
                None => Vec::new(),
            },
            Section::Events => data.outbox.records().skip(done).take(limit).collect(),
            Section::Kept => data.kept.values().skip(done).take(limit).cloned().map(Record::Kept).collect(),
        };
        let next = (records.len() == limit).then(|| Mark((done + records.len()).to_string()));
        Ok(Exported { records, next })
    }

    async fn import(&self, ctx: &Context, section: Section, records: Vec<Record>) -> Result<()> {
        let mut data = self.data(ctx)?;
        match section {
            Section::Rows(kind) => {
                let schema = self.schema(kind)?;
                data.kinds.entry(kind).or_default().import(schema, records)
            }
            Section::Events => data.outbox.import(records),
            Section::Kept => records.into_iter().try_for_each(|record| match record {
                Record::Kept(kept) => {
                    data.keep(kept);
                    Ok(())
                }
                other => Err(misplaced(&other)),
            }),
        }
    }
}

/// A mark counts the records before it: what is frozen does not move.
fn moved(after: Option<&Mark>) -> Result<usize> {
    let damaged = |_| Error::Unusable("the mark is not one of this store's".into());
    after.map_or(Ok(0), |mark| mark.0.parse().map_err(damaged))
}

fn misplaced(record: &Record) -> Error {
    Error::Unusable(format!("a record of another section: {record:?}"))
}

impl Data {
    fn get(&self, kind: &str, id: &Part) -> Seen {
        self.kinds.get(kind).map_or(Seen::Absent { last: 0 }, |kind| kind.get(id))
    }

    fn check(&self, store: &Memory, commit: &Commit) -> Result<()> {
        if let Some(kept) = &commit.kept
            && self.kept.contains_key(&(kept.scope.clone(), kept.key.clone()))
        {
            return Err(Error::Kept);
        }
        self.check_expected(store, commit)?;
        self.check_unique(store, commit)
    }

    /// Guards and writes, both in the order of (kind, id), are looked at in that order together.
    fn check_expected(&self, store: &Memory, commit: &Commit) -> Result<()> {
        let guards = commit.guards.iter().map(|guard| (guard.kind, &guard.id, guard.expect, false));
        let writes = commit.writes.iter().map(|write| (write.kind, &write.id, write.expect, true));
        let mut expected: Vec<_> = guards.chain(writes).collect();
        expected.sort_by_key(|(kind, id, ..)| (*kind, *id));
        for (kind, id, expect, written) in expected {
            let schema = store.schema(kind)?;
            let Some(rows) = self.kinds.get(kind) else { continue };
            rows.check_expected(schema, id, expect)?;
            if written {
                rows.check_shape(schema, id)?;
            }
        }
        Ok(())
    }

    fn check_unique(&self, store: &Memory, commit: &Commit) -> Result<()> {
        for (kind, writes) in by_kind(commit) {
            if let Some(rows) = self.kinds.get(kind) {
                rows.check_unique(store.schema(kind)?, &writes)?;
            }
        }
        Ok(())
    }

    fn apply(&mut self, store: &Memory, commit: Commit) {
        for write in commit.writes {
            let shape = store.schemas.get(write.kind).map_or(1, |schema| schema.shape);
            self.kinds.entry(write.kind).or_default().apply(shape, write);
        }
        self.outbox.put(commit.events);
        if let Some(kept) = commit.kept {
            self.keep(kept);
        }
    }

    fn keep(&mut self, kept: Kept) {
        let (scope, key) = (kept.scope.clone(), kept.key.clone());
        if let Some(before) = self.kept.get(&(scope.clone(), key.clone())) {
            self.kept_by_time.remove(&(before.at, scope.clone(), key.clone()));
        }
        self.kept_by_time.insert((kept.at, scope.clone(), key.clone()));
        self.kept.insert((scope, key), kept);
    }

    fn sweep_kept(&mut self, before: Timestamp, limit: usize) -> usize {
        let mut swept = 0;
        while swept < limit
            && let Some((at, ..)) = self.kept_by_time.first()
            && *at < before
            && let Some((_, scope, key)) = self.kept_by_time.pop_first()
        {
            self.kept.remove(&(scope, key));
            swept += 1;
        }
        swept
    }
}

fn by_kind(commit: &Commit) -> BTreeMap<&'static str, Vec<&crate::Write>> {
    let mut kinds: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for write in &commit.writes {
        kinds.entry(write.kind).or_default().push(write);
    }
    kinds
}
