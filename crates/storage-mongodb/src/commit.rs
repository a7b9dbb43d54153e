//! One unit of the port as statements of a transaction.
//!
//! Each statement finds the document in the state that the unit expects, so that a unit which meets no other needs no read.
//! A guard is a write, too: the server lets only one of two transactions write a document, and so no write skew passes. What
//! was looked for and is not there gets a document for that, of version 0.

use std::sync::Arc;

use bson::raw::{RawBson, RawDocumentBuf};
use bson::{Bson, Document, doc, rawdoc};
use serde_json::Value;
use staffa_storage::{Commit, Error, Event, Expect, Kept, Part, Result};

use crate::many::IDS_AT_ONCE;
use crate::outbox;
use crate::row;
use crate::table::{Index, Table, Tables};
use crate::transaction::{Stop, Transaction, Work, raw};
use crate::{kept, value};

/// A commit of the port with its documents as BSON.
pub(crate) struct Changes {
    kinds: Vec<OfKind>,
    events: Vec<Event>,
    kept: Option<Kept>,
    slot: i32,
}

/// What it concerns of one kind, in the order of ids.
struct OfKind {
    table: Arc<Table>,
    entities: Vec<Concern>,
}

/// What must hold of an entity, and what it becomes.
struct Concern {
    id: Part,
    expect: Expect,
    change: Change,
}

enum Change {
    /// Nothing: a guard.
    Nothing,
    /// It is gone; its version stays.
    Gone(i64),
    /// It is this document, which is in these keys.
    Put(RawDocumentBuf, Vec<Vec<Part>>),
}

impl Changes {
    pub(crate) fn of(commit: Commit, tables: &Tables, slot: i32) -> Result<Self> {
        let guards = commit.guards.into_iter().map(|guard| (guard.kind, guard.id, guard.expect, None));
        let writes = commit
            .writes
            .into_iter()
            .map(|write| (write.kind, write.id, write.expect, Some((write.version, write.put))));
        let mut concerns: Vec<_> = guards.chain(writes).collect();
        concerns.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
        let mut kinds: Vec<OfKind> = Vec::new();
        for (kind, id, expect, change) in concerns {
            if kinds.last().is_none_or(|last| last.table.kind != kind) {
                kinds.push(OfKind { table: Arc::clone(tables.of(kind)?), entities: Vec::new() });
            }
            let Some(of) = kinds.last_mut() else { continue };
            let change = match change {
                None => Change::Nothing,
                Some((version, None)) => Change::Gone(version),
                Some((version, Some((document, keys)))) => {
                    Change::Put(entity(&of.table, &id, version, of.table.shape, &document, &keys)?, keys)
                }
            };
            of.entities.push(Concern { id, expect, change });
        }
        Ok(Self { kinds, events: commit.events, kept: commit.kept, slot })
    }
}

/// An entity as it is stored.
pub(crate) fn entity(
    table: &Table,
    id: &Part,
    version: i64,
    shape: u32,
    document: &Value,
    keys: &[Vec<Part>],
) -> Result<RawDocumentBuf> {
    let Value::Object(fields) = document else {
        return Err(Error::Unusable(format!("a {} is no map of fields", table.kind)));
    };
    let (keys, ties) = table.fields(id, keys)?;
    let mut stored = raw(&doc! { "_id": row::bson(id), "version": version, "shape": i64::from(shape) })?;
    stored.append(bson::raw::cstr!("document"), value::document(fields)?);
    if !keys.is_empty() {
        stored.append(bson::raw::cstr!("keys"), raw(&keys)?);
    }
    if !ties.is_empty() {
        stored.append(bson::raw::cstr!("ties"), raw(&ties)?);
    }
    stored.append(bson::raw::cstr!("indexes"), table.digest.as_str());
    Ok(stored)
}

/// What is left of an entity that was deleted.
pub(crate) fn gone(id: &Part, version: i64) -> Document {
    doc! { "_id": row::bson(id), "version": version, "deleted": true }
}

impl Work for Changes {
    type Output = ();

