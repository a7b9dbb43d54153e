//! Reads back what the services hold, through the API, page by page.
use std::collections::BTreeMap;
use std::time::Duration;

use shop_contract::inventory::ALL;
use shop_contract::orders::{FIND, LIST};
use shop_core::Order;
use shop_core::inventory::AllStock;
use shop_core::invoice::Invoices;
use shop_core::order::State;
use shop_core::orders::{ListOrders, OrderOf, PAGE_MAX};
use staffa::{Client, Context, Failure};
use uuid::Uuid;

use super::Services;
use super::place::may_pass;

/// How long an order may wait for the inventory's answer, and how long services in trouble are asked again.
const SETTLE: Duration = Duration::from_secs(120);
/// The pause after the first look at an order; it doubles, for the looks not to hold up what they look for.
const LOOK: Duration = Duration::from_millis(250);
const LOOK_MAX: Duration = Duration::from_secs(4);

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

/// Reads everything, once none of the orders that were placed waits for the inventory's answer any more, or that takes too long.
/// They are looked at one by one first, since a page of them all takes a store's time.
pub(crate) async fn read(
    ctx: &Context,
    services: &Services,
    placed: &[Uuid],
    invoices: &Invoices,
) -> Result<Held, Failure> {
    let client = &services.orders;
    settle(ctx, client, placed).await?;
    let mut held = Held::default();
    for order in orders(ctx, client).await? {
        held.add(order, invoices);
    }
    held.available = stock(ctx, &services.inventory).await?;
    Ok(held)
}

async fn settle(ctx: &Context, client: &Client, placed: &[Uuid]) -> Result<(), Failure> {
    for id in placed {
        if !is_answered(ctx, client, *id).await? {
            break;
        }
    }
    Ok(())
}

async fn is_answered(ctx: &Context, client: &Client, id: Uuid) -> Result<bool, Failure> {
    let (settling, mut pause) = (ctx.with_timeout(SETTLE), LOOK);
    loop {
        let find = async || client.call(ctx, FIND, OrderOf { id }).await.map_err(|error| Failure::of(&error));
        if call(ctx, find).await?.state != State::Placed {
            return Ok(true);
        }
        if settling.sleep(pause).await.is_err() {
            return Ok(false);
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
        let asked = ListOrders { after, limit: u32::try_from(PAGE_MAX).ok(), ..ListOrders::default() };
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
        let asked = AllStock { after, limit: Some(1_000) };
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
