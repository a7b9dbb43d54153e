//! What operations are told by: their duration, and the length of the queues.

use staffa_context::{Metric, MetricKind};

/// How long operations took, their wait for a thread included.
pub const OPERATION_SECONDS: Metric = Metric {
    name: "store_operation_seconds",
    help: "Time from asking the store to its answer, the wait for a thread included.",
    kind: MetricKind::Histogram,
};

/// How many operations wait for a thread.
pub const QUEUE_LENGTH: Metric = Metric {
    name: "store_queue_length",
    help: "Operations that wait for a thread of the store.",
    kind: MetricKind::Gauge,
};

/// The value of `system` in spans and series.
pub(crate) const SYSTEM: &str = "sqlite";