    async fn run(&self, tx: &mut Transaction<'_>, again: bool) -> Result<(), Stop> {
        if let Some(kept) = &self.kept {
            tx.insert(kept::COLLECTION, vec![kept::document(kept)?]).await?;
        }
        for of in &self.kinds {
            if again {
                tx.update(&of.table.name, of.vacating()?).await?;
            }
            tx.update(&of.table.name, of.statements(again)?).await?;
        }
        let mut updates = vec![outbox::pass(self.slot)?];
        for event in &self.events {
            updates.push(outbox::put(event, tx.turn())?);
        }
        tx.update(outbox::COLLECTION, updates).await
    }

    async fn look(&self, tx: &mut Transaction<'_>) -> Result<(), Stop> {
        outbox::refuse_frozen(tx, self.slot).await?;
        if let Some(kept) = &self.kept {
            let found =
                tx.find(kept::COLLECTION, kept::named(&kept.scope, &kept.key), doc! { "_id": 1 }, 1).await?;
            if !found.is_empty() {
                return Err(Error::Kept.into());
            }
        }
        for of in &self.kinds {
            of.refuse_changed(tx).await?;
        }
        for of in &self.kinds {
            of.refuse_doubles(tx).await?;
        }
        Ok(())
    }

    fn outrun(&self) -> Error {
        match self.kinds.first().and_then(|of| Some((of, of.entities.first()?))) {
            Some((of, concern)) => conflict(&of.table, &concern.id),
            None => Error::Unavailable("other units were always faster".into()),
        }
    }
}

fn conflict(table: &Table, id: &Part) -> Error {
    Error::Conflict { kind: table.kind.into(), id: id.to_string() }
}

fn duplicate(table: &Table, index: &str) -> Error {
    Error::Duplicate { kind: table.kind.into(), index: index.into() }
}

impl OfKind {
    /// Deletions come first, for their keys to be free. When `vacated`, all that there was has left its keys already.
    fn statements(&self, vacated: bool) -> Result<Vec<RawDocumentBuf>> {
        let is_gone = |concern: &&Concern| matches!(concern.change, Change::Gone(_));
        let first = self.entities.iter().filter(is_gone);
        let then = self.entities.iter().filter(|concern| !is_gone(concern));
        first.chain(then).map(|concern| concern.statement(self.table.shape, vacated)).collect()
    }

    /// Takes what is written out of all indexes, for two entities to change their keys with each other.
    fn vacating(&self) -> Result<Vec<RawDocumentBuf>> {
        let leaving = |concern: &&Concern| concern.vacates();
        self.entities
            .iter()
            .filter(leaving)
            .map(|concern| {
                let leave = doc! { "$unset": { "keys": "", "ties": "" } };
                raw(&doc! { "q": concern.expected(self.table.shape), "u": leave })
            })
            .collect()
    }

    /// Looks at everything expected, in its order.
    async fn refuse_changed(&self, tx: &mut Transaction<'_>) -> Result<(), Stop> {
        let ids: Vec<Bson> = self.entities.iter().map(|concern| row::bson(&concern.id)).collect();
        let mut found = Vec::with_capacity(ids.len());
        for ids in ids.chunks(IDS_AT_ONCE) {
            let named = doc! { "_id": { "$in": ids } };
            let some = tx.find(&self.table.name, named, doc! { "version": 1, "shape": 1 }, 0).await?;
            for document in &some {
                found.push(Seen::of(document, &self.table)?);
            }
        }
        for concern in &self.entities {
            concern.check(&self.table, found.iter().find(|seen| seen.id == concern.id))?;
        }
        Ok(())
    }

    async fn refuse_doubles(&self, tx: &mut Transaction<'_>) -> Result<(), Stop> {
        let written = self.entities.iter().filter(|concern| !matches!(concern.change, Change::Nothing));
        let ids: Vec<Bson> = written.clone().map(|concern| row::bson(&concern.id)).collect();
        let keys: Vec<&Vec<Vec<Part>>> = written
            .filter_map(|concern| match &concern.change {
                Change::Put(_, keys) => Some(keys),
                _ => None,
            })
            .collect();
        refuse_doubles(tx, &self.table, &ids, &keys).await
    }
}

