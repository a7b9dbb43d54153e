use std::any::{Any, TypeId};
use std::borrow::Cow;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use uuid::Uuid;
use web_time::Instant;

use crate::scope::Scope;
use crate::{
    BoxFuture, Cause, Clock, Instruments, Series, Span, SpanKind, SpanStart, Timestamp, TraceContext,
};

/// A deadline, a cancellation with its cause, the trace, typed values and the process's instruments.
///
/// Cheap to clone, and safe to share between threads; clones are the same context. A derived context ends when
/// the one that it comes from does, never the other way, and never has a later deadline.
#[derive(Clone)]
pub struct Context {
    scope: Arc<Scope>,
    /// Never later than that of a context it comes from.
    deadline: Option<Instant>,
    carried: Arc<Carried>,
}

/// What a context carries besides its end.
#[derive(Clone)]
struct Carried {
    values: Option<Arc<Value>>,
    trace: Option<TraceContext>,
    instruments: Arc<Instruments>,
}

/// The last of a chain of values. Children share the chain of the context that they come from.
struct Value {
    before: Option<Arc<Value>>,
    type_id: TypeId,
    value: Box<dyn Any + Send + Sync>,
}

impl Drop for Value {
    fn drop(&mut self) {
        // A loop, since a long chain would drop by recursion.
        let mut before = self.before.take();
        while let Some(mut value) = before.and_then(Arc::into_inner) {
            before = value.before.take();
        }
    }
}

impl Context {
    /// A root context with the machine's clock, identifiers and tasks, and no telemetry.
    ///
    /// It never ends. Start from it in `main`, in tests and at the top of a page, nowhere else.
    pub fn background() -> Self {
        Self::root(Instruments::default())
    }

    /// A root context with these instruments. It never ends.
    ///
    /// Roots made of clones of the same instruments share its [`BlockingPool`](crate::BlockingPool).
    pub fn root(instruments: Instruments) -> Self {
        let carried = Carried { values: None, trace: None, instruments: Arc::new(instruments) };
        Self { scope: Scope::root(), deadline: None, carried: Arc::new(carried) }
    }

    /// A child that ends after `timeout` at the latest. It costs a look at the clock, and no allocation.
    ///
    /// A context that was cancelled gets no new deadline.
    #[must_use]
    pub fn with_timeout(&self, timeout: Duration) -> Self {
        // A timeout beyond what the clock can count never comes.
        self.until(self.clock().now().checked_add(timeout))
    }

    /// A child that ends at `deadline` at the latest. A context that was cancelled gets no new deadline.
    #[must_use]
    pub fn with_deadline(&self, deadline: Instant) -> Self {
        self.until(Some(deadline))
    }

    /// A child, and the handle that ends it. Dropping the handle does not.
    #[must_use]
    pub fn with_cancel(&self) -> (Self, Cancel) {
        let scope = Scope::child(&self.scope);
        let child = Self { scope, deadline: self.deadline, carried: Arc::clone(&self.carried) };
        (child.clone(), Cancel(child))
    }

    /// The same context with one more value, found by its type. A later value of the same type hides this one.
    ///
    /// Values describe the request: its idempotency key, its tenant. Dependencies are fields, never values.
    #[must_use]
    pub fn with_value<T: Any + Send + Sync>(&self, value: T) -> Self {
        let before = self.carried.values.clone();
        let value = Value { before, type_id: TypeId::of::<T>(), value: Box::new(value) };
        self.carry(Carried { values: Some(Arc::new(value)), ..(*self.carried).clone() })
    }

    /// The same context as a part of this trace, as it came with a request.
    #[must_use]
    pub fn with_trace(&self, trace: Option<TraceContext>) -> Self {
        self.carry(Carried { trace, ..(*self.carried).clone() })
    }

    /// Keeps the values, trace and instruments, and drops deadline and cancellation: for what must be finished.
    #[must_use]
    pub fn shielded(&self) -> Self {
        Self { scope: Scope::root(), deadline: None, carried: Arc::clone(&self.carried) }
    }

    /// Starts an operation inside this one. It ends when the span is dropped.
    pub fn span(&self, name: impl Into<Cow<'static, str>>) -> Span {
        self.span_of(SpanKind::Internal, name)
    }

    /// Starts an operation on one side of a call. Its attribute `budget_us` is the budget that it starts with, in
    /// microseconds, when there is a deadline.
    pub fn span_of(&self, kind: SpanKind, name: impl Into<Cow<'static, str>>) -> Span {
        let Some(tracer) = &self.carried.instruments.tracer else {
            return Span::new(self.clone(), None);
        };
        let start = SpanStart { name: name.into(), kind, parent: self.carried.trace };
        let (trace, recording) = tracer.start(start);
        let mut span = Span::new(self.with_trace(Some(trace)), recording);
        if span.is_recording()
            && let Some(budget) = self.remaining()
        {
            span.set("budget_us", i64::try_from(budget.as_micros()).unwrap_or(i64::MAX));
        }
        span
    }

    /// Why this context ended; `None` while it has not.
    pub fn cause(&self) -> Option<Cause> {
        if let Some(end) = self.scope.end() {
            return Some(end.cause(self.deadline));
        }
        let deadline = self.deadline?;
        let now = self.clock().now();
        if now < deadline {
            return None;
        }
        Some(self.cause_by(now))
    }

    /// `Err` with the cause once this context ended. Loops call it every bounded number of steps.
    pub fn check(&self) -> Result<(), Cause> {
        self.cause().map_or(Ok(()), Err)
    }

