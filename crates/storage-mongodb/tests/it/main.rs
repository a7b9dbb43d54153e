//! What the adapter does without a server.
#![expect(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

mod away;
