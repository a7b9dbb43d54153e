//! Reads of entities by many ids: in statements of a bounded length, which see one state.

use std::collections::HashMap;

use bson::raw::RawDocumentBuf;
use bson::{Bson, doc};
use futures_util::TryStreamExt;
use mongodb::ClientSession;
use mongodb::options::ReadConcern;
use staffa_storage::{Part, Result, Seen};

use crate::call::Call;
use crate::error::told;
use crate::row::{self, Stored};
use crate::shared::Shared;
use crate::table::Table;

/// Ids of one statement: `$in` is for tens of values, and gets slow with hundreds.
pub(crate) const IDS_AT_ONCE: usize = 100;

/// What is at each of these ids, in their order.
pub(crate) async fn get(store: &Shared, call: &Call, table: &Table, ids: &[Part]) -> Result<Vec<Seen>> {
    let mut session = store.client.start_session().await.map_err(told)?;
    session.start_transaction().read_concern(ReadConcern::snapshot()).await.map_err(told)?;
    let found = read(store, call, table, ids, &mut session).await;
    // It wrote nothing: what is left of it ends with its session at the latest.
    let _ = session.abort_transaction().await;
    let mut found = found?;
    Ok(ids.iter().map(|id| found.remove(id).unwrap_or(Seen::Absent { last: 0 })).collect())
}

async fn read(
    store: &Shared,
    call: &Call,
    table: &Table,
    ids: &[Part],
    session: &mut ClientSession,
) -> Result<HashMap<Part, Seen>> {
    let mut seen = HashMap::with_capacity(ids.len());
    for ids in ids.chunks(IDS_AT_ONCE) {
        call.check()?;
        for document in find(store, call, table, ids, session).await? {
            let stored = Stored::of(&document, table)?;
            seen.insert(stored.id.clone(), stored.seen()?);
        }
    }
    Ok(seen)
}

async fn find(
    store: &Shared,
    call: &Call,
    table: &Table,
    ids: &[Part],
    session: &mut ClientSession,
) -> Result<Vec<RawDocumentBuf>> {
    let id = session.id().clone();
    let rows = store.database.collection::<RawDocumentBuf>(&table.name);
    let ids: Vec<Bson> = ids.iter().map(row::bson).collect();
    let found = async {
        let find = rows.find(doc! { "_id": { "$in": ids } }).max_time(store.max_time(call));
        let find = find.batch_size(IDS_AT_ONCE as u32);
        let mut cursor = find.session(&mut *session).await?;
        cursor.stream(&mut *session).try_collect().await
    };
    store.stoppable(call, &id, found).await.map_err(told)
}
