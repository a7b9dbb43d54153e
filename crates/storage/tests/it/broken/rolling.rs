//! Stores in memory that an old build and a new one serve at once, with a fault.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use staffa_context::{Context, Timestamp};
use staffa_storage::conformance::{self, Ability, Open, Verdict};
use staffa_storage::memory::Memory;
use staffa_storage::{
    Backlog, By, Commit, Error, Event, Found, Kept, Part, Result, Scan, Schema, Seen, Store, Unsent,
};
use uuid::Uuid;

/// What a build does wrong to the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    None,
    KeepsOldKeysOnly,
    OverwritesNewer,
    IgnoresUnique,
    RefusesASecondOpening,
    DropsWhatItDoesNotKnow,
    ServesAllIndexesOrNone,
}

pub(super) const FAULTS: &[(Fault, &str)] = &[
    (Fault::KeepsOldKeysOnly, "roll::a_new_index_misses_no_row"),
    (Fault::KeepsOldKeysOnly, "roll::a_new_index_misses_no_row_while_the_old_build_writes"),
    (Fault::OverwritesNewer, "roll::the_old_build_does_not_overwrite_a_newer_shape"),
    (Fault::IgnoresUnique, "roll::both_builds_keep_unique_keys"),
    (Fault::RefusesASecondOpening, "roll::several_new_builds_open_at_once"),
    (Fault::DropsWhatItDoesNotKnow, "roll::an_old_build_that_opens_takes_nothing_away"),
    (Fault::ServesAllIndexesOrNone, "roll::an_index_that_both_builds_know_serves_on"),
    (Fault::ServesAllIndexesOrNone, "stale::a_new_shape_alone_makes_no_row_stale"),
    (Fault::IgnoresUnique, "stale::two_rows_with_one_new_unique_key_are_told_of"),
];

#[tokio::test]
async fn each_fault_of_builds_side_by_side_is_caught() {
    for (fault, name) in FAULTS {
        let rolling = Rolling { fault: *fault, places: Mutex::default() };
        let case = conformance::cases().find(|case| case.name == *name).unwrap();
        let verdict = case.run(&Context::background(), &rolling).await.verdict;
        assert!(matches!(verdict, Verdict::Failed(_)), "{fault:?} in {name}: {verdict:?}");
    }
}

#[tokio::test]
async fn builds_without_a_fault_pass_side_by_side() {
    let rolling = Rolling { fault: Fault::None, places: Mutex::default() };
    let mut told = String::new();
    for group in ["roll::", "stale::"] {
        conformance::run_all(&Context::background(), &rolling, group, |report| {
            if report.verdict != Verdict::Passed {
                told.push_str(&format!("{report}\n"));
            }
        })
        .await;
    }
    assert!(told.is_empty(), "{told}");
}

impl Place {
    /// Opening an old build once more leaves the indexes as the newest has them.
    fn open(&mut self, fault: Fault, shape: u32, schemas: Vec<Schema>) -> Result<Arc<Memory>> {
        let newest = self.handles.last_key_value().map(|(shape, memory)| (*shape, Arc::clone(memory)));
        let older = newest.as_ref().is_some_and(|(newest, _)| *newest > shape);
        if !older || fault == Fault::DropsWhatItDoesNotKnow {
            self.newest.clone_from(&schemas);
        }
        if let Some(known) = self.handles.get(&shape) {
            return match fault {
                Fault::RefusesASecondOpening => Err(Error::Unavailable("another replica migrates".into())),
                _ => Ok(Arc::clone(known)),
            };
        }
        let memory = match newest {
            Some((_, other)) => other.reopen(schemas)?,
            None => Memory::open(schemas)?,
        };
        self.handles.insert(shape, Arc::clone(&memory));
        Ok(memory)
    }
}

/// Handles by the shape that they know, on one store in memory each place.
#[derive(Default)]
struct Place {
    handles: BTreeMap<u32, Arc<Memory>>,
    newest: Vec<Schema>,
    /// Rows that the old build wrote.
    stale: usize,
}

struct Rolling {
    fault: Fault,
    places: Mutex<BTreeMap<String, Arc<Mutex<Place>>>>,
}

