//! The reports' endpoints. The orders service answers them, from its own store.
use std::time::Duration;

use shop_core::reporting::{BestSeller, BestSellersOf, Revenue, RevenueOf};
use staffa_context::Failure;
use staffa_transport::Endpoint;

const TIMEOUT: Duration = Duration::from_secs(5);

/// What was sold by day and country.
pub const REVENUE: Endpoint<RevenueOf, Vec<Revenue>, Failure> =
    Endpoint::get("/reports/revenue").timeout(TIMEOUT).summary("What was sold, by day and country");

/// What sold best.
pub const BEST_SELLERS: Endpoint<BestSellersOf, Vec<BestSeller>, Failure> =
    Endpoint::get("/reports/best-sellers").timeout(TIMEOUT).summary("What sold best, by units");
