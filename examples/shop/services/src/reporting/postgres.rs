//! Reports in SQL on PostgreSQL.
use std::sync::Arc;

use async_trait::async_trait;
use shop_core::reporting::{BestSeller, Days, Reporting, Revenue};
use staffa::postgres::Postgres;
use staffa::postgres::tokio_postgres::{Error, Row};
use staffa::{Context, Failure, Kind};

/// The adapter: each report is one statement in a transaction that only reads, and the server stops it with its context.
pub(super) struct Sql {
    postgres: Arc<Postgres>,
    revenue: String,
    best_sellers: String,
}

impl Sql {
    /// Reports of the orders that this service has in its own schema.
    pub(super) fn new(service: &str, postgres: &Arc<Postgres>) -> Self {
        let of = |sql: &str| sql.replace("{schema}", &format!("\"{service}\""));
        Self { postgres: Arc::clone(postgres), revenue: of(REVENUE), best_sellers: of(BEST_SELLERS) }
    }
}

/// An amount is kept as the text `7.50 GBP`: without the currency and the
/// point it is whole pence. The index by the time of placing has microseconds; the document has the day as the beginning
/// of a text. Sums of `bigint` are `numeric`: the cast back fails for one that no `bigint` holds.
const REVENUE: &str = r#"
SELECT left(document ->> 'placed_at', 10) COLLATE "C" AS day, (document ->> 'country') COLLATE "C" AS country, count(*),
       sum(replace(split_part(document #>> '{totals,lines}', ' ', 1), '.', '')::bigint)::bigint
FROM {schema}."order"
WHERE document IS NOT NULL AND placed >= $1 AND placed < $2
  AND document ->> 'state' NOT IN ('rejected', 'cancelled')
GROUP BY 1, 2 ORDER BY 1, 2
"#;

const BEST_SELLERS: &str = r#"
SELECT (line ->> 'code') COLLATE "C" AS code, min((line ->> 'description') COLLATE "C"),
       sum((line ->> 'quantity')::bigint)::bigint AS units,
       sum(replace(split_part(line ->> 'amount', ' ', 1), '.', '')::bigint)::bigint
FROM {schema}."order", jsonb_array_elements(document -> 'lines') AS line
WHERE document IS NOT NULL AND placed >= $1 AND placed < $2
  AND document ->> 'state' NOT IN ('rejected', 'cancelled') AND (line ->> 'goods')::boolean
GROUP BY 1 ORDER BY units DESC, code LIMIT $3
"#;

#[async_trait]
impl Reporting for Sql {
    async fn revenue(&self, ctx: &Context, days: Days) -> Result<Vec<Revenue>, Failure> {
        let mut span = ctx.span("report revenue");
        let (sql, from, to) = (self.revenue.clone(), days.start().as_micros(), days.end().as_micros());
        let read = self
            .postgres
            .read(&span, move |client| Box::pin(async move { client.query(&sql, &[&from, &to]).await }));
        let rows = read.await.map_err(|error| super::failed(&mut span, error))?;
        rows.iter().map(revenue).collect()
    }

    async fn best_sellers(&self, ctx: &Context, days: Days, most: u32) -> Result<Vec<BestSeller>, Failure> {
        let mut span = ctx.span("report best sellers");
        let (sql, most) = (self.best_sellers.clone(), i64::from(most));
        let (from, to) = (days.start().as_micros(), days.end().as_micros());
        let read = self.postgres.read(&span, move |client| {
            Box::pin(async move { client.query(&sql, &[&from, &to, &most]).await })
        });
        let rows = read.await.map_err(|error| super::failed(&mut span, error))?;
        rows.iter().map(|row| best_seller(row).map_err(odd)).collect()
    }
}

fn revenue(row: &Row) -> Result<Revenue, Failure> {
    let (day, country) = (row.try_get::<_, &str>(0).map_err(odd)?, row.try_get(1).map_err(odd)?);
    let (orders, pence) = (row.try_get(2).map_err(odd)?, row.try_get(3).map_err(odd)?);
    Ok(Revenue { day: day.parse().map_err(odd)?, country, orders, pence })
}

fn best_seller(row: &Row) -> Result<BestSeller, Error> {
    Ok(BestSeller {
        code: row.try_get(0)?,
        description: row.try_get(1)?,
        units: row.try_get(2)?,
        pence: row.try_get(3)?,
    })
}

/// A row of somebody who is not the shop.
fn odd(error: impl std::fmt::Display) -> Failure {
    Failure::new(Kind::Internal, "an order is not as it should be").with_log(error.to_string())
}
