//! The quote service: the pure [`quote()`] with the catalogue's prices and the service's clock.
use std::fmt;
use std::sync::Arc;

use staffa_context::{Context, Failure};

use crate::catalog::Prices;
use crate::quote::{Basket, Quote, QuoteError, quote};

/// Makes quotes with the catalogue's prices.
pub struct Quotes {
    prices: Arc<dyn Prices>,
}

impl Quotes {
    /// Quotes that rest on these prices.
    pub fn new(prices: Arc<dyn Prices>) -> Self {
        Self { prices }
    }

    /// What this basket comes to now. It is computed in the blocking pool.
    ///
    /// # Errors
    /// [`QuoteError`].
    pub async fn quote(&self, ctx: &Context, basket: Basket) -> Result<Quote, QuoteError> {
        basket.check()?;
        let prices = self.prices.of(ctx, basket.codes()).await?;
        let now = ctx.wall();
        let computed = ctx.blocking(move |ctx| quote(ctx, &basket, &prices, now)).await;
        computed.map_err(Failure::from)?
    }
}

impl fmt::Debug for Quotes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Quotes").finish_non_exhaustive()
    }
}
