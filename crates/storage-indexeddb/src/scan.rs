//! What a scan covers, as a range of keys' texts.

use serde_json::Value;
use staffa_storage::{Bound, By, Error, Found, Part, PartType, Result, Scan};

use crate::key;
use crate::row::{Told, list};
use crate::table::Table;

/// What orders a scan.
pub(crate) struct Order<'a> {
    table: &'a Table,
    name: &'a str,
    types: &'a [PartType],
}

impl<'a> Order<'a> {
    pub(crate) fn of(table: &'a Table, scan: &Scan) -> Result<Self> {
        let By::Index(place) = scan.by else { return Ok(Self { table, name: "id", types: &[] }) };
        let index = table.indexes.get(place);
        let index = index.ok_or_else(|| Error::Unusable(["no such index of ", table.kind].concat()))?;
        Ok(Self { table, name: index.name, types: &index.parts })
    }

    /// What the script is asked; `None` when the scan covers nothing.
    pub(crate) fn asked(&self, scan: &Scan) -> Option<Value> {
        let (from, is_open, to) = covered(scan)?;
        let limit = u32::try_from(scan.limit).unwrap_or(u32::MAX);
        Some(list![self.table.kind, self.name, from, is_open, to, limit, scan.descending])
    }

    pub(crate) fn found(&self, told: &Told<'_>) -> Result<Found> {
        let row = told.at(1).row(self.table)?;
        let key = match self.types {
            [] => Vec::new(),
            types => key::read(types, told.at(0).text()?)?,
        };
        Ok(Found { row, key })
    }
}

/// From one text, excluded when that is said, to another, excluded; `None` when that is nothing.
fn covered(scan: &Scan) -> Option<(String, bool, String)> {
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
    (from < to).then_some((from, is_open, to))
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
