//! What every adapter of [`Reporting`] does alike, as cases: `staffa_storage::conformance::own` runs them.
use std::sync::Arc;
use std::time::Duration;

use staffa_context::{Cause, Context, Failure, Kind, Timestamp};
use staffa_storage::Store;
use staffa_storage::conformance::{Broken, Case, Outcome, same};
use uuid::Uuid;

use super::{BestSeller, Days, Reporting, Revenue};
use crate::Money;
use crate::order::{Order, State};
use crate::quote::{QuotedLine, Totals};

/// An adapter, and the store of orders that it reports on: an empty one for each case.
pub struct Subject {
    /// Where a case puts orders.
    pub store: Arc<dyn Store>,
    /// The adapter.
    pub reporting: Arc<dyn Reporting>,
}

impl std::fmt::Debug for Subject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Subject").finish_non_exhaustive()
    }
}

/// The rules.
pub const CASES: &[Case<Subject>] = &[
    Case::new("revenue::nothing_sold_is_no_row", "days without orders have no row", |ctx, subject| {
        Box::pin(nothing_sold_is_no_row(ctx, subject))
    }),
    Case::new(
        "revenue::orders_are_summed_by_day_and_country",
        "orders are summed by day, then by country in the order of its bytes",
        |ctx, subject| Box::pin(orders_are_summed_by_day_and_country(ctx, subject)),
    ),
    Case::new(
        "revenue::days_are_whole",
        "a day is from its first microsecond to its last, in UTC; days before and after do not count",
        |ctx, subject| Box::pin(days_are_whole(ctx, subject)),
    ),
    Case::new(
        "revenue::an_order_that_came_to_nothing_does_not_count",
        "rejected and cancelled orders do not count, those in any other state do; what counts is the state of now",
        |ctx, subject| Box::pin(an_order_that_came_to_nothing_does_not_count(ctx, subject)),
    ),
    Case::new(
        "revenue::pence_are_exact",
        "pence are summed as whole numbers, also beyond 2^53 and for a single one",
        |ctx, subject| Box::pin(pence_are_exact(ctx, subject)),
    ),
    Case::new(
        "best_sellers::goods_are_ranked_by_units",
        "goods are ranked by units, the most first, then by the bytes of the code; charges are no goods",
        |ctx, subject| Box::pin(goods_are_ranked_by_units(ctx, subject)),
    ),
    Case::new(
        "best_sellers::lines_of_a_code_count_together",
        "all lines of a code count together, under the first of its descriptions by bytes",
        |ctx, subject| Box::pin(lines_of_a_code_count_together(ctx, subject)),
    ),
    Case::new(
        "best_sellers::at_most_so_many",
        "a ranking ends after as many as were asked for",
        |ctx, subject| Box::pin(at_most_so_many(ctx, subject)),
    ),
    Case::new(
        "best_sellers::only_of_these_days",
        "orders of other days, and those that came to nothing, do not count",
        |ctx, subject| Box::pin(only_of_these_days(ctx, subject)),
    ),
    Case::new(
        "ending::an_ended_context_ends_a_report",
        "a report under a context that has ended is its cause, and the next report is as if it had not been",
        |ctx, subject| Box::pin(an_ended_context_ends_a_report(ctx, subject)),
    ),
];

/// An order's lines: code, description, units, pence of one, and whether it is goods.
type Line<'a> = (&'a str, &'a str, i64, i64, bool);

const MUG: Line<'_> = ("10001", "RED MUG", 3, 250, true);

