//! What a context promises, natively. `tests/browser.rs` asks the same where there are no threads.
#![cfg(not(target_arch = "wasm32"))]
#![expect(clippy::unwrap_used, reason = "a failed expectation is a failed test")]
#![expect(
    clippy::disallowed_methods,
    reason = "a test stands outside of the service, and drives the runtime itself"
)]

mod blocking;
mod deadline;
mod failure;
mod group;
mod hand;
mod read;
mod run;
mod timestamp;
mod trace;
mod tree;
mod values;
