//! The MongoDB adapter over a server, at `STAFFA_TEST_MONGODB`.
#![expect(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

mod busy;
mod foreign;
mod frozen;
mod gone;
mod migration;
mod own_port;
mod place;
mod rest;
mod roll;

/// The URL of the server.
fn url() -> String {
    std::env::var("STAFFA_TEST_MONGODB").unwrap_or_else(|_| {
        panic!(
            "STAFFA_TEST_MONGODB is the URL of a MongoDB server; `cargo xtask test` runs these tests with one"
        )
    })
}
