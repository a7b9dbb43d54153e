//! A product of the catalogue, and a price list of them.
use serde::{Deserialize, Serialize};

use crate::goods::is_goods;
use crate::{Money, Size, size};

/// A thing that the shop sells, or a charge that it makes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Product {
    /// The stock code. Case counts: `85123A` and `85123a` are two products.
    pub code: String,
    /// What it is, in the seller's words.
    pub description: String,
    /// The list price of one.
    pub price: Money,
    /// Whether it is goods, which are stocked and packed; charges and vouchers are not.
    pub goods: bool,
    /// Its size, derived by a rule, since the list has none ([`size::DERIVED`]).
    pub size: Size,
    /// Its derived weight in grams.
    pub grams: u32,
}

impl Product {
    /// A product with its size and weight derived from the rest.
    pub fn new(code: impl Into<String>, description: impl Into<String>, price: Money) -> Self {
        let (code, description) = (code.into(), description.into());
        let (size, grams) = size::derive(&code, &description, price.minor());
        Self { goods: is_goods(&code), code, description, price, size, grams }
    }
}

/// The list prices of some products at one moment of the catalogue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct PriceList {
    /// The catalogue's version: it rises with every change of any product.
    pub version: i64,
    /// The products, in the order of their codes. A code that the catalogue does not know is absent.
    pub products: Vec<Product>,
}
