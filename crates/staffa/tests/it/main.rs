//! A service from its settings to its exit code.
#![expect(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

mod answers;
mod child;
mod events;
mod http;
mod lifecycle;
mod moving;
mod orders;
mod services;
mod stores;
