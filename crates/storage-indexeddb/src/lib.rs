//! The IndexedDB adapter of the storage port: a store in the browser, which a person can read in its developer tools.
//!
//! ```no_run
//! #

#[cfg(target_arch = "wasm32")]
mod backfill;
#[cfg(target_arch = "wasm32")]
mod call;
#[cfg(target_arch = "wasm32")]
mod commit;
#[cfg(target_arch = "wasm32")]
mod connection;
#[cfg(target_arch = "wasm32")]
mod error;
#[cfg(target_arch = "wasm32")]
mod indexeddb;
#[cfg(target_arch = "wasm32")]
mod kept;
#[cfg(any(target_arch = "wasm32", test))]
mod key;
#[cfg(target_arch = "wasm32")]
mod operation;
mod options;
#[cfg(target_arch = "wasm32")]
mod outbox;
#[cfg(target_arch = "wasm32")]
mod row;
#[cfg(target_arch = "wasm32")]
mod scan;
#[cfg(target_arch = "wasm32")]
mod schema;
#[cfg(target_arch = "wasm32")]
mod table;
#[cfg(target_arch = "wasm32")]
mod transaction;
#[cfg(target_arch = "wasm32")]
mod watch;
#[cfg(target_arch = "wasm32")]
mod worker;

#[cfg(target_arch = "wasm32")]
pub use indexeddb::IndexedDb;
pub use options::{Durability, Options};
#[cfg(target_arch = "wasm32")]
pub use watch::OPERATION_SECONDS;
