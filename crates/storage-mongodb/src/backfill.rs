//! Makes the keys of rows that a binary without an index, or of an older shape, wrote.
//!
//! A row is stale for an index when it was written with an index set that lacks it. Its keys are made from its document and put
//! beside those that it has, and its index set becomes both: a binary that still needs the others goes on reading by them.

use bson::raw::RawDocumentBuf;
use bson::{Bson, Document, doc};
use staffa_storage::{Error, Part, Result};

use crate::call::Call;
use crate::commit::holders;
use crate::error::{DUPLICATE_KEY, WRITE_CONFLICT};
use crate::mongodb::Shared;
use crate::registry::View;
use crate::row::{self, Stored, text};
use crate::schema::STALE;
use crate::table::{Index, IndexSet, Table};
use crate::transaction::{raw, refused};

/// Rows whose keys are made at once.
const BATCH: usize = 500;
/// Stale rows that a read makes the keys of by itself; where there are more, it is unavailable.
const AT_ONCE_MAX: usize = 1_000;

/// Sees to it that a read by this index misses no row that was committed before now. Gives the view that it rests on.
pub(crate) async fn serve(store: &Shared, call: &Call, table: &Table, index: &Index) -> Result<View> {
    loop {
        let view = store.registry.view(store, call, table).await?;
        let (having, all) = view.with(index, table);
        if all {
            return Ok(view);
        }
        let stale = count(store, call, table, &having, AT_ONCE_MAX + 1).await?;
        if stale == 0 {
            return Ok(view);
        }
        if stale > AT_ONCE_MAX {
            let rows = count(store, call, table, &having, usize::MAX >> 1).await?;
            return Err(Error::Unavailable(format!(
                "the index {} of {} is being built: {rows} rows to go",
                index.schema.name, table.kind
            )));
        }
        fill(store, call, table, &having).await?;
    }
}

/// How many rows have another index set than these, counted up to a limit.
pub(crate) async fn count(
    store: &Shared,
    call: &Call,
    table: &Table,
    having: &[&str],
    limit: usize,
) -> Result<usize> {
    store.count(call, &table.name, stale(having), limit).await
}

fn stale(having: &[&str]) -> Document {
    doc! { "indexes": { "$exists": true, "$nin": having } }
}

/// Makes the keys of all rows with another index set than these, batch by batch.
pub(crate) async fn fill(store: &Shared, call: &Call, table: &Table, having: &[&str]) -> Result<()> {
    while batch(store, call, table, having).await? > 0 {
        call.check()?;
    }
    Ok(())
}

/// Makes the keys of the next rows; gives how many there were.
pub(crate) async fn batch(store: &Shared, call: &Call, table: &Table, having: &[&str]) -> Result<usize> {
    let rows = store.find_by(call, &table.name, stale(having), STALE, BATCH).await?;
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
    if !store.registry.view(store, call, table).await?.sets.contains_key(&after.digest()) {
        store.registry.enter(store, call, table, &after).await?;
    }
    let (id, version, keys) = keys(table, row)?;
    let (fields, ties) = table.fields(&id, &keys)?;
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
    raw(&doc! { "q": { "_id": row::bson(&id), "version": version, "indexes": digest }, "u": change })
}

async fn set_of(store: &Shared, call: &Call, table: &Table, digest: &str) -> Result<IndexSet> {
    if let Some(set) = store.registry.view(store, call, table).await?.sets.get(digest) {
        return Ok(set.clone());
    }
    let view = store.registry.look(store, call, table).await?;
    // What is not entered was taken away by a contraction while its binary ran: none of its keys count.
    Ok(view.sets.get(digest).cloned().unwrap_or(IndexSet { shape: 0, indexes: Default::default() }))
}

/// Id, version and keys of a stored row.
pub(crate) fn keys(table: &Table, row: &RawDocumentBuf) -> Result<(Part, i64, Vec<Vec<Part>>)> {
    let row = Stored::of(row, table)?.row()?.ok_or_else(|| row::missing("shape"))?;
    if row.shape > table.shape {
        return Err(Error::NewerShape { kind: table.kind.into(), id: row.id.to_string(), shape: row.shape });
    }
    let keys = table.keys(row.shape, row.document.value()?)?;
    Ok((row.id, row.version, keys))
}

/// Runs the statements, each by itself; the unique key of two entities is told.
pub(crate) async fn write(
    store: &Shared,
    call: &Call,
    table: &Table,
    updates: Vec<RawDocumentBuf>,
    rows: &[RawDocumentBuf],
) -> Result<()> {
    let reply = store.update(call, &table.name, updates).await?;
    match refused(&reply) {
        None => Ok(()),
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
        let (id, _, keys) = keys(table, row)?;
        for (place, index) in &unique {
            if keys[*place].contains(&Part::None) {
                continue;
            }
            let mut filter = holders(index, &keys[*place]);
            filter.insert("_id", doc! { "$ne": row::bson(&id) });
            if !store.find(call, &table.name, filter, doc! {}, 1).await?.is_empty() {
                tracing::error!(kind = table.kind, index = index.schema.name, %id, "another entity has the key of this one");
                return Ok(Error::Duplicate { kind: table.kind.into(), index: index.schema.name.into() });
            }
        }
    }
    Ok(Error::Unavailable("the entity that had the same key is gone: try again".into()))
}

/// Makes the keys that all rows lack, for as long as it takes.
pub(crate) async fn all(store: &Shared, call: &Call, table: &Table) -> Result<()> {
    loop {
        let view = store.registry.look(store, call, table).await?;
        let whole = view.whole(table);
        let known = with_known_shape(stale(&whole), table);
        if whole.len() == view.sets.len()
            || store.find_by(call, &table.name, known, STALE, 1).await?.is_empty()
        {
            return Ok(());
        }
        batch_of_known(store, call, table, &whole).await?;
        call.check()?;
    }
}

fn with_known_shape(mut filter: Document, table: &Table) -> Document {
    filter.insert("shape", doc! { "$lte": i64::from(table.shape) });
    filter
}

/// As [`batch`], of rows whose shape this binary knows: a newer binary's own rows stay as they are.
async fn batch_of_known(store: &Shared, call: &Call, table: &Table, having: &[&str]) -> Result<()> {
    let filter = with_known_shape(stale(having), table);
    let rows = store.find_by(call, &table.name, filter, STALE, BATCH).await?;
    let mut updates = Vec::with_capacity(rows.len());
    for row in &rows {
        updates.push(rekeyed(store, call, table, row).await?);
    }
    if updates.is_empty() { Ok(()) } else { write(store, call, table, updates, &rows).await }
}
