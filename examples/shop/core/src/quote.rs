//! What an order comes to: a pure function of the basket, the price list and the time.
//!
//! The page and the server run this very code and must come to the same bytes. So there is no float, no clock
//! and no order that depends on a hash, and each rounding is stated where it happens:
//!
//! | amount | rounding |
//! |---|---|
//! | a line: quantity × unit price | exact |
//! | a tier's discount | half to even, for each line |
//! | the value discount, the coupon | half to even, once each |
//! | shipping | weight up to whole kilograms, then exact |
//! | tax | half to even, once, on everything else together |
use std::time::Duration;

use serde::{Deserialize, Serialize};
use staffa_context::{Context, Timestamp};

mod error;
pub mod packing;
pub mod promotion;
pub mod shipping;
mod tally;
pub mod tax;

pub use error::QuoteError;

use crate::country::Country;
use crate::product::{PriceList, Product};
use crate::size::fnv1a;
use crate::{Currency, Money};
use packing::Packing;
use promotion::Promotion;
use tally::Tally;

/// How many lines a basket may have.
pub const LINES_MAX: usize = 1_000;
/// How many of a product one line may ask for.
pub const QUANTITY_MAX: i64 = 100_000;
/// The highest agreed price of one, in minor units.
pub const AGREED_MAX: i64 = 100_000_000;
/// How long the server takes a quote for fresh.
pub const FRESH: Duration = Duration::from_secs(15 * 60);

/// What a customer wants.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Basket {
    /// 1 to 1,000 lines ([`LINES_MAX`]). A code may be on several.
    pub lines: Vec<Line>,
    /// The country that it goes to, as the retailer spells it: `United Kingdom`, `EIRE`.
    pub country: String,
    /// A coupon's code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coupon: Option<String>,
}

/// One line of a basket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// The product's stock code.
    pub code: String,
    /// How many: 1 to 100,000 ([`QUANTITY_MAX`]).
    pub quantity: i64,
    /// A unit price that was agreed, instead of the list price. It needs a right, and no promotion applies to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agreed: Option<Money>,
}

impl Basket {
    /// The different codes, in order.
    pub fn codes(&self) -> Vec<String> {
        let mut codes: Vec<String> = Vec::with_capacity(self.lines.len());
        for line in &self.lines {
            if let Err(place) = codes.binary_search(&line.code) {
                codes.insert(place, line.code.clone());
            }
        }
        codes
    }

    /// Whether it has lines, not too many of them, and a country that the shop sells to.
    ///
    /// # Errors
    /// [`QuoteError::Empty`], [`QuoteError::TooManyLines`], [`QuoteError::UnknownCountry`].
    pub fn check(&self) -> Result<&'static Country, QuoteError> {
        let lines = self.lines.len();
        if lines == 0 {
            return Err(QuoteError::Empty);
        }
        if lines > LINES_MAX {
            return Err(QuoteError::TooManyLines { lines: place(lines) });
        }
        let unknown = || QuoteError::UnknownCountry { country: self.country.clone() };
        Country::named(&self.country).ok_or_else(unknown)
    }

    /// Whether any line has an agreed price.
    pub fn has_agreed_prices(&self) -> bool {
        self.lines.iter().any(|line| line.agreed.is_some())
    }
}

/// What an order comes to, and how it is packed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Quote {
    /// When it was made; it is fresh for 15 minutes ([`FRESH`]).
    #[cfg_attr(not(target_arch = "wasm32"), schemars(with = "String"))]
    pub made_at: Timestamp,
    /// The version of the price list that it rests on.
    pub prices: i64,
    /// Where it goes.
    pub country: String,
    /// The lines, in the basket's order.
    pub lines: Vec<QuotedLine>,
    /// What was taken off, in the order of application.
    pub promotions: Vec<Promotion>,
    /// The sums.
    pub totals: Totals,
    /// The boxes.
    pub packing: Packing,
}

/// One line with its prices.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct QuotedLine {
    /// The product's stock code.
    pub code: String,
    /// What it is.
    pub description: String,
    /// How many.
    pub quantity: i64,
    /// The price of one: the list's or the agreed one.
    pub unit: Money,
    /// Whether the price was agreed.
    pub agreed: bool,
    /// Whether it is goods.
    pub goods: bool,
    /// Quantity × unit price, before promotions.
    pub amount: Money,
}

impl QuotedLine {
    /// Whether promotions apply to it: goods at their list price.
    pub fn is_promoted(&self) -> bool {
        self.goods && !self.agreed
    }
}

/// The sums of a quote. `total` = `lines` − `promotions` + `shipping` + `tax`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Totals {
    /// All lines, charges among them, before promotions, tax and shipping.
    pub lines: Money,
    /// What all promotions take off: not negative, and never more than `lines`.
    pub promotions: Money,
    /// Shipping.
    pub shipping: Money,
    /// Tax on everything else.
    pub tax: Money,
    /// What is to pay.
    pub total: Money,
}

/// A quote's fingerprint: what an order says it was quoted, without the whole of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Quoted {
    /// When the quote was made.
    #[cfg_attr(not(target_arch = "wasm32"), schemars(with = "String"))]
    pub made_at: Timestamp,
    /// The version of the price list that it rests on.
    pub prices: i64,
    /// What was to pay.
    pub total: Money,
    /// 64-bit FNV-1a of the quote's JSON, as 16 hexadecimal digits. It tells two quotes apart; it is no
    /// protection against forgery, and needs none: the server's own quote is what counts.
    pub digest: String,
}

