//! What is taken off, and how promotions combine.
//!
//! Promotions apply to goods at their list price only: never to agreed prices or charges. There are three, each
//! taken from what the one before it left, so together they never take more than there is:
//!
//! 1. **Tier**: by how many of a code are bought at list price on all lines together ([`TIERS`]).
//! 2. **Value**: by what such goods come to after tiers ([`VALUES`]).
//! 3. **Coupon**: one for each order, while it is valid ([`COUPONS`]).
use serde::{Deserialize, Serialize};
use staffa_context::Timestamp;

use super::tally::Tally;
use super::{QuoteError, QuotedLine};
use crate::{Currency, Money};

/// From this quantity of one code, so many basis points are taken off; the highest that is reached counts.
pub const TIERS: &[(i64, u32)] = &[(24, 300), (100, 600), (500, 1_000)];

/// From this value of goods in minor units, so many basis points are taken off; the highest that is reached counts.
pub const VALUES: &[(i64, u32)] = &[(30_000, 200), (100_000, 400)];

/// A coupon and when it is valid.
#[derive(Clone, Copy, Debug)]
pub struct Coupon {
    /// What the customer types. Case counts.
    pub code: &'static str,
    /// How many basis points it takes off.
    pub basis_points: u32,
    /// The first moment at which it is valid, in microseconds since 1970 (UTC).
    from: i64,
    /// The first moment at which it no longer is.
    until: i64,
}

impl Coupon {
    /// The first moment at which it is valid.
    pub fn from(&self) -> Timestamp {
        Timestamp::from_micros(self.from)
    }

    /// The first moment at which it no longer is.
    pub fn until(&self) -> Timestamp {
        Timestamp::from_micros(self.until)
    }
}

const fn seconds(seconds: i64) -> i64 {
    seconds * 1_000_000
}

/// The coupons: one that is valid from December 2010 to the end of 2099, and one for Christmas 2010.
pub const COUPONS: &[Coupon] = &[
    Coupon {
        code: "BASALT10",
        basis_points: 1_000,
        from: seconds(1_291_161_600),
        until: seconds(4_102_444_800),
    },
    Coupon {
        code: "XMAS2010",
        basis_points: 1_500,
        from: seconds(1_291_161_600),
        until: seconds(1_293_321_600),
    },
];

/// Something that was taken off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Promotion {
    /// What for, in words for the customer.
    pub name: String,
    /// How much: above zero.
    pub amount: Money,
}

/// What is taken off these lines, in the order of application. A promotion that comes to nothing is left out.
///
/// # Errors
/// [`QuoteError::UnknownCoupon`], [`QuoteError::CouponExpired`], [`QuoteError::TooLarge`], [`QuoteError::Currencies`].
pub fn apply(
    lines: &[QuotedLine],
    coupon: Option<&str>,
    now: Timestamp,
) -> Result<Vec<Promotion>, QuoteError> {
    let coupon = coupon.map(|code| valid(code, now)).transpose()?;
    let currency = lines.first().map_or_else(Currency::default, |line| line.amount.currency());
    let promoted: Vec<&QuotedLine> = lines.iter().filter(|line| line.is_promoted()).collect();
    let mut left = promoted.iter().try_fold(Money::zero(currency), |sum, line| sum.plus(line.amount))?;
    let mut applied = Vec::new();

    let tiers = tiers(&promoted, currency)?;
    left = take(&mut applied, left, "Quantity discount".to_owned(), tiers)?;
    let value = reached(VALUES, left.minor());
    left = take(&mut applied, left, format!("{} off large orders", percent(value)), left.share(value)?)?;
    if let Some(coupon) = coupon {
        let name = format!("Coupon {} ({})", coupon.code, percent(coupon.basis_points));
        take(&mut applied, left, name, left.share(coupon.basis_points)?)?;
    }
    Ok(applied)
}

fn take(applied: &mut Vec<Promotion>, left: Money, name: String, amount: Money) -> Result<Money, QuoteError> {
    if amount.minor() > 0 {
        applied.push(Promotion { name, amount });
    }
    Ok(left.minus(amount)?)
}

fn valid(code: &str, now: Timestamp) -> Result<&'static Coupon, QuoteError> {
    let coupon = COUPONS
        .iter()
        .find(|coupon| coupon.code == code)
        .ok_or_else(|| QuoteError::UnknownCoupon { coupon: code.to_owned() })?;
    let (from, until) = (coupon.from(), coupon.until());
    if now < from || now >= until {
        return Err(QuoteError::CouponExpired { coupon: code.to_owned(), from, until });
    }
    Ok(coupon)
}

/// The tiers' discount: each line's share by its code's whole quantity, rounded half to even for each line.
fn tiers(promoted: &[&QuotedLine], currency: Currency) -> Result<Money, QuoteError> {
    let mut quantities = Tally::default();
    for line in promoted {
        quantities.add(&line.code, line.quantity);
    }
    promoted.iter().try_fold(Money::zero(currency), |sum, line| {
        Ok(sum.plus(line.amount.share(reached(TIERS, quantities.of(&line.code)))?)?)
    })
}

fn reached(steps: &[(i64, u32)], value: i64) -> u32 {
    steps.iter().rev().find(|(from, _)| value >= *from).map_or(0, |(_, basis_points)| *basis_points)
}

fn percent(basis_points: u32) -> String {
    format!("{} %", basis_points / 100)
}
