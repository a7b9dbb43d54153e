//! The shop's business core: pure, native and in the browser.
//!
//! It knows nothing of HTTP, files or databases: its ports are `Store` and a few small traits of its own. Its
//! centre is [`quote()`], a pure function that the page and the server both run:
//!
//! ```
//! use shop_core::{Basket, Line, Money, PriceList, Product, quote};
//! use staffa_context::{Context, Timestamp};
//!
//! let mug = Product::new("10001", "RED MUG", Money::pence(250));
//! let prices = PriceList { version: 1, products: vec![mug] };
//! let line = Line { code: "10001".into(), quantity: 30, agreed: None };
//! let basket = Basket { lines: vec![line], country: "United Kingdom".into(), coupon: None };
//!
//! let quote = quote(&Context::background(), &basket, &prices, Timestamp::default())?;
//! assert_eq!(quote.totals.lines, Money::pence(7_500));
//! // 3 % off from 24 of a product.
//! assert_eq!(quote.totals.promotions, Money::pence(225));
//! # Ok::<(), shop_core::QuoteError>(())
//! ```
//!
//! # Features
//!
//! - `conformance`: the suite of each port of the shop's own, which every adapter passes.
#![deny(clippy::float_arithmetic)]

pub mod catalog;
pub mod country;
pub mod goods;
mod heard;
pub mod inventory;
pub mod invoice;
mod money;
pub mod order;
pub mod orders;
mod page;
mod product;
pub mod quote;
mod quotes;
pub mod reporting;
pub mod size;
pub mod stock;
mod token;
mod told;

pub use catalog::{Catalog, Prices};
pub use country::Country;
pub use inventory::Inventory;
pub use money::{Currency, Money, MoneyError, NotMoney};
pub use order::Order;
pub use orders::{Orders, Place, PlaceError};
pub use product::{PriceList, Product};
pub use quote::{Basket, Line, Quote, QuoteError, Quoted, quote};
pub use quotes::Quotes;
pub use reporting::{Reporting, Reports};
pub use size::Size;
pub use stock::Stock;
pub use token::Token;

pub(crate) use page::page;
