//! Deadlines, cancellation with a cause, structured tasks and instruments, native and in the browser.
//!
//! A [`Context`] is passed first to every operation that can wait. It carries a deadline, a cancellation with
//! its [`Cause`], the trace, small typed values and the process's [`Instruments`]. Contexts form a tree: cancelling
//! one ends its descendants and nothing else, and no descendant has a later deadline. Whoever waits does so under
//! [`Context::run`], and whoever computes calls [`Context::check`]; both give the cause. Tasks are started in a
//! [`Group`], which waits for all of them. An error tells the edge what a caller can do by the trait [`Fail`].
//!
//! ```
//! use std::time::Duration;
//! use staffa_context::{Cause, Context, Group, GroupError};
//!
//! async fn price(ctx: &Context, code: u64) -> Result<u64, Cause> {
//!     ctx.sleep(Duration::from_millis(code)).await?;
//!     Ok(code * 100)
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), GroupError<Cause>> {
//! let root = Context::background();
//! let request = root.with_timeout(Duration::from_secs(2));
//!
//! // Two at once; the first to fail ends the other.
//! let group = Group::new(&request, "prices");
//! let tea = group.spawn("tea", async |ctx| price(&ctx, 3).await).await?;
//! let pot = group.spawn("pot", async |ctx| price(&ctx, 9).await).await?;
//! assert_eq!((tea.await, pot.await), (Ok(300), Ok(900)));
//! group.wait().await?;
//!
//! // The cause reaches every descendant, and nothing else.
//! let (request, cancel) = request.with_cancel();
//! let query = request.with_timeout(Duration::from_secs(5));
//! assert!(query.remaining() <= Some(Duration::from_secs(2)));
//! cancel.cancel(Cause::ClientGone);
//! assert_eq!(query.sleep(Duration::from_secs(1)).await, Err(Cause::ClientGone));
//! assert_eq!(root.check(), Ok(()));
//! # Ok(())
//! # }
//! ```
//!
//! # Cancel safety
//!
//! Dropping a future of this crate at any await point leaves nothing behind: no timer, no waker, no place in a line.
//! What it does to the work inside is said at each: [`Context::run`] drops the future that it was given,
//! [`Context::blocking`] ends the context of the work, [`Group::wait`] drops the group and with it the tasks.
//!
//! # Time
//!
//! A deadline is seen by a look at the clock or by a timer of whoever waits. Deriving a context with a deadline starts
//! no timer and registers nothing. Tests stop the time with [`ManualClock`], or with tokio's own pause.
//!
//! # Targets and features
//!
//! It builds for servers on tokio (`rt`, `time`, `sync`) and for `wasm32-unknown-unknown` in pages and workers without
//! tokio. There is one thread in the browser: a panic ends the instance, and blocking work blocks the page unless it
//! runs in a worker. The crate has no features.

mod answer;
mod blocking;
pub mod canonical;
mod cause;
mod clock;
mod context;
mod failure;
mod group;
mod idempotency;
mod instruments;
mod metric;
mod places;
mod read;
mod scope;
mod span;
mod timestamp;
#[cfg(target_arch = "wasm32")]
mod write;

pub use blocking::BlockingPool;
pub use cause::Cause;
pub use clock::{Clock, ManualClock, SystemClock};
pub use context::{Cancel, Context, Done};
pub use failure::{Fail, Failure, Kind};
pub use group::{Group, GroupError, Refused, Task, TaskGone};
pub use idempotency::IdempotencyKey;
pub use instruments::{Abort, BoxFuture, Ids, Instruments, RandomIds, Spawner, SystemSpawner};
pub use metric::{Meter, Metric, MetricKind, Record, Series};
pub use read::{NotRead, parse, read, read_tagged};
pub use span::{Recording, Span, SpanKind, SpanStart, SpanValue, TraceContext, Tracer};
pub use timestamp::{NotTime, Timestamp};
pub use web_time::Instant;
#[cfg(target_arch = "wasm32")]
pub use write::json;
