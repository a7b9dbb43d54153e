//! What the services hold, read through their API.

use std::collections::BTreeMap;

use anyhow::Result;
use shop_contract::inventory::ALL;
use shop_contract::orders::LIST;
use shop_contract::reporting::REVENUE;
use shop_core::inventory::AllStock;
use shop_core::orders::ListOrders;
use shop_core::reporting::{Day, Revenue, RevenueOf};
use shop_core::{Order, Stock};
use staffa_context::Context;
use staffa_storage::Versioned;
use staffa_transport::Client;

use crate::call::until_answered;

/// All stock by code.
pub(crate) type Stocks = BTreeMap<String, Versioned<Stock>>;

pub(crate) async fn stocks(ctx: &Context, client: &Client) -> Result<Stocks> {
    let mut stocks = Stocks::new();
    let mut after = None;
    loop {
        let asked = AllStock { after, limit: Some(1_000) };
        let (page, _) = until_answered(ctx, client, ALL, "stock", asked).await?;
        stocks.extend(page.items.into_iter().map(|stock| (stock.value.code.clone(), stock)));
        after = page.next;
        if after.is_none() {
            return Ok(stocks);
        }
    }
}

/// Orders whose reference begins so, the newest first. Those of one round lie together: a page without any ends it.
/// An empty beginning asks for all orders.
pub(crate) async fn orders(ctx: &Context, client: &Client, prefix: &str) -> Result<Vec<Order>> {
    let mut orders = Vec::new();
    let mut after = None;
    loop {
        let asked = ListOrders { newest_first: Some(true), after, limit: Some(100), reference: None };
        let (page, _) = until_answered(ctx, client, LIST, "orders", asked).await?;
        let found = orders.len();
        let named =
            |order: &Order| order.reference.as_ref().is_some_and(|reference| reference.starts_with(prefix));
        let items = page.items.into_iter().map(|order| order.value);
        orders.extend(items.filter(|order| prefix.is_empty() || named(order)));
        after = page.next;
        if after.is_none() || orders.len() == found {
            return Ok(orders);
        }
    }
}

/// What was sold from the first of these days to the last.
pub(crate) async fn revenue(ctx: &Context, client: &Client, from: Day, to: Day) -> Result<Vec<Revenue>> {
    Ok(until_answered(ctx, client, REVENUE, "revenue", RevenueOf { from, to }).await?.0)
}
