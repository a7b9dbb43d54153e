//! Reports of a store in memory, which has no language of its own: it walks over the orders, page by page.
use std::collections::BTreeMap;

use async_trait::async_trait;
use shop_core::order::{Order, PLACED, State};
use shop_core::reporting::{BestSeller, Day, Days, Reporting, Revenue};
use staffa::storage::Range;
use staffa::{Context, Failure, Page, Repository, Store};
use std::sync::Arc;

/// How many orders it reads at once: each may have 1,000 lines.
const PAGE: usize = 100;

/// It holds one page and the sums, never all orders. Orders that change while it walks may be seen before or after.
pub(super) struct Walk(Repository<Order>);

impl Walk {
    pub(super) fn new(store: &Arc<dyn Store>) -> Self {
        Self(Repository::new(store))
    }

    async fn each(&self, ctx: &Context, days: Days, mut take: impl FnMut(&Order)) -> Result<(), Failure> {
        let mut page = Page::first().limit(PAGE);
        loop {
            let range = Range::of(()).from(days.start()).to(days.end());
            let read = self.0.range(ctx, &PLACED, range, page).await?;
            let counts = |order: &&Order| !matches!(order.state, State::Rejected | State::Cancelled);
            read.items.iter().map(|order| &order.value).filter(counts).for_each(&mut take);
            let Some(next) = read.next else { return Ok(()) };
            page = Page::after(next).limit(PAGE);
        }
    }
}

#[async_trait]
impl Reporting for Walk {
    async fn revenue(&self, ctx: &Context, days: Days) -> Result<Vec<Revenue>, Failure> {
        let mut sums: BTreeMap<(Day, String), (i64, i64)> = BTreeMap::new();
        self.each(ctx, days, |order| {
            let sum = sums.entry((Day::of(order.placed_at), order.country.clone())).or_default();
            sum.0 += 1;
            sum.1 += order.totals.lines.minor();
        })
        .await?;
        let row = |((day, country), (orders, pence))| Revenue { day, country, orders, pence };
        Ok(sums.into_iter().map(row).collect())
    }

    async fn best_sellers(&self, ctx: &Context, days: Days, most: u32) -> Result<Vec<BestSeller>, Failure> {
        let mut sums: BTreeMap<String, BestSeller> = BTreeMap::new();
        self.each(ctx, days, |order| {
            for line in order.lines.iter().filter(|line| line.goods) {
                let best = sums.entry(line.code.clone()).or_insert_with(|| BestSeller {
                    code: line.code.clone(),
                    description: line.description.clone(),
                    units: 0,
                    pence: 0,
                });
                best.units += line.quantity;
                best.pence += line.amount.minor();
                if line.description < best.description {
                    best.description.clone_from(&line.description);
                }
            }
        })
        .await?;
        let mut best: Vec<BestSeller> = sums.into_values().collect();
        // It is stable, and they come in the order of their codes.
        best.sort_by_key(|best| std::cmp::Reverse(best.units));
        best.truncate(usize::try_from(most).unwrap_or(usize::MAX));
        Ok(best)
    }
}
