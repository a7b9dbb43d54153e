//! The same as `browser.rs` in a dedicated worker, which has `fetch` but no window.
#![cfg(target_arch = "wasm32")]
#![expect(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

#[path = "browser/cases.rs"]
mod cases;

wasm_bindgen_test::wasm_bindgen_test_configure!(run_in_dedicated_worker);
