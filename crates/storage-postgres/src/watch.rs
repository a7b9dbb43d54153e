//! What operations are told by: their duration, and how many wait for a connection.

use staffa_context::{Metric, MetricKind};

/// How long operations took, their wait for a connection included.
pub const OPERATION_SECONDS: Metric = Metric {
    name: "store_operation_seconds",
    help: "Time from asking the store to its answer, the wait for a connection included.",
    kind: MetricKind::Histogram,
};

/// How many operations wait for a connection.
pub const QUEUE_LENGTH: Metric = Metric {
    name: "store_queue_length",
    help: "Operations that wait for a connection of the store.",
    kind: MetricKind::Gauge,
};

/// The value of `system` in spans and series.
pub(crate) const SYSTEM: &str = "postgres";
