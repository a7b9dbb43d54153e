//! Requests that are wrong: each gets a problem that says what to do, and loses nothing.
use std::net::SocketAddr;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::data::stocked;
use crate::http::{self, Answer, Connection, JSON, request};
use crate::orders::{CODE, basket, id, token};
use crate::shop::Shop;
use crate::soon::soon;

/// A shop, and what it held before bad input.
struct Tried {
    shop: Shop,
    data: TempDir,
    before: (Vec<Value>, Vec<Value>),
}

impl Tried {
    fn start(more: &[&str]) -> Self {
        let data = stocked();
        let shop = Shop::start_with(data.path(), more);
        let one = shop.order("before", &basket(CODE, 2));
        shop.becomes(id(&one), "reserved");
        shop.stock_becomes(CODE, (shop.stock(CODE).0, 2));
        Self { before: held(&shop), shop, data }
    }

    /// Nothing was lost and nothing was added, and a good order is taken.
    #[track_caller]
    fn end_well(self) {
        let Self { shop, data, before } = self;
        assert_eq!(held(&shop), before, "bad input changed something");
        let good = shop.order("after", &basket(CODE, 1));
        shop.becomes(id(&good), "reserved");
        assert_eq!(shop.orders().len(), before.0.len() + 1);
        shop.stop();
        drop(data);
    }

    fn address(&self) -> SocketAddr {
        self.shop.http
    }
}

fn held(shop: &Shop) -> (Vec<Value>, Vec<Value>) {
    (shop.orders(), shop.all_stock())
}

/// A request that must be refused: what it is, and the status, kind and words of the answer.
type Case<'a> = (&'a str, Vec<u8>, u16, &'a str, &'a str);

