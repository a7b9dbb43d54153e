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

#[cfg(feature = "mongodb")]
mod mongodb;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "sqlite")]
mod sqlite;
mod url;

use std::sync::Arc;

use staffa_context::Context;
use staffa_storage::memory::Memory;
use staffa_storage::{Moving, Schema, Step, Store};

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
    /// PostgreSQL.
    #[cfg(feature = "postgres")]
    Postgres(Arc<staffa_storage_postgres::Postgres>),
    /// MongoDB.
    #[cfg(feature = "mongodb")]
    MongoDb(Arc<staffa_storage_mongodb::MongoDb>),
}

impl Adapter {
    /// The same store as the port.
    pub fn store(&self) -> Arc<dyn Store> {
        self.moving()
    }

    /// The same store as what is frozen and copied.
    pub fn moving(&self) -> Arc<dyn Moving> {
        match self.clone() {
            Self::Memory(memory) => memory,
            #[cfg(feature = "sqlite")]
            Self::Sqlite(sqlite) => sqlite,
            #[cfg(feature = "postgres")]
            Self::Postgres(postgres) => postgres,
            #[cfg(feature = "mongodb")]
            Self::MongoDb(mongodb) => mongodb,
        }
    }

    /// Whether one process has the store for itself.
    #[cfg(feature = "messaging")]
    pub(crate) fn is_alone(&self) -> bool {
        match self {
            Self::Memory(_) => true,
            #[cfg(feature = "sqlite")]
            Self::Sqlite(_) => true,
            #[cfg(any(feature = "postgres", feature = "mongodb"))]
            _ => false,
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

/// Opens the store of one service outside of a process of services: [`Home::open`].
///
/// # Errors
/// Those of [`Home::open`].
pub async fn open(
    ctx: &Context,
    url: &str,
    service: &str,
    settings: &Storage,
    own: Vec<Schema>,
) -> Result<Adapter> {
    Home { url, service, settings, own }.open(ctx).await
}

/// Where the data of one service lives.
#[derive(Clone, Debug)]
pub struct Home<'a> {
    /// The URL, which the services share.
    pub url: &'a str,
    /// The service, after which its file, schema or database is named.
    pub service: &'a str,
    /// How the store works.
    pub settings: &'a Storage,
    /// The service's own schemas; what Staffa keeps comes on top ([`schemas`]).
    pub own: Vec<Schema>,
}

#[cfg_attr(
    not(any(feature = "sqlite", feature = "postgres", feature = "mongodb")),
    expect(unused_variables, reason = "memory has nothing to wait for")
)]
impl Home<'_> {
    /// Opens the store, and makes what is missing unless the settings say otherwise. Another process cannot have the same
    /// SQLite file meanwhile; see [`Home::beside`].
    ///
    /// # Errors
    /// In words that say what to do.
    pub async fn open(self, ctx: &Context) -> Result<Adapter> {
        match self.place()? {
            Place::Memory => Ok(Adapter::Memory(Memory::open(schemas(self.own))?)),
            #[cfg(feature = "sqlite")]
            Place::Sqlite(file) => sqlite::open(ctx, &file, self.settings, schemas(self.own)).await,
            #[cfg(feature = "postgres")]
            Place::Postgres => postgres::open(ctx, self).await,
            #[cfg(feature = "mongodb")]
            Place::MongoDb => mongodb::open(ctx, self).await,
        }
    }

    /// The same for a short command that works while the service may run, such as one that freezes it: it makes nothing, and
    /// changes no schema.
    ///
    /// # Errors
    /// In words that say what to do: also for a store that is not there, or lacks a schema.
    pub async fn beside(self, ctx: &Context) -> Result<Adapter> {
        match self.place()? {
            Place::Memory => Err(nobody_else()),
            #[cfg(feature = "sqlite")]
            Place::Sqlite(file) => sqlite::beside(ctx, &file, self.settings, schemas(self.own)).await,
            #[cfg(feature = "postgres")]
            Place::Postgres => postgres::beside(ctx, self).await,
            #[cfg(feature = "mongodb")]
            Place::MongoDb => mongodb::beside(ctx, self).await,
        }
    }

    /// What the store lacks of the schemas, step by step; nothing is changed. With `contract` also what it has and no schema
    /// asks for any more.
    ///
    /// # Errors
    /// In words that say what to do.
    pub async fn plan(self, ctx: &Context, contract: bool) -> Result<Vec<Step>> {
        match self.place()? {
            Place::Memory => Err(nobody_else()),
            #[cfg(feature = "sqlite")]
            Place::Sqlite(file) => {
                sqlite::plan(ctx, &file, self.settings, &schemas(self.own), contract).await
            }
            #[cfg(feature = "postgres")]
            Place::Postgres => postgres::plan(ctx, self, contract).await,
            #[cfg(feature = "mongodb")]
            Place::MongoDb => mongodb::plan(ctx, self, contract).await,
        }
    }

    /// Does what [`Home::plan`] says, and tells `observe` of each step once it is done. It ends when every index is whole;
    /// cut, it goes on when it is called again.
    ///
    /// # Errors
    /// In words that say what to do.
    pub async fn migrate(
        self,
        ctx: &Context,
        contract: bool,
        observe: impl FnMut(&Step) + Send + 'static,
    ) -> Result<()> {
        match self.place()? {
            Place::Memory => Err(nobody_else()),
            #[cfg(feature = "sqlite")]
            Place::Sqlite(file) => {
                sqlite::migrate(ctx, &file, self.settings, &schemas(self.own), contract, observe).await
            }
            #[cfg(feature = "postgres")]
            Place::Postgres => postgres::migrate(ctx, self, contract, observe).await,
            #[cfg(feature = "mongodb")]
            Place::MongoDb => mongodb::migrate(ctx, self, contract, observe).await,
        }
    }

    fn place(&self) -> Result<Place> {
        let (scheme, rest) = self.url.split_once(':').unwrap_or_default();
        match scheme {
            "memory" if rest.is_empty() => Ok(Place::Memory),
            #[cfg(feature = "sqlite")]
            "sqlite" if !rest.is_empty() => Ok(Place::Sqlite(url::file(rest, self.service))),
            #[cfg(not(feature = "sqlite"))]
            "sqlite" => Err(unbuilt(scheme, "sqlite")),
            #[cfg(feature = "postgres")]
            "postgres" | "postgresql" => Ok(Place::Postgres),
            #[cfg(not(feature = "postgres"))]
            "postgres" | "postgresql" => Err(unbuilt(scheme, "postgres")),
            #[cfg(feature = "mongodb")]
            "mongodb" | "mongodb+srv" => Ok(Place::MongoDb),
            #[cfg(not(feature = "mongodb"))]
            "mongodb" | "mongodb+srv" => Err(unbuilt(scheme, "mongodb")),
            _ => Err(unsupported(scheme)),
        }
    }
}

/// What a URL names, for an adapter that this binary has.
enum Place {
    Memory,
    #[cfg(feature = "sqlite")]
    Sqlite(std::path::PathBuf),
    #[cfg(feature = "postgres")]
    Postgres,
    #[cfg(feature = "mongodb")]
    MongoDb,
}

fn nobody_else() -> Error {
    Error::settings(
        "`memory:` is its own process's alone: name a store that is kept, such as `sqlite:FOLDER`",
    )
}

#[cfg(not(all(feature = "sqlite", feature = "postgres", feature = "mongodb")))]
fn unbuilt(scheme: &str, feature: &str) -> Error {
    Error::settings(format!(
        "this binary is built without stores at `{scheme}:`; build it with the feature `{feature}`: `cargo build --features {feature}`"
    ))
}

/// The scheme alone is told: what follows it may have a password.
fn unsupported(scheme: &str) -> Error {
    Error::settings(format!(
        "no store is known for `{scheme}:`; use `sqlite:FOLDER`, `sqlite:FILE.sqlite`, `postgres://…`, `mongodb://…` or `memory:`"
    ))
}
