//! What the retailer's file says: records, the products that it sold, and its invoices.
//!
//! Nothing here reads files: a caller hands over the eight fields of a record, and keeps the count of what is wrong.
//! How the quirks of the file are taken:
//!
//! - A record is **sold** when its invoice does not start with `C` and its quantity and price are above zero. All
//!   else is a return, an adjustment or unpriced: it is counted, and makes neither a product nor an order.
//! - A code is taken as it is written: case counts.
//! - A time is London's wall clock, day first, to the minute. It is kept as if it were UTC, which London's time is
//!   from the end of October to the end of March. An invoice's time is its first line's.
//! - A missing customer or description is allowed; every sold line of the file has a description.
//! - An invoice may have a code on several lines. They stay several lines.
use std::collections::BTreeMap;

use staffa_context::Timestamp;

use crate::quote::{AGREED_MAX, QUANTITY_MAX};
use crate::{Basket, Currency, Line, Money, Place, Product};

/// The columns of the file, in order.
pub const COLUMNS: [&str; 8] = [
    "InvoiceNo",
    "StockCode",
    "Description",
    "Quantity",
    "InvoiceDate",
    "UnitPrice",
    "CustomerID",
    "Country",
];

/// What is added to the units sold to make a product's first stock.
pub const FIRST_STOCK: i64 = 1_000;

/// One record of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The invoice's number; it starts with `C` when it takes another back.
    pub invoice: String,
    /// The stock code.
    pub code: String,
    /// What it is; empty when the file does not say.
    pub description: String,
    /// How many; negative for returns and adjustments.
    pub quantity: i64,
    /// When.
    pub at: Timestamp,
    /// The price of one.
    pub price: Money,
    /// Whose; none when the file does not say.
    pub customer: Option<String>,
    /// Where it goes.
    pub country: String,
}

/// What kind of record it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RecordKind {
    /// Goods or a charge that was sold.
    Sold,
    /// A line of an invoice that takes another back.
    Return,
    /// A quantity below one on an ordinary invoice: stock was written off.
    Adjustment,
    /// A quantity without a price.
    Unpriced,
}

/// Why a record cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadRecord {
    /// It has not eight fields.
    #[error("it has {0} fields instead of 8")]
    Fields(usize),
    /// A field that must say something is empty, or longer than 200 bytes, or holds a control character.
    #[error("its {0} is missing, too long or has control characters")]
    Text(&'static str),
    /// The quantity is no whole number within bounds.
    #[error("its quantity `{0}` is not a whole number from -{max} to {max}", max = QUANTITY_MAX)]
    Quantity(String),
    /// The price is no amount with at most two decimals, or it is too high.
    #[error("its price `{0}` is not an amount with at most two decimals")]
    Price(String),
    /// The time is not `day/month/year hour:minute`.
    #[error("its time `{0}` is not `day/month/year hour:minute`")]
    Time(String),
}

impl Record {
    /// A record from its fields, in the order of [`COLUMNS`].
    ///
    /// # Errors
    /// [`BadRecord`], with the first field that is wrong.
    pub fn parse(fields: &[&str]) -> Result<Self, BadRecord> {
        let &[invoice, code, description, quantity, at, price, customer, country] = fields else {
            return Err(BadRecord::Fields(fields.len()));
        };
        Ok(Self {
            invoice: text("invoice number", invoice)?,
            code: text("stock code", code)?,
            description: optional_text("description", description)?.unwrap_or_default(),
            quantity: whole(quantity).ok_or_else(|| BadRecord::Quantity(cut(quantity)))?,
            at: london(at).ok_or_else(|| BadRecord::Time(cut(at)))?,
            price: amount(price).ok_or_else(|| BadRecord::Price(cut(price)))?,
            customer: optional_text("customer", customer)?,
            country: text("country", country)?,
        })
    }

    /// What kind of record it is.
    pub fn kind(&self) -> RecordKind {
        if self.invoice.starts_with('C') {
            RecordKind::Return
        } else if self.quantity < 1 {
            RecordKind::Adjustment
        } else if self.price.minor() < 1 {
            RecordKind::Unpriced
        } else {
            RecordKind::Sold
        }
    }
}

const TEXT_MAX: usize = 200;

fn text(name: &'static str, field: &str) -> Result<String, BadRecord> {
    optional_text(name, field)?.ok_or(BadRecord::Text(name))
}

fn optional_text(name: &'static str, field: &str) -> Result<Option<String>, BadRecord> {
    let field = field.trim();
    if field.len() > TEXT_MAX || field.chars().any(char::is_control) {
        return Err(BadRecord::Text(name));
    }
    Ok((!field.is_empty()).then(|| field.to_owned()))
}

/// A field as a message shows it.
fn cut(field: &str) -> String {
    field.chars().take(40).collect()
}

fn whole(field: &str) -> Option<i64> {
    let quantity: i64 = field.parse().ok()?;
    (-QUANTITY_MAX..=QUANTITY_MAX).contains(&quantity).then_some(quantity)
}

fn amount(field: &str) -> Option<Money> {
    let price = Money::parse_decimal(field, Currency::Gbp).ok()?;
    (-AGREED_MAX..=AGREED_MAX).contains(&price.minor()).then_some(price)
}

