//! The IndexedDB adapter of the storage port: a store in the browser, which a person can read in its developer tools.
//!
//! Every operation is a transaction of its own, and a unit is one that reads, checks and writes. When its
//! [`Context`](staffa_context::Context) ends or its future is dropped, the transaction is aborted; a commit that has begun is
//! finished. Other tabs of the site may have the store open too.
//!
//! ```no_run
//! # #[cfg(target_arch = "wasm32")]
//! # mod example {
//! # use serde::{Deserialize, Serialize};
//! # use staffa_context::Context;
//! # use staffa_storage::{Entity, Result, Schema, Store};
//! use staffa_storage_indexeddb::{IndexedDb, Options};
//! # #[derive(Clone, Serialize, Deserialize)]
//! # struct Note { id: i64, text: String }
//! # impl Entity for Note {
//! #     type Id = i64;
//! #     const KIND: &'static str = "note";
//! #     fn id(&self) -> &i64 { &self.id }
//! # }
//!
//! # async fn example(ctx: &Context) -> Result<()> {
//! let indexeddb = IndexedDb::open(ctx, "notes", Options::default(), vec![Schema::of::<Note>()]).await?;
//! let store: std::sync::Arc<dyn Store> = indexeddb;
//! let mut unit = store.unit();
//! unit.insert(Note { id: 1, text: "buy milk".into() });
//! unit.commit(ctx).await?;
//! store.close(ctx).await
//! # }
//! # }
//! ```
//!
//! A new kind or index is made when the store is opened, in a version change that waits for other tabs: at most
//! [`Options::blocked_wait`]. Rows that an older page wrote get the keys of new indexes before a read by one. Where the site
//! has no room left, a commit is unavailable and nothing of it happened.
//!
//! # Features
//!
//! - `indexes` (default): kinds that declare indexes. Without it such a kind is refused when the store is opened, and a page
//!   does not load what makes, fills and checks their keys. Both kinds of page share one database.
//!
//! Elsewhere than on `wasm32` the crate has its options alone.

#[cfg(target_arch = "wasm32")]
mod call;
#[cfg(target_arch = "wasm32")]
mod error;
#[cfg(target_arch = "wasm32")]
mod indexeddb;
#[cfg(any(target_arch = "wasm32", test))]
mod key;
mod options;
#[cfg(target_arch = "wasm32")]
mod row;
#[cfg(target_arch = "wasm32")]
mod scan;
#[cfg(target_arch = "wasm32")]
mod scripts;
#[cfg(target_arch = "wasm32")]
mod table;
#[cfg(target_arch = "wasm32")]
mod watch;

#[cfg(target_arch = "wasm32")]
pub use indexeddb::IndexedDb;
pub use options::{Durability, Options};
#[cfg(target_arch = "wasm32")]
pub use watch::OPERATION_SECONDS;
