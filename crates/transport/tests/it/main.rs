//! Behaviour of servers and clients over real sockets and in one process.
#![expect(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

mod bad_input;
mod carriers;
mod deadlines;
mod events;
mod keys;
mod openapi;
mod policies;
mod raw;
mod shop;
mod stop;
mod telemetry;
