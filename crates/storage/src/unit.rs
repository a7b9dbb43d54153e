use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use serde_json::Value;
use staffa_context::{Context, IdempotencyKey};
use uuid::Uuid;

use crate::{
    Commit, Entity, Error, Event, Expect, Guard, Happened, Kept, Part, Result, Seen, Store, Versioned, Write,
    entity, repository, value,
};

impl dyn Store {
    /// A new unit of work on this store.
    pub fn unit(&self) -> Unit<'_> {
        Unit {
            store: self,
            seen: BTreeMap::new(),
            writes: BTreeMap::new(),
            events: Vec::new(),
            kept: None,
            problem: None,
        }
    }
}

/// Changes over any entities of one store, their events and one answer, committed all or not at all.
///
/// Nothing reaches the store before [`Unit::commit`]; dropping a unit forgets it. [`Unit::insert`], [`Unit::update`],
/// [`Unit::delete`], [`Unit::emit`] and [`Unit::answer`] never fail: what no store takes (a NaN, a U+0000, a second
/// write of one entity) is reported by `commit`. At most 1,000 writes, 1,000 events and 1,000 entities that
/// [`Unit::get`] remembers; an entity is written at most once.
#[must_use = "a unit does nothing until it is committed"]
pub struct Unit<'a> {
    store: &'a dyn Store,
    seen: BTreeMap<(&'static str, Part), Expect>,
    writes: BTreeMap<(&'static str, Part), Write>,
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

impl Unit<'_> {
    /// The most writes, the most events, and the most remembered entities of one unit.
    pub const LEN_MAX: usize = 1_000;

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
        if self.seen.len() == Self::LEN_MAX && !self.seen.contains_key(&(E::KIND, id.clone())) {
            return Err(Error::invalid("unit", format!("more than {} remembered entities", Self::LEN_MAX)));
        }
        let seen = self.store.get(ctx, E::KIND, &id).await?;
        let expect = match &seen {
            Seen::Row(row) => Expect::Version(row.version),
            Seen::Absent { last } => Expect::Absent { last: *last },
        };
        let before = *self.seen.entry((E::KIND, id.clone())).or_insert(expect);
        if before != expect {
            return Err(conflict(E::KIND, &id));
        }
        match seen {
            Seen::Row(row) => repository::decode(row).map(Some),
            Seen::Absent { .. } => Ok(None),
        }
    }

    /// Adds an entity. An id that was ever taken is [`Error::Duplicate`] at commit, unless this unit saw that
    /// there is none with [`Unit::get`]: then one that was deleted may come back.
    pub fn insert<E: Entity>(&mut self, entity: E) -> Versioned<E> {
        let version = self.note(|unit| unit.try_insert(&entity)).unwrap_or(1);
        Versioned { version, value: entity }
    }

    /// Replaces an entity that was read in that version; it is [`Error::Conflict`] at commit if it changed since.
    pub fn update<E: Entity>(&mut self, entity: Versioned<E>) -> Versioned<E> {
        let Versioned { version, value } = entity;
        self.note(|unit| {
            let put = Some(document(&value)?);
            unit.change::<E>(value.id(), version, put)
        });
        Versioned { version: version.saturating_add(1), value }
    }

    /// Removes an entity that was read in that version; it is [`Error::Conflict`] at commit if it changed since.
    ///
    /// What is given back has the deletion's own version, for an event about it.
    pub fn delete<E: Entity>(&mut self, entity: Versioned<E>) -> Versioned<E> {
        let Versioned { version, value } = entity;
        self.note(|unit| unit.change::<E>(value.id(), version, None));
        Versioned { version: version.saturating_add(1), value }
    }

    /// Puts an event about `entity` into the outbox, in the same commit. `entity` is what this unit's `insert`,
    /// `update` or `delete` gave: an event's order is that of the versions.
    pub fn emit<E: Entity, H: Happened>(&mut self, entity: &Versioned<E>, happened: H) {
        self.note(|unit| {
            if unit.events.len() == Self::LEN_MAX {
                return Err(Error::invalid("unit", format!("more than {} events", Self::LEN_MAX)));
            }
            let emitted = Emitted {
                name: H::NAME,
                kind: E::KIND,
                entity: entity::id::<E>(entity.id())?,
                version: entity.version,
                payload: value::of(H::NAME, &happened)?,
            };
            unit.events.push(emitted);
            Ok(())
        });
    }

    /// Keeps the answer to the request in hand under its [`IdempotencyKey`], in the same commit: a repeat gets this
    /// answer. Without such a key in the context it does nothing.
    pub fn answer(&mut self, ctx: &Context, answer: &impl Serialize) {
        let Some(IdempotencyKey { scope, key, digest }) = ctx.value::<IdempotencyKey>() else { return };
        self.note(|unit| {
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
        self.note(|unit| unit.keep(kept));
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
        let commit = self.seal(ctx)?;
        store.commit(ctx, commit).await
    }

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

    fn try_insert<E: Entity>(&mut self, entity: &E) -> Result<i64> {
        let id = entity::id::<E>(entity.id())?;
        let put = Some(document(entity)?);
        let (expect, version) = match self.seen.get(&(E::KIND, id.clone())) {
            Some(Expect::Absent { last }) => (Expect::Absent { last: *last }, last.saturating_add(1)),
            _ => (Expect::New, 1),
        };
        self.write(Write { kind: E::KIND, id, expect, version, put })?;
        Ok(version)
    }

    fn change<E: Entity>(&mut self, id: &E::Id, version: i64, put: Option<Put>) -> Result<()> {
        let id = entity::id::<E>(id)?;
        let expect = Expect::Version(version);
        self.write(Write { kind: E::KIND, id, expect, version: version.saturating_add(1), put })
    }

    fn write(&mut self, write: Write) -> Result<()> {
        if self.writes.len() == Self::LEN_MAX {
            return Err(Error::invalid("unit", format!("more than {} writes", Self::LEN_MAX)));
        }
        let key = (write.kind, write.id.clone());
        if self.writes.contains_key(&key) {
            return Err(Error::invalid("unit", format!("{} {} is written twice", write.kind, write.id)));
        }
        self.writes.insert(key, write);
        Ok(())
    }

    fn keep(&mut self, kept: Kept) -> Result<()> {
        if self.kept.is_some() {
            return Err(Error::invalid("unit", "it keeps two answers"));
        }
        value::check_kept(&kept)?;
        self.kept = Some(kept);
        Ok(())
    }

    fn seal(self, ctx: &Context) -> Result<Commit> {
        if let Some(problem) = self.problem {
            return Err(problem);
        }
        let writes = !self.writes.is_empty();
        if writes && self.kept.is_none() && ctx.value::<IdempotencyKey>().is_some() {
            return Err(Error::invalid("unit", "it writes under an idempotency key and keeps no answer"));
        }
        let events = events(ctx, self.events, &self.writes)?;
        let guards = guards(self.seen, &self.writes)?;
        Ok(Commit { guards, writes: self.writes.into_values().collect(), events, kept: self.kept })
    }
}

/// A document and its keys.
type Put = (Value, Vec<Vec<Part>>);

fn document<E: Entity>(entity: &E) -> Result<Put> {
    Ok((value::document(E::KIND, entity)?, entity::keys(entity)?))
}

/// What was seen and is not written; a write holds its own expectation, which MUST be the one that was seen.
fn guards(
    seen: BTreeMap<(&'static str, Part), Expect>,
    writes: &BTreeMap<(&'static str, Part), Write>,
) -> Result<Vec<Guard>> {
    let mut guards = Vec::new();
    for ((kind, id), expect) in seen {
        match writes.get(&(kind, id.clone())).map(|write| write.expect) {
            None => guards.push(Guard { kind, id, expect }),
            Some(Expect::Version(version)) if Expect::Version(version) != expect => {
                return Err(conflict(kind, &id));
            }
            Some(_) => {}
        }
    }
    Ok(guards)
}

fn events(
    ctx: &Context,
    emitted: Vec<Emitted>,
    writes: &BTreeMap<(&'static str, Part), Write>,
) -> Result<Vec<Event>> {
    let trace = ctx.trace().map(|trace| trace.traceparent());
    let mut count: BTreeMap<(&'static str, Part), u32> = BTreeMap::new();
    let mut events = Vec::with_capacity(emitted.len());
    for Emitted { name, kind, entity, version, payload } in emitted {
        let about = (kind, entity);
        if writes.get(&about).is_none_or(|write| write.version != version) {
            let reason =
                format!("{name} is about {kind} {} in version {version}, which it does not write", about.1);
            return Err(Error::invalid("unit", reason));
        }
        let entity = about.1.to_string();
        let next = count.entry(about).or_default();
        let n = *next;
        *next += 1;
        let (id, at, trace) = (ctx.uuid(), ctx.wall(), trace.clone());
        events.push(Event {
            id,
            name: name.into(),
            kind: kind.into(),
            entity,
            version,
            n,
            at,
            trace,
            payload,
        });
    }
    Ok(events)
}

fn conflict(kind: &str, id: &Part) -> Error {
    Error::Conflict { kind: kind.into(), id: id.to_string() }
}

impl fmt::Debug for Unit<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unit")
            .field("seen", &self.seen.len())
            .field("writes", &self.writes.len())
            .field("events", &self.events.len())
            .field("problem", &self.problem)
            .finish_non_exhaustive()
    }
}
