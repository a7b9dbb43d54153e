//! The adapters of the shop's own port [`Reporting`], one for each store, and the choice between them.
//!
//! Each is written in its store's own language and uses Staffa's context-aware access: a report spends from the
//! caller's deadline, and its statement stops when the caller leaves.
use std::sync::Arc;

use shop_core::Reporting;
use staffa::context::Span;
use staffa::storage::Error;
use staffa::{Adapter, Failure, Store};

mod memory;
#[cfg(feature = "mongodb")]
mod mongodb;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "sqlite")]
mod sqlite;

/// The adapter for this store of orders, which the service of this name has.
///
/// # Errors
/// For a store that no adapter is written for.
#[cfg_attr(
    not(feature = "postgres"),
    expect(unused_variables, reason = "SQL on PostgreSQL alone names the service's schema")
)]
pub fn over(service: &str, store: &Arc<dyn Store>, adapter: &Adapter) -> staffa::Result<Arc<dyn Reporting>> {
    match adapter {
        Adapter::Memory(_) => Ok(Arc::new(memory::Walk::new(store))),
        #[cfg(feature = "sqlite")]
        Adapter::Sqlite(sqlite) => Ok(Arc::new(sqlite::Sql(Arc::clone(sqlite)))),
        #[cfg(feature = "postgres")]
        Adapter::Postgres(postgres) => Ok(Arc::new(postgres::Sql::new(service, postgres))),
        #[cfg(feature = "mongodb")]
        Adapter::MongoDb(mongodb) => Ok(Arc::new(mongodb::Aggregation(Arc::clone(mongodb)))),
        _ => Err(staffa::Error::settings("orders: no reports are written for this store")),
    }
}

/// Notes in the report's span why it stopped.
fn failed(span: &mut Span, error: Error) -> Failure {
    let failure = Failure::from(error);
    span.fail(&failure);
    failure
}
