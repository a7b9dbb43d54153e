use std::time::Duration;

use staffa_transport::Limits;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::raw::{Answer, bare, read, send, with_body};
use crate::shop::{Carrier, start, start_with};

const JSON: &str = "content-type: application/json\r\n";

fn assert_problem(answer: &Answer, status: u16, label: &str, detail: &str) {
    assert_eq!(answer.status, status, "{answer:?}");
    assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{answer:?}");
    let problem = answer.json();
    assert_eq!(problem["type"], format!("urn:staffa:problem:{label}"), "{problem}");
    assert_eq!(problem["status"], status);
    assert!(!problem["title"].as_str().unwrap().is_empty());
    let words = problem["detail"].as_str().unwrap();
    assert!(words.contains(detail), "`{words}` does not say `{detail}`");
}

#[tokio::test]
async fn each_wrong_body_gets_words_that_say_what_is_wrong() {
    let shop = start(Carrier::Http).await;
    let huge = format!("{{\"lines\":[],\"customer\":null,\"x\":\"{}\"}}", "y".repeat(5_000));
    let deep = "[".repeat(500);
    let cases: &[(&str, &[u8], u16, &str, &str)] = &[
        (JSON, b"{\"lines\":", 400, "invalid", "not valid JSON: EOF"),
        (JSON, b"{\"lines\":[],}", 400, "invalid", "not valid JSON: trailing comma at line 1 column 13"),
        (JSON, b"\xff\xfe{}", 400, "invalid", "not UTF-8 after byte 0"),
        (
            JSON,
            b"{\"lines\":[{\"code\":\"\xc3\x28\",\"quantity\":1}]}",
            400,
            "invalid",
            "not UTF-8 after byte 19",
        ),
        (
            JSON,
            b"{\"lines\":[{\"code\":\"a\\u0000\",\"quantity\":1}]}",
            400,
            "invalid",
            "`lines[0].code` holds the character U+0000",
        ),
        (JSON, b"{\"lines\":{}}", 400, "invalid", "`lines` is wrong: invalid type: map, expected a sequence"),
        (JSON, b"[1]", 400, "invalid", "the request is wrong: "),
        (JSON, b"null", 400, "invalid", "missing field `lines`"),
        (JSON, b"", 400, "invalid", "missing field `lines`"),
        (
            JSON,
            b"{\"lines\":[{\"code\":\"a\"}]}",
            400,
            "invalid",
            "`lines[0]` is wrong: missing field `quantity`",
        ),
        (
            JSON,
            b"{\"lines\":[{\"code\":\"a\",\"quantity\":-1}]}",
            400,
            "invalid",
            "`lines[0].quantity` is wrong: invalid value: integer `-1`, expected u32",
        ),
        (
            JSON,
            b"{\"lines\":[{\"code\":\"a\",\"quantity\":9223372036854775808}]}",
            400,
            "invalid",
            "`lines[0].quantity` is wrong: invalid value: integer `9223372036854775808`",
        ),
        (
            JSON,
            b"{\"lines\":[{\"code\":\"a\",\"quantity\":1e400}]}",
            400,
            "invalid",
            "not valid JSON: number out of range",
        ),
        (
            JSON,
            b"{\"lines\":[{\"code\":\"a\",\"quantity\":1,\"colour\":1}],\"note\":\"\"}",
            400,
            "invalid",
            "unknown fields: `lines[0].colour`, `note`",
        ),
        (JSON, deep.as_bytes(), 400, "invalid", "recursion limit"),
        (JSON, huge.as_bytes(), 413, "too_large", "4096 bytes at most"),
        ("content-type: text/plain\r\n", b"{}", 415, "unsupported_media_type", "`text/plain`"),
        ("", b"{}", 415, "unsupported_media_type", "`content-type: application/json`"),
        (
            "content-type: application/json; charset=latin1\r\n",
            b"{}",
            415,
            "unsupported_media_type",
            "JSON in UTF-8",
        ),
    ];
    for (headers, body, status, label, detail) in cases {
        let answer = send(shop.address, &with_body("PUT", "/echo", headers, body)).await.unwrap();
        assert_problem(&answer, *status, label, detail);
    }
    let good = br#"{"customer":7,"lines":[{"code":"a","quantity":1}]}"#;
    let headers = "content-type: application/json; charset=UTF-8\r\n";
    let answer = send(shop.address, &with_body("PUT", "/echo", headers, good)).await.unwrap();
    assert_eq!((answer.status, answer.body.as_bytes()), (200, good.as_slice()));
}

