//! A foundation for microservices: settings, composition and lifecycle, over the crates of Staffa.
//!
//! The core of a service is plain types with `async fn(&self, &Context, Request) -> Result<Response, Error>`. One
//! function, the composition root, opens the stores, joins adapters to the core, and says which method answers
//! which endpoint. [`main`] runs it: it reads the settings ([`settings`]), reaches the stores, binds the ports, turns
//! ready, and stops in order on SIGTERM; the exit code is an [`Outcome`]. [`Host`] puts several services behind one
//! listener, and [`test::start`] starts the very same function in a test.
//!
//! With nothing more, a service has deadlines, limits, metrics, traces, logs, health, an outbox and a correct stop.
//!
//! ```
//! use std::sync::Arc;
//! use staffa::{Context, Endpoint, Failure, Service};
//!
//! const GREET: Endpoint<String, String, Failure> = Endpoint::get("/greetings/{name}");
//!
//! struct Greeter;
//!
//! impl Greeter {
//!     async fn greet(&self, _ctx: &Context, name: String) -> Result<String, Failure> {
//!         Ok(format!("Hello, {name}!"))
//!     }
//! }
//!
//! async fn compose(_ctx: &Context, service: &mut Service<()>) -> staffa::Result<()> {
//!     service.handle(GREET, &Arc::new(Greeter), Greeter::greet);
//!     Ok(())
//! }
//!
//! # #[allow(dead_code, reason = "the example is run as a test")]
//! fn serve() -> std::process::ExitCode {
//!     staffa::main("greeter", compose)
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let service = staffa::test::start(compose, ()).await;
//! assert_eq!(service.call(GREET, "Ada".to_owned()).await, Ok("Hello, Ada!".to_owned()));
//! service.stop().await;
//! # }
//! ```
//!
//! # The listeners
//!
//! | where | what |
//! |---|---|
//! | `[http] bind` | the endpoints of all services, and `/openapi.json` |
//! | `[admin] bind` | `/healthz`: 200 while the process lives; `/readyz`: 200 when it can serve, with each store's state; `/metrics`; `/log/level`: GET, and PUT `info,orders=debug` |
//!
//! # Features
//!
//! On by default: `sqlite` (stores at `sqlite:` URLs), `messaging` (outbox relay and consumers), `channel` (the re-export
//! [`channel`]). To be asked for, since they link a driver: `postgres`, `mongodb` (stores at such URLs), `nats` (a bus between
//! processes).

mod admin;
mod answers;
#[cfg(feature = "messaging")]
mod bus;
mod error;
mod health;
mod host;
mod listener;
#[cfg(feature = "messaging")]
mod messages;
pub mod moving;
mod outcome;
mod peers;
mod process;
mod recorder;
mod service;
pub mod settings;
mod signal;
pub mod store;
mod sweep;
pub mod test;

#[doc(no_inline)]
pub use staffa_context::{Cause, Context, Fail, Failure, Group, GroupError, Kind, Timestamp};
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
#[cfg(feature = "nats")]
#[doc(inline)]
pub use staffa_messaging_nats as nats;
#[doc(inline)]
pub use staffa_storage as storage;
#[cfg(feature = "mongodb")]
#[doc(inline)]
pub use staffa_storage_mongodb as mongodb;
#[cfg(feature = "postgres")]
#[doc(inline)]
pub use staffa_storage_postgres as postgres;
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
pub use store::{Adapter, open as open_store};
