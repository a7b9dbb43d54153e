//! The quote service's endpoint.
use std::time::Duration;

use shop_core::{Basket, Quote, QuoteError};
use staffa_transport::Endpoint;

/// What a basket comes to now. It writes nothing.
pub const QUOTE: Endpoint<Basket, Quote, QuoteError> = Endpoint::post("/quotes")
    .cancel()
    .timeout(Duration::from_secs(5))
    .summary("What a basket comes to, and how it is packed");
