//! One trace from the page's request to the store, as a collector receives it.
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use serde_json::Value;

use crate::data::stocked;
use crate::otlp::{Received, Receiver};
use crate::page::{Page, serve};
use crate::soon::soon;

/// The `traceparent` of each request for this path that the browser has sent since it was last asked.
fn sent(page: &Page, path: &str) -> Vec<String> {
    let parent = |record: Value| -> Option<String> {
        let record: Value = serde_json::from_str(record["message"].as_str()?).ok()?;
        let event = &record["message"];
        let request = &event["params"]["request"];
        let fits = event["method"] == "Network.requestWillBeSent" && request["url"].as_str()?.contains(path);
        fits.then(|| request["headers"]["traceparent"].as_str().map(str::to_owned)).flatten()
    };
    page.log("performance").into_iter().filter_map(parent).collect()
}

/// The names from a span up to the one whose parent is `top`, with their services.
#[track_caller]
fn way_up<'a>(spans: &'a [Received], from: &'a Received, top: u64) -> Vec<(&'a str, &'a str)> {
    let mut way = vec![(from.service.as_str(), from.span.name.as_str())];
    let mut parent = from.span.parent_span_id.as_slice();
    while parent != top.to_be_bytes() {
        let above = spans.iter().find(|it| it.span.span_id == parent);
        let above = above.unwrap_or_else(|| panic!("the parent of {way:?} did not come: {spans:#?}"));
        way.push((above.service.as_str(), above.span.name.as_str()));
        parent = above.span.parent_span_id.as_slice();
    }
    way
}

fn is_of_store(it: &Received) -> bool {
    it.span.attributes.iter().any(|attribute| attribute.key == "db.system")
}

#[test]
fn a_collector_sees_one_trace_from_the_pages_request_to_the_store() {
    let receiver = Receiver::start();
    let data = stocked();
    let shop = serve(data.path(), &["--set", &format!("trace.otlp={}", receiver.url)]);
    let page = Page::open(&shop);
    sent(&page, "");
    page.search("description", "white");
    page.behind("sqlite scan product");

    let parents = sent(&page, "/products?");
    let [parent] = parents.as_slice() else { panic!("one request: {parents:?}") };
    let parts: Vec<&str> = parent.split('-').collect();
    let (trace, span) =
        (u128::from_str_radix(parts[1], 16).unwrap(), u64::from_str_radix(parts[2], 16).unwrap());
    assert_eq!(parts[3], "01", "the page asks for its trace to be recorded: {parent}");
    assert_eq!(page.trace(), trace, "the panel names the trace that the page made");

    let spans = soon("the trace at the collector", || {
        let spans = receiver.trace(&trace.to_be_bytes());
        let is_whole = spans.iter().any(|it| it.span.kind == SpanKind::Server as i32);
        is_whole.then_some(spans)
    });
    let stores: Vec<&Received> = spans.iter().filter(|it| is_of_store(it)).collect();
    assert!(!stores.is_empty(), "no span of the store: {spans:#?}");
    for store in stores {
        let way = way_up(&spans, store, span);
        assert_eq!(way, [("catalog", "sqlite scan product"), ("catalog", "GET /products")], "{spans:#?}");
    }
    let servers = spans.iter().filter(|it| it.span.kind == SpanKind::Server as i32);
    assert!(servers.into_iter().all(|it| it.span.parent_span_id == span.to_be_bytes()), "{spans:#?}");
    shop.stop();
}
