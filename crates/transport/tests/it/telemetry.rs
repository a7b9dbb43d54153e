use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use staffa_context::{
    Context, Instruments, Meter, Metric, Record, Recording, Series, SpanKind, SpanStart, SpanValue,
    TraceContext, Tracer,
};
use staffa_transport::{Client, ServerContext, join};

use crate::raw::{bare, send};
use crate::shop::{BUDGET, CARRIERS, Carrier, FAIL, HOP, pause, routes, shop, start_in};

/// Spans and values as they were recorded.
#[derive(Clone, Default)]
struct Recorder {
    spans: Arc<Mutex<Vec<Span>>>,
    series: Arc<Mutex<BTreeMap<String, (usize, i64)>>>,
    ids: Arc<AtomicU64>,
}

#[derive(Clone, Debug)]
struct Span {
    start: SpanStart,
    trace: TraceContext,
    attributes: BTreeMap<&'static str, SpanValue>,
    failed: bool,
}

impl Tracer for Recorder {
    fn start(&self, start: SpanStart) -> (TraceContext, Option<Box<dyn Recording>>) {
        let span_id = self.ids.fetch_add(1, Ordering::Relaxed) + 1;
        let trace_id = start.parent.map_or(u128::from(span_id) << 64, |parent| parent.trace_id);
        let trace = TraceContext { trace_id, span_id, sampled: true };
        let span = Span { start, trace, attributes: BTreeMap::new(), failed: false };
        (trace, Some(Box::new(Open { span, spans: Arc::clone(&self.spans) })))
    }
}

struct Open {
    span: Span,
    spans: Arc<Mutex<Vec<Span>>>,
}

impl Recording for Open {
    fn set(&mut self, key: &'static str, value: SpanValue) {
        self.span.attributes.insert(key, value);
    }

    fn event(&mut self, _name: &'static str) {}

    fn fail(&mut self, _reason: &str) {
        self.span.failed = true;
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.spans.lock().unwrap().push(self.span.clone());
    }
}

impl Meter for Recorder {
    fn series(&self, metric: &Metric, labels: &[(&'static str, &str)]) -> Series {
        let labels: Vec<_> = labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let name = format!("{}{{{}}}", metric.name, labels.join(","));
        Series::new(Arc::new(OneSeries { name, recorder: self.clone() }))
    }
}

struct OneSeries {
    name: String,
    recorder: Recorder,
}

impl Record for OneSeries {
    fn add(&self, delta: i64) {
        let mut series = self.recorder.series.lock().unwrap();
        series.entry(self.name.clone()).or_default().1 += delta;
    }

    fn set(&self, _value: i64) {}

    fn observe(&self, value: f64, trace: Option<TraceContext>) {
        assert!(value >= 0.0 && trace.is_some(), "each observation has its trace for an exemplar");
        self.recorder.series.lock().unwrap().entry(self.name.clone()).or_default().0 += 1;
    }
}

impl Recorder {
    fn context(&self) -> Context {
        let (tracer, meter) = (Arc::new(self.clone()), Arc::new(self.clone()));
        Context::root(Instruments { tracer: Some(tracer), meter: Some(meter), ..Instruments::default() })
    }

    fn observed(&self, name: &str) -> usize {
        self.series.lock().unwrap().get(name).map_or(0, |(count, _)| *count)
    }

    fn span(&self, kind: SpanKind, name: &str) -> Span {
        let spans = self.spans.lock().unwrap();
        spans.iter().find(|span| span.start.kind == kind && span.start.name == name).unwrap().clone()
    }
}

#[tokio::test]
async fn one_trace_goes_through_every_hop() {
    for carrier in CARRIERS {
        let recorder = Recorder::default();
        let shop = start_in(&recorder.context(), carrier).await;
        let click = shop.ctx.span("click");
        shop.client.call(&click, HOP, ()).await.unwrap();
        let chain = [
            recorder.span(SpanKind::Client, "GET /hop"),
            recorder.span(SpanKind::Server, "GET /hop"),
            recorder.span(SpanKind::Client, "GET /budget"),
            recorder.span(SpanKind::Server, "GET /budget"),
        ];
        let mut parent = click.trace();
        for span in &chain {
            assert_eq!(span.start.parent, parent, "{carrier:?}: {}", span.start.name);
            parent = Some(span.trace);
        }
        assert_eq!(chain[3].attributes["http.route"], "/budget".into());
        assert_eq!(chain[3].attributes["http.response.status_code"], 200i64.into());
    }
}

#[tokio::test]
async fn requests_are_counted_by_method_route_and_status() {
    for carrier in CARRIERS {
        let recorder = Recorder::default();
        let shop = start_in(&recorder.context(), carrier).await;
        shop.client.call(&shop.ctx, BUDGET, ()).await.unwrap();
        shop.client.call(&shop.ctx, BUDGET, ()).await.unwrap();
        shop.client.call(&shop.ctx, FAIL, pause("not_found")).await.unwrap_err();
        let server = "http_server_request_duration_seconds{method=GET,route=";
        assert_eq!(recorder.observed(&format!("{server}/budget,status=200}}")), 2);
        assert_eq!(recorder.observed(&format!("{server}/fail/{{name}},status=404}}")), 1);
        let client = "http_client_request_duration_seconds{method=GET,route=";
        assert_eq!(recorder.observed(&format!("{client}/budget,result=ok}}")), 2);
        assert_eq!(recorder.observed(&format!("{client}/fail/{{name}},result=not_found}}")), 1);
        let in_flight = "http_server_requests_in_flight{method=GET,route=/budget}";
        assert_eq!(recorder.series.lock().unwrap()[in_flight].1, 0);
        assert!(recorder.span(SpanKind::Client, "GET /fail/{name}").failed);
    }
}

#[tokio::test]
async fn a_problem_names_its_trace_and_a_broken_traceparent_starts_a_new_one() {
    let recorder = Recorder::default();
    let shop = start_in(&recorder.context(), Carrier::Http).await;
    let parent = "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n";
    let answer = send(shop.address, &bare("GET", "/fail/internal", parent)).await.unwrap();
    assert_eq!(answer.json()["trace_id"], "0af7651916cd43dd8448eb211c80319c");
    let answer =
        send(shop.address, &bare("GET", "/fail/internal", "traceparent: 00-0-0-01\r\n")).await.unwrap();
    assert_eq!(answer.json()["trace_id"].as_str().unwrap().len(), 32);
}

#[tokio::test]
async fn a_client_that_goes_is_seen_as_499() {
    let recorder = Recorder::default();
    let ctx = recorder.context();
    let (shop, _seen) = shop();
    let client = Client::in_process(join(&ctx, [routes(&shop).into_router(&ServerContext::new(&ctx))]));
    let (call, cancel) = ctx.with_cancel();
    let going = client.call(&call, crate::shop::READ, pause("r"));
    let cancelling = async {
        tokio::task::yield_now().await;
        cancel.cancel(staffa_context::Cause::cancelled("enough"));
    };
    let (result, ()) = tokio::join!(going, cancelling);
    result.unwrap_err();
    let gone = "http_server_request_duration_seconds{method=GET,route=/read/{name},status=499}";
    assert_eq!(recorder.observed(gone), 1);
}
