//! The shop's business core: pure, native and in the browser.
//!
//! It knows nothing of HTTP, files or databases: its ports are `Store` and a few small traits of its own. Its
//! centre is [`quote()`], a pure function that the page and the server both run.
#![deny(clippy::float_arithmetic)]

pub mod country;
pub mod goods;
mod money;
mod product;
pub mod quote;
pub mod size;

pub use country::Country;
pub use money::{Currency, Money, MoneyError, NotMoney};
pub use product::{PriceList, Product};
pub use quote::{Basket, Line, Quote, QuoteError, Quoted, quote};
pub use size::Size;
