//! The database's own structure: made, and upgraded in place, when it is opened.
//!
//! IndexedDB changes its structure in a version change alone, which waits until no other tab has the database open; the
//! version is a mere count of such changes. Each kind is an object store with an index for each of ours, and indexes that
//! no binary knows any more stay. What is in an index is the business of [`crate::backfill`].

use js_sys::Array;
use staffa_storage::{Error, Result};
use wasm_bindgen::JsValue;
use web_sys::{IdbDatabase, IdbObjectStore, IdbObjectStoreParameters, IdbTransactionMode};

#[cfg(feature = "indexes")]
use crate::backfill;
use crate::connection::Database;
use crate::error::told;
use crate::row::{get, object, set};
use crate::table::{Table, Tables};
use crate::transaction::{Transaction, answer, asked};

/// The format of the database: stores of the adapter's own, and how kinds are laid out.
const FORMAT: u32 = 1;

pub(crate) const META: &str = "staffa_meta";
pub(crate) const OUTBOX: &str = "staffa_outbox";
pub(crate) const KEPT: &str = "staffa_kept";
/// The index of a kind's rows by their writer. No index of a schema begins with `_`.
pub(crate) const WRITER: &str = "_writer";

/// Refuses a database that is somebody else's.
pub(crate) fn check_owner(database: &IdbDatabase) -> Result<()> {
    let names = database.object_store_names();
    if names.length() == 0 || names.contains(META) {
        return Ok(());
    }
    let name = database.name();
    Err(Error::Unusable(format!("the database {name} of this site is not this store's: choose another name")))
}

/// Refuses a database that a newer binary made.
pub(crate) async fn check_format(database: &Database) -> Result<()> {
    let tx = database.transaction(&[META], IdbTransactionMode::Readonly)?;
    let request = asked(tx.store(META)?.get(&JsValue::from_str("format")))?;
    let record = answer(&request).await?;
    tx.leave();
    // What was written is a `u32`.
    let format = if record.is_undefined() { 0 } else { get(&record, "value").as_f64().unwrap_or(0.0) as u32 };
    if format > FORMAT {
        return Err(Error::Unusable(format!(
            "the database has format {format}, and this page knows up to {FORMAT}: reload the page",
        )));
    }
    Ok(())
}

/// Whether the database lacks an object store or an index of ours.
pub(crate) fn is_lacking(database: &Database, tables: &Tables) -> Result<bool> {
    let names = database.names();
    if tables.iter().any(|table| !names.contains(&table.name)) {
        return Ok(true);
    }
    #[cfg(feature = "indexes")]
    for table in tables.iter().filter(|table| !table.indexes.is_empty()) {
        let tx = database.transaction(&[&table.name], IdbTransactionMode::Readonly)?;
        let indexes = tx.store(&table.name)?.index_names();
        tx.leave();
        if table.indexes.iter().any(|index| !indexes.contains(index.name)) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Makes what is lacking, in the transaction of a version change, and fills new indexes there.
#[cfg_attr(not(feature = "indexes"), expect(unused_variables, reason = "new indexes alone are filled in it"))]
pub(crate) async fn upgrade(database: &IdbDatabase, tx: &Transaction, tables: &Tables) -> Result<()> {
    check_owner(database)?;
    let names = database.object_store_names();
    if !names.contains(META) {
        create_own(database)?;
    }
    for table in tables.iter() {
        let is_new = !names.contains(&table.name);
        if is_new {
            create_kind(database, table)?;
        }
        #[cfg(feature = "indexes")]
        complete(&tx.store(&table.name)?, table, is_new).await?;
    }
    Ok(())
}

/// Makes the keys that are missing without a new index: of an older shape, of an index whose parts have changed, of
/// what an older binary wrote meanwhile.
#[cfg(feature = "indexes")]
pub(crate) async fn fill(database: &Database, tables: &Tables) -> Result<()> {
    for table in tables.iter() {
        let tx = database.transaction(&[&table.name], IdbTransactionMode::Readonly)?;
        let is_filled = backfill::is_done(&tx.store(&table.name)?, table).await?;
        tx.leave();
        if !is_filled {
            let tx = database.transaction(&[&table.name], IdbTransactionMode::Readwrite)?;
            backfill::run(&tx.store(&table.name)?, table, true).await?;
            tx.end().await?;
        }
    }
    Ok(())
}

fn create_own(database: &IdbDatabase) -> Result<()> {
    let meta = create(database, META, &"key".into(), false)?;
    let format = object();
    set(&format, "key", "format");
    set(&format, "value", FORMAT);
    asked(meta.put(&format))?;
    let outbox = create(database, OUTBOX, &"place".into(), true)?;
    add_index(&outbox, "id", "id")?;
    add_index(&outbox, "unsent", "unsent")?;
    add_index(&outbox, "sent", "sent")?;
    let key: Array = ["scope", "key"].into_iter().map(JsValue::from_str).collect();
    let kept = create(database, KEPT, &key, false)?;
    add_index(&kept, "at", "at")
}

fn create_kind(database: &IdbDatabase, table: &Table) -> Result<()> {
    let store = create(database, &table.name, &"id".into(), false)?;
    add_index(&store, WRITER, "writer")?;
    add_index(&store, "id", "keys.id")
}

fn create(database: &IdbDatabase, name: &str, key: &JsValue, is_counted: bool) -> Result<IdbObjectStore> {
    let parameters = IdbObjectStoreParameters::new();
    parameters.set_key_path(key);
    parameters.set_auto_increment(is_counted);
    let created = database.create_object_store_with_optional_parameters(name, &parameters);
    created.map_err(|error| told(&error))
}

/// Adds the indexes that an object store lacks, and makes their keys.
#[cfg(feature = "indexes")]
async fn complete(store: &IdbObjectStore, table: &Table, is_new: bool) -> Result<()> {
    add_indexes(store, table)?;
    if is_new { Ok(()) } else { backfill::run(store, table, true).await }
}

#[cfg(feature = "indexes")]
fn add_indexes(store: &IdbObjectStore, table: &Table) -> Result<()> {
    let known = store.index_names();
    let missing = table.indexes.iter().filter(|index| !known.contains(index.name));
    missing.into_iter().try_for_each(|index| add_index(store, index.name, &["keys.", index.name].concat()))
}

/// An index is never unique to IndexedDB, which would check in the middle of a unit in which two entities swap
/// their keys; the commit checks at its end.
fn add_index(store: &IdbObjectStore, name: &str, path: &str) -> Result<()> {
    store.create_index_with_str(name, path).map(|_| ()).map_err(|error| told(&error))
}
