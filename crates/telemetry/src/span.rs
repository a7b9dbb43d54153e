use std::collections::BTreeMap;
use std::time::Duration;

use staffa_context::{SpanKind, SpanValue, Timestamp};

/// A span that ended.
#[derive(Clone, Debug, PartialEq)]
pub struct FinishedSpan {
    /// The operation.
    pub name: String,
    /// The service that it ran in.
    pub service: String,
    /// The side of a call that it describes.
    pub kind: SpanKind,
    /// Its trace.
    pub trace_id: u128,
    /// Its own id.
    pub span_id: u64,
    /// The span that it is a part of; `None` began the trace.
    pub parent_id: Option<u64>,
    /// When it began.
    pub start: Timestamp,
    /// How long it took, by the monotonic clock.
    pub duration: Duration,
    /// What was set on it; secrets are redacted.
    pub attributes: BTreeMap<String, SpanValue>,
    /// What happened in it, and how long after its start.
    pub events: Vec<(Duration, String)>,
    /// Why it failed; `None` when it did not.
    pub failed: Option<String>,
}
