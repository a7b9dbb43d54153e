use std::time::Duration;

use staffa_context::{Cause, Context, Failure, Kind};
use staffa_transport::{CallKey, CallLimits, Client, Endpoint, Events};
use wasm_bindgen_test::wasm_bindgen_test;

#[derive(serde::Serialize)]
struct Find {
    code: String,
    limit: Option<u32>,
}

const FIND: Endpoint<Find, serde_json::Value, Failure> = Endpoint::get("/products/{code}");
const PLACE: Endpoint<Vec<u32>, serde_json::Value, Failure> = Endpoint::post("/orders").idempotency_key();
const COUNT: Events<(), u64, Failure> = Events::get("/count");

/// Replaces `fetch`. `answer` is the body of an async function of `request`, which has noted every request and abort.
fn fetch_answers(answer: &str) {
    let script = format!(
        "globalThis.asked = []; globalThis.aborts = 0;
         globalThis.fetch = async (request) => {{
             request.signal.addEventListener('abort', () => {{ globalThis.aborts += 1; }});
             const headers = Object.fromEntries(request.headers.entries());
             const body = await request.text();
             globalThis.asked.push({{ method: request.method, url: new URL(request.url), headers, body }});
             {answer}
         }};"
    );
    js_sys::eval(&script).unwrap();
}

/// What a JavaScript expression about the noted requests gives, as JSON.
fn noted(expression: &str) -> serde_json::Value {
    let text = js_sys::eval(&format!("JSON.stringify({expression})")).unwrap().as_string().unwrap();
    serde_json::from_str(&text).unwrap()
}

fn client() -> Client {
    let limits = CallLimits { backoff: Duration::from_millis(1), ..CallLimits::default() };
    Client::browser("http://shop.test/api/").with_limits(limits)
}

fn find() -> Find {
    Find { code: "50% ä/b".into(), limit: Some(3) }
}

#[wasm_bindgen_test]
async fn a_call_travels_as_its_endpoint_says() {
    fetch_answers("return new Response('{\"stock\":7}', { status: 200 });");
    let ctx = Context::background().with_timeout(Duration::from_secs(5));
    let found = client().call(&ctx, FIND, find()).await.unwrap();
    assert_eq!(found["stock"], 7);
    assert_eq!(noted("asked[0].method"), "GET");
    assert_eq!(noted("asked[0].url.pathname"), "/api/products/50%25%20%C3%A4%2Fb");
    assert_eq!(noted("asked[0].url.search"), "?limit=3");
    let left: u64 = noted("asked[0].headers['staffa-timeout-ms']").as_str().unwrap().parse().unwrap();
    assert!((4_000..=5_000).contains(&left), "{left}");

    let keyed = ctx.with_value(CallKey("581475".into()));
    client().call(&keyed, PLACE, vec![1, 2]).await.unwrap();
    assert_eq!(noted("asked[1].body"), "[1,2]");
    assert_eq!(noted("asked[1].headers['idempotency-key']"), "581475");
    assert_eq!(noted("asked[1].headers['content-type']"), "application/json");
}

#[wasm_bindgen_test]
async fn a_problem_comes_back_as_a_failure() {
    fetch_answers(
        "return new Response(JSON.stringify({ type: 'urn:staffa:problem:stale', status: 409, title: 'T', \
         detail: 'take the new one', details: { total: 7 } }), { status: 409 });",
    );
    let failure = client().call(&Context::background(), FIND, find()).await.unwrap_err();
    assert_eq!((failure.kind, &*failure.words), (Kind::Stale, "take the new one"));
    assert_eq!(failure.details["total"], 7);
}

#[wasm_bindgen_test]
async fn a_server_that_is_away_is_unavailable_after_a_few_tries() {
    fetch_answers("throw new TypeError('Failed to fetch');");
    let failure = client().call(&Context::background(), FIND, find()).await.unwrap_err();
    assert_eq!(failure.kind, Kind::Unavailable);
    assert_eq!(noted("asked.length"), 3);
    let failure = client().call(&Context::background(), PLACE, vec![1]).await.unwrap_err();
    assert_eq!(failure.kind, Kind::UnknownOutcome, "a browser does not tell whether it was sent");
    assert_eq!(noted("new Set(asked.slice(3).map(it => it.headers['idempotency-key'])).size"), 1);
}

#[wasm_bindgen_test]
async fn the_end_of_the_context_aborts_the_fetch() {
    fetch_answers("return new Promise(() => {});");
    let (ctx, cancel) = Context::background().with_cancel();
    let client = client();
    let (result, ()) = futures_util::future::join(client.call(&ctx, FIND, find()), async {
        ctx.sleep(Duration::from_millis(20)).await.unwrap();
        cancel.cancel(Cause::cancelled("the visitor pressed Cancel"));
    })
    .await;
    assert_eq!(result.unwrap_err().words, "cancelled: the visitor pressed Cancel");
    Context::background().sleep(Duration::from_millis(20)).await.unwrap();
    assert_eq!(noted("aborts"), 1);

    let ctx = Context::background().with_timeout(Duration::from_millis(20));
    let failure = client.call(&ctx, FIND, find()).await.unwrap_err();
    assert_eq!(failure.kind, Kind::DeadlineExceeded);
    Context::background().sleep(Duration::from_millis(20)).await.unwrap();
    assert_eq!(noted("aborts"), 2);
}

#[wasm_bindgen_test]
async fn a_stream_goes_on_after_a_lost_connection_and_ends_when_it_is_told() {
    // Each connection brings two events, the last one the end too.
    fetch_answers(
        "const last = Number(request.headers.get('last-event-id') ?? 0);
         const text = [1, 2].map(n => `id: ${last + n}\\ndata: ${(last + n) * 10}\\n\\n`).join('');
         const end = last >= 4 ? 'event: end\\ndata:\\n\\n' : '';
         return new Response(text + end, { status: 200 });",
    );
    let mut events = client().events(&Context::background(), COUNT, ()).await.unwrap();
    for id in 1..=6 {
        assert_eq!(events.next().await.unwrap().unwrap(), (id, id * 10));
    }
    assert!(events.next().await.is_none());
    assert_eq!(noted("asked.length"), 3);
}

#[wasm_bindgen_test]
async fn dropping_a_stream_aborts_its_fetch() {
    fetch_answers(
        "return new Response(new ReadableStream({ start(it) {
             it.enqueue(new TextEncoder().encode('id: 1\\ndata: 10\\n\\n'));
         } }), { status: 200 });",
    );
    let mut events = client().events(&Context::background(), COUNT, ()).await.unwrap();
    assert_eq!(events.next().await.unwrap().unwrap(), (1, 10));
    drop(events);
    Context::background().sleep(Duration::from_millis(20)).await.unwrap();
    assert_eq!(noted("aborts"), 1);
}
