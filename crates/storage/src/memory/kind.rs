//! The entities of one kind with their indexes.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound::{Excluded, Included, Unbounded};

use staffa_context::Timestamp;

use super::misplaced;
use crate::{
    Bound, By, Document, Error, Expect, Found, IndexSchema, Part, Record, Result, Row, Scan, Schema, Seen,
    Write,
};

/// Rows, the versions of those that are gone, and one ordered set for each index.
#[derive(Debug, Default)]
pub(super) struct Kind {
    rows: BTreeMap<Part, Stored>,
    deleted: BTreeMap<Part, i64>,
    schemas: Vec<IndexSchema>,
    indexes: Vec<BTreeSet<Entry>>,
}

/// A row with its key in every index.
#[derive(Debug)]
struct Stored {
    row: Row,
    keys: Vec<Vec<Part>>,
}

/// A key and an id: the order of a read.
type Entry = (Vec<Part>, Part);

impl Kind {
    /// Takes over the indexes of this schema, and fills those that are new.
    pub(super) fn adapt(&mut self, schema: &Schema) -> Result<()> {
        if self.schemas == schema.indexes {
            return Ok(());
        }
        let mut indexes = vec![BTreeSet::new(); schema.indexes.len()];
        let mut filled = Vec::with_capacity(self.rows.len());
        for stored in self.rows.values() {
            let keys = self.keys(schema, stored)?;
            enter(&mut indexes, &keys, &stored.row.id);
            filled.push(keys);
        }
        check_filled(schema, &indexes)?;
        self.rows.values_mut().zip(filled).for_each(|(stored, keys)| stored.keys = keys);
        self.indexes = indexes;
        self.schemas = schema.indexes.clone();
        Ok(())
    }

    /// The keys of a row under this schema; its document is read only for an index that is new, since an older
    /// binary, which knows fewer, may not know the shape of the document either.
    fn keys(&self, schema: &Schema, stored: &Stored) -> Result<Vec<Vec<Part>>> {
        let known = |index| self.schemas.iter().position(|known| known == index);
        let kept: Option<Vec<_>> =
            schema.indexes.iter().map(|index| known(index).map(|place| stored.keys[place].clone())).collect();
        kept.map_or_else(|| (schema.keys)(stored.row.shape, stored.row.document.clone().value()?), Ok)
    }

    pub(super) fn get(&self, id: &Part) -> Seen {
        match self.rows.get(id) {
            Some(stored) => Seen::Row(stored.row.clone()),
            None => Seen::Absent { last: self.deleted.get(id).copied().unwrap_or(0) },
        }
    }

    pub(super) fn check_expected(&self, schema: &Schema, id: &Part, expect: Expect) -> Result<()> {
        let now = self.rows.get(id).map(|stored| stored.row.version);
        let last = self.deleted.get(id).copied().unwrap_or(0);
        let conflict = || Error::Conflict { kind: schema.kind.into(), id: id.to_string() };
        match expect {
            Expect::New if now.is_some() || last > 0 => {
                Err(Error::Duplicate { kind: schema.kind.into(), index: "id".into() })
            }
            Expect::Absent { last: seen } if now.is_some() || last != seen => Err(conflict()),
            Expect::Version(seen) if now != Some(seen) => Err(conflict()),
            _ => Ok(()),
        }
    }

    /// An older binary does not overwrite what a newer one wrote.
    pub(super) fn check_shape(&self, schema: &Schema, id: &Part) -> Result<()> {
        match self.rows.get(id).map(|stored| stored.row.shape) {
            Some(shape) if shape > schema.shape => {
                Err(Error::NewerShape { kind: schema.kind.into(), id: id.to_string(), shape })
            }
            _ => Ok(()),
        }
    }

    /// Refuses a unique key that is taken once all of these writes are done.
    pub(super) fn check_unique(&self, schema: &Schema, writes: &[&Write]) -> Result<()> {
        let written: BTreeSet<&Part> = writes.iter().map(|write| &write.id).collect();
        let unique = schema.indexes.iter().enumerate().filter(|(_, index)| index.unique);
        for (place, index) in unique {
            let mut taken = BTreeSet::new();
            for key in writes.iter().filter_map(|write| write.put.as_ref()).map(|(_, keys)| &keys[place]) {
                let stays = |id: &Part| !written.contains(id);
                if !key.contains(&Part::None) && (!taken.insert(key) || self.ids(place, key).any(stays)) {
                    return Err(duplicate(schema, index));
                }
            }
        }
        Ok(())
    }

    /// The ids that have exactly this key.
    fn ids(&self, place: usize, key: &[Part]) -> impl Iterator<Item = &Part> {
        let first = (key.to_vec(), Part::None);
        self.indexes[place].range(first..).take_while(move |(found, _)| found == key).map(|(_, id)| id)
    }

    pub(super) fn apply(&mut self, shape: u32, write: Write) {
        let Write { id, version, put, .. } = write;
        if let Some(before) = self.rows.remove(&id) {
            for (index, key) in self.indexes.iter_mut().zip(before.keys) {
                index.remove(&(key, id.clone()));
            }
        }
        match put {
            None => {
                self.deleted.insert(id, version);
            }
            Some((document, keys)) => {
                self.deleted.remove(&id);
                enter(&mut self.indexes, &keys, &id);
                let row = Row { id: id.clone(), version, shape, document: Document::Value(document) };
                self.rows.insert(id, Stored { row, keys });
            }
        }
    }

