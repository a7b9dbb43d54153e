//! What outbox, relay and inbox promise together, on every store of this workspace that keeps them.
#![expect(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

mod delivery;
mod gauges;
mod ledger;