fn order(n: u128, at: &str, country: &str, state: State, lines: &[Line<'_>]) -> Outcome<Order> {
    let at: Timestamp = at.parse().map_err(|_| Broken(format!("{at} is no time")))?;
    let lines: Vec<QuotedLine> = lines.iter().map(line).collect();
    let sum = lines.iter().map(|line| line.amount.minor()).sum();
    let (sum, none) = (Money::pence(sum), Money::pence(0));
    // What is taken off and put on is no revenue.
    let shipping = Money::pence(495);
    Ok(Order {
        id: Uuid::from_u128(n),
        reference: None,
        placed_at: at,
        state,
        country: country.to_owned(),
        lines,
        promotions: Vec::new(),
        totals: Totals { lines: sum, promotions: none, shipping, tax: none, total: sum },
        boxes: 1,
        grams: 100,
        steps: Vec::new(),
    })
}

fn line(&(code, description, quantity, pence, goods): &Line<'_>) -> QuotedLine {
    QuotedLine {
        code: code.to_owned(),
        description: description.to_owned(),
        quantity,
        unit: Money::pence(pence),
        agreed: true,
        goods,
        amount: Money::pence(quantity * pence),
    }
}

async fn put(ctx: &Context, subject: &Subject, orders: Vec<Order>) -> Outcome {
    let mut unit = subject.store.unit();
    orders.into_iter().for_each(|order| drop(unit.insert(order)));
    Ok(unit.commit(ctx).await?)
}

fn days(from: &str, to: &str) -> Outcome<Days> {
    let day = |text: &str| text.parse().map_err(|_| Broken(format!("{text} is no day")));
    Days::new(day(from)?, day(to)?).map_err(failed)
}

fn failed(failure: Failure) -> Broken {
    Broken(format!("unexpected failure {failure:?}"))
}

/// Rows as `2010-12-01 France 2 750`.
async fn revenue(ctx: &Context, subject: &Subject, from: &str, to: &str) -> Outcome<Vec<String>> {
    let rows = subject.reporting.revenue(ctx, days(from, to)?).await.map_err(failed)?;
    let text = |row: Revenue| format!("{} {} {} {}", row.day, row.country, row.orders, row.pence);
    Ok(rows.into_iter().map(text).collect())
}

/// Rows as `10001 RED MUG 3 750`, of December 2010.
async fn best(ctx: &Context, subject: &Subject, most: u32) -> Outcome<Vec<String>> {
    let december = days("2010-12-01", "2010-12-31")?;
    let rows = subject.reporting.best_sellers(ctx, december, most).await.map_err(failed)?;
    let text = |row: BestSeller| format!("{} {} {} {}", row.code, row.description, row.units, row.pence);
    Ok(rows.into_iter().map(text).collect())
}

fn texts(rows: &[&str]) -> Vec<String> {
    rows.iter().map(|row| (*row).to_owned()).collect()
}

async fn nothing_sold_is_no_row(ctx: &Context, subject: &Subject) -> Outcome {
    same("revenue", revenue(ctx, subject, "2010-12-01", "2010-12-31").await?, vec![])?;
    same("best sellers", best(ctx, subject, 10).await?, vec![])
}

async fn orders_are_summed_by_day_and_country(ctx: &Context, subject: &Subject) -> Outcome {
    let place =
        |n, at, country| order(n, at, country, State::Reserved, &[MUG, ("POST", "POSTAGE", 1, 18, false)]);
    let orders = vec![
        place(1, "2010-12-02T09:00:00Z", "United Kingdom")?,
        place(2, "2010-12-01T08:26:00Z", "United Kingdom")?,
        place(3, "2010-12-01T12:00:00Z", "EIRE")?,
        place(4, "2010-12-01T15:00:00Z", "United Kingdom")?,
        // Small letters come after all capitals, whatever a collation would say.
        place(5, "2010-12-01T16:00:00Z", "france")?,
        place(6, "2010-12-01T16:00:00Z", "Österreich")?,
    ];
    put(ctx, subject, orders).await?;
    let want = texts(&[
        "2010-12-01 EIRE 1 768",
        "2010-12-01 United Kingdom 2 1536",
        "2010-12-01 france 1 768",
        "2010-12-01 Österreich 1 768",
        "2010-12-02 United Kingdom 1 768",
    ]);
    same("revenue", revenue(ctx, subject, "2010-12-01", "2010-12-02").await?, want)
}

async fn days_are_whole(ctx: &Context, subject: &Subject) -> Outcome {
    let times = [
        "2010-11-30T23:59:59.999999Z",
        "2010-12-01T00:00:00Z",
        "2010-12-01T23:59:59.999999Z",
        "2010-12-02T00:00:00Z",
        "2010-12-02T23:59:59.999999Z",
        "2010-12-03T00:00:00Z",
    ];
    let orders = times.iter().zip(1..).map(|(at, n)| order(n, at, "EIRE", State::Placed, &[MUG]));
    put(ctx, subject, orders.collect::<Outcome<_>>()?).await?;
    let want = texts(&["2010-12-01 EIRE 2 1500", "2010-12-02 EIRE 2 1500"]);
    same("two days", revenue(ctx, subject, "2010-12-01", "2010-12-02").await?, want)?;
    let want = texts(&["2010-12-02 EIRE 2 1500"]);
    same("one day", revenue(ctx, subject, "2010-12-02", "2010-12-02").await?, want)
}

async fn an_order_that_came_to_nothing_does_not_count(ctx: &Context, subject: &Subject) -> Outcome {
    use State::{Cancelled, Packed, Placed, Rejected, Reserved, Shipped};
    let states = [Placed, Reserved, Packed, Shipped, Rejected, Cancelled];
    let at = "2010-12-01T12:00:00Z";
    let orders = states.into_iter().zip(1..).map(|(state, n)| order(n, at, "EIRE", state, &[MUG]));
    put(ctx, subject, orders.collect::<Outcome<_>>()?).await?;
    let want = texts(&["2010-12-01 EIRE 4 3000"]);
    same("at first", revenue(ctx, subject, "2010-12-01", "2010-12-01").await?, want)?;

    let mut unit = subject.store.unit();
    let packed =
        unit.get::<Order>(ctx, Uuid::from_u128(3)).await?.ok_or(Broken("an order is gone".into()))?;
    unit.update(packed.map(|order| Order { state: Cancelled, ..order }));
    let shipped =
        unit.get::<Order>(ctx, Uuid::from_u128(4)).await?.ok_or(Broken("an order is gone".into()))?;
    unit.delete(shipped);
    unit.commit(ctx).await?;
    let want = texts(&["2010-12-01 EIRE 2 1500"]);
    same(
        "once one is cancelled and one deleted",
        revenue(ctx, subject, "2010-12-01", "2010-12-01").await?,
        want,
    )
}

async fn pence_are_exact(ctx: &Context, subject: &Subject) -> Outcome {
    let at = "2010-12-01T12:00:00Z";
    let large = (1 << 53) + 1;
    let orders = vec![
        order(1, at, "EIRE", State::Placed, &[("10001", "RED MUG", 1, large, true)])?,
        order(2, at, "EIRE", State::Placed, &[("10001", "RED MUG", 1, large + 1, true)])?,
        order(3, at, "France", State::Placed, &[("10002", "PIN", 1, 1, true)])?,
        order(4, at, "Italy", State::Placed, &[("10003", "FREE PIN", 1, 0, true)])?,
    ];
    put(ctx, subject, orders).await?;
    let want =
        texts(&["2010-12-01 EIRE 2 18014398509481987", "2010-12-01 France 1 1", "2010-12-01 Italy 1 0"]);
    same("revenue", revenue(ctx, subject, "2010-12-01", "2010-12-01").await?, want)?;
    let want = texts(&["10001 RED MUG 2 18014398509481987", "10002 PIN 1 1", "10003 FREE PIN 1 0"]);
    same("best sellers", best(ctx, subject, 10).await?, want)
}

async fn goods_are_ranked_by_units(ctx: &Context, subject: &Subject) -> Outcome {
    let lines: &[Line<'_>] = &[
        ("85123a", "holder", 2, 255, true),
        ("85123A", "HOLDER", 2, 255, true),
        ("22423", "CAKESTAND", 9, 1_095, true),
        ("POST", "POSTAGE", 100, 1_800, false),
        ("É1", "ÉCLAIR", 2, 10, true),
    ];
    put(ctx, subject, vec![order(1, "2010-12-01T12:00:00Z", "EIRE", State::Placed, lines)?]).await?;
    let want =
        texts(&["22423 CAKESTAND 9 9855", "85123A HOLDER 2 510", "85123a holder 2 510", "É1 ÉCLAIR 2 20"]);
    same("best sellers", best(ctx, subject, 10).await?, want)
}

async fn lines_of_a_code_count_together(ctx: &Context, subject: &Subject) -> Outcome {
    let first = [("22423", "cakestand", 2, 1_000, true), ("22423", "CAKESTAND", 3, 900, true)];
    let second = [("22423", "Cakestand", 5, 800, true), ("10001", "RED MUG", 9, 250, true)];
    let orders = vec![
        order(1, "2010-12-01T12:00:00Z", "EIRE", State::Placed, &first)?,
        order(2, "2010-12-09T12:00:00Z", "France", State::Shipped, &second)?,
    ];
    put(ctx, subject, orders).await?;
    let want = texts(&["22423 CAKESTAND 10 8700", "10001 RED MUG 9 2250"]);
    same("best sellers", best(ctx, subject, 10).await?, want)
}

async fn at_most_so_many(ctx: &Context, subject: &Subject) -> Outcome {
    let codes: Vec<String> = (0..30).map(|n| format!("{n:05}")).collect();
    let lines: Vec<Line<'_>> =
        codes.iter().zip(1..).map(|(code, units)| (code.as_str(), "PIN", units, 1, true)).collect();
    put(ctx, subject, vec![order(1, "2010-12-01T12:00:00Z", "EIRE", State::Placed, &lines)?]).await?;
    same("two of them", best(ctx, subject, 2).await?, texts(&["00029 PIN 30 30", "00028 PIN 29 29"]))?;
    same("all of them", best(ctx, subject, 100).await?.len(), 30)
}

async fn only_of_these_days(ctx: &Context, subject: &Subject) -> Outcome {
    let orders = vec![
        order(1, "2010-11-30T23:59:59.999999Z", "EIRE", State::Placed, &[MUG])?,
        order(2, "2010-12-01T00:00:00Z", "EIRE", State::Placed, &[MUG])?,
        order(3, "2010-12-31T23:59:59.999999Z", "EIRE", State::Placed, &[MUG])?,
        order(4, "2011-01-01T00:00:00Z", "EIRE", State::Placed, &[MUG])?,
        order(5, "2010-12-15T00:00:00Z", "EIRE", State::Rejected, &[MUG])?,
        order(6, "2010-12-15T00:00:00Z", "EIRE", State::Cancelled, &[MUG])?,
    ];
    put(ctx, subject, orders).await?;
    same("best sellers", best(ctx, subject, 10).await?, texts(&["10001 RED MUG 6 1500"]))
}

async fn an_ended_context_ends_a_report(ctx: &Context, subject: &Subject) -> Outcome {
    put(ctx, subject, vec![order(1, "2010-12-01T12:00:00Z", "EIRE", State::Placed, &[MUG])?]).await?;
    let day = days("2010-12-01", "2010-12-01")?;
    let (ended, cancel) = ctx.with_cancel();
    cancel.cancel(Cause::ClientGone);
    let want = Failure::from(Cause::ClientGone).kind;
    let got = subject.reporting.revenue(&ended, day).await.map_err(|failure| failure.kind);
    same("revenue of a client that left", got, Err(want))?;
    let late = ctx.with_timeout(Duration::ZERO);
    let got = subject.reporting.best_sellers(&late, day, 10).await.map_err(|failure| failure.kind);
    same("best sellers after the deadline", got, Err(Kind::DeadlineExceeded))?;
    same("the next one", revenue(ctx, subject, "2010-12-01", "2010-12-01").await?.len(), 1)
}
