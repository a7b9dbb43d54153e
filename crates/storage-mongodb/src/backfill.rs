//! Makes the keys of rows that a binary without an index wrote.
//!
//! A row is stale for an index when it was written with an index set that lacks it. Its keys are made from its document and put
//! beside those that it has, and its index set becomes both: a binary that still needs the others goes on reading by them.

use std::fmt;

use bson::raw::RawDocumentBuf;
use bson::{Bson, Document, doc};
use mongodb::options::{FindOptions, Hint};
use staffa_storage::{Error, Part, Result, Row};

use crate::call::Call;
use crate::commit::holders;
use crate::error::{DUPLICATE_KEY, WRITE_CONFLICT};
use crate::row::{self, Stored, text};
use crate::schema::STALE;
use crate::shared::{Shared, most};
use crate::table::{IndexSet, Table};
use crate::transaction::{Stop, Transaction, done, raw, refused};

/// Rows whose keys are made at once.
const BATCH: usize = 200;
/// Rows that are not in an index and that a read by it works out by itself; where there are more, it is unavailable.
const AT_ONCE_MAX: usize = 1_000;
/// Rows that are counted at most.
const COUNTED_MAX: usize = 10_000;

/// A row that is not in an index, with the key that it has.
pub(crate) type Keyed = (Row, Vec<Part>);

/// The rows that are not in an index, in the state that a transaction sees, each with its key.
///
/// # Errors
///
/// [`Error::Unavailable`] when there are more than a read should work out by itself; their keys are then made in the background.
pub(crate) async fn outside(
    store: &Shared,
    table: &Table,
    place: usize,
    having: &[&str],
    tx: &mut Transaction<'_>,
) -> Result<Vec<Keyed>, Stop> {
    let find = FindOptions::builder().hint(Hint::Name(STALE.into())).limit(most(AT_ONCE_MAX + 1)).build();
    let found = tx.read(&table.name, stale(having), find).await?;
    if found.len() > AT_ONCE_MAX {
        store.registry.stale.notify_one();
        let index = table.indexes.get(place).map_or("", |index| index.schema.name);
        return Err(Error::Unavailable(format!(
            "the index {index} of {} is being built: more than {AT_ONCE_MAX} rows to go",
            table.kind
        ))
        .into());
    }
    Ok(found.iter().map(|row| keyed(table, place, row)).collect::<Result<_>>()?)
}

fn keyed(table: &Table, place: usize, row: &RawDocumentBuf) -> Result<Keyed> {
    let row = entity(table, row)?;
    let keys = keys(table, &row)?;
    let key = keys.into_iter().nth(place).unwrap_or_default();
    Ok((row, key))
}

/// Makes the keys of the few rows that a read has met, for the next one to find them in the index.
pub(crate) async fn settle(store: &Shared, call: &Call, table: &Table, having: &[&str]) {
    if let Err(error) = batch(store, call, table, stale(having)).await {
        tracing::debug!(%error, kind = table.kind, "the keys of some rows could not be made yet");
    }
}

