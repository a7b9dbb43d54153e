//! The NATS JetStream adapter of the messaging port.
//!
//! ```no_run
//! use std::sync::Arc;
//! use staffa_context::{Context, Failure};
//! use staffa_messaging::{Bus, Consumer, Subscription};
//! use staffa_messaging_nats::{Nats, Options};
//!
//! # async fn example(ctx: &Context, mail: Arc<dyn Consumer>) -> Result<(), Failure> {
//! let bus = Nats::open(ctx, "nats://127.0.0.1:4222/shop", Options::default()).await?;
//! bus.subscribe(ctx, Subscription { consumer: "mail", names: &["order_placed"], handler: mail }).await?;
//! bus.close(ctx).await
//! # }
//! ```
//!
//! # What it does
//!
//! - **Publishing** is over once the server has acknowledged that it keeps the event. An event that is published again
//!   within [`Options::dedup`] is dropped by its id.
//! - **A consumer** is durable: what is published while it is away, or before it first subscribed, waits for it, for
//!   [`Options::max_age`]. An event is acknowledged after its effect.
//! - **Order.** One process at a time has a consumer, whichever the server has pinned; others stand by. It handles the
//!   events of one entity one after the other, and those of several side by side. When another one takes over, it begins
//!   only once everything that the first had in hand has come to it, or was acknowledged.
//! - **Failure.** An event whose effect fails is tried again after a backoff, before any later one of its entity, and holds
//!   back no other entity. After [`Options::attempts_max`] failures it is put aside on a stream of its own
//!   ([`DeadDeliveries`]), and what comes after it follows it there, until a person re-drives or skips it.
//! - **At least once.** A crash between effect and acknowledgement hands the event over again: the inbox
//!   (`staffa_messaging::Inbox`) makes its effect happen once.
//!
//! # Limits
//!
//! An event and its headers are at most the server's `max_payload`, 1 MiB unless it says otherwise; a larger one is
//! `TooLarge`. A consumer has at most [`Options::in_hand_max`] events in hand: so many that wait for held entities hold up
//! the others. The server is 2.11 or newer, with JetStream.
//!
//! The crate has no features.

mod aside;
mod connect;
mod consumer;
mod dead;
mod line;
mod nats;
mod options;
mod serving;
mod step;
mod streams;
mod wire;

pub use dead::{DeadDeliveries, DeadDelivery};
pub use nats::Nats;
pub use options::Options;
