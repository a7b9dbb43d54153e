//! The SQLite adapter, from outside.
#![expect(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

mod cancel;
mod conformance;
mod file;
mod folder;
mod instruments;
mod own_port;
mod schema;
mod table;
mod writer;
