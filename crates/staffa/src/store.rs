//! A service's store, opened by its URL alone.
//!
//! | URL | where a service's data is |
//! |---|---|
//! | `sqlite:FOLDER` | the file `FOLDER/<service>.sqlite` |
//! | `sqlite:FILE.sqlite` | that file, for one service |
//! | `postgres://…/DATABASE`, `postgresql://…` | the schema `<service>` of that database |
//! | `mongodb://…/NAME`, `mongodb+srv://…` | the database `NAME_<service>` |
//! | `memory:` | nowhere: it is empty, and forgets |
//!
//! Every store also has what Staffa itself keeps beside a service's own kinds ([`schemas`]): the leases and dead events of
//! the outbox, and the progress of a copy.

#[cfg(feature = "sqlite")]
mod sqlite;
mod url;

use std::sync::Arc;

use staffa_context::Context;
use staffa_storage::memory::Memory;
use staffa_storage::{Moving, Schema, Store};

use crate::settings::Storage;
use crate::{Error, Result, moving};
pub use url::{is_same, shown};

/// A store as its own adapter, for ports of one's own that speak the adapter's language.
///
/// A composition root matches on it to choose the adapter of such a port.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Adapter {
    /// In memory.
    Memory(Arc<Memory>),
    /// SQLite.
    #[cfg(feature = "sqlite")]
    Sqlite(Arc<staffa_storage_sqlite::Sqlite>),
}

impl Adapter {
    /// The same store as the port.
    pub fn store(&self) -> Arc<dyn Store> {
        self.moving()
    }

    /// The same store as what is frozen and copied.
    pub fn moving(&self) -> Arc<dyn Moving> {
        match self {
            Self::Memory(memory) => Arc::<Memory>::clone(memory),
            #[cfg(feature = "sqlite")]
            Self::Sqlite(sqlite) => Arc::<staffa_storage_sqlite::Sqlite>::clone(sqlite),
        }
    }
}

/// The schemas of a service's store: its own, and those of what Staffa keeps there.
pub fn schemas(own: Vec<Schema>) -> Vec<Schema> {
    let schemas = moving::with_progress(own);
    #[cfg(feature = "messaging")]
    let schemas = schemas.into_iter().chain(staffa_messaging::schemas()).collect();
    schemas
}

/// Opens the store of one service outside of a process of services. The service's own process cannot have the same SQLite
/// file meanwhile; see [`beside`]. `own` are the service's own schemas.
///
/// # Errors
/// In words that say what to do.
pub async fn open(
    ctx: &Context,
    url: &str,
    service: &str,
    settings: &Storage,
    own: Vec<Schema>,
) -> Result<Adapter> {
    match Place::of(url, service)? {
        Place::Memory => Ok(Adapter::Memory(Memory::open(schemas(own))?)),
        #[cfg(feature = "sqlite")]
        Place::Sqlite(file) => sqlite::open(ctx, &file, settings, schemas(own)).await,
    }
}

/// The same for a short command that works while the service may run, such as to freeze it: it makes nothing, and changes no
/// schema.
///
/// # Errors
/// In words that say what to do: also for a store that is not there, or lacks a schema.
pub async fn beside(
    ctx: &Context,
    url: &str,
    service: &str,
    settings: &Storage,
    own: Vec<Schema>,
) -> Result<Adapter> {
    match Place::of(url, service)? {
        Place::Memory => Err(nobody_else()),
        #[cfg(feature = "sqlite")]
        Place::Sqlite(file) => sqlite::beside(ctx, &file, settings, schemas(own)).await,
    }
}

fn nobody_else() -> Error {
    Error::settings(
        "`memory:` is its own process's alone: name a store that is kept, such as `sqlite:FOLDER`",
    )
}

/// Where a service's store is, for an adapter that this binary has.
enum Place {
    Memory,
    #[cfg(feature = "sqlite")]
    Sqlite(std::path::PathBuf),
}

impl Place {
    fn of(url: &str, service: &str) -> Result<Self> {
        let (scheme, rest) = url.split_once(':').unwrap_or_default();
        match (scheme, rest) {
            ("memory", "") => Ok(Self::Memory),
            #[cfg(feature = "sqlite")]
            ("sqlite", place) if !place.is_empty() => Ok(Self::Sqlite(url::file(place, service))),
            #[cfg(not(feature = "sqlite"))]
            ("sqlite", _) => Err(unbuilt(scheme, "sqlite")),
            _ => Err(unsupported(scheme)),
        }
    }
}

#[cfg(not(feature = "sqlite"))]
fn unbuilt(scheme: &str, feature: &str) -> Error {
    Error::settings(format!(
        "this binary is built without stores at `{scheme}:`: build it with the feature `{feature}`, as in `cargo build --features {feature}`"
    ))
}

/// The scheme alone is told: what follows it may have a password.
fn unsupported(scheme: &str) -> Error {
    Error::settings(format!(
        "no store is known for `{scheme}:`; use `sqlite:FOLDER`, `sqlite:FILE.sqlite`, `postgres://…`, `mongodb://…` or `memory:`"
    ))
}