#[tokio::test]
async fn each_wrong_head_gets_words_that_say_what_is_wrong() {
    let shop = start(Carrier::Http).await;
    let long = format!("x-long: {}\r\n", "y".repeat(20_000));
    let many: String = (0..90).map(|at| format!("x-{at}: 1\r\n")).collect();
    let cases: &[(&str, &str, &str, u16, &str, &str)] = &[
        ("GET", "/nowhere", "", 404, "not_found", "`/nowhere`"),
        ("GET", "/orders/abc", "", 400, "invalid", "`abc` is not a whole number"),
        ("GET", "/orders/18446744073709551616", "", 400, "invalid", "out of range"),
        ("GET", "/orders/-1", "", 400, "invalid", "integer `-1`, expected u64"),
        ("GET", "/orders/1?number=2", "", 400, "invalid", "`number` comes from the path"),
        ("GET", "/shelves/a?colour=red", "", 400, "invalid", "unknown fields: `colour`"),
        ("GET", "/shelves/a?limit=65536", "", 400, "invalid", "`limit` is wrong"),
        ("GET", "/shelves/%ff", "", 400, "invalid", "percent-encoded UTF-8"),
        ("GET", "/shelves/a%00", "", 400, "invalid", "U+0000"),
        ("GET", "/shelves/a?prefix=%zz", "", 400, "invalid", "percent-encoded UTF-8"),
        ("PUT", "/echo?a=1", "", 400, "invalid", "takes no query"),
        ("GET", "/orders/1", "staffa-timeout-ms: soon\r\n", 400, "invalid", "`staffa-timeout-ms`"),
        ("GET", "/orders/1", "x-envoy-expected-rq-timeout-ms: -5\r\n", 400, "invalid", "milliseconds"),
        ("GET", "/orders/1", "staffa-timeout-ms: 0\r\n", 504, "deadline_exceeded", "the deadline passed"),
        ("GET", "/orders/1", &long, 431, "head_too_large", "16384 bytes"),
        ("GET", "/orders/1", &many, 431, "head_too_large", "64 header fields"),
        ("POST", "/orders", "", 400, "invalid", "`idempotency-key`"),
        ("GET", "/count/7", "last-event-id: first\r\n", 400, "invalid", "`last-event-id`"),
    ];
    for (method, target, headers, status, label, detail) in cases {
        let answer = send(shop.address, &bare(method, target, headers)).await.unwrap();
        assert_problem(&answer, *status, label, detail);
    }
}

#[tokio::test]
async fn a_head_far_beyond_the_limits_is_refused_by_the_connection() {
    let shop = start(Carrier::Http).await;
    for headers in [format!("x-long: {}\r\n", "y".repeat(100_000)), "x: 1\r\n".repeat(1_000)] {
        let answer = send(shop.address, &bare("GET", "/orders/1", &headers)).await.unwrap();
        assert_eq!(answer.status, 431);
    }
    let answer = send(shop.address, b"no HTTP at all\r\n\r\n").await.unwrap();
    assert_eq!(answer.status, 400);
}

#[tokio::test]
async fn a_method_that_is_not_taken_is_told_which_are() {
    let shop = start(Carrier::Http).await;
    let answer = send(shop.address, &bare("POST", "/orders/1", "")).await.unwrap();
    assert_problem(&answer, 405, "method_not_allowed", "`allow`");
    let allow: Vec<_> = answer.header("allow").unwrap().split(',').map(str::trim).collect();
    assert!(allow.contains(&"GET") && allow.contains(&"DELETE") && !allow.contains(&"POST"), "{allow:?}");
}

#[tokio::test]
async fn a_request_id_is_kept_when_sane_and_made_otherwise() {
    let shop = start(Carrier::Http).await;
    let answer = send(shop.address, &bare("GET", "/fail/internal", "x-request-id: abc-7\r\n")).await.unwrap();
    assert_eq!(answer.header("x-request-id"), Some("abc-7"));
    assert_eq!(answer.json()["request_id"], "abc-7");
    for (method, target) in [("GET", "/nowhere"), ("DELETE", "/echo")] {
        let answer = send(shop.address, &bare(method, target, "")).await.unwrap();
        let made = answer.header("x-request-id").unwrap();
        assert_eq!(made.len(), 32, "{method} {target}");
        assert_eq!(answer.json()["request_id"], made);
    }
    for insane in ["x-request-id: two words\r\n".to_owned(), format!("x-request-id: {}\r\n", "y".repeat(129))]
    {
        let answer = send(shop.address, &bare("GET", "/orders/1", &insane)).await.unwrap();
        assert_eq!(answer.header("x-request-id").unwrap().len(), 32);
    }
}

