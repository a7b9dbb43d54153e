//! The PostgreSQL adapter from outside, as far as it needs no server: those it meets here are made of a few bytes.
#![expect(clippy::unwrap_used, reason = "a failed expectation is a failed test")]
#![expect(
    clippy::disallowed_methods,
    reason = "a test stands outside of the service, and plays the server in a thread"
)]

mod connecting;
mod fake;
mod tls;
