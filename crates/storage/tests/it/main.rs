//! The storage port as a core uses it.
#![expect(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

mod broken;
mod core;
mod values;
mod wire;
