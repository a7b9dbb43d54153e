//! The storage port as a core uses it.
#![expect(clippy::unwrap_used, reason = "a failed expectation is a failed test")]
#![expect(
    clippy::disallowed_methods,
    reason = "a test stands outside of the service, and drives the runtime itself"
)]

mod broken;
mod core;
mod limits;
mod values;
mod wire;
