//! A foundation for microservices: settings, composition and lifecycle.

mod admin;
mod answers;
mod error;
mod health;
mod host;
#[cfg(feature = "messaging")]
mod messages;
mod outcome;
mod peers;
mod process;
mod recorder;
mod service;
pub mod settings;
mod signal;
mod store;
mod sweep;
pub mod test;

#[doc(no_inline)]
pub use staffa_context::{Cause, Context, Fail, Failure, Group, Kind, Timestamp};
#[doc(no_inline)]
pub use staffa_storage::{
    Entity, Index, Indexes, Page, PageOf, Repository, Schema, Store, Unit, Versioned, retry,
};
#[doc(no_inline)]
pub use staffa_transport::{Client, Endpoint, Events};
pub use uuid::Uuid;

#[cfg(feature = "channel")]
#[doc(inline)]
pub use staffa_channel as channel;
#[doc(inline)]
pub use staffa_context as context;
#[cfg(feature = "messaging")]
#[doc(inline)]
pub use staffa_messaging as messaging;
#[doc(inline)]
pub use staffa_storage as storage;
#[cfg(feature = "sqlite")]
#[doc(inline)]
pub use staffa_storage_sqlite as sqlite;
#[doc(inline)]
pub use staffa_telemetry as telemetry;
#[doc(inline)]
pub use staffa_transport as transport;

pub use error::{Error, Result};
pub use host::{Host, main};
pub use outcome::Outcome;
pub use recorder::Recent;
pub use service::Service;
pub use store::Adapter;
