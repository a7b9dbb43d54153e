//! The shop's adapters on real servers: `cargo xtask test` runs it, and `cargo xtask servers` starts what it needs.
#![expect(clippy::unwrap_used, reason = "a failed expectation is a failed test")]
#![expect(clippy::disallowed_methods, reason = "tests of processes wait for them on threads")]

mod events;
mod moving;
mod reporting;
#[path = "../suite.rs"]
mod suite;

/// The server's URL.
fn server(variable: &str) -> String {
    std::env::var(variable)
        .unwrap_or_else(|_| panic!("{variable} is not set: this is run by `cargo xtask test`"))
}
