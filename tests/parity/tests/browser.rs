//! Every case in a worker of headless Chromium, where the page quotes too, against what was answered natively.
#![cfg(target_arch = "wasm32")]
#![expect(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

use shop_parity::{Case, RANDOM, Shipped, compare, random};
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

wasm_bindgen_test_configure!(run_in_dedicated_worker);

/// What the build script answered on the machine that built this.
macro_rules! native {
    ($name:literal) => {
        include_bytes!(concat!(env!("OUT_DIR"), "/", $name))
    };
}

#[wasm_bindgen_test]
fn random_baskets_are_quoted_as_natively() {
    let shipped = Shipped::read().unwrap();
    check(native!("random.jsonl.gz"), random(&shipped), RANDOM);
}

#[wasm_bindgen_test]
fn real_invoices_are_quoted_as_natively() {
    let shipped = Shipped::read().unwrap();
    check(native!("invoices.jsonl.gz"), shipped.cases(), 1_455);
}

fn check(native: &[u8], cases: impl Iterator<Item = Case>, expected: u32) {
    match compare(native, cases) {
        Ok(compared) => assert_eq!(compared, expected),
        Err(different) => panic!("{different}"),
    }
}