#[track_caller]
fn refuse_all(address: SocketAddr, cases: &[Case<'_>]) {
    for (what, bytes, status, kind, words) in cases {
        let answer = http::send(address, bytes).unwrap_or_else(|| panic!("{what}: no answer"));
        eprintln!("{what}: {}", answer.text());
        answer.problem(*status, kind, words);
    }
}

fn post(target: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    request("POST", target, &[JSON, ("idempotency-key", "bad")], Some(body.as_ref()))
}

fn get(target: &str) -> Vec<u8> {
    request("GET", target, &[], None)
}

/// An order's body with this basket.
fn order(basket: &Value) -> String {
    json!({ "basket": basket }).to_string()
}

fn line(line: Value) -> String {
    order(&json!({ "lines": [line], "country": "United Kingdom" }))
}

#[test]
fn bodies_that_are_wrong() {
    let tried = Tried::start(&[]);
    let number = |quantity: &str| {
        let body = r#"{"basket":{"lines":[{"code":"85123A","quantity":Q}],"country":"EIRE"}}"#;
        post("/orders", body.replace('Q', quantity))
    };
    let quote = |basket: &Value| post("/quotes", basket.to_string());
    let lines = |count: usize| {
        let one = json!({ "code": CODE, "quantity": 1 });
        json!({ "lines": vec![one; count], "country": "EIRE" })
    };
    let with = |field: &str, value: Value| {
        let mut basket = basket(CODE, 1);
        basket[field] = value;
        basket
    };
    let of = |quantity: i64| basket(CODE, quantity);
    let bad_text = [br#"{"basket":{"lines":[],"country":""#.as_slice(), b"\xc3\x28", br#""}}"#].concat();
    let cases: Vec<Case<'_>> = vec![
        ("no JSON", post("/orders", "{\"basket\":"), 400, "invalid", "not valid JSON: EOF"),
        ("a comma", post("/orders", "{\"basket\":{},}"), 400, "invalid", "not valid JSON: trailing comma"),
        ("nothing", post("/orders", ""), 400, "invalid", "missing field `basket`"),
        ("a list", post("/orders", "[]"), 400, "invalid", "the request is wrong"),
        ("a wrong type", post("/orders", r#"{"basket":"one"}"#), 400, "invalid", "`basket` is wrong"),
        (
            "a wrong type below",
            line_post(json!({ "code": 7, "quantity": 1 })),
            400,
            "invalid",
            "`basket.lines[0].code`",
        ),
        ("text for a number", number("\"1\""), 400, "invalid", "`basket.lines[0].quantity` is wrong"),
        ("2^63", number("9223372036854775808"), 400, "invalid", "`basket.lines[0].quantity` is wrong"),
        ("1.5", number("1.5"), 400, "invalid", "`basket.lines[0].quantity` is wrong"),
        ("1e400", number("1e400"), 400, "invalid", "number out of range"),
        ("NaN", number("NaN"), 400, "invalid", "not valid JSON"),
        (
            "quantity 0",
            quote(&of(0)),
            400,
            "invalid",
            "line 1: 0 cannot be ordered; a quantity is 1 to 100000",
        ),
        ("quantity -1", quote(&of(-1)), 400, "invalid", "line 1: -1 cannot be ordered"),
        ("2^63-1", quote(&of(i64::MAX)), 400, "invalid", "a quantity is 1 to 100000"),
        ("an order of 0", post("/orders", order(&of(0))), 400, "invalid", "a quantity is 1 to"),
        (
            "an unknown field",
            post("/orders", r#"{"basket":{"lines":[],"country":"EIRE"},"vip":1}"#),
            400,
            "invalid",
            "`vip`",
        ),
        (
            "an unknown field below",
            line_post(json!({ "code": CODE, "quantity": 1, "colour": 1 })),
            400,
            "invalid",
            "`colour`",
        ),
        (
            "no price",
            line_post(json!({ "code": CODE, "quantity": 1, "agreed": "2,55" })),
            400,
            "invalid",
            "`basket.lines[0].agreed`",
        ),
        ("an empty basket", quote(&lines(0)), 400, "invalid", "the basket is empty"),
        ("10,000 lines", quote(&lines(10_000)), 413, "too_large", "10000 lines; at most 1000"),
        (
            "an order of 10,000 lines",
            post("/orders", order(&lines(10_000))),
            413,
            "too_large",
            "at most 1000",
        ),
        (
            "an unknown code",
            quote(&basket("85123Z", 1)),
            400,
            "invalid",
            "line 1: there is no product `85123Z`",
        ),
        ("another case", quote(&basket("dcgs0076", 1)), 400, "invalid", "there is no product `dcgs0076`"),
        (
            "an unknown country",
            quote(&with("country", json!("Atlantis"))),
            400,
            "invalid",
            "does not sell to `Atlantis`",
        ),
        (
            "an expired coupon",
            quote(&with("coupon", json!("XMAS2010"))),
            400,
            "invalid",
            "`XMAS2010` is valid from 2010-12-01",
        ),
        (
            "an unknown coupon",
            quote(&with("coupon", json!("FREE"))),
            400,
            "invalid",
            "there is no coupon `FREE`",
        ),
        ("bad UTF-8", post("/orders", bad_text), 400, "invalid", "not UTF-8 after byte 33"),
        (
            "NUL in text",
            post("/orders", r#"{"basket":{"lines":[],"country":"E\u0000"}}"#),
            400,
            "invalid",
            "`basket.country` holds the character U+0000",
        ),
        (
            "half a surrogate",
            post("/orders", r#"{"basket":{"lines":[],"country":"\ud800"}}"#),
            400,
            "invalid",
            "not valid JSON",
        ),
        ("depth", post("/orders", "[".repeat(10_000)), 400, "invalid", "recursion limit"),
        (
            "a long reference",
            post("/orders", json!({ "basket": of(1), "reference": "x".repeat(41) }).to_string()),
            400,
            "invalid",
            "`reference` is 1 to 40",
        ),
        ("too much", post("/orders", "x".repeat((1 << 20) + 1)), 413, "too_large", "1048576 bytes at most"),
        ("another type", typed("text/csv"), 415, "unsupported_media_type", "`text/csv`"),
        (
            "another encoding",
            typed("application/json; charset=latin1"),
            415,
            "unsupported_media_type",
            "JSON in UTF-8",
        ),
        (
            "no type",
            request("POST", "/quotes", &[], Some(b"{}")),
            415,
            "unsupported_media_type",
            "application/json",
        ),
    ];
    refuse_all(tried.address(), &cases);
    tried.end_well();
}

fn line_post(one: Value) -> Vec<u8> {
    post("/orders", line(one))
}

fn typed(content_type: &str) -> Vec<u8> {
    request("POST", "/quotes", &[("content-type", content_type)], Some(b"{}"))
}

#[test]
fn addresses_and_heads_that_are_wrong() {
    let tried = Tried::start(&[]);
    let page = tried.shop.get("/products?limit=2").good();
    let cursor = page["next"].as_str().unwrap();
    let mut altered = cursor.to_owned().into_bytes();
    let middle = altered.len() / 2;
    altered[middle] = if altered[middle] == b'A' { b'B' } else { b'A' };
    let altered = String::from_utf8(altered).unwrap();
    let stock = tried.shop.get("/stock?limit=2").good();
    let foreign = stock["next"].as_str().unwrap();
    let long = "x".repeat(20_000);
    let many: Vec<(String, &str)> = (0..80).map(|at| (format!("x-{at}"), "1")).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    let after = |target: &str, cursor: &str| get(&format!("{target}?limit=2&after={cursor}"));
    let cases: Vec<Case<'_>> = vec![
        ("an altered cursor", after("/products", &altered), 400, "invalid", "cursor"),
        ("a cut cursor", after("/products", &cursor[..cursor.len() - 1]), 400, "invalid", "cursor"),
        ("no cursor", after("/products", "x"), 400, "invalid", "cursor"),
        ("a foreign cursor", after("/products", foreign), 400, "invalid", "cursor"),
        ("a foreign cursor of orders", after("/orders", cursor), 400, "invalid", "cursor"),
        (
            "another range's cursor",
            get(&format!("/products?description=A&after={cursor}")),
            400,
            "invalid",
            "cursor",
        ),
        ("limit 0", get("/products?limit=0"), 400, "invalid", "`limit` is 1 to 1000"),
        ("limit 1001", get("/products?limit=1001"), 400, "invalid", "`limit` is 1 to 1000"),
        ("limit 101", get("/orders?limit=101"), 400, "invalid", "`limit` is 1 to 100"),
        ("limit -1", get("/stock?limit=-1"), 400, "invalid", "`limit` is wrong"),
        ("limit 2^63", get("/stock?limit=9223372036854775808"), 400, "invalid", "`limit` is wrong"),
        ("an unknown query", get("/products?colour=red"), 400, "invalid", "unknown field `colour`"),
        ("no money", get("/products?price_from=cheap"), 400, "invalid", "`price_from` is wrong"),
        (
            "two things to browse by",
            get("/products?code=8&description=A"),
            400,
            "invalid",
            "browse by code, by description or by price",
        ),
        ("slow without leave", get("/products?slow=true"), 501, "unsupported", "slow reads are off"),
        ("bad UTF-8 in a path", get("/products/%ff"), 400, "invalid", "percent-encoded UTF-8"),
        ("NUL in a path", get("/products/8%00"), 400, "invalid", "U+0000"),
        ("NUL in a query", get("/products?description=A%00"), 400, "invalid", "U+0000"),
        ("an unknown product", get("/products/nothing"), 404, "not_found", "there is no such product"),
        (
            "an unknown order",
            get("/orders/00000000-0000-0000-0000-000000000000"),
            404,
            "not_found",
            "there is no order",
        ),
        ("no order's id", get("/orders/one"), 400, "invalid", "`id` is wrong"),
        ("no trace", get("/behind/one"), 400, "invalid", "32 hexadecimal digits"),
        ("an unknown path", get("/nowhere"), 404, "not_found", "there is nothing at `/nowhere`"),
        ("another method", request("DELETE", "/products", &[], None), 405, "method_not_allowed", "`allow`"),
        ("an unknown method", request("BREW", "/orders", &[], None), 405, "method_not_allowed", "`allow`"),
        (
            "a long head",
            request("GET", "/products", &[("x-long", &long)], None),
            431,
            "head_too_large",
            "16384 bytes",
        ),
        ("a long target", get(&format!("/products?code={long}")), 431, "head_too_large", "16384 bytes"),
        ("many heads", request("GET", "/products", &many, None), 431, "head_too_large", "64 header fields"),
        (
            "no timeout",
            request("GET", "/products", &[("staffa-timeout-ms", "soon")], None),
            400,
            "invalid",
            "`staffa-timeout-ms`",
        ),
    ];
    refuse_all(tried.address(), &cases);
    let far =
        http::send(tried.address(), &request("GET", "/", &[("x", &"y".repeat(200_000))], None)).unwrap();
    assert_eq!(far.status, 431, "{far:?}");
    for none in [
        &b"no HTTP at all\r\n\r\n"[..],
        b"GET /products HTTP/1.1\r\nhost: shop\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
        b"GET /products HTTP/1.1\r\nhost: shop\r\ncontent-length: -1\r\n\r\n",
        b"GET /products\0 HTTP/1.1\r\nhost: shop\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ] {
        let answer = http::send(tried.address(), none).unwrap();
        assert_eq!(answer.status, 400, "{none:?}: {answer:?}");
    }
    tried.end_well();
}

#[test]
fn a_repeated_key_gets_the_first_answer_and_another_order_under_it_a_conflict() {
    let tried = Tried::start(&[]);
    let shop = &tried.shop;
    let place = |key: &str, order: &Value| shop.place(key, order);
    let one = basket(CODE, 2);
    let order = json!({ "basket": one, "quoted": shop.quoted(&one), "reference": "before" });
    // Another key, and the reference of the order that is there.
    place("other", &order).problem(409, "conflict", "an order with the reference `before`");

    let two = basket(CODE, 3);
    let order = json!({ "basket": two, "quoted": shop.quoted(&two), "reference": "twice" });
    let first = place("twice", &order);
    let again = place("twice", &order);
    assert_eq!(
        (first.header("idempotency-replayed"), again.header("idempotency-replayed")),
        (None, Some("true"))
    );
    assert_eq!(again.good(), first.good());
    // The same request in another order of fields is the same.
    let reordered = format!(r#"{{"reference":"twice","quoted":{},"basket":{two}}}"#, order["quoted"]);
    let bytes = request("POST", "/orders", &[JSON, ("idempotency-key", "twice")], Some(reordered.as_bytes()));
    assert_eq!(http::send(shop.http, &bytes).unwrap().good(), first.good());

    let three = json!({ "basket": basket(CODE, 4), "reference": "twice" });
    place("twice", &three).problem(
        409,
        "conflict",
        "this idempotency key was used for another request; use a new one",
    );

    let order = order.to_string();
    let missing = request("POST", "/orders", &[JSON], Some(order.as_bytes()));
    let long = "k".repeat(256);
    let long = request("POST", "/orders", &[JSON, ("idempotency-key", &long)], Some(order.as_bytes()));
    let blank = request("POST", "/orders", &[JSON, ("idempotency-key", "two words")], Some(order.as_bytes()));
    let both = [JSON, ("idempotency-key", "a"), ("idempotency-key", "b")];
    let both = request("POST", "/orders", &both, Some(order.as_bytes()));
    for bytes in [missing, long, blank, both] {
        http::send(shop.http, &bytes).unwrap().problem(
            400,
            "invalid",
            "`idempotency-key` once, with 1 to 255",
        );
    }
    shop.becomes(id(&first.good()), "reserved");
    assert_eq!(shop.step(id(&first.good()), "cancel").good()["value"]["state"], "cancelled");
    let orders = shop.orders();
    assert_eq!(orders.len(), 2, "{orders:?}");
    tried.shop.stop();
}

#[test]
fn a_key_used_by_many_at_once_makes_one_order() {
    let tried = Tried::start(&[]);
    let two = basket(CODE, 3);
    let order = json!({ "basket": two, "quoted": tried.shop.quoted(&two) });
    let answers: Vec<Answer> = std::thread::scope(|scope| {
        let tries: Vec<_> = (0..16).map(|_| scope.spawn(|| tried.shop.place("race", &order))).collect();
        tries.into_iter().map(|it| it.join().unwrap()).collect()
    });
    let first = answers[0].good();
    for answer in &answers {
        assert_eq!(answer.good(), first);
    }
    assert_eq!(tried.shop.orders().len(), 2);
    tried.shop.becomes(id(&first), "reserved");
    tried.shop.stop();
}

#[test]
fn agreed_prices_need_the_right_that_the_token_gives() {
    let tried = Tried::start(&[]);
    let shop = &tried.shop;
    let agreed =
        json!({ "lines": [{ "code": CODE, "quantity": 1, "agreed": "0.01 GBP" }], "country": "EIRE" });
    let with = |token: Option<&str>| json!({ "basket": agreed, "quoted": null, "token": token });
    let none = shop.place("none", &json!({ "basket": agreed }));
    none.problem(403, "forbidden", "order at list prices, or with the right token");
    let right = token(tried.data.path());
    for wrong in ["", "wrong", &right[1..], &format!("{right}0")] {
        shop.place("wrong", &with(Some(wrong))).problem(403, "forbidden", "agreed prices need a right");
    }
    // A wrong token is refused though nothing needs it.
    let list = json!({ "basket": basket(CODE, 1), "token": "wrong" });
    shop.place("list", &list).problem(403, "forbidden", "agreed prices need a right");
    assert_eq!(shop.orders().len(), 1);

    let placed = shop.place("right", &with(Some(&right))).good();
    assert_eq!(placed["value"]["totals"]["lines"], "0.01 GBP", "{placed}");
    assert!(!placed.to_string().contains(&right), "the token is not shown");
    for low in ["0.00 GBP", "-1.00 GBP", "1000000.01 GBP"] {
        let basket = json!({ "lines": [{ "code": CODE, "quantity": 1, "agreed": low }], "country": "EIRE" });
        let answer = shop.place("low", &json!({ "basket": basket, "token": right }));
        answer.problem(400, "invalid", "an agreed price is 0.01 to 1000000.00 GBP");
    }
    shop.becomes(id(&placed), "reserved");
    tried.shop.stop();
}

#[test]
fn a_stale_quote_is_refused_with_the_new_one_attached() {
    let tried = Tried::start(&[]);
    let shop = &tried.shop;
    let basket = basket(CODE, 1);
    let good = shop.quoted(&basket);
    let refused = |quoted: &Value| {
        let answer = shop.place("stale", &json!({ "basket": basket, "quoted": quoted }));
        answer.problem(409, "stale", "look at the new one and order again");
        let details = answer.json()["details"].clone();
        assert_eq!(details["error"], "stale", "{details}");
        assert_eq!(details["quote"]["lines"][0]["code"], CODE, "{details}");
        details["quote"].clone()
    };
    let mut old = good.clone();
    old["made_at"] = json!("2010-12-01T08:26:00Z");
    let mut cheap = good.clone();
    cheap["total"] = json!("0.01 GBP");
    let mut other = good.clone();
    other["digest"] = json!("0000000000000000");
    let mut version = good.clone();
    version["prices"] = json!(0);
    for quoted in [&old, &cheap, &other, &version, &Value::Null] {
        refused(quoted);
    }
    // What is attached can be ordered.
    let fresh = refused(&old);
    assert_eq!(fresh["totals"]["total"], good["total"]);
    assert_eq!(shop.orders().len(), 1);
    let placed = shop.place("fresh", &json!({ "basket": basket, "quoted": good })).good();
    shop.becomes(id(&placed), "reserved");
    tried.shop.stop();
}

#[test]
fn requests_that_come_in_halves_or_too_slowly() {
    let tried = Tried::start(&["--set", "http.header_read=300ms", "--set", "http.body_read=300ms"]);
    let address = tried.address();
    let whole = post("/orders", order(&basket(CODE, 1)));

    // A body that does not come.
    let slow = http::send(address, &whole[..whole.len() - 1]).unwrap();
    slow.problem(408, "request_timeout", "in time");
    // Half a head, and silence: the connection is closed.
    for half in [&b""[..], b"P", b"POST /orders HTTP/1.1\r\nhost: sh", b"PRI * HTTP/2.0\r\n\r\nSM"] {
        let mut connection = Connection::open(address).unwrap();
        connection.write(half).unwrap();
        let answer = connection.answer();
        assert!(
            answer.as_ref().is_ok_and(|answer| answer.as_ref().is_none_or(|it| it.status == 408)),
            "{answer:?}"
        );
    }
    // Clients that go in the middle, at every place of the request.
    for at in (0..whole.len()).step_by(7) {
        let mut connection = Connection::open(address).unwrap();
        connection.write(&whole[..at]).unwrap();
    }
    // A slow client that sends a byte now and then is not waited for beyond the limit either.
    let mut connection = Connection::open(address).unwrap();
    let mut bytes = whole.iter();
    soon("the end of a client that trickles", || {
        std::thread::sleep(std::time::Duration::from_millis(20));
        // A write to a closed connection fails; one to a connection that is being refused does not yet.
        let byte = bytes.next()?;
        connection.write(&[*byte]).is_err().then_some(())
    });
    // Many slow clients at once do not keep others out.
    let slow: Vec<Connection> = (0..200).map(|_| Connection::open(address).unwrap()).collect();
    assert_eq!(http::get(address, "/products?limit=1").status, 200);
    drop(slow);
    tried.end_well();
}
