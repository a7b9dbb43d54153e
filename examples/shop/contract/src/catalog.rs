//! The catalogue's endpoints.
use std::time::Duration;

use async_trait::async_trait;
use shop_core::catalog::{Browse, Prices, PricesOf, ProductOf};
use shop_core::{PriceList, Product};
use staffa_context::{Context, Failure};
use staffa_storage::{PageOf, Versioned};
use staffa_transport::{Client, Endpoint};

use crate::orders::PLACING_TIMEOUT;

/// Products by description, price or code. The timeout leaves a slow read the time to be seen.
pub const BROWSE: Endpoint<Browse, PageOf<Product>, Failure> = Endpoint::get("/products")
    .timeout(Duration::from_secs(10))
    .summary("Browse products by description, by price or by code");

/// One product.
pub const PRODUCT: Endpoint<ProductOf, Versioned<Product>, Failure> = Endpoint::get("/products/{code}")
    .timeout(Duration::from_secs(2))
    .summary("One product by its stock code");

/// The list prices of up to 1,000 codes at one moment. It only reads; the codes are too many for a query. An order
/// that asks has the same timeout, and what is left of it counts.
pub const PRICES: Endpoint<PricesOf, PriceList, Failure> = Endpoint::post("/prices")
    .cancel()
    .timeout(PLACING_TIMEOUT)
    .summary("The list prices of some codes, all of one moment");

/// The catalogue's prices over the wire.
#[derive(Clone, Debug)]
pub struct CatalogPrices(pub Client);

#[async_trait]
impl Prices for CatalogPrices {
    async fn of(&self, ctx: &Context, codes: Vec<String>) -> Result<PriceList, Failure> {
        self.0.call(ctx, PRICES, PricesOf { codes }).await
    }
}
