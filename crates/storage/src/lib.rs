//! The storage port: entities, indexes, units of work, outbox, kept answers and the in-memory adapter.

mod commit;
mod error;
mod part;
mod scan;
mod schema;
mod store;

pub use commit::{Commit, Event, Expect, Guard, Kept, Write};
pub use error::Error;
pub use part::{Part, PartType};
pub use scan::{Bound, By, Found, Scan};
pub use schema::{IndexSchema, Schema};
pub use store::{Row, Seen, Store};

/// What storage operations give.
pub type Result<T, E = Error> = std::result::Result<T, E>;
