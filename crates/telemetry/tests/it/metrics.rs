use std::collections::BTreeMap;

use staffa_context::{Context, Metric, MetricKind};
use staffa_telemetry::{MetricsFormat, Options, Telemetry, capture};

const CALLS: Metric = Metric { name: "calls", help: "Calls made", kind: MetricKind::Counter };
const OPEN: Metric = Metric { name: "open", help: "Open now", kind: MetricKind::Gauge };
const TOOK: Metric = Metric { name: "took_seconds", help: "Time taken", kind: MetricKind::Histogram };
const SIZE: Metric = Metric { name: "size_bytes", help: "Bytes sent", kind: MetricKind::Histogram };

fn telemetry(options: Options) -> Telemetry {
    Telemetry::without_logs(options).unwrap()
}

/// The samples of a metric by their labels.
fn samples(text: &str, name: &str) -> BTreeMap<String, String> {
    let of_name = text.lines().filter_map(|line| line.strip_prefix(name));
    of_name
        .filter_map(|rest| rest.strip_prefix('{')?.split_once("} "))
        .map(|(labels, value)| (labels.to_owned(), value.to_owned()))
        .collect()
}

#[test]
fn series_are_exposed_with_their_labels_service_first() {
    let capture = capture();
    let ctx = capture.context();
    ctx.series(&CALLS, &[("route", "/a"), ("code", "200")]).add(2);
    // The order in which labels are given does not matter.
    ctx.series(&CALLS, &[("code", "200"), ("route", "/a")]).add(1);
    ctx.series(&CALLS, &[("code", "500"), ("route", "a \"b\"\n\\")]).add(1);
    ctx.series(&CALLS, &[("code", "200"), ("route", "/a")]).add(-5);
    ctx.series(&OPEN, &[]).add(3);
    ctx.series(&OPEN, &[]).add(-1);
    ctx.series(&SIZE, &[]).observe(300.0, None);
    let expect = r#"# HELP calls Calls made
# TYPE calls counter
calls_total{service="test",code="200",route="/a"} 3
calls_total{service="test",code="500",route="a \"b\"\n\\"} 1
# HELP open Open now
# TYPE open gauge
open{service="test"} 2
# HELP size_bytes Bytes sent
# TYPE size_bytes histogram
# UNIT size_bytes bytes
size_bytes_sum{service="test"} 300.0
size_bytes_count{service="test"} 1
"#;
    let text = capture.metrics();
    assert!(text.starts_with(expect), "{text}");
    assert!(text.ends_with("size_bytes_bucket{le=\"+Inf\",service=\"test\"} 1\n# EOF\n"), "{text}");
    assert_eq!(capture.metric("calls", &[("code", "200")]), Some(3));
    assert_eq!(capture.metric("calls", &[]), Some(4));
    assert_eq!(capture.metric("open", &[("service", "test")]), Some(2));
    assert_eq!(capture.metric("size_bytes", &[]), Some(1));
    assert_eq!(capture.metric("calls", &[("code", "404")]), None);
}

#[test]
fn the_buckets_of_a_sampled_observation_carry_its_trace() {
    let telemetry = telemetry(Options::default());
    let ctx = Context::root(telemetry.instruments("orders"));
    let span = ctx.span("place");
    let trace = span.trace().unwrap();
    span.series(&TOOK, &[]).observe(0.003, Some(trace));
    let unsampled = staffa_context::TraceContext { sampled: false, ..trace };
    span.series(&TOOK, &[]).observe(3.0, Some(unsampled));
    span.series(&TOOK, &[]).observe(f64::NAN, Some(trace));

    let text = telemetry.metrics();
    let buckets = samples(&text, "took_seconds_bucket");
    let bucket = &buckets["le=\"0.005\",service=\"orders\""];
    let exemplar = format!("1 # {{trace_id=\"{:032x}\"}} 0.003 ", trace.trace_id);
    assert!(bucket.starts_with(&exemplar), "{bucket}");
    assert_eq!(buckets["le=\"5.0\",service=\"orders\""], "2");
    assert_eq!(samples(&text, "took_seconds_sum")["service=\"orders\""], "3.003");
    assert!(!telemetry.metrics_text(MetricsFormat::Prometheus).contains("trace_id"));
}

