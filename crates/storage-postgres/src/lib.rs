//! The PostgreSQL adapter of the storage port.

mod backfill;
mod build;
mod call;
mod careful;
mod commit;
#[cfg(feature = "conformance")]
pub mod conformance;
mod connection;
mod error;
mod kept;
mod moving;
mod options;
mod outbox;
mod pool;
mod pooler;
mod postgres;
mod row;
mod scan;
mod schema;
mod session;
mod table;
mod tls;
mod url;
mod watch;

pub use options::Options;
pub use postgres::{Postgres, migrate, plan};
pub use tokio_postgres;
pub use watch::{OPERATION_SECONDS, QUEUE_LENGTH};
