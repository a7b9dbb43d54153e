//! One trace from the page's request to the store.
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;

use crate::data::stocked;
use crate::http::{self, JSON, request};
use crate::orders::{CODE, basket, id};
use crate::otlp::{Received, Receiver};
use crate::shop::Shop;
use crate::soon::soon;

/// As the page sends it.
const TRACE: u128 = 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736;
const PAGE: u64 = 0x00f0_67aa_0ba9_02b7;

fn traceparent() -> String {
    format!("00-{TRACE:032x}-{PAGE:016x}-01")
}

/// The spans of the page's trace, once one of them is named so and all have come.
#[track_caller]
fn trace(receiver: &Receiver, last: &str) -> Vec<Received> {
    soon("the trace", || {
        let spans = receiver.trace(&TRACE.to_be_bytes());
        spans.iter().any(|it| it.span.name == last).then_some(spans)
    })
}

/// The names from a span up to the page, with their services.
#[track_caller]
fn way_up<'a>(spans: &'a [Received], from: &'a Received) -> Vec<(&'a str, &'a str)> {
    let mut way = vec![(from.service.as_str(), from.span.name.as_str())];
    let mut parent = from.span.parent_span_id.as_slice();
    while parent != PAGE.to_be_bytes() {
        let above = spans.iter().find(|it| it.span.span_id == parent);
        let above = above.unwrap_or_else(|| panic!("the parent of {way:?} did not come: {spans:#?}"));
        way.push((above.service.as_str(), above.span.name.as_str()));
        parent = above.span.parent_span_id.as_slice();
    }
    way
}

fn store_spans(spans: &[Received]) -> Vec<&Received> {
    let of_store = |it: &&Received| it.span.attributes.iter().any(|attribute| attribute.key == "db.system");
    spans.iter().filter(of_store).collect()
}

#[test]
fn a_read_is_one_trace_from_the_page_to_the_store() {
    let receiver = Receiver::start();
    let data = stocked();
    let shop = Shop::start_with(data.path(), &["--set", &format!("trace.otlp={}", receiver.url)]);
    let bytes = request("GET", &format!("/products/{CODE}"), &[("traceparent", &traceparent())], None);
    assert_eq!(http::send(shop.http, &bytes).unwrap().status, 200);

    let spans = trace(&receiver, "GET /products/{code}");
    let server = spans.iter().find(|it| it.span.name == "GET /products/{code}").unwrap();
    assert_eq!(server.service, "catalog");
    assert_eq!(server.span.kind, SpanKind::Server as i32);
    assert_eq!(server.span.parent_span_id, PAGE.to_be_bytes(), "the page's span is its parent");
    let stores = store_spans(&spans);
    assert!(!stores.is_empty(), "no span of the store: {spans:#?}");
    for store in stores {
        let way = way_up(&spans, store);
        assert_eq!(way.last(), Some(&("catalog", "GET /products/{code}")), "{way:?}");
        assert_eq!(way.len(), 2, "{way:?}");
        let (inner, outer) = (&store.span, &server.span);
        assert!(outer.start_time_unix_nano <= inner.start_time_unix_nano, "{spans:#?}");
        assert!(inner.end_time_unix_nano <= outer.end_time_unix_nano, "{spans:#?}");
    }
    shop.stop();
}

#[test]
fn an_order_is_one_trace_over_services_and_their_stores() {
    let receiver = Receiver::start();
    let data = stocked();
    let shop = Shop::start_with(data.path(), &["--set", &format!("trace.otlp={}", receiver.url)]);
    let basket = basket(CODE, 1);
    let order = serde_json::json!({ "basket": basket, "quoted": shop.quoted(&basket) }).to_string();
    let headers = [JSON, ("idempotency-key", "traced"), ("traceparent", &traceparent())];
    let bytes = request("POST", "/orders", &headers, Some(order.as_bytes()));
    let placed = http::send(shop.http, &bytes).unwrap().good();
    shop.becomes(id(&placed), "reserved");

    let spans = trace(&receiver, "POST /orders");
    let named = |name: &str| {
        let found: Vec<&Received> = spans
            .iter()
            .filter(|it| it.span.name == name && it.span.kind == SpanKind::Server as i32)
            .collect();
        let [one] = found[..] else { panic!("{} of {name}: {spans:#?}", found.len()) };
        one
    };
    let prices = way_up(&spans, named("POST /prices"));
    assert_eq!(prices.first(), Some(&("catalog", "POST /prices")), "{prices:?}");
    assert_eq!(prices.last(), Some(&("orders", "POST /orders")), "{prices:?}");
    let services: std::collections::BTreeSet<&str> =
        store_spans(&spans).into_iter().map(|it| it.service.as_str()).collect();
    assert!(services.contains("orders") && services.contains("catalog"), "{services:?}: {spans:#?}");
    for store in store_spans(&spans) {
        assert_eq!(way_up(&spans, store).last(), Some(&("orders", "POST /orders")));
    }
    shop.stop();
}

#[test]
fn a_trace_that_its_caller_does_not_record_is_not_sent() {
    let receiver = Receiver::start();
    let data = stocked();
    let shop = Shop::start_with(data.path(), &["--set", &format!("trace.otlp={}", receiver.url)]);
    let unsampled = traceparent().replace("-01", "-00");
    let bytes = request("GET", "/products?limit=1", &[("traceparent", &unsampled)], None);
    assert_eq!(http::send(shop.http, &bytes).unwrap().status, 200);
    // The end flushes, so whatever would be sent has come.
    shop.stop();
    assert!(receiver.trace(&TRACE.to_be_bytes()).is_empty());
}