#[test]
fn a_metric_without_a_place_for_more_series_shares_one_and_says_so() {
    let telemetry = telemetry(Options { series_max: 3, ..Options::default() });
    let ctx = Context::root(telemetry.instruments("orders"));
    for user in 0..10 {
        ctx.series(&CALLS, &[("user", &user.to_string())]).add(1);
        ctx.series(&CALLS, &[("user", "0")]).add(1);
    }
    let text = telemetry.metrics();
    let calls = samples(&text, "calls_total");
    let own: Vec<_> = calls.iter().map(|(labels, value)| (labels.as_str(), value.as_str())).collect();
    let expect = [
        ("service=\"orders\",overflow=\"true\"", "7"),
        ("service=\"orders\",user=\"0\"", "11"),
        ("service=\"orders\",user=\"1\"", "1"),
        ("service=\"orders\",user=\"2\"", "1"),
    ];
    assert_eq!(own, expect);
    let overflow = samples(&text, "telemetry_series_overflow_total");
    assert_eq!(overflow["service=\"orders\",metric=\"calls\""], "7");
}

#[test]
fn a_name_that_another_kind_has_records_nothing() {
    let capture = capture();
    let ctx = capture.context();
    ctx.series(&CALLS, &[]).add(1);
    let clash = Metric { kind: MetricKind::Gauge, ..CALLS };
    ctx.series(&clash, &[("a", "b")]).set(9);
    assert_eq!(capture.metric("calls", &[]), Some(1));
    assert_eq!(capture.log("a metric of this name and another kind exists").fields["metric"], "calls");
}

#[tokio::test]
async fn a_process_tells_about_itself_its_runtime_and_its_build() {
    let telemetry =
        telemetry(Options { service: "shop".to_owned(), version: "1.2.3".to_owned(), ..Options::default() });
    let text = telemetry.metrics();
    assert!(text.contains("build_info{service=\"shop\",version=\"1.2.3\"} 1\n"), "{text}");
    assert!(text.contains("tokio_workers{runtime=\"main\"} 1\n"), "{text}");
    assert!(text.contains("tokio_alive_tasks{runtime=\"main\"} 0\n"), "{text}");
    assert!(text.contains("\nprocess_uptime_seconds "), "{text}");
    #[cfg(target_os = "linux")]
    for name in ["resident_memory_bytes", "threads", "open_fds", "max_fds", "cpu_seconds_total"] {
        let line = format!("\nprocess_{name} ");
        let (_, value) = text.split_once(&line).unwrap();
        let value: f64 = value.lines().next().unwrap().parse().unwrap();
        assert!(value > 0.0 || name == "cpu_seconds_total", "{name} {value}");
    }
}

#[test]
fn both_formats_are_well_formed() {
    let telemetry = telemetry(Options { version: "1".to_owned(), ..Options::default() });
    let ctx = Context::root(telemetry.instruments("orders"));
    ctx.series(&CALLS, &[("route", "a } # {b=\"c\"} 1")]).add(2);
    let span = ctx.span("place");
    span.series(&TOOK, &[]).observe(0.2, span.trace());
    span.series(&SIZE, &[]).observe(1e9, span.trace());
    let open_metrics = telemetry.metrics();
    assert!(open_metrics.ends_with("\n# EOF\n"));
    for text in [&open_metrics, &telemetry.metrics_text(MetricsFormat::Prometheus)] {
        well_formed(text);
    }
}

/// Each sample belongs to the family announced last, no family comes twice, and all values are numbers.
fn well_formed(text: &str) {
    let mut families = Vec::new();
    let mut seen = std::collections::HashSet::new();
    for line in text.lines().filter(|line| *line != "# EOF") {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, _) = rest.split_once(' ').unwrap();
            assert!(!families.contains(&name), "{name} comes twice");
            families.push(name);
        } else if !line.starts_with("# ") {
            let sample = line.split_once(" # {trace_id=").map_or(line, |(sample, _)| sample);
            let (series, value) = sample.rsplit_once(' ').unwrap();
            assert!(value.parse::<f64>().is_ok(), "{line}");
            assert!(series.starts_with(families.last().unwrap()), "{line}");
            assert!(seen.insert(series), "{line} comes twice");
        }
    }
}
