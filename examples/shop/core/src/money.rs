//! Money: integer minor units with a currency.
//!
//! Every operation is checked: there is no wrap, no float and no silent rounding. The only operations that
//! round are [`Money::share`] (half to even) and they say so.
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What money is counted in. Both currencies have 100 minor units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Currency {
    /// Pounds sterling.
    #[default]
    Gbp,
    /// Euro.
    Eur,
}

impl Currency {
    /// The ISO 4217 code.
    pub fn code(self) -> &'static str {
        match self {
            Self::Gbp => "GBP",
            Self::Eur => "EUR",
        }
    }

    fn of(code: &str) -> Option<Self> {
        match code {
            "GBP" => Some(Self::Gbp),
            "EUR" => Some(Self::Eur),
            _ => None,
        }
    }
}

/// An amount: whole minor units (pence, cents) of one currency, possibly negative.
///
/// Its text, in JSON too, is the decimal amount and the currency: `"2.55 GBP"`. It fits in an `i64` of minor units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Money {
    minor: i64,
    currency: Currency,
}

/// Why a computation with money has no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// The result does not fit in 64 bits of minor units.
    #[error("the amount is too large")]
    Overflow,
    /// The amounts are in two currencies.
    #[error("amounts in {} and {} cannot be combined", .0.code(), .1.code())]
    Currencies(Currency, Currency),
}

impl Money {
    /// This many minor units.
    pub const fn new(minor: i64, currency: Currency) -> Self {
        Self { minor, currency }
    }

    /// This many pence.
    pub const fn pence(minor: i64) -> Self {
        Self::new(minor, Currency::Gbp)
    }

    /// Nothing, in this currency.
    pub const fn zero(currency: Currency) -> Self {
        Self::new(0, currency)
    }

    /// Whole minor units.
    pub const fn minor(self) -> i64 {
        self.minor
    }

    /// What the units are of.
    pub const fn currency(self) -> Currency {
        self.currency
    }

    /// The sum, exactly.
    ///
    /// # Errors
    /// [`MoneyError`]: two currencies, or more than 64 bits.
    pub fn plus(self, other: Self) -> Result<Self, MoneyError> {
        self.same(other)?;
        let minor = self.minor.checked_add(other.minor).ok_or(MoneyError::Overflow)?;
        Ok(Self { minor, ..self })
    }

    /// The difference, exactly.
    ///
    /// # Errors
    /// [`MoneyError`]: two currencies, or more than 64 bits.
    pub fn minus(self, other: Self) -> Result<Self, MoneyError> {
        self.same(other)?;
        let minor = self.minor.checked_sub(other.minor).ok_or(MoneyError::Overflow)?;
        Ok(Self { minor, ..self })
    }

    /// The amount `count` times, exactly.
    ///
    /// # Errors
    /// [`MoneyError::Overflow`].
    pub fn times(self, count: i64) -> Result<Self, MoneyError> {
        let minor = self.minor.checked_mul(count).ok_or(MoneyError::Overflow)?;
        Ok(Self { minor, ..self })
    }

    /// A share of the amount in basis points (hundredths of a percent), rounded half to even: 0.5 of a minor
    /// unit goes to the even neighbour.
    ///
    /// # Errors
    /// [`MoneyError::Overflow`].
    pub fn share(self, basis_points: u32) -> Result<Self, MoneyError> {
        let scaled = i128::from(self.minor) * i128::from(basis_points);
        let minor = i64::try_from(half_even(scaled, 10_000)).map_err(|_| MoneyError::Overflow)?;
        Ok(Self { minor, ..self })
    }

    fn same(self, other: Self) -> Result<(), MoneyError> {
        if self.currency == other.currency {
            return Ok(());
        }
        Err(MoneyError::Currencies(self.currency, other.currency))
    }
}

