//! Reads by index: a page is read in segments ([`staffa_storage::segment`]), each an equality and one range on the fields of the index in their order,
//! so that the server seeks in the index and never sorts.

use bson::raw::{RawBsonRef, RawDocument, RawDocumentBuf};
use bson::{Bson, Document, doc};
use futures_util::TryStreamExt;
use mongodb::ClientSession;
use mongodb::options::ReadConcern;
use staffa_storage::segment::{Edge, Range, Segment, misfit, segments};
use staffa_storage::{By, Found, Part, PartType, Result, Scan};

use crate::backfill::{self, Keyed};
use crate::call::Call;
use crate::error::told;
use crate::row::{self, Stored};
use crate::shared::Shared;
use crate::table::{Index, Table};

/// How many rows a read works out at each time before it makes their keys.
const SETTLED_AT: usize = 20;

/// Reads one page, by what is known of the index.
pub(crate) async fn run(store: &Shared, call: &Call, table: &Table, scan: &Scan) -> Result<Vec<Found>> {
    let By::Index(place) = scan.by else { return page(store, call, table, scan, None).await };
    let index = table.indexes.get(place).ok_or_else(|| misfit(scan))?;
    loop {
        let view = store.registry.view(store, call, table).await?;
        let (having, all) = view.with(index);
        if !all {
            if index.schema.unique {
                backfill::put_into_unique(store, call, table, &having).await?;
            }
            return page(store, call, table, scan, Some((place, &having))).await;
        }
        let page = page(store, call, table, scan, None).await?;
        // What a reader that was held up knows of the index sets may be too old by now.
        if view.is_fresh(call) {
            return Ok(page);
        }
    }
}

/// Reads one page. `having` are the index sets whose rows are in the index, if there are others.
async fn page(
    store: &Shared,
    call: &Call,
    table: &Table,
    scan: &Scan,
    having: Option<(usize, &[&str])>,
) -> Result<Vec<Found>> {
    let order = Order::of(table, scan)?;
    let segments = order.segments(scan)?;
    let mut session = store.client.start_session().await.map_err(told)?;
    // What is read in several statements is read of one state.
    let several = segments.len() > 1 || having.is_some();
    if several {
        session.start_transaction().read_concern(ReadConcern::snapshot()).await.map_err(told)?;
    }
    let mut read = read(store, call, &order, &segments, scan, &mut session).await;
    let mut outside = 0;
    if let (Ok(found), Some((place, having))) = (&mut read, having) {
        match backfill::outside(store, call, table, place, having, &mut session).await {
            Ok(rows) => {
                outside = rows.len();
                add(found, rows, scan);
                if let Some(index) = order.index.filter(|index| index.schema.unique && is_double(found)) {
                    read = Err(backfill::two_with_one(table.kind, index.schema.name));
                }
            }
            Err(error) => read = Err(error),
        }
    }
    if several {
        // It wrote nothing: what is left of it ends with its session at the latest.
        let _ = session.abort_transaction().await;
    }
    if let (SETTLED_AT.., Some((_, having))) = (outside, having) {
        backfill::settle(store, call, table, having).await;
    }
    read
}

/// Adds rows that are not in the index to those that were found by it.
fn add(found: &mut Vec<Found>, rows: Vec<Keyed>, scan: &Scan) {
    let covered = rows.into_iter().filter(|(row, key)| covers(scan, key, &row.id));
    found.extend(covered.map(|(row, key)| Found { row, key }));
    found.sort_by(|a, b| {
        let order = (&a.key, &a.row.id).cmp(&(&b.key, &b.row.id));
        if scan.descending { order.reverse() } else { order }
    });
    found.truncate(scan.limit);
}

/// Whether two rows of a page have the same key, which a unique index does not let pass.
fn is_double(found: &[Found]) -> bool {
    found.windows(2).any(|pair| pair[0].key == pair[1].key && !pair[0].key.contains(&Part::None))
}

/// Whether a key and id are of those that a page begins with.
fn covers(scan: &Scan, key: &[Part], id: &Part) -> bool {
    let bounded = key.get(scan.equal.len()).is_none_or(|part| scan.bound.covers(part));
    let after = scan.after.as_ref().is_none_or(|(last, last_id)| match scan.descending {
        false => (key, id) > (last, last_id),
        true => (key, id) < (last, last_id),
    });
    key.starts_with(&scan.equal) && bounded && after
}

async fn read(
    store: &Shared,
    call: &Call,
    order: &Order<'_>,
    segments: &[Segment],
    scan: &Scan,
    session: &mut ClientSession,
) -> Result<Vec<Found>> {
    let mut found = Vec::new();
    for segment in segments {
        call.check()?;
        if found.len() >= scan.limit {
            break;
        }
        for document in order.read(store, call, segment, scan, scan.limit - found.len(), session).await? {
            found.push(order.found(&document)?);
        }
    }
    Ok(found)
}

