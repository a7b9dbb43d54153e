//! Logs, traces and metrics in one call, and their capture in tests.

mod capture;
mod error;
mod logs;
mod metrics;
mod options;
mod otlp;
mod random;
mod recent;
mod redact;
mod span;
mod telemetry;
mod tracer;

pub use capture::{Capture, capture};
pub use error::Error;
pub use logs::LogRecord;
pub use metrics::text::MetricsFormat;
pub use options::{LogFormat, Options};
pub use span::FinishedSpan;
pub use telemetry::Telemetry;
