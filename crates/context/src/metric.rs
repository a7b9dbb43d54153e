use std::fmt;
use std::sync::Arc;

use crate::TraceContext;

/// What a metric counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Observations in buckets; its unit is in its name (seconds, bytes).
    Histogram,
}

/// A metric as a value: declared once as a `const` beside the code that records it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metric {
    /// The name without the suffix that the exposition adds (`_total`), with its unit last.
    pub name: &'static str,
    /// One sentence for the person who reads the exposition.
    pub help: &'static str,
    /// What it counts.
    pub kind: MetricKind,
}

/// Makes series of metrics. Labels MUST come from a bounded set.
pub trait Meter: Send + Sync + 'static {
    /// The series of `metric` with these labels. Slower than recording: keep the series where it is hot.
    fn series(&self, metric: &Metric, labels: &[(&'static str, &str)]) -> Series;
}

/// Receives the values of one series.
pub trait Record: Send + Sync + 'static {
    /// Adds to a counter or moves a gauge.
    fn add(&self, delta: i64);
    /// Sets a gauge.
    fn set(&self, value: i64);
    /// Observes a value in a histogram; a sampled trace becomes its exemplar.
    fn observe(&self, value: f64, trace: Option<TraceContext>);
}

/// One series of a metric; the default one records nothing and costs nothing.
#[derive(Clone, Default)]
pub struct Series(Option<Arc<dyn Record>>);

impl Series {
    /// A series that records into `record`.
    pub fn new(record: Arc<dyn Record>) -> Self {
        Self(Some(record))
    }

    /// Adds to a counter or moves a gauge.
    pub fn add(&self, delta: i64) {
        if let Some(record) = &self.0 {
            record.add(delta);
        }
    }

    /// Sets a gauge.
    pub fn set(&self, value: i64) {
        if let Some(record) = &self.0 {
            record.set(value);
        }
    }

    /// Observes a value in a histogram; a sampled trace becomes its exemplar.
    pub fn observe(&self, value: f64, trace: Option<TraceContext>) {
        if let Some(record) = &self.0 {
            record.observe(value, trace);
        }
    }
}

impl fmt::Debug for Series {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Series").field(&self.0.is_some()).finish()
    }
}
