use std::time::{Duration, Instant};

use staffa_context::{Cause, Context, Group, SpanKind, TraceContext};
use staffa_telemetry::{Error, Options, Telemetry};

use crate::receiver::{ACCEPT, LIE, OtlpReceiver, spans};

const SOON: Duration = Duration::from_secs(20);

fn exporting_to(receiver: &OtlpReceiver) -> Telemetry {
    Telemetry::without_logs(Options { otlp: Some(receiver.url.clone()), ..Options::default() }).unwrap()
}

/// One request through two services, with a group's task and a hop between them.
async fn request(telemetry: &Telemetry) {
    let front = Context::root(telemetry.instruments("front"));
    let back = Context::root(telemetry.instruments("back"));
    let request = front.span_of(SpanKind::Server, "GET /orders");
    let group: Group<Cause> = Group::new(&request, "calls");
    let task = group.spawn("call", |ctx| async move {
        let call = ctx.span_of(SpanKind::Client, "call back");
        let header = call.trace().unwrap().traceparent();
        let mut handled =
            back.with_trace(TraceContext::from_traceparent(&header)).span_of(SpanKind::Server, "handle");
        handled.set("db.password", "hunter2");
        handled.set("attempt", 1);
        handled.set("attempt", 2);
        handled.event("cache missed");
        handled.fail("no stock");
        Ok(())
    });
    task.await.unwrap();
    group.wait().await.unwrap();
}

#[tokio::test]
async fn a_trace_reaches_the_receiver_whole_from_a_runtime_with_one_worker() {
    let receiver = OtlpReceiver::start();
    receiver.accept_all();
    let telemetry = exporting_to(&receiver);
    request(&telemetry).await;
    assert!(telemetry.shutdown(SOON));

    let spans = receiver.spans();
    let find = |name: &str| spans.iter().find(|(_, span)| span.name == name).unwrap();
    let (root_service, root) = find("GET /orders");
    let (call_service, call) = find("call back");
    let (handle_service, handle) = find("handle");
    assert_eq!([root_service, call_service, handle_service], ["front", "front", "back"]);
    assert!(root.parent_span_id.is_empty());
    assert_eq!(call.parent_span_id, root.span_id);
    assert_eq!(handle.parent_span_id, call.span_id);
    assert!(spans.iter().all(|(_, span)| span.trace_id == root.trace_id));
    // Internal 1, server 2, client 3.
    assert_eq!([root.kind, call.kind, handle.kind], [2, 3, 2]);
    assert_eq!(handle.status.as_ref().unwrap().message, "no stock");
    assert_eq!(handle.events[0].name, "cache missed");
    assert!(root.start_time_unix_nano <= call.start_time_unix_nano);
    assert!(root.end_time_unix_nano >= call.end_time_unix_nano);
    let sent = format!("{:?}", handle.attributes);
    assert!(sent.contains("[redacted]") && !sent.contains("hunter2"), "{sent}");
    assert_eq!(handle.attributes.iter().filter(|attribute| attribute.key == "attempt").count(), 1);
}

#[test]
fn spans_are_exported_without_any_runtime() {
    let receiver = OtlpReceiver::start();
    receiver.accept_all();
    let telemetry = exporting_to(&receiver);
    let ctx = Context::root(telemetry.instruments("plain"));
    (0..1_000).for_each(|_| drop(ctx.span("step")));
    assert!(telemetry.shutdown(SOON));
    assert_eq!(receiver.spans().len(), 1_000);
    assert!(telemetry.metrics().contains("telemetry_spans_exported_total{service=\"service\"} 1000\n"));
}

#[test]
fn a_busy_receiver_is_asked_again() {
    let receiver = OtlpReceiver::start();
    receiver.answer("503 Service Unavailable");
    receiver.answer("429 Too Many Requests");
    receiver.answer(ACCEPT);
    let telemetry = exporting_to(&receiver);
    drop(Context::root(telemetry.instruments("plain")).span("step"));
    let tries = [receiver.request(), receiver.request(), receiver.request()];
    assert!(tries.iter().all(|request| *request == tries[0]));
    assert!(telemetry.shutdown(SOON));
    assert!(telemetry.metrics().contains("telemetry_spans_exported_total{service=\"service\"} 1\n"));
}

