//! The MongoDB adapter of the storage port.
mod backfill;
mod builder;
mod call;
mod commit;
#[cfg(feature = "conformance")]
pub mod conformance;
mod connection;
mod error;
mod kept;
mod migration;
mod mongodb;
mod moving;
mod options;
mod outbox;
mod registry;
mod row;
mod scan;
mod schema;
mod session;
mod settle;
mod table;
mod transaction;
mod value;
mod watch;

pub use crate::migration::{migrate, plan};
pub use crate::mongodb::MongoDb;
pub use crate::options::Options;
pub use crate::session::Session;
pub use crate::watch::OPERATION_SECONDS;
pub use ::mongodb as driver;
