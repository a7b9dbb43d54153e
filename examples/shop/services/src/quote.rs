//! Composes the quote service.
use std::sync::Arc;

use shop_contract::catalog::CatalogPrices;
use shop_contract::quote::QUOTE;
use shop_core::Quotes;
use staffa::{Context, Service};

pub(crate) async fn compose(_ctx: &Context, service: &mut Service<()>) -> staffa::Result<()> {
    let prices = Arc::new(CatalogPrices(service.client("catalog")?));
    service.handle(QUOTE, &Arc::new(Quotes::new(prices)), Quotes::quote);
    Ok(())
}
