//! Reads by index: a page is read in segments ([`staffa_storage::segment`]), each an equality and one range on the fields of the index in their order,
//! so that the server seeks in the index and never sorts.

use bson::raw::{RawBsonRef, RawDocument};
use bson::{Bson, Document, doc};
use mongodb::options::{FindOptions, Hint};
use staffa_storage::segment::{Edge, Range, Segment, misfit, segments};
use staffa_storage::{By, Found, Part, PartType, Result, Scan};

use crate::backfill::{self, Keyed};
use crate::call::Call;
use crate::row::{self, Stored};
use crate::shared::{Shared, most};
use crate::snapshot::{self, Look};
use crate::table::{Index, Table};
use crate::transaction::{Stop, Transaction};

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
    if let ([segment], None) = (&segments[..], having) {
        return order.alone(store, call, segment, scan).await;
    }
    let (found, outside) =
        snapshot::read(store, call, &Page { store, order, segments, scan, having }).await?;
    if let (SETTLED_AT.., Some((_, having))) = (outside, having) {
        backfill::settle(store, call, table, having).await;
    }
    Ok(found)
}

/// A page that is read in several statements, of one state.
struct Page<'a> {
    store: &'a Shared,
    order: Order<'a>,
    segments: Vec<Segment>,
    scan: &'a Scan,
    having: Option<(usize, &'a [&'a str])>,
}

impl Look for Page<'_> {
    /// The page, and how many rows are not in the index.
    type Output = (Vec<Found>, usize);

    async fn look(&self, tx: &mut Transaction<'_>) -> Result<Self::Output, Stop> {
        let mut found = self.indexed(tx).await?;
        let Some((place, having)) = self.having else { return Ok((found, 0)) };
        let table = self.order.table;
        let rows = backfill::outside(self.store, table, place, having, tx).await?;
        let outside = rows.len();
        add(&mut found, rows, self.scan);
        match self.order.index.filter(|index| index.schema.unique && is_double(&found)) {
            Some(index) => Err(backfill::two_with_one(table.kind, index.schema.name).into()),
            None => Ok((found, outside)),
        }
    }
}

impl Page<'_> {
    async fn indexed(&self, tx: &mut Transaction<'_>) -> Result<Vec<Found>, Stop> {
        let (order, limit) = (&self.order, self.scan.limit);
        let mut found = Vec::new();
        for segment in &self.segments {
            if found.len() >= limit {
                break;
            }
            let find = order.options(segment, self.scan, limit - found.len());
            for document in tx.read(&order.table.name, order.filter(segment), find).await? {
                found.push(order.found(&document)?);
            }
        }
        Ok(found)
    }
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

    /// A page of one statement, which needs no transaction.
    async fn alone(&self, store: &Shared, call: &Call, segment: &Segment, scan: &Scan) -> Result<Vec<Found>> {
        call.check()?;
        if scan.limit == 0 {
            return Ok(Vec::new());
        }
        let find = self.options(segment, scan, scan.limit);
        let read = store.read(call, &self.table.name, self.filter(segment), find).await?;
        read.iter().map(|document| self.found(document)).collect()
    }

    fn options(&self, segment: &Segment, scan: &Scan, limit: usize) -> FindOptions {
        FindOptions::builder()
            .sort(self.sort(segment, scan.descending))
            .hint(self.hint())
            .limit(most(limit))
            .batch_size(u32::try_from(limit).unwrap_or(u32::MAX))
            .build()
    }

    fn hint(&self) -> Hint {
        match self.index {
            None => Hint::Keys(doc! { "_id": 1 }),
            Some(index) => Hint::Name(index.name.clone()),
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