#[test]
fn what_a_receiver_refuses_is_dropped_and_counted() {
    let receiver = OtlpReceiver::start();
    receiver.answer("400 Bad Request");
    let telemetry = exporting_to(&receiver);
    drop(Context::root(telemetry.instruments("plain")).span("step"));
    assert!(!telemetry.shutdown(SOON));
    let dropped = "telemetry_spans_dropped_total{service=\"service\",reason=\"rejected\"} 1\n";
    assert!(telemetry.metrics().contains(dropped), "{}", telemetry.metrics());
}

#[test]
fn a_receiver_that_counts_wrong_ends_nothing() {
    let receiver = OtlpReceiver::start();
    receiver.answer(LIE);
    let telemetry = exporting_to(&receiver);
    drop(Context::root(telemetry.instruments("plain")).span("step"));
    assert!(telemetry.shutdown(SOON));
    let exported = "telemetry_spans_exported_total{service=\"service\"} 1\n";
    assert!(telemetry.metrics().contains(exported), "{}", telemetry.metrics());
}

#[test]
fn a_full_queue_drops_and_counts() {
    let receiver = OtlpReceiver::start();
    let options = Options { otlp: Some(receiver.url.clone()), export_queue_len_max: 4, ..Options::default() };
    let telemetry = Telemetry::without_logs(options).unwrap();
    let ctx = Context::root(telemetry.instruments("plain"));
    // One batch is with the receiver, which does not answer, and nothing else can leave the queue.
    (0..3_000).for_each(|_| drop(ctx.span("step")));
    let held = spans(receiver.request()).len();
    (0..100).for_each(|_| drop(ctx.span("step")));
    receiver.accept_all();
    assert!(telemetry.shutdown(SOON));

    let delivered = held + receiver.spans().len();
    let metrics = telemetry.metrics();
    let line = "telemetry_spans_dropped_total{service=\"service\",reason=\"queue_full\"} ";
    let dropped = metrics.lines().find_map(|sample| sample.strip_prefix(line)).unwrap();
    assert!(dropped.parse::<usize>().unwrap() >= 96, "{dropped}");
    assert_eq!(delivered + dropped.parse::<usize>().unwrap(), 3_100);
}

#[test]
fn a_stop_is_bounded_when_nobody_receives() {
    // Nothing listens on the port of a listener that is gone.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let options = Options { otlp: Some(format!("http://127.0.0.1:{port}")), ..Options::default() };
    let telemetry = Telemetry::without_logs(options).unwrap();
    drop(Context::root(telemetry.instruments("plain")).span("step"));
    let begun = Instant::now();
    assert!(!telemetry.shutdown(Duration::from_secs(5)));
    assert!(begun.elapsed() < Duration::from_secs(5));
    let dropped = "telemetry_spans_dropped_total{service=\"service\",reason=\"undelivered\"} 1\n";
    assert!(telemetry.metrics().contains(dropped));

    drop(Context::root(telemetry.instruments("plain")).span("late"));
    let dropped = "telemetry_spans_dropped_total{service=\"service\",reason=\"stopped\"} 1\n";
    assert!(telemetry.metrics().contains(dropped));
}

#[test]
fn a_stop_is_bounded_when_the_receiver_does_not_answer() {
    let receiver = OtlpReceiver::start();
    let telemetry = exporting_to(&receiver);
    drop(Context::root(telemetry.instruments("plain")).span("step"));
    receiver.request();
    assert!(!telemetry.shutdown(Duration::from_millis(50)));
}

#[test]
fn a_wrong_option_is_refused_with_the_reason() {
    let check = |options: Options, expect: &str| match Telemetry::without_logs(options) {
        Err(error) => assert_eq!(error.to_string(), expect),
        Ok(_) => panic!("accepted, not {expect}"),
    };
    let otlp = |url: &str| Options { otlp: Some(url.to_owned()), ..Options::default() };
    check(
        otlp("https://collector"),
        "OTLP endpoint \"https://collector\": not an http:// URL; \
         send to a collector beside the process, which speaks TLS",
    );
    check(otlp("collector port"), "OTLP endpoint \"collector port\": not a URL");
    let ratio = Options { sample_ratio: 1.5, ..Options::default() };
    check(ratio, "sample ratio 1.5 is not from 0 to 1");
    let level = Options { level: "orders=lots".to_owned(), ..Options::default() };
    assert!(matches!(Telemetry::install(level), Err(Error::Level { .. })));
}
