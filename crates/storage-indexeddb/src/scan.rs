//! Reads by index: what a scan covers lies side by side in the text of keys, so a page is one range.

use js_sys::Array;
use staffa_storage::{Bound, By, Error, Found, Part, PartType, Result, Scan};
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{
    IdbCursorDirection, IdbCursorWithValue, IdbIndex, IdbKeyRange, IdbObjectStore, IdbRequest,
    IdbTransactionMode,
};

use crate::backfill::{self, Look};
use crate::call::Call;
use crate::connection::Database;
use crate::error::told;
use crate::key;
use crate::row::{self, entity, get};
use crate::table::Table;
use crate::transaction::{answer, asked};

/// How often the keys are made for one page, while a tab of an older page writes without them.
const TURNS_MAX: usize = 3;

/// Reads one page.
pub(crate) async fn page(database: &Database, call: &Call, table: &Table, scan: &Scan) -> Result<Vec<Found>> {
    let order = Order::of(table, scan)?;
    let Some(covered) = covered(scan) else { return Ok(Vec::new()) };
    for _ in 0..TURNS_MAX {
        if let Some(records) = order.read(database, &covered, scan).await? {
            return records.iter().map(|record| order.found(record)).collect();
        }
        let tx = database.transaction(&[&table.name], IdbTransactionMode::Readwrite)?;
        backfill::run(&tx.store(&table.name)?, table, false).await?;
        tx.commit(call).await?;
    }
    Err(Error::Unavailable("another tab with an older page writes too fast: close or reload it".into()))
}

/// What orders a scan.
struct Order<'a> {
    table: &'a Table,
    name: &'a str,
    types: &'a [PartType],
}

impl<'a> Order<'a> {
    fn of(table: &'a Table, scan: &Scan) -> Result<Self> {
        let By::Index(place) = scan.by else { return Ok(Self { table, name: "id", types: &[] }) };
        let index = table.indexes.get(place);
        let index = index.ok_or_else(|| Error::Unusable(["no such index of ", table.kind].concat()))?;
        Ok(Self { table, name: index.name, types: &index.parts })
    }

    /// The records of the page; none when rows have other keys than ours.
    async fn read(
        &self,
        database: &Database,
        covered: &JsValue,
        scan: &Scan,
    ) -> Result<Option<Vec<JsValue>>> {
        let tx = database.transaction(&[&self.table.name], IdbTransactionMode::Readonly)?;
        let store = tx.store(&self.table.name)?;
        let look = (scan.by != By::Id).then(|| Look::ask(&store, self.table)).transpose()?;
        let index = index(&store, self.name)?;
        let records = match scan.descending {
            false => first(&index, covered, scan.limit).await?,
            true => last(&index, covered, scan.limit).await?,
        };
        if let Some(look) = look {
            if look.is_newer()? {
                backfill::check_newer(&store, self.table).await?;
            }
            if look.is_stale()? {
                return Ok(None);
            }
        }
        tx.leave();
        Ok(Some(records))
    }

    fn found(&self, record: &JsValue) -> Result<Found> {
        let row = entity(record, self.table)?;
        let key = match self.types {
            [] => Vec::new(),
            types => key::read(types, &row::text(&get(record, "keys"), self.name)?)?,
        };
        Ok(Found { row, key })
    }
}

/// The first records of a range.
async fn first(index: &IdbIndex, covered: &JsValue, limit: usize) -> Result<Vec<JsValue>> {
    let limit = u32::try_from(limit).unwrap_or(u32::MAX);
    let request = asked(index.get_all_with_key_and_limit(covered, limit))?;
    Ok(Array::from(&answer(&request).await?).iter().collect())
}

/// The last records of a range, the last one first.
async fn last(index: &IdbIndex, covered: &JsValue, limit: usize) -> Result<Vec<JsValue>> {
    let request = asked(index.open_cursor_with_range_and_direction(covered, IdbCursorDirection::Prev))?;
    let mut records = Vec::new();
    walk(&request, |record| {
        records.push(record.clone());
        Ok(records.len() < limit)
    })
    .await?;
    Ok(records)
}

/// Shows the records of a cursor, one after the other, for as long as more are wanted.
pub(crate) async fn walk(request: &IdbRequest, mut see: impl FnMut(&JsValue) -> Result<bool>) -> Result<()> {
    loop {
        let Ok(cursor) = answer(request).await?.dyn_into::<IdbCursorWithValue>() else { return Ok(()) };
        let record = cursor.value().map_err(|error| told(&error))?;
        if !see(&record)? {
            return Ok(());
        }
        cursor.continue_().map_err(|error| told(&error))?;
    }
}

/// What a scan covers, from where its page begins; `None` when that is nothing.
fn covered(scan: &Scan) -> Option<JsValue> {
    let (mut from, mut to) = ends(scan);
    let mut is_open = false;
    if let Some((key, id)) = &scan.after {
        let after = key::parts(key) + &key::id(id);
        if scan.descending {
            to = to.min(after);
        } else if after >= from {
            (from, is_open) = (after, true);
        }
    }
    if from < to { range(&from, is_open, &to).ok() } else { None }
}

/// Where it begins, included, and ends, excluded.
fn ends(scan: &Scan) -> (String, String) {
    let put = match scan.by {
        By::Id => key::put_bare,
        By::Index(_) => key::put_part,
    };
    let equal = key::parts(&scan.equal);
    let with = |part: &Part| {
        let mut text = equal.clone();
        put(&mut text, part);
        text
    };
    let all = [&equal, key::TOP.encode_utf8(&mut [0; 4]) as &str].concat();
    match &scan.bound {
        Bound::All => (equal, all),
        Bound::Range { from, to } => {
            (from.as_ref().map_or_else(|| equal.clone(), with), to.as_ref().map_or(all, with))
        }
        Bound::Prefix(prefix) => {
            let from = with(&Part::Text(prefix.clone()));
            let mut to = from.clone();
            to.push(key::TOP);
            (from, to)
        }
    }
}

/// From one text, excluded when `is_open`, to another, excluded.
pub(crate) fn range(from: &str, is_open: bool, to: &str) -> Result<JsValue> {
    let (from, to) = (JsValue::from_str(from), JsValue::from_str(to));
    let range = IdbKeyRange::bound_with_lower_open_and_upper_open(&from, &to, is_open, true);
    range.map(JsValue::from).map_err(|error| told(&error))
}

pub(crate) fn index(store: &IdbObjectStore, name: &str) -> Result<IdbIndex> {
    store.index(name).map_err(|error| told(&error))
}

/// Asks for the ids that have a key, two at most.
pub(crate) fn ask_double(store: &IdbObjectStore, name: &str, key: &str) -> Result<IdbRequest> {
    let mut end = key.to_owned();
    end.push(key::TOP);
    asked(index(store, name)?.get_all_keys_with_key_and_limit(&range(key, false, &end)?, 2))
}