    /// The point in time at which this context ends at the latest.
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// The budget: what is left until the deadline, zero when it passed, `None` without one.
    pub fn remaining(&self) -> Option<Duration> {
        let deadline = self.deadline?;
        Some(deadline.saturating_duration_since(self.clock().now()))
    }

    /// Completes with the cause when this context ends. Cancel-safe.
    pub fn done(&self) -> Done<'_> {
        Done { context: self, key: None, timer: None }
    }

    /// The output of `future`, or the cause when this context ends first; `future` is then dropped.
    ///
    /// An output that is there wins over a cause that is there too. While it is polled, log records carry this
    /// context's trace. Dropping the returned future drops `future`.
    pub async fn run<F: Future>(&self, future: F) -> Result<F::Output, Cause> {
        let mut future = pin!(future);
        let mut done = self.done();
        poll_fn(|cx| {
            let polled = TraceContext::enter(self, || future.as_mut().poll(cx));
            match polled {
                Poll::Ready(output) => Poll::Ready(Ok(output)),
                Poll::Pending => Pin::new(&mut done).poll(cx).map(Err),
            }
        })
        .await
    }

    /// The output of `work`; log records that it makes carry this context's trace.
    pub fn in_trace<T>(&self, work: impl FnOnce() -> T) -> T {
        TraceContext::enter(self, work)
    }

    /// Waits for `duration`, or ends early with the cause. Cancel-safe.
    pub async fn sleep(&self, duration: Duration) -> Result<(), Cause> {
        match self.clock().now().checked_add(duration) {
            Some(at) => self.run(self.clock().sleep_until(at)).await,
            None => Err(self.done().await),
        }
    }

    /// The value of this type that was put in last.
    pub fn value<T: Any + Send + Sync>(&self) -> Option<&T> {
        let mut values = self.carried.values.as_deref();
        while let Some(here) = values {
            if here.type_id == TypeId::of::<T>() {
                return here.value.downcast_ref();
            }
            values = here.before.as_deref();
        }
        None
    }

    /// The place of this operation in its trace.
    pub fn trace(&self) -> Option<TraceContext> {
        self.carried.trace
    }

    /// The process's instruments.
    pub fn instruments(&self) -> &Instruments {
        &self.carried.instruments
    }

    /// Monotonic and wall-clock time.
    pub fn clock(&self) -> &dyn Clock {
        &*self.carried.instruments.clock
    }

    /// The wall-clock time.
    pub fn wall(&self) -> Timestamp {
        self.clock().wall()
    }

    /// A new identifier.
    pub fn uuid(&self) -> Uuid {
        self.carried.instruments.ids.uuid()
    }

    /// The series of a metric; without a meter it records nothing.
    pub fn series(&self, metric: &crate::Metric, labels: &[(&'static str, &str)]) -> Series {
        self.carried
            .instruments
            .meter
            .as_ref()
            .map_or_else(Series::default, |meter| meter.series(metric, labels))
    }

    /// Ends this context and its descendants; the first cause wins.
    pub(crate) fn end(&self, cause: &Cause) {
        self.scope.cancel(cause, self.clock().now());
    }

    fn until(&self, deadline: Option<Instant>) -> Self {
        if self.scope.has_ended() {
            // A new deadline, maybe one in the past, must not hide the cause.
            return self.clone();
        }
        let deadline = match (self.deadline, deadline) {
            (Some(inherited), Some(own)) => Some(inherited.min(own)),
            (inherited, own) => inherited.or(own),
        };
        Self { deadline, ..self.clone() }
    }

    /// Why this context ended, when the clock has shown `now` and that is not before the deadline.
    fn cause_by(&self, now: Instant) -> Cause {
        // Whoever asks again gets the same answer, whatever cancellation comes in between.
        self.scope.end_by(now).map_or(Cause::DeadlineExceeded, |end| end.cause(self.deadline))
    }

    fn carry(&self, carried: Carried) -> Self {
        Self { scope: Arc::clone(&self.scope), deadline: self.deadline, carried: Arc::new(carried) }
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("deadline", &self.deadline)
            .field("end", &self.scope.end())
            .field("trace", &self.carried.trace)
            .finish_non_exhaustive()
    }
}

/// Ends the context that it came with. Clones end the same one; dropping all of them ends nothing.
#[derive(Clone, Debug)]
pub struct Cancel(Context);

impl Cancel {
    /// Ends the context and its descendants with this cause; later calls do nothing.
    pub fn cancel(&self, cause: Cause) {
        self.0.end(&cause);
    }
}

/// Completes with the cause when its context ends: see [`Context::done`].
pub struct Done<'a> {
    context: &'a Context,
    key: Option<usize>,
    timer: Option<BoxFuture<'static, ()>>,
}

impl Future for Done<'_> {
    type Output = Cause;

    fn poll(mut self: Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> Poll<Cause> {
        let this = &mut *self;
        if let Some(cause) = this.context.cause() {
            return Poll::Ready(cause);
        }
        if let Some(deadline) = this.context.deadline {
            let timer = this.timer.get_or_insert_with(|| this.context.clock().sleep_until(deadline));
            if timer.as_mut().poll(cx).is_ready() {
                return Poll::Ready(this.context.cause_by(deadline));
            }
        }
        if this.context.scope.wait(&mut this.key, cx.waker()) {
            return Poll::Pending;
        }
        // `wait` said that the scope has ended.
        this.context.cause().map_or(Poll::Pending, Poll::Ready)
    }
}

impl Drop for Done<'_> {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            self.context.scope.stop_waiting(key);
        }
    }
}

impl fmt::Debug for Done<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Done").field("context", self.context).finish_non_exhaustive()
    }
}
