//! The core against the retailer's real file, random baskets and the in-memory store.
#![expect(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

mod data;
mod file;
mod packing;
mod quotes;
mod services;
