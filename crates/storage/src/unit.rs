use std::borrow::Borrow;
use std::fmt;
use std::slice;

use serde::Serialize;
use serde_json::Value;
use staffa_context::{Context, IdempotencyKey};
use uuid::Uuid;

use crate::ids::Ids;
use crate::{
    Commit, Entity, Error, Event, Expect, Guard, Happened, Kept, Part, Result, Seen, Store, Versioned, Write,
    entity, repository, value,
};

impl dyn Store {
    /// A new unit of work on this store.
    pub fn unit(&self) -> Unit<'_> {
        Unit::of(self)
    }
}

/// Changes over any entities of one store, their events and one answer, committed all or not at all.
///
/// Nothing reaches the store before [`Unit::commit`]; dropping a unit forgets it. [`Unit::insert`], [`Unit::update`],
/// [`Unit::delete`], [`Unit::emit`] and [`Unit::answer`] never fail: what no store takes (a NaN, a U+0000, a second
/// write of one entity) is reported by `commit`. At most 1,000 writes, 1,000 events and 1,000 entities that
/// [`Unit::get`] remembers; an entity is written at most once.
#[must_use = "a unit does nothing until it is committed"]
pub struct Unit<'a, S: Store + ?Sized = dyn Store> {
    store: &'a S,
    changes: Changes,
}

/// What a unit has seen and collected. Reads and writes are in the order of (kind, id), each at most once: a list has
/// far less code than a map, which a page loads.
#[derive(Default)]
struct Changes {
    seen: Vec<Guard>,
    writes: Vec<Write>,
    events: Vec<Emitted>,
    kept: Option<Kept>,
    problem: Option<Error>,
}

/// An event before the commit gives it an identity and a time.
struct Emitted {
    name: &'static str,
    kind: &'static str,
    entity: Part,
    version: i64,
    payload: Value,
}

/// The most writes, the most events, and the most remembered entities of one unit.
const LEN_MAX: usize = 1_000;

impl Unit<'_> {
    /// The most writes, the most events, and the most remembered entities of one unit.
    pub const LEN_MAX: usize = LEN_MAX;
}

impl<'a, S: Store + ?Sized> Unit<'a, S> {
    /// A new unit of work on a store whose type is known: a program that holds no `dyn Store` links those of its
    /// operations only that it uses.
    pub fn of(store: &'a S) -> Self {
        Self { store, changes: Changes::default() }
    }

    /// The entity with this id as the store has it; changes of this unit do not show.
    ///
    /// Its version, or its absence, is remembered: the commit succeeds only if it still holds.
    ///
    /// # Errors
    ///
    /// Those of [`crate::Repository::find`]; [`Error::Conflict`] when the unit saw it in another version before;
    /// [`Error::Invalid`] for more entities than a unit remembers.
    pub async fn get<E: Entity>(
        &mut self,
        ctx: &Context,
        id: impl Borrow<E::Id> + Send,
    ) -> Result<Option<Versioned<E>>> {
        let id = entity::id::<E>(id.borrow())?;
        self.changes.check_room(E::KIND, slice::from_ref(&id))?;
        let seen = self.store.get(ctx, E::KIND, &id).await?;
        self.changes.remember(E::KIND, &id, &seen)?;
        repository::entity(seen)
    }

    /// The entities with these ids, in their order, as [`crate::Repository::find_many`] reads them; changes of this unit do not
    /// show. The version or absence of each is remembered, as [`Unit::get`] does.
    ///
    /// # Errors
    ///
    /// Those of [`Unit::get`]; [`Error::Invalid`] at `ids` for more than [`crate::IDS_MAX`]. After an error, some may be remembered.
    pub async fn get_many<E: Entity>(
        &mut self,
        ctx: &Context,
        ids: impl IntoIterator<Item: Borrow<E::Id>> + Send,
    ) -> Result<Vec<Option<Versioned<E>>>> {
        let ids = Ids::of::<E>(ids)?;
        self.changes.check_room(E::KIND, ids.parts())?;
        let seen = ids.read(ctx, self.store, E::KIND).await?;
        for (id, seen) in ids.parts().iter().zip(&seen) {
            self.changes.remember(E::KIND, id, seen)?;
        }
        ids.entities(seen)
    }

    /// Adds an entity. An id that was ever taken is [`Error::Duplicate`] at commit, unless this unit saw that
    /// there is none with [`Unit::get`]: then one that was deleted may come back.
    pub fn insert<E: Entity>(&mut self, entity: E) -> Versioned<E> {
        let inserted = self.changes.note(|unit| {
            let id = entity::id::<E>(entity.id())?;
            unit.insert(E::KIND, id, document(&entity)?)
        });
        let version = inserted.unwrap_or(1);
        Versioned { version, value: entity }
    }

