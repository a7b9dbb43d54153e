//! Kept answers and the inbox: one record for both.

use js_sys::Array;
use staffa_context::Timestamp;
use staffa_storage::{Kept, Part, PartType, Result};
use wasm_bindgen::JsValue;
use web_sys::{IdbObjectStore, IdbRequest, IdbTransactionMode};

use crate::connection::Database;
use crate::key;
use crate::row::{damaged, object, set, text};
use crate::scan::{index, range};
use crate::schema::KEPT;
use crate::transaction::{answer, asked};

/// Asks for the record of a scope and key.
pub(crate) fn ask(store: &IdbObjectStore, scope: &str, key: &str) -> Result<IdbRequest> {
    let place: Array = [scope, key].into_iter().map(JsValue::from_str).collect();
    asked(store.get(&place))
}

/// Keeps a record whose scope and key are free, and whose answer comes as text.
pub(crate) fn keep(store: &IdbObjectStore, kept: &Kept, answer: &str) -> Result<()> {
    let record = object();
    set(&record, "scope", &kept.scope);
    set(&record, "key", &kept.key);
    set(&record, "digest", hex(&kept.digest));
    set(&record, "answer", answer);
    set(&record, "at", time(kept.at));
    asked(store.put(&record)).map(drop)
}

/// The record of a scope and key.
pub(crate) async fn find(database: &Database, scope: String, key: String) -> Result<Option<Kept>> {
    let tx = database.transaction(&[KEPT], IdbTransactionMode::Readonly)?;
    let record = answer(&ask(&tx.store(KEPT)?, &scope, &key)?).await?;
    tx.leave();
    if record.is_undefined() {
        return Ok(None);
    }
    let digest = unhex(&text(&record, "digest")?).ok_or_else(|| damaged("digest"))?;
    let answer = staffa_context::parse(text(&record, "answer")?.as_bytes()).map_err(|_| damaged("answer"))?;
    Ok(Some(Kept { scope, key, digest, answer, at: read_time(&record, "at")? }))
}

/// Removes the records of an index from before a time, `limit` at most, in a transaction that writes; gives how many went.
pub(crate) async fn sweep(
    store: &IdbObjectStore,
    by: &str,
    before: Timestamp,
    limit: usize,
) -> Result<usize> {
    let limit = u32::try_from(limit).unwrap_or(u32::MAX);
    if limit == 0 {
        // To IndexedDB it would be no limit.
        return Ok(0);
    }
    let old = range("", false, &time(before))?;
    let keys = answer(&asked(index(store, by)?.get_all_keys_with_key_and_limit(&old, limit))?).await?;
    let keys = Array::from(&keys);
    for key in keys.iter() {
        asked(store.delete(&key))?;
    }
    Ok(keys.iter().count())
}

/// A time as an index orders it.
pub(crate) fn time(at: Timestamp) -> String {
    key::id(&Part::Time(at))
}

pub(crate) fn read_time(record: &JsValue, name: &str) -> Result<Timestamp> {
    match key::read_bare(PartType::Time, &text(record, name)?)? {
        Part::Time(at) => Ok(at),
        _ => Err(damaged(name)),
    }
}

fn hex(bytes: &[u8]) -> String {
    let digit = |half: u8| char::from_digit(u32::from(half), 16).unwrap_or('0');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let mut digits =
        text.chars().map(|letter| letter.to_digit(16).and_then(|digit| u8::try_from(digit).ok()));
    let mut bytes = [0; 32];
    for byte in &mut bytes {
        *byte = digits.next()?? << 4 | digits.next()??;
    }
    digits.next().is_none().then_some(bytes)
}
