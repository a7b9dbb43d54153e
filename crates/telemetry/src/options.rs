use serde::{Deserialize, Serialize};

/// How [`Telemetry::install`](crate::Telemetry::install) sets a process up.
#[derive(Clone, Debug)]
pub struct Options {
    /// The process's `service.name`, for log records and metrics that belong to no hosted service.
    pub service: String,
    /// The version in `build_info` and in `service.version`; empty leaves both out.
    pub version: String,
    /// How log records are written.
    pub log: LogFormat,
    /// Which log records are written: a level, or directives as `info,hyper=warn` (the syntax of `RUST_LOG`).
    pub level: String,
    /// Where traces are sent: an OTLP receiver over HTTP without TLS, as `http://127.0.0.1:4318`. The port is 4318
    /// and the path `/v1/traces` unless the URL has one. `None` sends nothing.
    pub otlp: Option<String>,
    /// The part of the traces begun here that is recorded, 0 to 1. A trace begun elsewhere keeps its decision.
    pub sample_ratio: f64,
    /// How many of the latest traces [`Telemetry::recent`](crate::Telemetry::recent) keeps; 0 keeps none.
    pub recent_traces: usize,
    /// How many spans of each are kept: those that end first, the last of which gives way to the one that ends last.
    pub recent_spans: usize,
    /// How many finished spans wait for the exporter at most; more are dropped and counted.
    pub export_queue_len_max: usize,
    /// How many series a metric has at most; further label sets share one series.
    pub series_max: usize,
    /// How many log records wait for standard error at most; more are dropped and counted.
    pub log_queue_len_max: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            service: "service".to_owned(),
            version: String::new(),
            log: LogFormat::Human,
            level: "info".to_owned(),
            otlp: None,
            sample_ratio: 1.0,
            recent_traces: 256,
            recent_spans: 64,
            export_queue_len_max: 8_192,
            series_max: 2_000,
            log_queue_len_max: 8_192,
        }
    }
}

/// How log records are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One line for a person, coloured on a terminal.
    #[default]
    Human,
    /// One JSON object a line.
    Json,
}
