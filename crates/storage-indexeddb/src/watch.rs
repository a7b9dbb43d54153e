//! What an operation tells of itself: a span and a duration.

use staffa_context::{Context, Instant, Metric, MetricKind, Series, Span, SpanKind};
use staffa_storage::{Error, Result};

/// How long operations took, their wait for other transactions included.
pub const OPERATION_SECONDS: Metric = Metric {
    name: "store_operation_seconds",
    help: "Time from asking the store to its answer, the wait for other transactions included.",
    kind: MetricKind::Histogram,
};

/// The value of `system` in spans and series.
const SYSTEM: &str = "indexeddb";

/// An operation under way.
pub(crate) struct Watch {
    span: Span,
    seconds: Series,
    asked: Instant,
}

impl Watch {
    /// Starts to watch an operation; `about` is the kind that it concerns, the first one of several.
    pub(crate) fn of(ctx: &Context, operation: &'static str, about: &'static str) -> Self {
        let mut span = ctx.span_of(SpanKind::Client, [SYSTEM, " ", operation, " ", about].concat());
        span.set("db.system", SYSTEM);
        let seconds = ctx.series(&OPERATION_SECONDS, &[("system", SYSTEM), ("operation", operation)]);
        let asked = span.clock().now();
        Self { span, seconds, asked }
    }

    /// The context of the operation: inside its span.
    pub(crate) fn context(&self) -> &Context {
        &self.span
    }

    /// The work is over.
    pub(crate) fn end<T>(mut self, result: &Result<T>) {
        let took = self.span.clock().now() - self.asked;
        self.seconds.observe(took.as_secs_f64(), self.span.trace());
        match result {
            Ok(_) => {}
            Err(Error::Ended(cause)) => self.span.set("ended", cause.label()),
            Err(error) => self.span.fail(error),
        }
    }
}
