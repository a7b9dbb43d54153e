//! Behaviour of servers and clients over real sockets and in one process.
#![cfg(not(target_arch = "wasm32"))]
#![expect(clippy::unwrap_used, reason = "a failed expectation is a failed test")]
#![expect(
    clippy::disallowed_methods,
    reason = "a test stands outside of the service, and drives the runtime itself"
)]

mod bad_input;
mod carriers;
mod deadlines;
mod events;
mod keys;
mod openapi;
mod policies;
mod raw;
mod shop;
mod stop;
mod telemetry;