    pub(super) fn scan(&self, scan: &Scan) -> Vec<Found> {
        match scan.by {
            By::Id => {
                let after = scan.after.as_ref().map(|(_, id)| id);
                let ids = between(&self.rows, after, scan.descending).map(|(id, _)| (Vec::new(), id));
                self.page(scan, ids.filter(|(_, id)| scan.bound.covers(id)))
            }
            By::Index(place) => {
                let covered = self.entries(place, scan).map(|(key, id)| (key.clone(), id));
                self.page(scan, covered)
            }
        }
    }

    /// The entries that a scan covers, from where its page begins, in its direction. They lie side by side.
    fn entries<'a>(&'a self, place: usize, scan: &'a Scan) -> Box<dyn Iterator<Item = &'a Entry> + 'a> {
        let (mut first, mut last) = (Included(first(scan)), Included(last(scan)));
        match &scan.after {
            Some(after) if scan.descending => last = Excluded(after.clone()),
            Some(after) => first = Excluded(after.clone()),
            None => {}
        }
        if is_empty(&first, &last) {
            return Box::new(std::iter::empty());
        }
        let entries = self.indexes[place].range((first, last));
        let covered = |(key, _): &&Entry| key_covered(scan, key);
        match scan.descending {
            false => Box::new(entries.skip_while(move |entry| !covered(entry)).take_while(covered)),
            true => Box::new(entries.rev().skip_while(move |entry| !covered(entry)).take_while(covered)),
        }
    }

    /// Rows and what is left of those that are gone, by id.
    pub(super) fn records(&self) -> impl Iterator<Item = Result<Record>> {
        let rows = self.rows.values().map(|Stored { row, .. }| {
            let Row { id, version, shape, document } = row.clone();
            Ok(Record::Row { id, version, shape, document: Some(document.value()?) })
        });
        let gone = self.deleted.iter().map(|(id, version)| {
            Ok(Record::Row { id: id.clone(), version: *version, shape: 1, document: None })
        });
        rows.chain(gone)
    }

    pub(super) fn import(&mut self, schema: &Schema, records: Vec<Record>) -> Result<()> {
        let mut writes = Vec::with_capacity(records.len());
        for record in records {
            let Record::Row { id, version, shape, document } = record else { return Err(misplaced(&record)) };
            let put = match document {
                Some(document) => Some((document.clone(), (schema.keys)(shape, document)?)),
                None => None,
            };
            let expect = Expect::New;
            writes.push((shape, Write { kind: schema.kind, id, expect, version, put }));
        }
        self.check_unique(schema, &writes.iter().map(|(_, write)| write).collect::<Vec<_>>())?;
        writes.into_iter().for_each(|(shape, write)| self.apply(shape, write));
        Ok(())
    }

    fn page<'a>(&self, scan: &Scan, entries: impl Iterator<Item = (Vec<Part>, &'a Part)>) -> Vec<Found> {
        entries
            .take(scan.limit)
            .filter_map(|(key, id)| Some(Found { row: self.rows.get(id)?.row.clone(), key }))
            .collect()
    }
}

fn enter(indexes: &mut [BTreeSet<Entry>], keys: &[Vec<Part>], id: &Part) {
    for (index, key) in indexes.iter_mut().zip(keys) {
        index.insert((key.clone(), id.clone()));
    }
}

fn check_filled(schema: &Schema, indexes: &[BTreeSet<Entry>]) -> Result<()> {
    for (index, entries) in schema.indexes.iter().zip(indexes).filter(|(index, _)| index.unique) {
        let mut keys = entries.iter().map(|(key, _)| key).filter(|key| !key.contains(&Part::None));
        let mut before = keys.next();
        for key in keys {
            if before.replace(key) == Some(key) {
                return Err(duplicate(schema, index));
            }
        }
    }
    Ok(())
}

fn duplicate(schema: &Schema, index: &IndexSchema) -> Error {
    Error::Duplicate { kind: schema.kind.into(), index: index.name.into() }
}

/// The rows after this id in the direction of the scan.
fn between<'a>(
    rows: &'a BTreeMap<Part, Stored>,
    after: Option<&'a Part>,
    descending: bool,
) -> Box<dyn Iterator<Item = (&'a Part, &'a Stored)> + 'a> {
    let after = after.map_or(Unbounded, Excluded);
    match descending {
        false => Box::new(rows.range::<Part, _>((after, Unbounded))),
        true => Box::new(rows.range::<Part, _>((Unbounded, after)).rev()),
    }
}

fn key_covered(scan: &Scan, key: &[Part]) -> bool {
    key.get(scan.equal.len()).is_none_or(|part| scan.bound.covers(part))
}

/// An entry below all that a scan covers: a key that is only its leading parts comes before those that go on.
fn first(scan: &Scan) -> Entry {
    let from = match &scan.bound {
        Bound::Range { from, .. } => from.clone(),
        Bound::Prefix(prefix) => Some(Part::Text(prefix.clone())),
        Bound::All => None,
    };
    (scan.equal.iter().cloned().chain(from).collect(), Part::None)
}

/// An entry above all that a scan covers: no part is above the latest time, and no key has five parts.
fn last(scan: &Scan) -> Entry {
    let top = Part::Time(Timestamp::MAX);
    let to = match &scan.bound {
        Bound::Range { to, .. } => to.clone(),
        Bound::All | Bound::Prefix(_) => None,
    };
    let rest = std::iter::repeat_n(top.clone(), 5);
    (scan.equal.iter().cloned().chain(to).chain(rest).collect(), top)
}

/// Whether nothing can lie between these; a set would panic at such a range.
fn is_empty(first: &std::ops::Bound<Entry>, last: &std::ops::Bound<Entry>) -> bool {
    match (first, last) {
        (Included(first) | Excluded(first), Included(last) | Excluded(last)) => first >= last,
        _ => false,
    }
}
