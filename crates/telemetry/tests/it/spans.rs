use std::time::Duration;

use staffa_context::{Cause, Context, Group, SpanKind, TraceContext};
use staffa_telemetry::{Options, Telemetry, capture};

fn telemetry(options: Options) -> Telemetry {
    Telemetry::without_logs(options).unwrap()
}

#[tokio::test]
async fn a_task_of_a_group_belongs_to_the_span_that_started_it() {
    let capture = capture();
    let ctx = capture.context();
    {
        let request = ctx.span_of(SpanKind::Server, "request");
        let group: Group<Cause> = Group::new(&request, "parts");
        for _ in 0..2 {
            let task = group.spawn("part", |ctx| async move {
                drop(ctx.with_timeout(Duration::from_secs(1)).span("part"));
                Ok(())
            });
            task.await.unwrap();
        }
        group.wait().await.unwrap();
    }
    let request = capture.span("request");
    assert_eq!((request.kind, request.parent_id, request.service.as_str()), (SpanKind::Server, None, "test"));
    let parts: Vec<_> = capture.spans().into_iter().filter(|span| span.name == "part").collect();
    assert_eq!(parts.len(), 2);
    assert!(parts.iter().all(|part| part.parent_id == Some(request.span_id)));
    assert!(parts.iter().all(|part| part.trace_id == request.trace_id));
    assert!(parts.iter().all(|part| part.start >= request.start && part.duration <= request.duration));
}

#[test]
fn a_trace_that_began_elsewhere_goes_on_with_its_decision() {
    let telemetry = telemetry(Options { sample_ratio: 0.0, ..Options::default() });
    let ctx = Context::root(telemetry.instruments("orders"));
    let remote =
        |flags| TraceContext::from_traceparent(&format!("00-{:032x}-{:016x}-{flags}", 7, 9)).unwrap();

    drop(ctx.with_trace(Some(remote("01"))).span_of(SpanKind::Server, "sampled"));
    let span = &telemetry.recent(7)[0];
    assert_eq!((span.name.as_str(), span.trace_id, span.parent_id), ("sampled", 7, Some(9)));

    let unsampled = ctx.with_trace(Some(TraceContext { trace_id: 8, ..remote("00") })).span("unsampled");
    assert!(!unsampled.is_recording());
    let trace = unsampled.trace().unwrap();
    assert_eq!((trace.trace_id, trace.sampled), (8, false));
    assert_ne!(trace.span_id, 9);
    drop(unsampled);
    assert!(telemetry.recent(8).is_empty());

    let own = ctx.span("own").trace().unwrap();
    assert!(!own.sampled && own.trace_id != 0 && own.span_id != 0);
}

#[test]
fn a_ratio_of_the_traces_begun_here_is_sampled_whole() {
    let telemetry = telemetry(Options { sample_ratio: 0.5, ..Options::default() });
    let ctx = Context::root(telemetry.instruments("orders"));
    let roots: Vec<_> = (0..10_000).map(|_| ctx.span("root")).collect();
    let sampled = roots.iter().filter(|span| span.is_recording()).count();
    assert!((4_700..5_300).contains(&sampled), "{sampled}");
    assert!(roots.iter().all(|root| root.span("child").is_recording() == root.is_recording()));
}

#[test]
fn a_span_tells_what_was_set_last_and_hides_secrets() {
    let capture = capture();
    {
        let mut span = capture.context().span("charge");
        span.set("attempt", 1);
        span.set("attempt", 2);
        span.set("card.token", "4111");
        span.set("note", "é".repeat(4_000));
        span.event("declined");
        span.fail("card declined");
    }
    let span = capture.span("charge");
    assert_eq!(span.attributes["attempt"], 2.into());
    assert_eq!(span.attributes["card.token"], "[redacted]".into());
    assert_eq!(span.attributes["note"], "é".repeat(2_048).into());
    assert_eq!(span.events[0].1, "declined");
    assert_eq!(span.failed.as_deref(), Some("card declined"));
}

#[test]
fn the_latest_traces_are_kept_each_with_its_first_spans_and_its_last() {
    let telemetry = telemetry(Options { recent_traces: 2, recent_spans: 3, ..Options::default() });
    let ctx = Context::root(telemetry.instruments("orders"));
    let trace = || {
        let root = ctx.span("root");
        ["a", "b", "c", "d"].into_iter().for_each(|name| drop(root.span(name)));
        root.trace().unwrap().trace_id
    };
    let [first, second, third] = [trace(), trace(), trace()];
    assert!(telemetry.recent(first).is_empty());
    for kept in [second, third] {
        let names: Vec<_> = telemetry.recent(kept).into_iter().map(|span| span.name).collect();
        assert_eq!(names, ["root", "a", "b"]);
    }
}

#[test]
fn no_place_for_traces_keeps_none() {
    let telemetry = telemetry(Options { recent_traces: 0, ..Options::default() });
    let span = Context::root(telemetry.instruments("orders")).span("root");
    let trace_id = span.trace().unwrap().trace_id;
    drop(span);
    assert!(telemetry.recent(trace_id).is_empty());
}

#[test]
fn a_finished_span_is_plain_json() {
    let capture = capture();
    let parent = TraceContext { trace_id: 0xabc, span_id: 0xdef, sampled: true };
    let mut span = capture.context().with_trace(Some(parent)).span_of(SpanKind::Client, "call");
    span.set("units", 3);
    span.set("express", true);
    drop(span);
    let mut json = serde_json::to_value(capture.span("call")).unwrap();
    assert_eq!(json["span_id"].as_str().unwrap().len(), 16);
    assert!(json["duration_us"].is_u64() && json["start"].as_str().unwrap().ends_with('Z'));
    for varying in ["span_id", "start", "duration_us"] {
        json.as_object_mut().unwrap().remove(varying);
    }
    let expect = serde_json::json!({
        "name": "call", "service": "test", "kind": "client", "events": [], "failed": null,
        "trace_id": "00000000000000000000000000000abc", "parent_id": "0000000000000def",
        "attributes": { "express": true, "units": 3 },
    });
    assert_eq!(json, expect);
}
