//! CSP channels: rendezvous and bounded, with select, timers and pipeline stages, native and in the browser.
//!
//! [`bounded`] makes a channel with many senders and many receivers. With capacity 0 it is a rendezvous: a send
//! completes when a receiver has taken the value. Every wait takes a [`Context`](staffa_context::Context) first
//! and ends with its cause. Operations are cancel-safe both ways: a receive that is dropped has taken nothing,
//! and a send that is dropped or whose context ends has sent nothing unless a receiver already took the value,
//! so any of them may be a branch of a `select!`.
//!
//! ```
//! use staffa_channel::bounded;
//! use staffa_context::{Cause, Context};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let ctx = Context::background();
//! let (tx, rx) = bounded(2);
//! tx.send(&ctx, "basalt").await.expect("the receiver is there");
//! tx.send(&ctx, "column").await.expect("the receiver is there");
//! drop(tx);
//! assert_eq!(rx.recv(&ctx).await, Ok(Some("basalt")));
//! assert_eq!(rx.recv(&ctx).await, Ok(Some("column")));
//! assert_eq!(rx.recv(&ctx).await, Ok(None));
//! # }
//! ```
//!
//! # Closing, beside Go
//!
//! A channel closes when [`Sender::close`] or [`Receiver::close`] is called, when its last sender is dropped, or
//! when its last receiver is.
//!
//! | operation on a closed channel | Go | here |
//! |---|---|---|
//! | send | panics | gives the value back: [`Reason::Closed`] |
//! | a send that waits while it closes | panics | gives the value back: [`Reason::Closed`] |
//! | receive while values are buffered | gives them in order | gives them in order |
//! | receive once it is drained | the zero value and `false` | `Ok(None)` |
//! | a receive that waits while it closes | the zero value and `false` | `Ok(None)` |
//! | close again | panics | does nothing |
//! | the last sender is gone | receivers wait forever | it closes |
//! | the last receiver is gone | senders wait forever | it closes, and buffered values are dropped |
//!
//! # Pipelines
//!
//! A stage is a task of a [`Group`](staffa_context::Group) between two channels: [`map_concurrent`], [`batch`]
//! and [`merge`] start one. Memory is bounded by the capacities; a slow stage slows the ones before it.
//!
//! The crate has no features. It works wherever its [`Context`](staffa_context::Context) does.

mod channel;
mod receiver;
mod sender;
mod stage;
mod timer;

pub use channel::bounded;
pub use receiver::{Receiver, TryRecvError};
pub use sender::{Reason, SendError, Sender};
pub use stage::{batch, map_concurrent, merge};
pub use timer::{Ticker, Timer, after, tick};
