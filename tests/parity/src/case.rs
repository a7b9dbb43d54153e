//! One call of `quote`.
use shop_core::{Basket, PriceList, Quote, QuoteError, quote};
use staffa_context::{Context, Fail, Timestamp};

/// The arguments of one call of `quote`, with a name to find them by.
#[derive(Clone, Debug)]
pub struct Case {
    /// What a failure calls it.
    pub name: String,
    /// What is asked for.
    pub basket: Basket,
    /// The products of the basket's codes, as the catalogue hands them over.
    pub prices: PriceList,
    /// The time of the quote.
    pub now: Timestamp,
}

impl Case {
    /// Its quote.
    ///
    /// # Errors
    /// [`QuoteError`].
    pub fn quote(&self) -> Result<Quote, QuoteError> {
        quote(&Context::background(), &self.basket, &self.prices, self.now)
    }

    /// What crosses the wire: the JSON of the quote with its fingerprint, or of the error's kind, words and
    /// details. It has no line break.
    ///
    /// # Errors
    /// None: a quote and an error are text, integers, lists, and maps with text keys.
    pub fn answer(&self) -> serde_json::Result<Vec<u8>> {
        match self.quote() {
            Ok(quote) => serde_json::to_vec(&(&quote, quote.quoted())),
            Err(error) => serde_json::to_vec(&(error.kind(), error.words(), error.details())),
        }
    }
}