/// The fields that order a scan, the id last.
struct Order<'a> {
    table: &'a Table,
    index: Option<&'a Index>,
    columns: Vec<(String, PartType)>,
}

impl<'a> Order<'a> {
    fn of(table: &'a Table, scan: &Scan) -> Result<Self> {
        let index = match scan.by {
            By::Id => None,
            By::Index(place) => Some(table.indexes.get(place).ok_or_else(|| misfit(scan))?),
        };
        let mut columns: Vec<(String, PartType)> = index.map_or_else(Vec::new, |index| {
            let fields = index.fields.iter().map(|field| format!("keys.{field}"));
            fields.zip(index.schema.parts.iter().copied()).collect()
        });
        columns.push(("_id".into(), table.id));
        Ok(Self { table, index, columns })
    }

    fn segments(&self, scan: &Scan) -> Result<Vec<Segment>> {
        let types: Vec<PartType> = self.columns.iter().map(|(_, part)| *part).collect();
        segments(scan, &types)
    }

    async fn read(
        &self,
        store: &Shared,
        call: &Call,
        segment: &Segment,
        scan: &Scan,
        limit: usize,
        session: &mut ClientSession,
    ) -> Result<Vec<RawDocumentBuf>> {
        let id = session.id().clone();
        let rows = store.database.collection::<RawDocumentBuf>(&self.table.name);
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let find = async {
            let find = rows.find(self.filter(segment)).sort(self.sort(segment, scan.descending)).limit(limit);
            let find = find.hint(self.hint()).max_time(store.max_time(call));
            let find = find.batch_size(u32::try_from(limit).unwrap_or(u32::MAX));
            let mut cursor = find.session(&mut *session).await?;
            cursor.stream(&mut *session).try_collect().await
        };
        store.stoppable(call, &id, find).await.map_err(told)
    }

    fn hint(&self) -> mongodb::options::Hint {
        match self.index {
            None => mongodb::options::Hint::Keys(doc! { "_id": 1 }),
            Some(index) => mongodb::options::Hint::Name(index.name.clone()),
        }
    }

    fn found(&self, document: &RawDocument) -> Result<Found> {
        let key = self.index.map_or(Ok(Vec::new()), |index| self.key(index, document))?;
        let row = Stored::of(document, self.table)?.row()?;
        row.map(|row| Found { row, key }).ok_or_else(|| row::missing("shape"))
    }

    fn key(&self, index: &Index, document: &RawDocument) -> Result<Vec<Part>> {
        let RawBsonRef::Document(keys) = row::field(document, "keys")? else {
            return Err(row::missing("keys"));
        };
        let parts = index.fields.iter().zip(&index.schema.parts);
        parts.map(|(field, kind)| row::part(row::field(keys, field)?, *kind)).collect()
    }

    /// What a segment covers, of what lives and is in the index.
    fn filter(&self, segment: &Segment) -> Document {
        let mut fields: Vec<(&str, Document)> = vec![];
        for ((field, _), part) in self.columns.iter().zip(&segment.equal) {
            fields.push((field, doc! { "$eq": row::bson(part) }));
        }
        let level = segment.equal.len();
        let range = match &segment.range {
            Range::All => doc! {},
            Range::IsNone => doc! { "$eq": Bson::Null },
            Range::Between(from, to) => between(from, to),
        };
        if !range.is_empty() {
            fields.push((&self.columns[level].0, range));
        }
        let mark = self.index.map_or_else(|| "shape".into(), Index::mark);
        let mut filter: Document =
            fields.iter().map(|(field, test)| ((*field).to_owned(), Bson::from(test.clone()))).collect();
        match filter.get_document_mut(&mark) {
            Ok(test) => drop(test.insert("$exists", true)),
            Err(_) => drop(filter.insert(mark, doc! { "$exists": true })),
        }
        filter
    }

    /// The rest of the index's fields. Once the parts of a unique key are fixed, its tie orders as the id does.
    fn sort(&self, segment: &Segment, descending: bool) -> Document {
        let direction = if descending { -1 } else { 1 };
        let parts = &self.columns[..self.columns.len() - 1];
        let rest = parts.iter().skip(segment.equal.len()).map(|(field, _)| field.clone());
        let last = self.index.map_or_else(|| "_id".into(), Index::tie_field);
        rest.chain([last]).map(|field| (field, Bson::Int32(direction))).collect()
    }
}

fn between(from: &Edge, to: &Edge) -> Document {
    let mut range = Document::new();
    match from {
        Edge::Open => {}
        Edge::Included(part) => drop(range.insert("$gte", row::bson(part))),
        Edge::Excluded(part) => drop(range.insert("$gt", row::bson(part))),
    }
    match to {
        Edge::Open => {}
        Edge::Included(part) => drop(range.insert("$lte", row::bson(part))),
        Edge::Excluded(part) => drop(range.insert("$lt", row::bson(part))),
    }
    range
}
