//! Writes a small exposition to standard output: `exposition` as Prometheus text, `exposition openmetrics` as
//! OpenMetrics. Made for `cargo run --example exposition -p staffa-telemetry | promtool check metrics`.
use std::io::Write;

use staffa_context::{Context, Metric, MetricKind};
use staffa_telemetry::{Error, MetricsFormat, Options, Telemetry};

const CALLS: Metric = Metric { name: "calls", help: "Calls made", kind: MetricKind::Counter };
const OPEN: Metric = Metric { name: "open_calls", help: "Calls not yet answered", kind: MetricKind::Gauge };
const TOOK: Metric =
    Metric { name: "call_duration_seconds", help: "Time taken", kind: MetricKind::Histogram };

#[tokio::main]
async fn main() -> Result<(), Error> {
    let telemetry = Telemetry::without_logs(Options { version: "1.2.3".to_owned(), ..Options::default() })?;
    for service in ["catalog", "orders"] {
        let ctx = Context::root(telemetry.instruments(service));
        let span = ctx.span("call");
        span.series(&CALLS, &[("route", "/orders/{id}"), ("note", "a \"quoted\"\nword")]).add(3);
        span.series(&OPEN, &[]).add(1);
        span.series(&TOOK, &[("route", "/orders/{id}")]).observe(0.012, span.trace());
    }
    let format = match std::env::args().nth(1).as_deref() {
        Some("openmetrics") => MetricsFormat::OpenMetrics,
        _ => MetricsFormat::Prometheus,
    };
    std::io::stdout().write_all(telemetry.metrics_text(format).as_bytes())?;
    Ok(())
}
