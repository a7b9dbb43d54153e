//! The messaging port: publish, durable subscribe, relay and inbox.
//!
//! An event leaves its service through the outbox: a unit of work commits it with the state, and a [`Relay`] hands
//! it to the [`Bus`] until the delivery is certain. A consumer hears of it at least once, and its [`Inbox`] makes
//! the effect happen once: the effect and the record that it happened commit together. Events of one entity
//! arrive in order, and one that fails holds back its own entity only.
//!
//! [`InProcess`] is the bus of services that share a process. It keeps nothing: an event is sent once every
//! consumer has committed its effect, and stays in the outbox until then, so that a crash loses nothing.
//!
//! ```
//! use std::sync::Arc;
//! use staffa_context::{Context, Failure};
//! use staffa_messaging::{Bus, Consumer, InProcess, Subscription};
//! use staffa_storage::Event;
//!
//! struct Mail;
//!
//! #[async_trait::async_trait]
//! impl Consumer for Mail {
//!     async fn consume(&self, _ctx: &Context, event: &Event) -> Result<(), Failure> {
//!         assert_eq!(event.name, "order_placed");
//!         Ok(())
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let bus = InProcess::new();
//! let mail = Subscription { consumer: "mail", names: &["order_placed"], handler: Arc::new(Mail) };
//! bus.subscribe(&Context::background(), mail).await.expect("the name is free");
//! # }
//! ```
//!
//! # Features
//!
//! - `conformance`: the suite that every bus passes, and the relay's rules as cases for any store, as plain async functions.

mod bus;
#[cfg(feature = "conformance")]
pub mod conformance;
mod dead;
pub mod failures;
mod in_process;
mod inbox;
mod relay;

pub use bus::{Bus, Consumer, Subscription};
pub use dead::{Dead, DeadEvent};
pub use in_process::InProcess;
pub use inbox::Inbox;
pub use relay::{Nudge, Relay, RelayOptions, Room, schemas};