impl Quote {
    /// Whether a server takes it at this time: made within the last 15 minutes, or up to one in the future,
    /// since clocks differ.
    pub fn is_fresh(&self, now: Timestamp) -> bool {
        is_fresh(self.made_at, now)
    }

    /// Its fingerprint.
    pub fn quoted(&self) -> Quoted {
        // A quote is maps with text keys, lists, text and integers: its JSON cannot fail.
        let json = serde_json::to_vec(self).unwrap_or_default();
        Quoted {
            made_at: self.made_at,
            prices: self.prices,
            total: self.totals.total,
            digest: format!("{:016x}", fnv1a(&json)),
        }
    }
}

impl Quoted {
    /// As [`Quote::is_fresh`].
    pub fn is_fresh(&self, now: Timestamp) -> bool {
        is_fresh(self.made_at, now)
    }
}

fn is_fresh(made_at: Timestamp, now: Timestamp) -> bool {
    now.since(made_at) <= FRESH && made_at.since(now) <= Duration::from_secs(60)
}

/// What this basket comes to with these prices at this time.
///
/// It checks the context every bounded number of steps, and gives the whole quote or an error. Products of the
/// list that the basket does not name play no part.
///
/// # Errors
/// [`QuoteError`]: what is wrong with the basket, or why the context ended.
pub fn quote(
    ctx: &Context,
    basket: &Basket,
    prices: &PriceList,
    now: Timestamp,
) -> Result<Quote, QuoteError> {
    ctx.check()?;
    let country = basket.check()?;
    let products = by_code(&prices.products);
    let lines = priced(&basket.lines, &products)?;
    let promotions = promotion::apply(&lines, basket.coupon.as_deref(), now)?;
    let packing = packing::pack(ctx, &goods(&lines, &products))?;
    let totals = totals(&lines, &promotions, &packing, country)?;
    Ok(Quote {
        made_at: now,
        prices: prices.version,
        country: country.name.to_owned(),
        lines,
        promotions,
        totals,
        packing,
    })
}

/// A place in a list that was checked to be short.
fn place(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

/// The products in the order of their codes; of two with one code, the later.
fn by_code(products: &[Product]) -> Vec<&Product> {
    let mut sorted: Vec<&Product> = Vec::with_capacity(products.len());
    for product in products {
        match place_of(&sorted, &product.code) {
            Ok(at) => sorted[at] = product,
            Err(at) => sorted.insert(at, product),
        }
    }
    sorted
}

fn place_of(products: &[&Product], code: &str) -> Result<usize, usize> {
    products.binary_search_by(|product| product.code.as_str().cmp(code))
}

fn find<'a>(products: &[&'a Product], code: &str) -> Option<&'a Product> {
    place_of(products, code).ok().map(|at| products[at])
}

fn priced(lines: &[Line], products: &[&Product]) -> Result<Vec<QuotedLine>, QuoteError> {
    lines.iter().enumerate().map(|(at, line)| priced_line(place(at), line, products)).collect()
}

fn priced_line(at: u32, line: &Line, products: &[&Product]) -> Result<QuotedLine, QuoteError> {
    let product = find(products, &line.code)
        .ok_or_else(|| QuoteError::UnknownCode { line: at, code: line.code.clone() })?;
    if !(1..=QUANTITY_MAX).contains(&line.quantity) {
        return Err(QuoteError::Quantity { line: at, quantity: line.quantity });
    }
    if line.agreed.is_some_and(|agreed| !(1..=AGREED_MAX).contains(&agreed.minor())) {
        return Err(QuoteError::AgreedPrice { line: at });
    }
    let unit = line.agreed.unwrap_or(product.price);
    Ok(QuotedLine {
        code: line.code.clone(),
        description: product.description.clone(),
        quantity: line.quantity,
        unit,
        agreed: line.agreed.is_some(),
        goods: product.goods,
        amount: unit.times(line.quantity)?,
    })
}

/// What is to be packed: each code once, in the order of codes, so that the order of lines plays no part.
fn goods(lines: &[QuotedLine], products: &[&Product]) -> Vec<packing::Item> {
    let mut units = Tally::default();
    for line in lines.iter().filter(|line| line.goods) {
        units.add(&line.code, line.quantity);
    }
    let items = units.iter().filter_map(|(code, units)| {
        let Product { size, grams, .. } = *find(products, code)?;
        Some(packing::Item { code: code.to_owned(), size, grams, units: units.unsigned_abs() })
    });
    items.collect()
}

fn totals(
    lines: &[QuotedLine],
    promotions: &[Promotion],
    packing: &Packing,
    country: &Country,
) -> Result<Totals, QuoteError> {
    let currency = lines.first().map_or_else(Currency::default, |line| line.amount.currency());
    let nothing = Money::zero(currency);
    let all = lines.iter().try_fold(nothing, |sum, line| sum.plus(line.amount))?;
    let off = promotions.iter().try_fold(nothing, |sum, promotion| sum.plus(promotion.amount))?;
    let shipping = shipping::cost(packing, country.zone, currency)?;
    let taxed = all.minus(off)?.plus(shipping)?;
    let tax = tax::on(taxed, country)?;
    Ok(Totals { lines: all, promotions: off, shipping, tax, total: taxed.plus(tax)? })
}