#[tokio::test]
async fn the_client_hears_its_own_words_and_not_the_logs() {
    let shop = start(Carrier::Http).await;
    for (name, status) in [
        ("unauthenticated", 401),
        ("forbidden", 403),
        ("conflict", 409),
        ("exhausted", 429),
        ("internal", 500),
        ("unknown_outcome", 500),
        ("unsupported", 501),
        ("unavailable", 503),
    ] {
        let answer = send(shop.address, &bare("GET", &format!("/fail/{name}"), "")).await.unwrap();
        assert_problem(&answer, status, name, "for the client");
        assert!(!answer.body.contains("for the log"));
        assert_eq!(answer.header("retry-after").is_some(), status == 503);
    }
}

#[tokio::test]
async fn a_panic_is_a_problem_and_the_connection_lives_on() {
    let shop = start(Carrier::Http).await;
    let mut stream = TcpStream::connect(shop.address).await.unwrap();
    stream.write_all(&bare("GET", "/fail/panic", "")).await.unwrap();
    let answer = read(&mut stream).await.unwrap();
    assert_problem(&answer, 500, "internal", "the service has a bug");
    assert!(!answer.body.contains("asked for"));
    stream.write_all(&bare("GET", "/orders/1", "")).await.unwrap();
    assert_eq!(read(&mut stream).await.unwrap().status, 200);
}

fn impatient() -> Limits {
    Limits {
        header_read: Duration::from_millis(200),
        body_read: Duration::from_millis(200),
        ..Limits::default()
    }
}

#[tokio::test]
async fn a_body_that_comes_too_slowly_is_refused() {
    let shop = start_with(Carrier::Http, impatient()).await;
    let head = format!("PUT /echo HTTP/1.1\r\nhost: shop\r\n{JSON}content-length: 100\r\n\r\n{{\"lines\":");
    let answer = send(shop.address, head.as_bytes()).await.unwrap();
    assert_problem(&answer, 408, "request_timeout", "in time");
}

#[tokio::test]
async fn half_a_head_and_silence_are_closed() {
    let shop = start_with(Carrier::Http, impatient()).await;
    for half in [&b""[..], b"G", b"PRI * HT", b"GET /orders/1 HTTP/1.1\r\nhost: sh"] {
        let mut stream = TcpStream::connect(shop.address).await.unwrap();
        stream.write_all(half).await.unwrap();
        let mut rest = Vec::new();
        let closed = tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut rest)).await;
        assert!(closed.is_ok(), "after {half:?}");
    }
}

#[tokio::test]
async fn a_connection_that_goes_in_the_middle_of_a_body_runs_nothing() {
    let mut shop = start(Carrier::Http).await;
    {
        let mut stream = TcpStream::connect(shop.address).await.unwrap();
        let head = format!("POST /write/half HTTP/1.1\r\nhost: shop\r\n{JSON}content-length: 100\r\n\r\n{{");
        stream.write_all(head.as_bytes()).await.unwrap();
    }
    // The next request's start is the first thing that any handler has seen.
    shop.go();
    send(shop.address, &bare("GET", "/read/next", "")).await.unwrap();
    assert_eq!(shop.seen().await, crate::shop::Seen::Started("next".into()));
}

#[tokio::test]
async fn a_body_beyond_its_limit_is_refused_though_its_length_is_not_said() {
    let shop = start(Carrier::Http).await;
    let chunk = format!("1000\r\n{}\r\n", " ".repeat(4_096));
    let head = format!("PUT /echo HTTP/1.1\r\nhost: shop\r\n{JSON}transfer-encoding: chunked\r\n\r\n");
    let answer = send(shop.address, format!("{head}{chunk}{chunk}0\r\n\r\n").as_bytes()).await.unwrap();
    assert_problem(&answer, 413, "too_large", "4096 bytes at most");
}

#[tokio::test]
async fn beyond_its_places_a_server_turns_requests_away() {
    let mut shop = start_with(Carrier::Http, Limits { concurrency: 1, ..Limits::default() }).await;
    let mut stream = TcpStream::connect(shop.address).await.unwrap();
    stream.write_all(&bare("GET", "/read/first", "")).await.unwrap();
    shop.seen().await;
    let answer = send(shop.address, &bare("GET", "/orders/1", "")).await.unwrap();
    assert_problem(&answer, 503, "unavailable", "too much to do");
    assert_eq!(answer.header("retry-after"), Some("1"));
    shop.go();
    assert_eq!(read(&mut stream).await.unwrap().status, 200);
    assert_eq!(send(shop.address, &bare("GET", "/orders/1", "")).await.unwrap().status, 200);
}
