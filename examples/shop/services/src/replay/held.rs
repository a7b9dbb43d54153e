//! Reads back what the services hold, through the API, page by page.
use std::collections::BTreeMap;
use std::time::Duration;

use shop_contract::inventory::ALL;
use shop_contract::orders::{FIND, LIST};
use shop_core::Order;
use shop_core::inventory::AllStock;
use shop_core::invoice::Invoices;
use shop_core::order::State;
use shop_core::orders::{ListOrders, OrderOf};
use staffa::{Client, Context, Failure};
use uuid::Uuid;

use super::place::may_pass;

/// How long it is waited for the inventory's next answer, and how long services in trouble are asked again.
const SETTLE: Duration = Duration::from_secs(120);
/// The pause after the first look at an order; it doubles, for the looks not to hold up what they look for.
const LOOK: Duration = Duration::from_millis(250);
const LOOK_MAX: Duration = Duration::from_secs(4);
/// Orders and stock on a page: few, for a page to come in time from a store that has much to do.
const ORDERS_AT_ONCE: u32 = 25;
const STOCK_AT_ONCE: u32 = 250;

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

/// Reads everything, each order once it no longer waits for the inventory's answer, unless that takes too long.
pub(crate) async fn read(ctx: &Context, client: &Client, invoices: &Invoices) -> Result<Held, Failure> {
    let mut held = Held::default();
    let (waiting, settled) =
        orders(ctx, client).await?.into_iter().partition::<Vec<_>, _>(|order| order.state == State::Placed);
    settled.into_iter().for_each(|order| held.add(order, invoices));
    let mut settling = ctx.with_timeout(SETTLE);
    for order in waiting {
        let order = answered(ctx, &settling, client, order.id).await?;
        if order.state != State::Placed {
            settling = ctx.with_timeout(SETTLE);
        }
        held.add(order, invoices);
    }
    held.available = stock(ctx, client).await?;
    Ok(held)
}

/// The order with the inventory's answer, or as it is when there was none in time.
async fn answered(ctx: &Context, settling: &Context, client: &Client, id: Uuid) -> Result<Order, Failure> {
    let mut pause = LOOK;
    loop {
        let found = call(ctx, async || {
            client.call(ctx, FIND, OrderOf { id }).await.map_err(|error| Failure::of(&error))
        })
        .await?;
        if found.state != State::Placed || settling.sleep(pause).await.is_err() {
            return Ok(found.value);
        }
        pause = (pause * 2).min(LOOK_MAX);
    }
}

/// What a call gives, made again while the services are in trouble: it only reads.
async fn call<T>(ctx: &Context, make: impl AsyncFn() -> Result<T, Failure>) -> Result<T, Failure> {
    let settling = ctx.with_timeout(SETTLE);
    loop {
        match make().await {
            Err(failure) if may_pass(failure.kind) && settling.sleep(LOOK).await.is_ok() => {}
            other => return other,
        }
    }
}

async fn orders(ctx: &Context, client: &Client) -> Result<Vec<Order>, Failure> {
    let (mut orders, mut after) = (Vec::new(), None);
    loop {
        let asked = ListOrders { after, limit: Some(ORDERS_AT_ONCE), ..ListOrders::default() };
        let page = call(ctx, async || client.call(ctx, LIST, asked.clone()).await).await?;
        orders.extend(page.items.into_iter().map(|order| order.value));
        after = page.next;
        if after.is_none() {
            return Ok(orders);
        }
    }
}

async fn stock(ctx: &Context, client: &Client) -> Result<BTreeMap<String, i64>, Failure> {
    let (mut available, mut after) = (BTreeMap::new(), None);
    loop {
        let asked = AllStock { after, limit: Some(STOCK_AT_ONCE) };
        let page = call(ctx, async || client.call(ctx, ALL, asked.clone()).await).await?;
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
