//! Why there is no quote.
use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use staffa_context::{Cause, Fail, Failure, Kind, Timestamp};

use super::{AGREED_MAX, LINES_MAX, QUANTITY_MAX};
use crate::{Money, MoneyError, told};

/// Why a basket has no quote. Lines are counted from 0.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum QuoteError {
    /// The basket has no lines.
    #[error("the basket is empty; put something into it")]
    Empty,
    /// The basket has more than [`LINES_MAX`] lines.
    #[error("the basket has {lines} lines; at most {LINES_MAX} can be ordered at once")]
    TooManyLines {
        /// How many it has.
        lines: u32,
    },
    /// No product has this code.
    #[error("line {}: there is no product `{}`", .line + 1, shown(.code))]
    UnknownCode {
        /// The line.
        line: u32,
        /// The code.
        code: String,
    },
    /// A quantity is not 1 to [`QUANTITY_MAX`].
    #[error("line {}: {quantity} cannot be ordered; a quantity is 1 to {QUANTITY_MAX}", .line + 1)]
    Quantity {
        /// The line.
        line: u32,
        /// The quantity.
        quantity: i64,
    },
    /// An agreed price is not above zero, or above [`AGREED_MAX`].
    #[error("line {}: an agreed price is 0.01 to {}", .line + 1, Money::pence(AGREED_MAX))]
    AgreedPrice {
        /// The line.
        line: u32,
    },
    /// The shop does not sell to this country.
    #[error("the shop does not sell to `{}`", shown(.country))]
    UnknownCountry {
        /// The country.
        country: String,
    },
    /// There is no such coupon.
    #[error("there is no coupon `{}`", shown(.coupon))]
    UnknownCoupon {
        /// The coupon.
        coupon: String,
    },
    /// The coupon is not valid at this time.
    #[error("the coupon `{coupon}` is valid from {from} until {until}")]
    CouponExpired {
        /// The coupon.
        coupon: String,
        /// The first moment at which it is valid.
        from: Timestamp,
        /// The first moment at which it no longer is.
        until: Timestamp,
    },
    /// A product of the price list fits no box, or has no extent.
    #[error("`{}` fits no box", shown(.code))]
    FitsNoBox {
        /// Its code.
        code: String,
    },
    /// An amount does not fit in 64 bits of minor units.
    #[error("the amounts are too large; order less at once")]
    TooLarge,
    /// The prices are in several currencies.
    #[error("all prices of an order must be in one currency")]
    Currencies,
    /// The context ended, or something else went wrong.
    #[error(transparent)]
    #[serde(skip)]
    Failed(Failure),
}

/// A caller's own text, cut so that an answer stays short.
fn shown(text: &str) -> String {
    text.chars()
        .take(60)
        .map(|character| if character.is_control() { '\u{fffd}' } else { character })
        .collect()
}

impl Fail for QuoteError {
    fn kind(&self) -> Kind {
        match self {
            Self::TooManyLines { .. } => Kind::TooLarge,
            Self::FitsNoBox { .. } => Kind::Internal,
            Self::Failed(failure) => failure.kind,
            _ => Kind::Invalid,
        }
    }

    fn words(&self) -> Cow<'static, str> {
        match self {
            Self::Failed(failure) => failure.words.clone(),
            told => told.to_string().into(),
        }
    }

    fn details(&self) -> Value {
        match self {
            Self::Failed(failure) => failure.details.clone(),
            other => told::details(other),
        }
    }
}

impl From<Failure> for QuoteError {
    fn from(failure: Failure) -> Self {
        told::error(&failure.details).unwrap_or(Self::Failed(failure))
    }
}

impl From<Cause> for QuoteError {
    fn from(cause: Cause) -> Self {
        Self::Failed(cause.into())
    }
}

impl From<MoneyError> for QuoteError {
    fn from(error: MoneyError) -> Self {
        match error {
            MoneyError::Overflow => Self::TooLarge,
            MoneyError::Currencies(..) => Self::Currencies,
        }
    }
}
