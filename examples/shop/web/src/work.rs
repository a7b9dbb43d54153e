//! What the page and its worker say to each other: one question and one answer, as JSON.
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use shop_core::{Basket, PriceList, Quote, QuoteError, quote};
use staffa_context::{Context, Fail, Failure, Kind, NotRead, Timestamp, parse, read};

/// A quote that is wanted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ask {
    /// What is to be quoted.
    pub basket: Basket,
    /// The prices that it rests on.
    pub prices: PriceList,
    /// When it is made.
    pub now: Timestamp,
    /// What is left of the asker's budget in milliseconds.
    pub budget_millis: u64,
}

/// What the worker came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Computed {
    /// How long the computation took in microseconds.
    pub micros: u64,
    /// The quote, or none with the reason beside it.
    pub quote: Option<Quote>,
    /// Why there is none.
    pub refused: Option<Refused>,
}

/// A failure on its way from the worker: what the page shows of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Refused {
    kind: Kind,
    words: String,
}

fn message<T: DeserializeOwned>(json: &str) -> Result<T, NotRead> {
    read(&parse(json.as_bytes())?)
}

impl Ask {
    /// What the worker reads.
    pub fn json(&self) -> String {
        // Maps with text keys, lists, text and integers: its JSON cannot fail.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// The worker's side: computes what is asked, within its budget.
pub fn answer(ctx: &Context, ask: &str) -> String {
    let started = ctx.clock().now();
    let made = message(ask)
        .map_err(|NotRead| {
            let words = "the worker was asked something that it does not understand";
            QuoteError::Failed(Failure::new(Kind::Internal, words))
        })
        .and_then(|ask: Ask| {
            let ctx = ctx.with_timeout(Duration::from_millis(ask.budget_millis));
            quote(&ctx, &ask.basket, &ask.prices, ask.now)
        });
    let took = ctx.clock().now().saturating_duration_since(started);
    let (quote, refused) = match made {
        Ok(quote) => (Some(quote), None),
        Err(error) => (None, Some(Refused { kind: error.kind(), words: error.words().into_owned() })),
    };
    let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    // Maps with text keys, lists, text and integers: its JSON cannot fail.
    serde_json::to_string(&Computed { micros, quote, refused }).unwrap_or_default()
}

/// The page's side: the quote and how long it took.
///
/// # Errors
/// The worker's, with its kind and words.
pub fn quoted(answer: &str) -> Result<(Quote, u64), QuoteError> {
    let not_understood = || Failure::new(Kind::Internal, "the worker's answer is not as declared");
    let computed: Computed = message(answer).map_err(|NotRead| not_understood())?;
    match (computed.quote, computed.refused) {
        (Some(quote), _) => Ok((quote, computed.micros)),
        (None, Some(refused)) => Err(QuoteError::Failed(Failure::new(refused.kind, refused.words))),
        (None, None) => Err(QuoteError::Failed(not_understood())),
    }
}

/// Where two quotes part, byte for byte, in the JSON that both sides write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// All bytes are alike.
    Same {
        /// How many.
        bytes: usize,
        /// The fingerprint of both.
        digest: String,
    },
    /// They part at this byte.
    Differ {
        /// The first byte that differs.
        at: usize,
        /// What is there in ours.
        ours: String,
        /// What is there in the other.
        theirs: String,
    },
}

/// Compares two quotes.
pub fn compare(ours: &Quote, theirs: &Quote) -> Comparison {
    let json = |quote: &Quote| serde_json::to_string(quote).unwrap_or_default();
    let (one, other) = (json(ours), json(theirs));
    if one == other {
        return Comparison::Same { bytes: one.len(), digest: ours.quoted().digest };
    }
    let at = one.bytes().zip(other.bytes()).take_while(|(one, other)| one == other).count();
    let around = |json: &str| {
        let from = json.floor_char_boundary(at.saturating_sub(20));
        json[from..json.ceil_char_boundary(at + 40)].to_owned()
    };
    Comparison::Differ { at, ours: around(&one), theirs: around(&other) }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

    use shop_core::{Basket, Line, Money, PriceList, Product, QuoteError, quote};
    use staffa_context::{Context, Fail, Kind, Timestamp};

    use super::{Ask, Comparison, answer, compare, quoted};

    fn ask(quantity: i64) -> Ask {
        let product = Product::new("85123A", "WHITE HANGING HEART T-LIGHT HOLDER", Money::pence(255));
        Ask {
            basket: Basket {
                lines: vec![Line { code: "85123A".into(), quantity, agreed: None }],
                country: "France".into(),
                coupon: Some("BASALT10".into()),
            },
            prices: PriceList { version: 7, products: vec![product] },
            now: Timestamp::from_micros(1_291_190_400_000_000),
            budget_millis: 5_000,
        }
    }

    fn answered(ask: &Ask) -> Result<(shop_core::Quote, u64), QuoteError> {
        quoted(&answer(&Context::background(), &ask.json()))
    }

    #[test]
    fn the_worker_comes_to_the_cores_own_quote() {
        let ask = ask(30);
        let (got, _) = answered(&ask).unwrap();
        let own = quote(&Context::background(), &ask.basket, &ask.prices, ask.now).unwrap();
        assert!(matches!(compare(&own, &got), Comparison::Same { bytes, .. } if bytes > 300));
    }

    #[test]
    fn the_worker_gives_the_words_of_the_cores_own_error() {
        let error = answered(&ask(0)).unwrap_err();
        let own = QuoteError::Quantity { line: 0, quantity: 0 };
        assert_eq!((error.kind(), error.words()), (own.kind(), own.words()));
        let late = Ask { budget_millis: 0, ..ask(1) };
        let error = answered(&late).unwrap_err();
        assert!(matches!(error, QuoteError::Failed(failure) if failure.kind == Kind::DeadlineExceeded));
        assert!(matches!(quoted(&answer(&Context::background(), "{")), Err(QuoteError::Failed(_))));
        assert!(matches!(quoted("{}"), Err(QuoteError::Failed(_))));
    }

    #[test]
    fn a_difference_is_shown_where_it_is() {
        let ask = ask(30);
        let (ours, _) = answered(&ask).unwrap();
        let mut theirs = ours.clone();
        theirs.prices = 8;
        let Comparison::Differ { ours, theirs, .. } = compare(&ours, &theirs) else { panic!("they differ") };
        assert!(ours.contains("\"prices\":7") && theirs.contains("\"prices\":8"), "{ours} {theirs}");
    }
}