/// Makes the keys of the few rows that are not in a unique index before it is read: not until then is it known whether two of them
/// have the same. Where there are many, the read says so.
pub(crate) async fn put_into_unique(
    store: &Shared,
    call: &Call,
    table: &Table,
    having: &[&str],
) -> Result<()> {
    for _ in 0..=AT_ONCE_MAX / BATCH {
        match batch(store, call, table, stale(having)).await {
            Ok(0) => break,
            Ok(_) => call.check()?,
            Err(Error::Duplicate { kind, index }) => {
                store.registry.stale.notify_one();
                return Err(two_with_one(&kind, &index));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// A row that an older binary wrote has no place in a unique index: who reads by it is not who wrote it.
pub(crate) fn two_with_one(kind: &str, index: &str) -> Error {
    Error::Unavailable(format!(
        "an older binary wrote two of {kind} with the same {index}: change one of them"
    ))
}

/// How many rows have another index set than these.
pub(crate) async fn count(store: &Shared, call: &Call, table: &Table, having: &[&str]) -> Result<Rows> {
    let rows = store.count(call, &table.name, stale(having), COUNTED_MAX + 1).await?;
    Ok(Rows(rows))
}

/// So many rows, or more than are counted.
#[derive(Clone, Copy)]
pub(crate) struct Rows(usize);

impl Rows {
    pub(crate) fn are_none(self) -> bool {
        self.0 == 0
    }

    /// Whether a read works out their keys by itself.
    pub(crate) fn are_few(self) -> bool {
        self.0 <= AT_ONCE_MAX
    }
}

impl fmt::Display for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            counted @ ..=COUNTED_MAX => write!(f, "{counted}"),
            _ => write!(f, "more than {COUNTED_MAX}"),
        }
    }
}

fn stale(having: &[&str]) -> Document {
    doc! { "indexes": { "$exists": true, "$nin": having } }
}

/// Makes the keys of the next rows; gives how many there were.
async fn batch(store: &Shared, call: &Call, table: &Table, which: Document) -> Result<usize> {
    let rows = store.find_by(call, &table.name, which, STALE, BATCH).await?;
    let mut updates = Vec::with_capacity(rows.len());
    for row in &rows {
        updates.push(rekeyed(store, call, table, row).await?);
    }
    if !updates.is_empty() {
        write(store, call, table, updates, &rows).await?;
    }
    Ok(rows.len())
}

/// The statement that gives a row its keys, unless somebody else wrote it meanwhile.
async fn rekeyed(store: &Shared, call: &Call, table: &Table, row: &RawDocumentBuf) -> Result<RawDocumentBuf> {
    let digest = text(row, "indexes")?;
    let before = set_of(store, call, table, digest).await?;
    let after = before.with(&table.set);
    if !store.registry.view(store, call, table).await?.is_entered(&after.digest()) {
        store.registry.enter(store, call, table, &after).await?;
    }
    let entity = entity(table, row)?;
    let (fields, ties) = table.fields(&entity.id, &keys(table, &entity)?)?;
    let mut set = doc! { "indexes": after.digest() };
    set.extend(fields.into_iter().map(|(field, key)| (format!("keys.{field}"), key)));
    set.extend(ties.into_iter().map(|(index, tie)| (format!("ties.{index}"), tie)));
    let lost = before.indexes.difference(&after.indexes).filter(|sign| sign.ends_with(".unique"));
    let untied = lost.filter_map(|sign| sign.split('(').next()).map(|name| format!("ties.{name}"));
    let untied: Document =
        untied.filter(|tie| !set.contains_key(tie)).map(|tie| (tie, Bson::from(""))).collect();
    let mut change = doc! { "$set": set };
    if !untied.is_empty() {
        change.insert("$unset", untied);
    }
    raw(
        &doc! { "q": { "_id": row::bson(&entity.id), "version": entity.version, "indexes": digest }, "u": change, "hint": { "_id": 1 } },
    )
}

async fn set_of(store: &Shared, call: &Call, table: &Table, digest: &str) -> Result<IndexSet> {
    if let Some(set) = store.registry.view(store, call, table).await?.sets.get(digest) {
        return Ok(set.clone());
    }
    let view = store.registry.look(store, call, table).await?;
    // What is not entered was taken away by a contraction while its binary ran: none of its keys count.
    Ok(view.sets.get(digest).cloned().unwrap_or_default())
}

fn entity(table: &Table, row: &RawDocumentBuf) -> Result<Row> {
    Stored::of(row, table)?.row()?.ok_or_else(|| row::missing("shape"))
}

/// The keys of an entity, unless only a newer binary can read it.
fn keys(table: &Table, row: &Row) -> Result<Vec<Vec<Part>>> {
    if row.shape > table.shape {
        return Err(Error::NewerShape { kind: table.kind.into(), id: row.id.to_string(), shape: row.shape });
    }
    table.keys(row.shape, row.document.clone().value()?)
}

/// Runs the statements, each by itself; the unique key of two entities is told.
async fn write(
    store: &Shared,
    call: &Call,
    table: &Table,
    updates: Vec<RawDocumentBuf>,
    rows: &[RawDocumentBuf],
) -> Result<()> {
    let reply = store.update(call, &table.name, updates).await?;
    match refused(&reply) {
        None => done(&reply),
        Some(error) if error.get_i32("code").is_ok_and(|code| code == DUPLICATE_KEY) => {
            Err(doubled(store, call, table, rows).await?)
        }
        // Others write the same rows: they are looked for again.
        Some(error) if error.get_i32("code").is_ok_and(|code| code == WRITE_CONFLICT) => Ok(()),
        Some(error) => Err(Error::Unusable(format!("the server refused a write: {error}"))),
    }
}

/// Which unique index has no place for one of these rows.
async fn doubled(store: &Shared, call: &Call, table: &Table, rows: &[RawDocumentBuf]) -> Result<Error> {
    let unique: Vec<_> = table.indexes.iter().enumerate().filter(|(_, index)| index.schema.unique).collect();
    for row in rows {
        let entity = entity(table, row)?;
        let (id, keys) = (&entity.id, keys(table, &entity)?);
        for (place, index) in &unique {
            if keys[*place].contains(&Part::None) {
                continue;
            }
            let mut filter = holders(index, &keys[*place]);
            filter.insert("_id", doc! { "$ne": row::bson(id) });
            if !store.find(call, &table.name, filter, doc! {}, 1).await?.is_empty() {
                tracing::error!(kind = table.kind, index = index.schema.name, %id, "another entity has the key of this one");
                return Ok(Error::Duplicate { kind: table.kind.into(), index: index.schema.name.into() });
            }
        }
    }
    Ok(Error::Unavailable("the entity that had the same key is gone: try again".into()))
}

/// Makes the keys that rows lack, for as long as it takes. A newer binary's own rows stay as they are.
pub(crate) async fn all(store: &Shared, call: &Call, table: &Table) -> Result<()> {
    loop {
        let view = store.registry.look(store, call, table).await?;
        let whole = view.whole(table);
        if whole.len() == view.sets.len() {
            return Ok(());
        }
        let mut which = stale(&whole);
        which.insert("shape", doc! { "$lte": i64::from(table.shape) });
        if batch(store, call, table, which).await? == 0 {
            return Ok(());
        }
        call.check()?;
    }
}

/// Makes the keys of all rows anew that have others than this binary's own, without those.
pub(crate) async fn only_own(store: &Shared, call: &Call, table: &Table) -> Result<()> {
    loop {
        let rows = store.find_by(call, &table.name, stale(&[&table.digest]), STALE, BATCH).await?;
        let mut updates = Vec::with_capacity(rows.len());
        for row in &rows {
            let digest = text(row, "indexes")?;
            let entity = entity(table, row)?;
            let (fields, ties) = table.fields(&entity.id, &keys(table, &entity)?)?;
            let own = doc! { "indexes": &table.digest, "keys": fields, "ties": ties };
            let named = doc! { "_id": row::bson(&entity.id), "version": entity.version, "indexes": digest };
            updates.push(raw(&doc! { "q": named, "u": { "$set": own }, "hint": { "_id": 1 } })?);
        }
        if updates.is_empty() {
            return Ok(());
        }
        write(store, call, table, updates, &rows).await?;
        call.check()?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_counted_up_to_a_limit() {
        assert_eq!(Rows(COUNTED_MAX).to_string(), "10000");
        assert_eq!(Rows(COUNTED_MAX + 1).to_string(), "more than 10000");
        assert!(Rows(AT_ONCE_MAX).are_few() && !Rows(AT_ONCE_MAX + 1).are_few());
    }
}