/// `value / divisor` rounded to the nearest, halves to the even neighbour. `divisor` is positive.
fn half_even(value: i128, divisor: i128) -> i128 {
    let quotient = value.div_euclid(divisor);
    let twice = 2 * value.rem_euclid(divisor);
    let up = twice > divisor || (twice == divisor && quotient % 2 != 0);
    quotient + i128::from(up)
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.minor < 0 { "-" } else { "" };
        let minor = self.minor.unsigned_abs();
        write!(f, "{sign}{}.{:02} {}", minor / 100, minor % 100, self.currency.code())
    }
}

/// The text is not an amount: `2.55 GBP` is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an amount of money such as `2.55 GBP`")]
pub struct NotMoney;

impl Money {
    /// An amount from a decimal number with at most two decimals, as price lists write it: `2.55`, `2.1`, `27`.
    ///
    /// # Errors
    /// [`NotMoney`] for anything else; nothing is rounded.
    pub fn parse_decimal(text: &str, currency: Currency) -> Result<Self, NotMoney> {
        let (negative, digits) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        let (whole, part) = digits.split_once('.').unwrap_or((digits, "0"));
        if part.len() > 2 {
            return Err(NotMoney);
        }
        let tens = if part.len() == 1 { 10 } else { 1 };
        let minor = whole_number(whole)?
            .checked_mul(100)
            .and_then(|minor| minor.checked_add(whole_number(part).ok()? * tens))
            .ok_or(NotMoney)?;
        Ok(Self::new(if negative { -minor } else { minor }, currency))
    }
}

fn whole_number(digits: &str) -> Result<i64, NotMoney> {
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(NotMoney);
    }
    digits.parse().map_err(|_| NotMoney)
}

impl FromStr for Money {
    type Err = NotMoney;

    fn from_str(text: &str) -> Result<Self, NotMoney> {
        let (amount, code) = text.split_once(' ').ok_or(NotMoney)?;
        Self::parse_decimal(amount, Currency::of(code).ok_or(NotMoney)?)
    }
}

impl Serialize for Money {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Money {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(not(target_arch = "wasm32"))]
impl schemars::JsonSchema for Money {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Money".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "pattern": r"^-?[0-9]+(\.[0-9]{1,2})? (GBP|EUR)$",
            "examples": ["2.55 GBP"],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_rounds_half_to_even() {
        let share = |minor| Money::pence(minor).share(5_000).map(Money::minor);
        assert_eq!(share(1), Ok(0));
        assert_eq!(share(3), Ok(2));
        assert_eq!(share(5), Ok(2));
        assert_eq!(share(-1), Ok(0));
        assert_eq!(share(-3), Ok(-2));
    }

    #[test]
    fn overflow_is_an_error() {
        let most = Money::pence(i64::MAX);
        assert_eq!(most.plus(Money::pence(1)), Err(MoneyError::Overflow));
        assert_eq!(most.times(2), Err(MoneyError::Overflow));
        assert_eq!(most.share(20_000), Err(MoneyError::Overflow));
        assert_eq!(Money::pence(i64::MIN).minus(Money::pence(1)), Err(MoneyError::Overflow));
    }

    #[test]
    fn two_currencies_do_not_mix() {
        let euro = Money::new(1, Currency::Eur);
        assert_eq!(Money::pence(1).plus(euro), Err(MoneyError::Currencies(Currency::Gbp, Currency::Eur)));
    }

    #[test]
    fn text_is_read_without_rounding() {
        let read = |text: &str| text.parse().ok().map(Money::minor);
        assert_eq!(read("2.55 GBP"), Some(255));
        assert_eq!(read("2.1 GBP"), Some(210));
        assert_eq!(read("27 EUR"), Some(2_700));
        assert_eq!(read("-0.05 GBP"), Some(-5));
        for wrong in [
            "",
            "GBP",
            "2.55",
            "2.555 GBP",
            ".5 GBP",
            "1. GBP",
            "1e3 GBP",
            "+1 GBP",
            "99999999999999999999 GBP",
        ] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn json_is_the_text() {
        let json = serde_json::to_string(&Money::pence(-205)).ok();
        assert_eq!(json.as_deref(), Some("\"-2.05 GBP\""));
        let back = json.and_then(|json| serde_json::from_str(&json).ok());
        assert_eq!(back, Some(Money::pence(-205)));
    }
}
