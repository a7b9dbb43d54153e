//! Reads of entities by many ids: in statements of a bounded length, which see one state.

use std::collections::HashMap;

use bson::{Bson, doc};
use mongodb::options::FindOptions;
use staffa_storage::{Part, Result, Seen};

use crate::call::Call;
use crate::row::{self, Stored};
use crate::shared::Shared;
use crate::snapshot::{self, Look};
use crate::table::Table;
use crate::transaction::{Stop, Transaction};

/// Ids of one statement: `$in` is for tens of values, and gets slow with hundreds.
pub(crate) const IDS_AT_ONCE: usize = 100;

/// What is at each of these ids, in their order.
pub(crate) async fn get(store: &Shared, call: &Call, table: &Table, ids: &[Part]) -> Result<Vec<Seen>> {
    let mut found = snapshot::read(store, call, &Many { table, ids }).await?;
    Ok(ids.iter().map(|id| found.remove(id).unwrap_or(Seen::Absent { last: 0 })).collect())
}

struct Many<'a> {
    table: &'a Table,
    ids: &'a [Part],
}

impl Look for Many<'_> {
    type Output = HashMap<Part, Seen>;

    async fn look(&self, tx: &mut Transaction<'_>) -> Result<Self::Output, Stop> {
        let mut seen = HashMap::with_capacity(self.ids.len());
        for ids in self.ids.chunks(IDS_AT_ONCE) {
            let ids: Vec<Bson> = ids.iter().map(row::bson).collect();
            let find = FindOptions::builder().batch_size(IDS_AT_ONCE as u32).build();
            for document in tx.read(&self.table.name, doc! { "_id": { "$in": ids } }, find).await? {
                let stored = Stored::of(&document, self.table)?;
                seen.insert(stored.id.clone(), stored.seen()?);
            }
        }
        Ok(seen)
    }
}
