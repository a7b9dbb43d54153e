//! The shop as its users meet it: real processes, real HTTP, `kill -9`.
//!
//! The binary is the one that `STAFFA_TEST_SHOP` names, else the one that
//! `cargo build --profile shop -p shop` leaves beside this one.
#![expect(clippy::unwrap_used, reason = "a failed expectation is a failed test")]
#![expect(clippy::print_stderr, reason = "what a test saw is shown when it fails")]
#![expect(
    clippy::disallowed_methods,
    reason = "tests of processes have no context: they wait for them on threads"
)]

mod bad_input;
mod cancellation;
mod contract;
mod data;
mod http;
mod import;
mod lifecycle;
mod orders;
mod otlp;
mod process;
mod program;
mod prometheus;
mod replay;
mod shop;
mod soon;
mod space;
mod stores;
mod traces;
