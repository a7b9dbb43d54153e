//! Prints what telemetry costs where it is used, in nanoseconds: `cargo run --release --example cost -p
//! staffa-telemetry`.
#![expect(clippy::disallowed_methods, reason = "it measures")]

use std::hint::black_box;
use std::io::{self, Write};
use std::time::Instant;

use staffa_context::{Context, Metric, MetricKind, SpanKind};
use staffa_telemetry::{Error, Options, Telemetry};

const CALLS: Metric = Metric { name: "calls", help: "Calls made", kind: MetricKind::Counter };
const TOOK: Metric = Metric { name: "took_seconds", help: "Time taken", kind: MetricKind::Histogram };
const LABELS: &[(&str, &str)] = &[("method", "GET"), ("route", "/orders/{id}")];

const RUNS: u32 = 100;
const CALLS_PER_RUN: u32 = 10_000;

fn main() -> Result<(), Error> {
    let context = |sample_ratio, recent_traces| {
        let options = Options { sample_ratio, recent_traces, ..Options::default() };
        Telemetry::without_logs(options).map(|telemetry| Context::root(telemetry.instruments("cost")))
    };
    let none = Context::background();
    let unsampled = context(0.0, 256)?;
    let sampled = context(1.0, 0)?;
    let kept = context(1.0, 256)?;
    let request = kept.span("request");
    report("span, no telemetry", || span(&none))?;
    report("span, unsampled", || span(&unsampled))?;
    report("span, sampled", || span(&sampled))?;
    report("span, sampled and kept as recent, a trace each", || span(&kept))?;
    report("span, sampled and kept as recent, in one trace", || span(&request))?;
    let calls = kept.series(&CALLS, LABELS);
    let took = kept.series(&TOOK, LABELS);
    report("counter, kept series", || calls.add(black_box(1)))?;
    report("counter, series looked up", || kept.series(&CALLS, LABELS).add(black_box(1)))?;
    report("histogram, kept series", || took.observe(black_box(0.012), None))?;
    let trace = request.trace();
    report("histogram with exemplar, kept series", || took.observe(black_box(0.012), trace))?;
    Ok(())
}

/// A span as a server makes one: of a kind, with two attributes.
fn span(ctx: &Context) {
    let mut span = ctx.span_of(SpanKind::Server, "GET /orders/{id}");
    if span.is_recording() {
        span.set("http.route", "/orders/{id}");
        span.set("http.response.status_code", 200);
    }
    black_box(&span);
}

/// The fastest of many short runs: what else the machine does only makes a run slower.
fn report(what: &str, work: impl Fn()) -> io::Result<()> {
    let fastest = (0..RUNS).map(|_| run(&work)).fold(f64::INFINITY, f64::min);
    writeln!(io::stdout(), "{fastest:>8.1} ns  {what}")
}

fn run(work: &impl Fn()) -> f64 {
    let begun = Instant::now();
    (0..CALLS_PER_RUN).for_each(|_| work());
    begun.elapsed().as_secs_f64() * 1e9 / f64::from(CALLS_PER_RUN)
}