    /// Replaces an entity that was read in that version; it is [`Error::Conflict`] at commit if it changed since.
    pub fn update<E: Entity>(&mut self, entity: Versioned<E>) -> Versioned<E> {
        let Versioned { version, value } = entity;
        self.changes.note(|unit| {
            let put = Some(document(&value)?);
            unit.change(E::KIND, entity::id::<E>(value.id())?, version, put)
        });
        Versioned { version: version.saturating_add(1), value }
    }

    /// Removes an entity that was read in that version; it is [`Error::Conflict`] at commit if it changed since.
    ///
    /// What is given back has the deletion's own version, for an event about it.
    pub fn delete<E: Entity>(&mut self, entity: Versioned<E>) -> Versioned<E> {
        let Versioned { version, value } = entity;
        self.changes.note(|unit| unit.change(E::KIND, entity::id::<E>(value.id())?, version, None));
        Versioned { version: version.saturating_add(1), value }
    }

    /// Puts an event about `entity` into the outbox, in the same commit. `entity` is what this unit's `insert`,
    /// `update` or `delete` gave: an event's order is that of the versions.
    pub fn emit<E: Entity, H: Happened>(&mut self, entity: &Versioned<E>, happened: H) {
        self.changes.note(|unit| {
            unit.check_events()?;
            unit.events.push(Emitted {
                name: H::NAME,
                kind: E::KIND,
                entity: entity::id::<E>(entity.id())?,
                version: entity.version,
                payload: value::of(H::NAME, &happened)?,
            });
            Ok(())
        });
    }

    /// Keeps the answer to the request in hand under its [`IdempotencyKey`], in the same commit: a repeat gets this
    /// answer. Without such a key in the context it does nothing.
    pub fn answer(&mut self, ctx: &Context, answer: &impl Serialize) {
        let Some(IdempotencyKey { scope, key, digest }) = ctx.value::<IdempotencyKey>() else { return };
        self.changes.note(|unit| {
            let answer = value::of("answer", answer)?;
            unit.keep(Kept {
                scope: scope.clone(),
                key: key.clone(),
                digest: *digest,
                answer,
                at: ctx.wall(),
            })
        });
    }

    /// Remembers in the inbox that `consumer` has taken this event, in the same commit. If it had already, the commit
    /// is [`Error::Kept`].
    pub fn consume(&mut self, ctx: &Context, consumer: &str, event: Uuid) {
        let kept = Kept {
            scope: consumer.to_owned(),
            key: event.to_string(),
            digest: [0; 32],
            answer: Value::Null,
            at: ctx.wall(),
        };
        self.changes.note(|unit| unit.keep(kept));
    }

    /// Commits everything, or nothing. Whether it happened or not when this is dropped is not known, but it is whole.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] for what no store takes, and for a unit that writes under an [`IdempotencyKey`] without
    /// [`Unit::answer`]; [`Error::Conflict`], [`Error::Duplicate`], [`Error::Kept`], [`Error::NewerShape`],
    /// [`Error::Ended`], [`Error::Unavailable`]: nothing happened. [`Error::Unknown`]: nobody knows.
    pub async fn commit(self, ctx: &Context) -> Result<()> {
        ctx.check()?;
        let store = self.store;
        let commit = self.changes.seal(ctx)?;
        store.commit(ctx, commit).await
    }
}

impl Changes {
    /// Runs one step of the collection; the first problem is kept for the commit.
    fn note<T>(&mut self, step: impl FnOnce(&mut Self) -> Result<T>) -> Option<T> {
        match step(self) {
            Ok(value) => Some(value),
            Err(problem) => {
                self.problem.get_or_insert(problem);
                None
            }
        }
    }

    /// Where the entity is, or would be, among those that were seen.
    fn seen_at(&self, kind: &str, id: &Part) -> Result<usize, usize> {
        self.seen.binary_search_by(|guard| (guard.kind, &guard.id).cmp(&(kind, id)))
    }

    /// The same among those that are written.
    fn written_at(&self, kind: &str, id: &Part) -> Result<usize, usize> {
        self.writes.binary_search_by(|write| (write.kind, &write.id).cmp(&(kind, id)))
    }

    /// Refuses entities that would be more than it remembers, whatever they are.
    fn check_room(&self, kind: &str, ids: &[Part]) -> Result<()> {
        let room = LEN_MAX - self.seen.len();
        if ids.len() > room && ids.iter().filter(|id| self.seen_at(kind, id).is_err()).count() > room {
            return Err(too_many("remembered entities"));
        }
        Ok(())
    }

    fn check_events(&self) -> Result<()> {
        if self.events.len() == LEN_MAX { Err(too_many("events")) } else { Ok(()) }
    }

