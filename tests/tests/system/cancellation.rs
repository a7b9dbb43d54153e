//! What a client no longer waits for stops in the store.
use std::time::Duration;

use serde_json::{Value, json};

use crate::data::stocked;
use crate::http::{self, Connection, JSON, request};
use crate::orders::{CODE, basket, id};
use crate::shop::Shop;
use crate::soon::soon;

/// The slow statement takes longer than this on any machine.
const STOPPED: Duration = Duration::from_secs(3);

fn slow(traceparent: &str, timeout: Option<&str>) -> Vec<u8> {
    let mut headers = vec![("traceparent", traceparent)];
    headers.extend(timeout.map(|timeout| ("staffa-timeout-ms", timeout)));
    request("GET", "/products?slow=true&limit=1", &headers, None)
}

/// Waits for the span of the slow statement of this trace, and for the store's own below it.
#[track_caller]
fn statement(shop: &Shop, trace: &str) -> [Value; 2] {
    soon("the statement's span", || {
        let behind = shop.get(&format!("/behind/{trace}")).good();
        let passages = behind["passages"].as_array().unwrap();
        let asked = passages.iter().find(|passage| passage["name"] == "slow statement")?;
        let store = passages.iter().find(|passage| passage["parent"] == asked["span"])?;
        Some([asked.clone(), store.clone()])
    })
}

/// How many requests a route has in hand.
fn in_hand(shop: &Shop, route: &str) -> Option<u64> {
    let metrics = http::get(shop.admin, "/metrics").text();
    let of_route = format!("route=\"{route}\"");
    let mut lines = metrics.lines().filter(|line| line.starts_with("http_server_requests_in_flight{"));
    lines.find(|line| line.contains(&of_route))?.rsplit(' ').next()?.parse().ok()
}

#[track_caller]
fn stopped(statement: &Value, why: &str) {
    let failure = statement["failure"].as_str().unwrap_or_else(|| panic!("it went well: {statement}"));
    assert!(failure.contains(why), "`{failure}` does not say `{why}`");
    let micros = statement["micros"].as_u64().unwrap();
    assert!(Duration::from_micros(micros) < STOPPED, "{statement}");
}

#[test]
fn a_client_that_goes_stops_the_statement() {
    let data = stocked();
    let shop = Shop::start_with(data.path(), &["--slow-store"]);
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let mut client = Connection::open(shop.http).unwrap();
    client.write(&slow(&format!("00-{trace}-b7ad6b7169203331-01"), None)).unwrap();
    soon("the request in hand", || (in_hand(&shop, "/products") == Some(1)).then_some(()));
    // A moment, so that the statement runs and is not only asked for.
    std::thread::sleep(Duration::from_millis(300));
    drop(client);
    for statement in statement(&shop, trace) {
        stopped(&statement, "the client went away");
        assert!(statement["micros"].as_u64().unwrap() > 100_000, "it ran: {statement}");
    }
    soon("nothing in hand", || (in_hand(&shop, "/products") == Some(0)).then_some(()));
    shop.stop();
}

#[test]
fn a_deadline_that_passes_is_told_and_stops_the_statement() {
    let data = stocked();
    let shop = Shop::start_with(data.path(), &["--slow-store"]);
    let trace = "1af7651916cd43dd8448eb211c80319c";
    let bytes = slow(&format!("00-{trace}-b7ad6b7169203331-01"), Some("200"));
    let answer = http::send(shop.http, &bytes).unwrap();
    answer.problem(504, "deadline_exceeded", "the deadline passed");
    assert_eq!(answer.json()["trace_id"], trace);
    for statement in statement(&shop, trace) {
        stopped(&statement, "the deadline passed");
        assert!(statement["budget_micros"].as_u64().unwrap() <= 200_000, "{statement}");
    }
    // The reader thread is free again.
    assert_eq!(shop.get("/products?limit=1").status, 200);
    shop.stop();
}

#[test]
fn slow_reads_of_clients_that_went_do_not_keep_others_out() {
    let data = stocked();
    let shop = Shop::start_with(data.path(), &["--slow-store"]);
    for at in 0..16 {
        let mut client = Connection::open(shop.http).unwrap();
        client.write(&slow(&format!("00-{at:032x}-b7ad6b7169203331-01", at = at + 1), None)).unwrap();
    }
    let answer =
        http::send(shop.http, &request("GET", "/products?limit=1", &[("staffa-timeout-ms", "5000")], None));
    assert_eq!(answer.unwrap().status, 200);
    shop.stop();
}

#[test]
fn an_order_whose_client_goes_is_placed_all_the_same() {
    let data = stocked();
    let shop = Shop::start(data.path());
    let basket = basket(CODE, 1);
    let order = json!({ "basket": basket, "quoted": shop.quoted(&basket), "reference": "gone" });
    let body = order.to_string();
    let bytes = request("POST", "/orders", &[JSON, ("idempotency-key", "gone")], Some(body.as_bytes()));
    let mut client = Connection::open(shop.http).unwrap();
    client.write(&bytes).unwrap();
    soon("the request in hand or done", || {
        let placed = shop.orders().len() == 1;
        (placed || in_hand(&shop, "/orders").is_some_and(|count| count > 0)).then_some(())
    });
    drop(client);
    soon("the order", || (shop.orders().len() == 1).then_some(()));
    let answer = shop.place("gone", &order);
    assert_eq!(answer.header("idempotency-replayed"), Some("true"), "{answer:?}");
    shop.becomes(id(&answer.good()), "reserved");
    shop.stop();
}

#[test]
fn an_order_whose_deadline_passes_is_placed_once_or_not_at_all() {
    let data = stocked();
    let shop = Shop::start(data.path());
    let basket = basket(CODE, 1);
    let order = json!({ "basket": basket, "quoted": shop.quoted(&basket) });
    let body = order.to_string();
    for millis in 0..40 {
        let (key, millis) = (format!("late-{millis}"), millis.to_string());
        let headers = [JSON, ("idempotency-key", key.as_str()), ("staffa-timeout-ms", millis.as_str())];
        let answer =
            http::send(shop.http, &request("POST", "/orders", &headers, Some(body.as_bytes()))).unwrap();
        match answer.status {
            200 => {}
            504 => answer.problem(504, "deadline_exceeded", "the deadline passed"),
            _ => answer.problem(500, "unknown_outcome", "repeat it with the same idempotency key"),
        }
        // Whatever became of it, a repeat makes it one.
        shop.place(&key, &order).good();
    }
    assert_eq!(shop.orders().len(), 40);
    shop.stop();
}
