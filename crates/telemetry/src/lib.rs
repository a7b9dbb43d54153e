//! Logs, traces and metrics in one call, and their capture in tests.

mod capture;
mod error;
mod options;
mod span;
mod telemetry;

pub use capture::{Capture, capture};
pub use error::Error;
pub use options::{LogFormat, Options};
pub use span::FinishedSpan;
pub use telemetry::{MetricsFormat, Telemetry};