#[async_trait]
impl Open for Rolling {
    async fn open(&self, _ctx: &Context, place: &str, mut schemas: Vec<Schema>) -> Result<Arc<dyn Store>> {
        let shape = schemas[0].shape;
        match self.fault {
            Fault::IgnoresUnique => {
                schemas
                    .iter_mut()
                    .flat_map(|schema| &mut schema.indexes)
                    .for_each(|index| index.unique = false);
            }
            Fault::OverwritesNewer => schemas[0].shape = 2,
            _ => {}
        }
        let place = Arc::clone(self.places.lock().unwrap().entry(place.to_owned()).or_default());
        let memory = place.lock().unwrap().open(self.fault, shape, schemas)?;
        Ok(Arc::new(Build { fault: self.fault, memory, place }))
    }

    fn can(&self, ability: Ability) -> bool {
        ability == Ability::Roll
    }
}

/// A handle of one build, which keeps the keys that the newest build knows.
struct Build {
    fault: Fault,
    memory: Arc<Memory>,
    place: Arc<Mutex<Place>>,
}

impl Build {
    fn key(&self, commit: &mut Commit, shape: u32) -> Result<()> {
        let place = self.place.lock().unwrap();
        for write in &mut commit.writes {
            if let Some((document, keys)) = &mut write.put {
                *keys = (place.newest[0].keys)(shape, document.clone())?;
            }
        }
        Ok(())
    }

    /// Refuses two rows with one key of a unique index, which the old build does not know.
    fn refuse_doubles(&self, by: By, found: Vec<Found>) -> Result<Vec<Found>> {
        let By::Index(index) = by else { return Ok(found) };
        let index = self.place.lock().unwrap().newest[0].indexes.get(index).cloned();
        match index.filter(|index| index.unique) {
            Some(index) if found.windows(2).any(|pair| pair[0].key == pair[1].key) => {
                Err(Error::Unavailable(format!("two rows have one key in {}", index.name)))
            }
            _ => Ok(found),
        }
    }

    /// The shape that this handle writes.
    fn shape(&self) -> u32 {
        let place = self.place.lock().unwrap();
        let own = |(_, memory): &(&u32, &Arc<Memory>)| Arc::ptr_eq(memory, &self.memory);
        place.handles.iter().find(own).map_or(1, |(shape, _)| *shape)
    }
}

#[async_trait]
impl Store for Build {
    async fn get(&self, ctx: &Context, kind: &'static str, id: &Part) -> Result<Seen> {
        self.memory.get(ctx, kind, id).await
    }

    async fn get_many(&self, ctx: &Context, kind: &'static str, ids: &[Part]) -> Result<Vec<Seen>> {
        self.memory.get_many(ctx, kind, ids).await
    }

    async fn scan(&self, ctx: &Context, scan: Scan) -> Result<Vec<Found>> {
        if self.fault == Fault::ServesAllIndexesOrNone
            && scan.by != By::Id
            && self.place.lock().unwrap().stale > 1_000
        {
            return Err(Error::Unavailable("an index is being built".into()));
        }
        let by = scan.by;
        let found = self.memory.scan(ctx, scan).await?;
        self.refuse_doubles(by, found)
    }

    async fn commit(&self, ctx: &Context, mut commit: Commit) -> Result<()> {
        if self.fault != Fault::KeepsOldKeysOnly {
            self.key(&mut commit, self.shape())?;
        }
        self.place.lock().unwrap().stale += if self.shape() == 1 { commit.writes.len() } else { 0 };
        self.memory.commit(ctx, commit).await
    }

    async fn kept(&self, ctx: &Context, scope: &str, key: &str) -> Result<Option<Kept>> {
        self.memory.kept(ctx, scope, key).await
    }

    async fn unsent(&self, ctx: &Context, unsent: Unsent<'_>) -> Result<Vec<Event>> {
        self.memory.unsent(ctx, unsent).await
    }

    async fn backlog(&self, ctx: &Context, limit: usize) -> Result<Backlog> {
        self.memory.backlog(ctx, limit).await
    }

    async fn mark_sent(&self, ctx: &Context, events: &[Uuid]) -> Result<()> {
        self.memory.mark_sent(ctx, events).await
    }

    async fn sweep(&self, ctx: &Context, before: Timestamp, limit: usize) -> Result<usize> {
        self.memory.sweep(ctx, before, limit).await
    }

    async fn ping(&self, ctx: &Context) -> Result<()> {
        self.memory.ping(ctx).await
    }

    async fn close(&self, ctx: &Context) -> Result<()> {
        // Another handle of the same build goes on.
        ctx.check().map_err(Error::from)
    }
}
