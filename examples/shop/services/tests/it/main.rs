//! The shop's adapters and commands, without a server.
#![expect(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

mod reporting;
mod stores;
#[path = "../suite.rs"]
mod suite;
