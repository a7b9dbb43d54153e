//! The PostgreSQL adapter from outside, as far as it needs no server.
#![expect(clippy::unwrap_used, reason = "a failed expectation is a failed test")]
