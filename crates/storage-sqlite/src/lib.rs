//! The SQLite adapter of the storage port.

mod backfill;
mod call;
mod commit;
mod connection;
mod error;
mod kept;
mod lock;
mod options;
mod outbox;
mod queue;
mod reader;
mod row;
mod scan;
mod schema;
mod sqlite;
mod table;
mod watch;
mod worker;
mod writer;

pub use options::{Options, Synchronous};
pub use rusqlite;
pub use sqlite::Sqlite;
pub use watch::{OPERATION_SECONDS, QUEUE_LENGTH};
