//! Logs, traces and metrics in one call, and their capture in tests.
//!
//! [`Telemetry::install`] sets a process up; [`Telemetry::instruments`] gives each of its services a tracer and a
//! meter, with which its root context is made. From there on code says what it does through its context: spans are
//! parts of the span that their context belongs to, across tasks and, by `traceparent`, across processes. Logs are
//! `tracing` events, of this project's code and of everybody else's; those made while a context's future is polled
//! carry its service, trace and span. In tests, [`capture`] takes the place of `install`.
//!
//! ```
//! use std::time::Duration;
//! use staffa_context::{Context, Metric, MetricKind, SpanKind};
//! use staffa_telemetry::{LogFormat, Options, Telemetry};
//!
//! const PLACED: Metric = Metric { name: "orders_placed", help: "Orders placed", kind: MetricKind::Counter };
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let options = Options { service: "shop".to_owned(), log: LogFormat::Json, ..Options::default() };
//! let telemetry = Telemetry::install(options)?;
//! let ctx = Context::root(telemetry.instruments("orders"));
//!
//! let mut span = ctx.span_of(SpanKind::Server, "POST /orders");
//! span.set("http.response.status_code", 201);
//! span.run(async { tracing::info!(units = 3, "placed") }).await?;
//! span.series(&PLACED, &[("country", "GB")]).add(1);
//! let trace = span.trace().ok_or("no trace")?;
//! drop(span);
//!
//! assert_eq!(telemetry.recent(trace.trace_id)[0].name, "POST /orders");
//! assert!(telemetry.metrics().contains(r#"orders_placed_total{service="orders",country="GB"} 1"#));
//! assert!(telemetry.shutdown(Duration::from_secs(5)));
//! # Ok(())
//! # }
//! ```
//!
//! # Logs
//!
//! Records go to standard error, from a thread of their own. Each has a time (RFC 3339, microseconds), level,
//! target, service, message and fields, and within a trace `trace_id` and `span_id`. A field whose name speaks of a
//! password, token, secret, cookie, credential, authorization, API key or private key is written as `[redacted]`,
//! and so is such an attribute of a span; what a message says is written as it is.
//! [`Telemetry::set_level`] changes what is written while the process runs.
//!
//! # Traces
//!
//! A trace that began elsewhere keeps its decision whether to be sampled; [`Options::sample_ratio`] decides for the
//! others. An unsampled span has ids, which logs carry, and costs little more than no span. With
//! [`Options::otlp`] finished spans are sent in batches as OTLP over HTTP, each under the `service.name` of its
//! service, from a runtime of its own. `tracestate` is not passed on.
//!
//! # Metrics
//!
//! A [`Metric`](staffa_context::Metric) is made when it is first recorded. All series of a service carry the label
//! `service`. Histograms of `…_seconds` have bounds from 100 µs to 10 s, those of `…_bytes` from 64 B to 64 MiB,
//! others from 1 to 10,000; an observation in a sampled trace becomes the exemplar of its bucket. What the process,
//! the operating system and tokio tell is added when the text is made.
//!
//! # Limits
//!
//! | what | at most | beyond it |
//! |---|---|---|
//! | log records that wait | [`Options::log_queue_len_max`] | dropped, counted in `telemetry_log_records_dropped` |
//! | text of a log field or message | 16 KiB | cut off |
//! | spans that wait for export | [`Options::export_queue_len_max`] and a batch of 512 | dropped, counted in `telemetry_spans_dropped` |
//! | tries of a batch | 5, of 10 s each | dropped and counted likewise |
//! | attributes, events of a span | 128 each | dropped |
//! | text of an attribute | 4 KiB | cut off |
//! | recent traces, spans of each | [`Options::recent_traces`], [`Options::recent_spans`] | the oldest trace goes |
//! | series of a metric | [`Options::series_max`] | one shared series, `overflow="true"`; counted in `telemetry_series_overflow` |

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
