//! Reports in SQL on SQLite.
use std::sync::Arc;

use async_trait::async_trait;
use shop_core::reporting::{BestSeller, Days, Reporting, Revenue};
use staffa::sqlite::Sqlite;
use staffa::sqlite::rusqlite::types::Type;
use staffa::sqlite::rusqlite::{self, Row};
use staffa::{Context, Failure};

/// The adapter: each report is one statement on a thread of the store's that reads, and stops with its context.
pub(super) struct Sql(pub(super) Arc<Sqlite>);

/// An amount is kept as the text `7.50 GBP`: without the currency and the point it is whole pence. The index by the time
/// of placing has microseconds; the document has the day as the beginning of a text.
const REVENUE: &str = r#"
SELECT substr(document ->> '$.placed_at', 1, 10) AS day, document ->> '$.country' AS country, count(*),
       sum(CAST(replace(substr(document ->> '$.totals.lines', 1, length(document ->> '$.totals.lines') - 4), '.', '') AS INTEGER))
FROM "order"
WHERE document IS NOT NULL AND placed >= ?1 AND placed < ?2
  AND document ->> '$.state' NOT IN ('rejected', 'cancelled')
GROUP BY 1, 2 ORDER BY 1, 2
"#;

const BEST_SELLERS: &str = r#"
SELECT line.value ->> '$.code' AS code, min(line.value ->> '$.description'), sum(line.value ->> '$.quantity') AS units,
       sum(CAST(replace(substr(line.value ->> '$.amount', 1, length(line.value ->> '$.amount') - 4), '.', '') AS INTEGER))
FROM "order", json_each(document, '$.lines') AS line
WHERE document IS NOT NULL AND placed >= ?1 AND placed < ?2
  AND document ->> '$.state' NOT IN ('rejected', 'cancelled') AND line.value ->> '$.goods'
GROUP BY code ORDER BY units DESC, code LIMIT ?3
"#;

#[async_trait]
impl Reporting for Sql {
    async fn revenue(&self, ctx: &Context, days: Days) -> Result<Vec<Revenue>, Failure> {
        let mut span = ctx.span("report revenue");
        let (from, to) = (days.start().as_micros(), days.end().as_micros());
        let read = self.0.read(&span, move |connection| {
            connection.prepare_cached(REVENUE)?.query_map((from, to), revenue)?.collect()
        });
        read.await.map_err(|error| super::failed(&mut span, error))
    }

    async fn best_sellers(&self, ctx: &Context, days: Days, most: u32) -> Result<Vec<BestSeller>, Failure> {
        let mut span = ctx.span("report best sellers");
        let (from, to) = (days.start().as_micros(), days.end().as_micros());
        let read = self.0.read(&span, move |connection| {
            connection.prepare_cached(BEST_SELLERS)?.query_map((from, to, most), best_seller)?.collect()
        });
        read.await.map_err(|error| super::failed(&mut span, error))
    }
}

fn revenue(row: &Row<'_>) -> rusqlite::Result<Revenue> {
    let day = row.get_ref(0)?.as_str()?.parse();
    let day =
        day.map_err(|error| rusqlite::Error::FromSqlConversionFailure(0, Type::Text, Box::new(error)))?;
    Ok(Revenue { day, country: row.get(1)?, orders: row.get(2)?, pence: row.get(3)? })
}

fn best_seller(row: &Row<'_>) -> rusqlite::Result<BestSeller> {
    Ok(BestSeller { code: row.get(0)?, description: row.get(1)?, units: row.get(2)?, pence: row.get(3)? })
}
