//! The storage port: entities, indexes, units of work, outbox, kept answers and the in-memory adapter.

pub mod canonical;
mod commit;
#[cfg(feature = "conformance")]
pub mod conformance;
mod cursor;
mod entity;
mod error;
mod index;
mod key;
pub mod memory;
mod page;
mod part;
mod range;
mod repository;
mod retry;
mod scan;
mod schema;
mod store;
mod unit;
pub mod value;
mod versioned;

pub use commit::{Commit, Event, Expect, Guard, Happened, Kept, Write};
pub use cursor::Cursor;
pub use entity::{Entity, Indexes};
pub use error::Error;
pub use index::{DeclaredIndex, Index};
pub use key::{Key, KeyPart};
pub use page::{Page, PageOf};
pub use part::{Part, PartType};
pub use range::{Following, Leading, Range, Whole};
pub use repository::Repository;
pub use retry::{ATTEMPTS_MAX, retry};
pub use scan::{Bound, By, Found, Scan};
pub use schema::{IndexSchema, Schema};
pub use store::{Row, Seen, Store};
pub use unit::Unit;
pub use versioned::Versioned;

/// What storage operations give.
pub type Result<T, E = Error> = std::result::Result<T, E>;
