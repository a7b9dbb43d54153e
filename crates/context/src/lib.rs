//! Deadlines, cancellation with a cause, structured tasks and instruments, native and in the browser.
//!
//! A [`Context`] is passed first to every operation that can wait. It carries a deadline, a cancellation with
//! its [`Cause`], the trace, small typed values and the process's [`Instruments`]. Contexts form a tree:
//! cancelling one ends its descendants and nothing else.
//!
//! ```
//! use std::time::Duration;
//! use staffa_context::{Cause, Context};
//!
//! let root = Context::background();
//! let (request, cancel) = root.with_timeout(Duration::from_secs(2)).with_cancel();
//! let query = request.with_timeout(Duration::from_secs(5));
//! assert!(query.remaining() <= Some(Duration::from_secs(2)));
//!
//! cancel.cancel(Cause::ClientGone);
//! assert_eq!(query.check(), Err(Cause::ClientGone));
//! assert_eq!(root.check(), Ok(()));
//! ```

mod answer;
mod blocking;
mod cause;
mod clock;
mod context;
mod failure;
mod group;
mod idempotency;
mod instruments;
mod metric;
mod places;
mod scope;
mod span;
mod timestamp;

pub use blocking::BlockingPool;
pub use cause::Cause;
pub use clock::{Clock, ManualClock, SystemClock};
pub use context::{Cancel, Context, Done};
pub use failure::{Fail, Failure, Kind};
pub use group::{Group, GroupError, Refused, Task, TaskGone};
pub use idempotency::IdempotencyKey;
pub use instruments::{Abort, BoxFuture, Ids, Instruments, RandomIds, Spawner, SystemSpawner};
pub use metric::{Meter, Metric, MetricKind, Record, Series};
pub use span::{Recording, Span, SpanKind, SpanStart, SpanValue, TraceContext, Tracer};
pub use timestamp::Timestamp;
pub use web_time::Instant;
