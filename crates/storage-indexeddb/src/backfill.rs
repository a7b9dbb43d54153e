//! Makes the keys of rows that were written by other indexes than ours, or by an older shape.
//!
//! Each row records its writer, and an index holds the rows by it: one look tells whether there are such rows. A row of
//! a newer shape was keyed by a newer binary, and is left as it is.

use js_sys::Array;
use staffa_storage::{Document, Error, Part, Result};
use wasm_bindgen::JsValue;
use web_sys::{IdbCursorDirection, IdbObjectStore, IdbRequest};

use crate::key;
use crate::row::{self, set_keys, shape, text};
use crate::scan::{self, index, range};
use crate::schema::WRITER;
use crate::table::Table;
use crate::transaction::{answer, asked, result};

/// Rows whose keys are made at a time.
const BATCH: u32 = 500;

/// Asks which rows have other keys than ours.
pub(crate) struct Look {
    older: IdbRequest,
    same: IdbRequest,
    newer: IdbRequest,
}

impl Look {
    pub(crate) fn ask(store: &IdbObjectStore, table: &Table) -> Result<Self> {
        let writers = index(store, WRITER)?;
        let ask = |range| asked(writers.get_all_keys_with_key_and_limit(&range, 1));
        Ok(Self { older: ask(older(table)?)?, same: ask(same(table)?)?, newer: ask(newer(table)?)? })
    }

    /// Whether keys have to be made, once a later request of the transaction has ended.
    pub(crate) fn is_stale(&self) -> Result<bool> {
        Ok(is_found(&self.older)? || is_found(&self.same)?)
    }

    /// Whether there are rows of a newer shape, once a later request of the transaction has ended.
    pub(crate) fn is_newer(&self) -> Result<bool> {
        is_found(&self.newer)
    }
}

fn is_found(request: &IdbRequest) -> Result<bool> {
    Ok(Array::from(&result(request)?).length() > 0)
}

fn older(table: &Table) -> Result<JsValue> {
    range("", false, &table.writer)
}

/// Other indexes of our shape.
fn same(table: &Table) -> Result<JsValue> {
    range(&table.writer, true, &table.newer)
}

fn newer(table: &Table) -> Result<JsValue> {
    range(&table.newer, false, &key::TOP.to_string())
}

/// Whether there are no such rows. [`Error::NewerShape`] for one of a newer shape that lacks a key of ours.
pub(crate) async fn is_done(store: &IdbObjectStore, table: &Table) -> Result<bool> {
    let look = Look::ask(store, table)?;
    answer(&look.newer).await?;
    if look.is_newer()? {
        check_newer(store, table).await?;
    }
    Ok(!look.is_stale()?)
}

/// Makes the keys of all such rows, in a transaction that writes; [`Error::Duplicate`], where it is `checked`, when another row
/// has the unique key of one.
pub(crate) async fn run(store: &IdbObjectStore, table: &Table, checked: bool) -> Result<()> {
    if is_done(store, table).await? {
        return Ok(());
    }
    for stale in [older(table)?, same(table)?] {
        while batch(store, table, &stale, checked).await? {}
    }
    Ok(())
}

/// Whether rows of a newer shape have a key in each of our indexes. There are few writers, whatever the rows.
pub(crate) async fn check_newer(store: &IdbObjectStore, table: &Table) -> Result<()> {
    let writers = index(store, WRITER)?;
    let unique = IdbCursorDirection::Nextunique;
    let request = asked(writers.open_cursor_with_range_and_direction(&newer(table)?, unique))?;
    let mut lacking = None;
    scan::walk(&request, |record| {
        let writer = text(record, "writer")?;
        table.check_id(&writer)?;
        if !table.is_keyed_by(&writer) {
            lacking = Some((text(record, "id")?, shape(record)?));
        }
        Ok(lacking.is_none())
    })
    .await?;
    let Some((id, shape)) = lacking else { return Ok(()) };
    let id = key::read_bare(table.id, &id)?.to_string();
    Err(Error::NewerShape { kind: table.kind.into(), id, shape })
}

/// Makes the keys of the next rows; `false` once there are no more.
async fn batch(store: &IdbObjectStore, table: &Table, stale: &JsValue, checked: bool) -> Result<bool> {
    let request = asked(index(store, WRITER)?.get_all_with_key_and_limit(stale, BATCH))?;
    let records = Array::from(&answer(&request).await?);
    let mut last = None;
    let mut doubles = Vec::new();
    for record in records.iter() {
        table.check_id(&text(&record, "writer")?)?;
        let keys = keys(&record, table)?;
        set_keys(&record, table, &text(&record, "id")?, &keys);
        last = Some(asked(store.put(&record))?);
        if checked {
            doubles.extend(ask_doubles(store, table, &keys)?);
        }
    }
    let Some(last) = last else { return Ok(false) };
    answer(doubles.last().map_or(&last, |(_, request)| request)).await?;
    for (index, request) in &doubles {
        if Array::from(&result(request)?).length() > 1 {
            return Err(Error::Duplicate { kind: table.kind.into(), index: (*index).into() });
        }
    }
    Ok(true)
}

fn keys(record: &JsValue, table: &Table) -> Result<Vec<Vec<Part>>> {
    let document = Document::Text(text(record, "document")?).value()?;
    (table.keys)(row::shape(record)?, document)
}

/// Asks who has these keys, in each unique index.
fn ask_doubles<'a>(
    store: &IdbObjectStore,
    table: &'a Table,
    keys: &[Vec<Part>],
) -> Result<Vec<(&'a str, IdbRequest)>> {
    let mut asks = Vec::new();
    for (schema, key) in table.indexes.iter().zip(keys) {
        if schema.unique && !key.contains(&Part::None) {
            asks.push((schema.name, scan::ask_double(store, schema.name, &key::parts(key))?));
        }
    }
    Ok(asks)
}
