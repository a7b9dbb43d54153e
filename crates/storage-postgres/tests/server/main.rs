//! The PostgreSQL adapter against a server: run by `cargo xtask test`, which names it in `STAFFA_TEST_POSTGRES`.
#![expect(clippy::unwrap_used, reason = "a failed expectation is a failed test")]
#![expect(
    clippy::disallowed_methods,
    reason = "a test stands outside of the service, and drives the runtime itself"
)]

mod line;
mod outcome;
mod own_port;
mod refusals;
mod rolling;
mod schema;
mod server;
mod things;
mod timeouts;