/// Refuses a unique key that two entities have once all writes are done, in the order of the indexes.
pub(crate) async fn refuse_doubles(
    tx: &mut Transaction<'_>,
    table: &Table,
    written: &[Bson],
    keys: &[&Vec<Vec<Part>>],
) -> Result<(), Stop> {
    for (place, index) in table.indexes.iter().enumerate().filter(|(_, index)| index.schema.unique) {
        let mut keys: Vec<_> =
            keys.iter().map(|keys| &keys[place]).filter(|key| !key.contains(&Part::None)).collect();
        keys.sort_unstable();
        if keys.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(duplicate(table, index.schema.name).into());
        }
        for key in keys {
            let mut filter = holders(index, key);
            filter.insert("_id", doc! { "$nin": written });
            if !tx.find(&table.name, filter, doc! { "_id": 1 }, 1).await?.is_empty() {
                return Err(duplicate(table, index.schema.name).into());
            }
        }
    }
    Ok(())
}

/// Who has a key of a unique index.
pub(crate) fn holders(index: &Index, key: &[Part]) -> Document {
    let parts = index.fields.iter().zip(key).map(|(field, part)| (format!("keys.{field}"), row::bson(part)));
    let mut filter: Document = parts.collect();
    filter.insert(index.tie_field(), doc! { "$exists": true });
    filter
}

impl Concern {
    /// The document that the unit expects to find. What lives has a shape.
    fn expected(&self, shape: u32) -> Document {
        let mut expected = doc! { "_id": row::bson(&self.id) };
        match self.expect {
            Expect::New => expected.extend(doc! { "version": 0_i64, "shape": { "$exists": false } }),
            Expect::Absent { last } => {
                expected.extend(doc! { "version": last, "shape": { "$exists": false } })
            }
            Expect::Version(version) => {
                let known = match self.change {
                    Change::Nothing => doc! { "$exists": true },
                    _ => doc! { "$lte": i64::from(shape) },
                };
                expected.extend(doc! { "version": version, "shape": known });
            }
        }
        expected
    }

    /// Whether the document may have to be made.
    fn may_make(&self) -> bool {
        matches!(self.expect, Expect::New | Expect::Absent { last: 0 })
    }

    fn vacates(&self) -> bool {
        matches!(self.expect, Expect::Version(_)) && !matches!(self.change, Change::Nothing)
    }

    fn statement(&self, shape: u32, vacated: bool) -> Result<RawDocumentBuf> {
        let expected = if vacated && self.vacates() {
            doc! { "_id": row::bson(&self.id) }
        } else {
            self.expected(shape)
        };
        let change = match &self.change {
            Change::Nothing => raw(&doc! { "$inc": { "guard": 1_i64 } })?,
            Change::Gone(version) => raw(&gone(&self.id, *version))?,
            Change::Put(document, _) => document.clone(),
        };
        let mut statement = rawdoc! { "q": RawBson::Document(raw(&expected)?), "u": change };
        if self.may_make() {
            statement.append(bson::raw::cstr!("upsert"), true);
        }
        Ok(statement)
    }

    fn check(&self, table: &Table, seen: Option<&Seen>) -> Result<()> {
        // A place that was only looked at is as one that never was.
        let seen = seen.filter(|seen| seen.shape.is_some() || seen.version > 0);
        let holds = match (self.expect, seen) {
            (Expect::New, None) => true,
            (Expect::New, Some(_)) => return Err(duplicate(table, "id")),
            (Expect::Absent { last }, None) => last == 0,
            (Expect::Absent { last }, Some(seen)) => seen.shape.is_none() && seen.version == last,
            (Expect::Version(version), Some(seen)) => seen.shape.is_some() && seen.version == version,
            (Expect::Version(_), None) => false,
        };
        if !holds {
            return Err(conflict(table, &self.id));
        }
        match seen.and_then(|seen| seen.shape) {
            Some(shape) if shape > table.shape && !matches!(self.change, Change::Nothing) => {
                Err(Error::NewerShape { kind: table.kind.into(), id: self.id.to_string(), shape })
            }
            _ => Ok(()),
        }
    }
}

/// What a check looks at of a stored document.
struct Seen {
    id: Part,
    version: i64,
    shape: Option<u32>,
}

impl Seen {
    fn of(document: &bson::raw::RawDocument, table: &Table) -> Result<Self> {
        let id = row::part(row::field(document, "_id")?, table.id)?;
        Ok(Self { id, version: row::int(document, "version")?, shape: row::shape(document)? })
    }
}
