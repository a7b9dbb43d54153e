//! What the browser's client promises, in a page in headless Chromium. The page's `fetch` is replaced by one that answers.
#![cfg(target_arch = "wasm32")]
#![expect(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

#[path = "browser/cases.rs"]
mod cases;

wasm_bindgen_test::wasm_bindgen_test_configure!(run_in_browser);
