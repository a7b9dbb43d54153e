//! What a context promises where there is one thread and no tokio: in a page, in headless Chromium.
#![cfg(target_arch = "wasm32")]
#![expect(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

#[path = "browser/cases.rs"]
mod cases;

wasm_bindgen_test::wasm_bindgen_test_configure!(run_in_browser);
