//! Reports as aggregations on MongoDB.
use std::sync::Arc;

use async_trait::async_trait;
use shop_core::reporting::{BestSeller, Days, Reporting, Revenue};
use staffa::mongodb::MongoDb;
use staffa::mongodb::driver::bson::{Bson, Document, doc};
use staffa::{Context, Failure, Kind};

/// The adapter: each report is one aggregation, and the server stops it with its context.
pub(super) struct Aggregation(pub(super) Arc<MongoDb>);

const ORDERS: &str = "order";

/// Orders of these days that came to something: the key has microseconds since 1970.
fn sold(days: Days) -> Document {
    let placed = doc! { "$gte": days.start().as_micros(), "$lt": days.end().as_micros() };
    let nothing = doc! { "$nin": ["rejected", "cancelled"] };
    doc! { "$match": { "keys.placed": placed, "document": { "$exists": true }, "document.state": nothing } }
}

/// Whole pence of an amount that is kept as the text `7.50 GBP`.
fn pence(amount: &str) -> Document {
    let number = doc! { "$arrayElemAt": [{ "$split": [amount, " "] }, 0] };
    doc! { "$toLong": { "$replaceOne": { "input": number, "find": ".", "replacement": "" } } }
}

fn revenue_of(days: Days) -> Vec<Document> {
    let day = doc! { "$substrBytes": ["$document.placed_at", 0, 10] };
    vec![
        sold(days),
        doc! { "$group": {
            "_id": { "day": day, "country": "$document.country" },
            "orders": { "$sum": 1_i64 },
            "pence": { "$sum": pence("$document.totals.lines") },
        } },
        doc! { "$sort": { "_id.day": 1, "_id.country": 1 } },
    ]
}

fn best_sellers_of(days: Days, most: u32) -> Vec<Document> {
    vec![
        sold(days),
        doc! { "$unwind": "$document.lines" },
        doc! { "$match": { "document.lines.goods": true } },
        doc! { "$group": {
            "_id": "$document.lines.code",
            "description": { "$min": "$document.lines.description" },
            "units": { "$sum": "$document.lines.quantity" },
            "pence": { "$sum": pence("$document.lines.amount") },
        } },
        doc! { "$sort": { "units": -1, "_id": 1 } },
        doc! { "$limit": i64::from(most) },
    ]
}

#[async_trait]
impl Reporting for Aggregation {
    async fn revenue(&self, ctx: &Context, days: Days) -> Result<Vec<Revenue>, Failure> {
        let mut span = ctx.span("report revenue");
        let read = self.0.read(&span, move |session| {
            Box::pin(async move { session.aggregate(ORDERS, revenue_of(days)).await })
        });
        let rows = read.await.map_err(|error| super::failed(&mut span, error))?;
        rows.iter().map(|row| revenue(row).ok_or_else(|| odd(row))).collect()
    }

    async fn best_sellers(&self, ctx: &Context, days: Days, most: u32) -> Result<Vec<BestSeller>, Failure> {
        let mut span = ctx.span("report best sellers");
        let read = self.0.read(&span, move |session| {
            Box::pin(async move { session.aggregate(ORDERS, best_sellers_of(days, most)).await })
        });
        let rows = read.await.map_err(|error| super::failed(&mut span, error))?;
        rows.iter().map(|row| best_seller(row).ok_or_else(|| odd(row))).collect()
    }
}

fn revenue(row: &Document) -> Option<Revenue> {
    let of = row.get_document("_id").ok()?;
    let (day, country) = (of.get_str("day").ok()?.parse().ok()?, of.get_str("country").ok()?.to_owned());
    Some(Revenue { day, country, orders: whole(row, "orders")?, pence: whole(row, "pence")? })
}

fn best_seller(row: &Document) -> Option<BestSeller> {
    let text = |name| Some(row.get_str(name).ok()?.to_owned());
    let (code, description) = (text("_id")?, text("description")?);
    Some(BestSeller { code, description, units: whole(row, "units")?, pence: whole(row, "pence")? })
}

/// A sum that no `long` holds is a `double`, and not told as if it were exact.
fn whole(row: &Document, name: &str) -> Option<i64> {
    match row.get(name)? {
        Bson::Int32(value) => Some(i64::from(*value)),
        Bson::Int64(value) => Some(*value),
        _ => None,
    }
}

fn odd(row: &Document) -> Failure {
    Failure::new(Kind::Internal, "an order is not as it should be").with_log(row.to_string())
}
