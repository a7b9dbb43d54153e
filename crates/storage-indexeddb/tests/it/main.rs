//! The IndexedDB adapter in a browser, from outside.
#![cfg(target_arch = "wasm32")]
#![expect(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

mod bounds;
mod conformance;
mod opening;
mod tabs;
mod things;

wasm_bindgen_test::wasm_bindgen_test_configure!(run_in_browser);
