//! The SQLite adapter, from outside.
#![expect(clippy::unwrap_used, reason = "a failed expectation is a failed test")]
#![expect(
    clippy::disallowed_methods,
    reason = "a test stands outside of the service, and drives the runtime itself"
)]

mod cancel;
mod conformance;
mod file;
mod folder;
mod instruments;
mod migration;
mod moving;
mod own_port;
mod schema;
mod table;
mod writer;
