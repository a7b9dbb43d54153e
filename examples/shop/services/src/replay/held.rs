//! Reads back what the services hold, through the API, page by page.
use std::collections::BTreeMap;
use std::time::Duration;

use shop_contract::inventory::ALL;
use shop_contract::orders::LIST;
use shop_core::Order;
use shop_core::inventory::AllStock;
use shop_core::invoice::Invoices;
use shop_core::order::State;
use shop_core::orders::{ListOrders, PAGE_MAX};
use staffa::{Client, Context, Failure};

/// How long orders may wait for the inventory's answer.
const SETTLE: Duration = Duration::from_secs(120);
/// The pause between two looks at them.
const LOOK: Duration = Duration::from_millis(250);

/// What the services hold.
#[derive(Debug, Default)]
pub(crate) struct Held {
    /// The orders of the file's invoices, by their reference.
    pub(crate) replayed: BTreeMap<String, Summary>,
    /// Units that other orders hold or have taken.
    pub(crate) others_units: BTreeMap<String, i64>,
    /// How many other orders there are.
    pub(crate) others: u64,
    /// Units that can be ordered, by code.
    pub(crate) available: BTreeMap<String, i64>,
    /// Orders that still wait for the inventory's answer.
    pub(crate) waiting: u64,
}

/// What an order comes to.
#[derive(Debug)]
pub(crate) struct Summary {
    pub(crate) lines: u64,
    /// What its lines come to before promotions, tax and shipping, in pence.
    pub(crate) minor: i64,
    pub(crate) state: State,
    pub(crate) units: BTreeMap<String, i64>,
}

/// Reads everything, once no order waits for the inventory's answer any more, or that takes too long.
pub(crate) async fn read(ctx: &Context, client: &Client, invoices: &Invoices) -> Result<Held, Failure> {
    let settling = ctx.with_timeout(SETTLE);
    loop {
        let mut held = orders(ctx, client, invoices).await?;
        if held.waiting == 0 || settling.sleep(LOOK).await.is_err() {
            held.available = stock(ctx, client).await?;
            return Ok(held);
        }
    }
}

async fn orders(ctx: &Context, client: &Client, invoices: &Invoices) -> Result<Held, Failure> {
    let mut held = Held::default();
    let mut after = None;
    loop {
        let limit = u32::try_from(PAGE_MAX).ok();
        let page = client.call(ctx, LIST, ListOrders { after, limit, ..ListOrders::default() }).await?;
        for order in page.items {
            held.add(order.value, invoices);
        }
        after = page.next;
        if after.is_none() {
            return Ok(held);
        }
    }
}

async fn stock(ctx: &Context, client: &Client) -> Result<BTreeMap<String, i64>, Failure> {
    let mut available = BTreeMap::new();
    let mut after = None;
    loop {
        let page = client.call(ctx, ALL, AllStock { after, limit: Some(1_000) }).await?;
        available.extend(page.items.into_iter().map(|stock| (stock.value.code, stock.value.available)));
        after = page.next;
        if after.is_none() {
            return Ok(available);
        }
    }
}

impl Held {
    fn add(&mut self, order: Order, invoices: &Invoices) {
        if order.state == State::Placed {
            self.waiting += 1;
        }
        let takes_stock = order.state.holds_stock() || order.state == State::Shipped;
        let units: BTreeMap<String, i64> = if takes_stock {
            order.units().into_iter().map(|units| (units.code, units.units)).collect()
        } else {
            BTreeMap::new()
        };
        let reference = order.reference.filter(|reference| invoices.get(reference).is_some());
        let Some(reference) = reference else {
            self.others += 1;
            for (code, taken) in units {
                *self.others_units.entry(code).or_default() += taken;
            }
            return;
        };
        let lines = u64::try_from(order.lines.len()).unwrap_or(u64::MAX);
        let summary = Summary { lines, minor: order.totals.lines.minor(), state: order.state, units };
        self.replayed.insert(reference, summary);
    }
}
