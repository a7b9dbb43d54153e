//! What operations are told by: their duration.

use staffa_context::{Metric, MetricKind};

/// How long operations took, their wait for a connection included.
pub const OPERATION_SECONDS: Metric = Metric {
    name: "store_operation_seconds",
    help: "Time from asking the store to its answer, the wait for a connection included.",
    kind: MetricKind::Histogram,
};

/// The value of `system` in spans and series.
pub(crate) const SYSTEM: &str = "mongodb";