    /// Refuses an entity that was seen otherwise before.
    fn remember(&mut self, kind: &'static str, id: &Part, seen: &Seen) -> Result<()> {
        let expect = match seen {
            Seen::Row(row) => Expect::Version(row.version),
            Seen::Absent { last } => Expect::Absent { last: *last },
        };
        match self.seen_at(kind, id) {
            Ok(at) if self.seen[at].expect != expect => return Err(conflict(kind, id)),
            Ok(_) => {}
            Err(at) => self.seen.insert(at, Guard { kind, id: id.clone(), expect }),
        }
        Ok(())
    }

    fn insert(&mut self, kind: &'static str, id: Part, put: Put) -> Result<i64> {
        let seen = self.seen_at(kind, &id).ok().map(|at| self.seen[at].expect);
        let (expect, version) = match seen {
            Some(Expect::Absent { last }) => (Expect::Absent { last }, last.saturating_add(1)),
            _ => (Expect::New, 1),
        };
        self.write(Write { kind, id, expect, version, put: Some(put) })?;
        Ok(version)
    }

    fn change(&mut self, kind: &'static str, id: Part, version: i64, put: Option<Put>) -> Result<()> {
        let expect = Expect::Version(version);
        self.write(Write { kind, id, expect, version: version.saturating_add(1), put })
    }

    fn write(&mut self, write: Write) -> Result<()> {
        if self.writes.len() == LEN_MAX {
            return Err(too_many("writes"));
        }
        match self.written_at(write.kind, &write.id) {
            Ok(_) => Err(Error::invalid("unit", format!("{} {} is written twice", write.kind, write.id))),
            Err(at) => {
                self.writes.insert(at, write);
                Ok(())
            }
        }
    }

    fn keep(&mut self, kept: Kept) -> Result<()> {
        if self.kept.is_some() {
            return Err(Error::invalid("unit", "it keeps two answers"));
        }
        value::check_kept(&kept)?;
        self.kept = Some(kept);
        Ok(())
    }

    fn seal(mut self, ctx: &Context) -> Result<Commit> {
        if let Some(problem) = self.problem {
            return Err(problem);
        }
        if !self.writes.is_empty() && self.kept.is_none() && ctx.value::<IdempotencyKey>().is_some() {
            return Err(Error::invalid("unit", "it writes under an idempotency key and keeps no answer"));
        }
        let events = self.take_events(ctx)?;
        let guards = self.take_guards()?;
        Ok(Commit { guards, writes: self.writes, events, kept: self.kept })
    }

    /// What was seen and is not written; a write holds its own expectation, which MUST be the one that was seen.
    fn take_guards(&mut self) -> Result<Vec<Guard>> {
        let mut guards = Vec::new();
        for guard in std::mem::take(&mut self.seen) {
            match self.written_at(guard.kind, &guard.id).map(|at| self.writes[at].expect) {
                Err(_) => guards.push(guard),
                Ok(Expect::Version(version)) if Expect::Version(version) != guard.expect => {
                    return Err(conflict(guard.kind, &guard.id));
                }
                Ok(_) => {}
            }
        }
        Ok(guards)
    }

    fn take_events(&mut self, ctx: &Context) -> Result<Vec<Event>> {
        let trace = ctx.trace().map(|trace| trace.traceparent());
        // How many each write has.
        let mut counts = vec![0; self.writes.len()];
        let mut events = Vec::with_capacity(self.events.len());
        for emitted in std::mem::take(&mut self.events) {
            let Emitted { name, kind, entity, version, payload } = emitted;
            let written = self.written_at(kind, &entity).ok();
            let Some(at) = written.filter(|at| self.writes[*at].version == version) else {
                let reason =
                    format!("{name} is about {kind} {entity} in version {version}, which it does not write");
                return Err(Error::invalid("unit", reason));
            };
            let n = counts[at];
            counts[at] += 1;
            events.push(Event {
                id: ctx.uuid(),
                name: name.into(),
                kind: kind.into(),
                entity: entity.to_string(),
                version,
                n,
                at: ctx.wall(),
                trace: trace.clone(),
                payload,
            });
        }
        Ok(events)
    }
}

/// A document and its keys.
type Put = (Value, Vec<Vec<Part>>);

fn document<E: Entity>(entity: &E) -> Result<Put> {
    Ok((value::document(E::KIND, entity)?, entity::keys(entity)?))
}

fn too_many(what: &str) -> Error {
    Error::invalid("unit", format!("more than {LEN_MAX} {what}"))
}

fn conflict(kind: &str, id: &Part) -> Error {
    Error::Conflict { kind: kind.into(), id: id.to_string() }
}

impl<S: Store + ?Sized> fmt::Debug for Unit<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unit")
            .field("seen", &self.changes.seen.len())
            .field("writes", &self.changes.writes.len())
            .field("events", &self.changes.events.len())
            .field("problem", &self.changes.problem)
            .finish_non_exhaustive()
    }
}
