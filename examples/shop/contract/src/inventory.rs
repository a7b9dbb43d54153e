//! The inventory's endpoints.
use std::time::Duration;

use shop_core::Stock;
use shop_core::inventory::{AllStock, StockOf};
use staffa_context::Failure;
use staffa_storage::{PageOf, Versioned};
use staffa_transport::Endpoint;

const TIMEOUT: Duration = Duration::from_secs(2);

/// The stock of one code.
pub const STOCK: Endpoint<StockOf, Versioned<Stock>, Failure> =
    Endpoint::get("/stock/{code}").timeout(TIMEOUT).summary("The stock of one code");

/// All stock, in the order of codes.
pub const ALL: Endpoint<AllStock, PageOf<Stock>, Failure> =
    Endpoint::get("/stock").timeout(TIMEOUT).summary("All stock, in the order of codes");