/// `01/12/2010 08:26`, London's wall clock, as if it were UTC.
fn london(field: &str) -> Option<Timestamp> {
    let (date, time) = field.split_once(' ')?;
    let mut date = date.split('/');
    let (day, month, year) = (date.next()?, date.next()?, date.next()?);
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if date.next().is_some() || ![day, month, year].into_iter().all(is_digits) || year.len() != 4 {
        return None;
    }
    format!("{year}-{month:0>2}-{day:0>2}T{time:0>5}:00Z").parse().ok()
}

/// The products of the file, from its sold records. Its memory grows with the number of codes, not of records.
#[derive(Clone, Debug, Default)]
pub struct ProductList(BTreeMap<String, Tally>);

#[derive(Clone, Debug, Default)]
struct Tally {
    prices: BTreeMap<i64, u32>,
    descriptions: BTreeMap<String, u32>,
    units: i64,
}

/// A product with the stock that it starts with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The product.
    pub product: Product,
    /// The units on its sold records and [`FIRST_STOCK`] more; nothing for what is not goods.
    pub stock: i64,
}

impl ProductList {
    /// Takes a sold record into account, and nothing else.
    pub fn add(&mut self, record: &Record) {
        if record.kind() != RecordKind::Sold {
            return;
        }
        let tally = self.0.entry(record.code.clone()).or_default();
        *tally.prices.entry(record.price.minor()).or_default() += 1;
        *tally.descriptions.entry(record.description.clone()).or_default() += 1;
        tally.units = tally.units.saturating_add(record.quantity);
    }

    /// The products, in the order of their codes.
    ///
    /// The list price is the one that a product was sold at most often, the lowest of equals; the description the
    /// one that it had most often, the first by its bytes of equals.
    pub fn listed(&self) -> impl Iterator<Item = Listed> + '_ {
        self.0.iter().map(|(code, tally)| {
            let price = most_frequent(&tally.prices).copied().unwrap_or_default();
            let description = most_frequent(&tally.descriptions).cloned().unwrap_or_default();
            let product = Product::new(code.clone(), description, Money::pence(price));
            let stock = if product.goods { tally.units.saturating_add(FIRST_STOCK) } else { 0 };
            Listed { product, stock }
        })
    }
}

/// The key with the highest count, the first of equals.
fn most_frequent<K: Ord>(counts: &BTreeMap<K, u32>) -> Option<&K> {
    // Of equals `max_by_key` gives the last, hence the way backwards.
    counts.iter().rev().max_by_key(|(_, count)| **count).map(|(key, _)| key)
}

/// The sold lines of one invoice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invoice {
    /// Its number.
    pub number: String,
    /// When its first line was sold.
    pub at: Timestamp,
    /// Where it goes.
    pub country: String,
    /// Its lines, in the order of the file.
    pub lines: Vec<InvoiceLine>,
}

/// One sold line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvoiceLine {
    /// The stock code.
    pub code: String,
    /// How many.
    pub quantity: i64,
    /// The price of one.
    pub price: Money,
}

impl Invoice {
    /// The invoice as a basket at its own prices.
    pub fn basket(&self) -> Basket {
        let line = |line: &InvoiceLine| Line {
            code: line.code.clone(),
            quantity: line.quantity,
            agreed: Some(line.price),
        };
        Basket { lines: self.lines.iter().map(line).collect(), country: self.country.clone(), coupon: None }
    }

    /// The order that replays it: at its own prices, with its number as the reference. The same invoice gives the
    /// same request, so that a repeat under the same idempotency key is one.
    pub fn place(&self, token: Option<crate::Token>) -> Place {
        Place { basket: self.basket(), quoted: None, reference: Some(self.number.clone()), token }
    }

    /// What its lines come to in pence, exactly.
    pub fn minor(&self) -> i64 {
        self.lines.iter().map(|line| line.quantity.saturating_mul(line.price.minor())).sum()
    }
}

/// The invoices of the file, from its sold records.
#[derive(Clone, Debug, Default)]
pub struct Invoices(BTreeMap<String, Invoice>);

impl Invoices {
    /// Takes a sold record into account, and nothing else.
    pub fn add(&mut self, record: Record) {
        if record.kind() != RecordKind::Sold {
            return;
        }
        let Record { invoice: number, at, country, code, quantity, price, .. } = record;
        let first = |number| Invoice { number, at, country, lines: Vec::new() };
        let invoice = self.0.entry(number).or_insert_with_key(|number| first(number.clone()));
        invoice.lines.push(InvoiceLine { code, quantity, price });
    }

    /// The invoices, in the order of their numbers.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Invoice> {
        self.0.values()
    }

    /// The invoice with this number.
    pub fn get(&self, number: &str) -> Option<&Invoice> {
        self.0.get(number)
    }

    /// The units of each code on all invoices, goods only.
    pub fn units(&self) -> BTreeMap<&str, i64> {
        let mut units = BTreeMap::new();
        let lines = self.0.values().flat_map(|invoice| &invoice.lines);
        for line in lines.filter(|line| crate::goods::is_goods(&line.code)) {
            *units.entry(line.code.as_str()).or_default() += line.quantity;
        }
        units
    }
}
