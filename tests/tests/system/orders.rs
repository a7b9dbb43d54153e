//! Orders as a client places and counts them.
use std::path::Path;

use serde_json::{Value, json};

use crate::http::Answer;
use crate::program::text;
use crate::shop::Shop;
use crate::soon::soon;

/// A product of the shipped list: 2.55 GBP, 454 units of it were sold.
pub(crate) const CODE: &str = "85123A";

/// One line at its list price.
pub(crate) fn basket(code: &str, quantity: i64) -> Value {
    json!({ "lines": [{ "code": code, "quantity": quantity }], "country": "United Kingdom" })
}

/// The right to agreed prices, and to be taken without a quote.
pub(crate) fn token(data: &Path) -> String {
    text(&data.join("agreed-prices.token")).trim().to_owned()
}

impl Shop {
    /// A quote, and its fingerprint as an order brings it.
    #[track_caller]
    pub(crate) fn quoted(&self, basket: &Value) -> Value {
        let answer = self.post("/quotes", &[], basket);
        let quote = answer.good();
        json!({
            "made_at": quote["made_at"],
            "prices": quote["prices"],
            "total": quote["totals"]["total"],
            "digest": format!("{:016x}", fnv1a(&answer.body)),
        })
    }

    /// Places an order as the page does: with the quote that it was given.
    #[track_caller]
    pub(crate) fn order(&self, key: &str, basket: &Value) -> Value {
        let order = json!({ "basket": basket, "quoted": self.quoted(basket), "reference": key });
        self.place(key, &order).good()
    }

    #[track_caller]
    pub(crate) fn place(&self, key: &str, order: &Value) -> Answer {
        self.post("/orders", &[("idempotency-key", key)], order)
    }

    /// Takes an order a step on: `cancel`, `pack`, `ship`.
    #[track_caller]
    pub(crate) fn step(&self, id: &str, step: &str) -> Answer {
        let key = format!("{step}-{id}");
        self.post(&format!("/orders/{id}/{step}"), &[("idempotency-key", &key)], &json!({}))
    }

    /// Waits until the order has the state, and gives it.
    #[track_caller]
    pub(crate) fn becomes(&self, id: &str, state: &str) -> Value {
        soon(&format!("an order that is {state}"), || {
            let order = self.get(&format!("/orders/{id}")).good();
            (order["value"]["state"] == state).then_some(order)
        })
    }

    /// What can be ordered of a code, and what is set aside.
    #[track_caller]
    pub(crate) fn stock(&self, code: &str) -> (i64, i64) {
        let stock = self.get(&format!("/stock/{code}")).good();
        let units = |name: &str| stock["value"][name].as_i64().unwrap();
        (units("available"), units("reserved"))
    }

    /// Waits until this can be ordered of a code, and this is set aside.
    #[track_caller]
    pub(crate) fn stock_becomes(&self, code: &str, expect: (i64, i64)) {
        soon(&format!("a stock of {expect:?}"), || (self.stock(code) == expect).then_some(()));
    }

    /// All orders, by paging.
    #[track_caller]
    pub(crate) fn orders(&self) -> Vec<Value> {
        self.all("/orders", 100)
    }

    /// All products, without their versions.
    #[track_caller]
    pub(crate) fn products(&self) -> Vec<Value> {
        self.all("/products", 1_000).into_iter().map(|product| product["value"].clone()).collect()
    }

    /// All stock, without its versions.
    #[track_caller]
    pub(crate) fn all_stock(&self) -> Vec<Value> {
        self.all("/stock", 1_000).into_iter().map(|stock| stock["value"].clone()).collect()
    }

    #[track_caller]
    fn all(&self, path: &str, limit: usize) -> Vec<Value> {
        let mut all = Vec::new();
        let mut target = format!("{path}?limit={limit}");
        loop {
            let mut page = self.get(&target).good();
            all.append(page["items"].as_array_mut().unwrap());
            match page["next"].as_str() {
                Some(next) => target = format!("{path}?limit={limit}&after={next}"),
                None => return all,
            }
        }
    }
}

/// The id of an order.
#[track_caller]
pub(crate) fn id(order: &Value) -> &str {
    order["value"]["id"].as_str().unwrap_or_else(|| panic!("{order}"))
}

fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}
