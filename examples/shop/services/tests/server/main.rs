//! The shop's adapters on real servers: `cargo xtask test` runs it, and `cargo xtask servers` starts what it needs.
#![expect(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

mod reporting;
#[path = "../suite.rs"]
mod suite;
