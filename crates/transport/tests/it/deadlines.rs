use std::time::Duration;

use staffa_context::Kind;

use crate::raw::{bare, send};
use crate::shop::{BUDGET, CARRIERS, Carrier, DEAF, FAIL, HOP, READ, pause, start};

#[tokio::test]
async fn the_budget_is_the_least_of_callers_and_endpoints_and_shrinks_by_each_hop() {
    for carrier in CARRIERS {
        let shop = start(carrier).await;
        let (client, ctx) = (&shop.client, &shop.ctx);
        let own = client.call(ctx, BUDGET, ()).await.unwrap();
        assert!((4_000..=5_000).contains(&own), "{own}");
        let short = client.call(&ctx.with_timeout(Duration::from_millis(900)), BUDGET, ()).await.unwrap();
        assert!((500..=900).contains(&short), "{short}");
        let hop = client.call(&ctx.with_timeout(Duration::from_millis(900)), HOP, ()).await.unwrap();
        assert!((400..=870).contains(&hop), "the hop took 30 ms of it, and left {hop}");
        let hop = client.call(ctx, HOP, ()).await.unwrap();
        assert!(
            (3_000..=3_970).contains(&hop),
            "the first endpoint's limit holds in the second, which had {hop}"
        );
    }
}

#[tokio::test]
async fn a_proxy_can_only_shorten_the_budget() {
    let shop = start(Carrier::Http).await;
    let check = async |headers: &str, least: u64, most: u64| {
        let answer = send(shop.address, &bare("GET", "/budget", headers)).await.unwrap();
        let budget = answer.json().as_u64().unwrap();
        assert!((least..=most).contains(&budget), "{headers:?} left {budget}");
    };
    check("x-envoy-expected-rq-timeout-ms: 800\r\n", 400, 800).await;
    check("x-envoy-expected-rq-timeout-ms: 15000\r\n", 4_000, 5_000).await;
    check("staffa-timeout-ms: 700\r\nx-envoy-expected-rq-timeout-ms: 15000\r\n", 300, 700).await;
}

#[tokio::test]
async fn a_handler_that_does_not_look_is_answered_for_when_its_deadline_passes() {
    for carrier in CARRIERS {
        let shop = start(carrier).await;
        let failure = shop.client.call(&shop.ctx, DEAF, pause("x")).await.unwrap_err();
        assert_eq!(failure.kind, Kind::DeadlineExceeded);
    }
    let shop = start(Carrier::Http).await;
    let answer = send(shop.address, &bare("GET", "/deaf/x", "")).await.unwrap();
    assert_eq!(answer.status, 504);
    assert_eq!(answer.json()["type"], "urn:staffa:problem:deadline_exceeded");
}

#[tokio::test]
async fn the_callers_deadline_ends_the_call_and_the_work() {
    for carrier in CARRIERS {
        let mut shop = start(carrier).await;
        let ctx = shop.ctx.with_timeout(Duration::from_millis(100));
        let failure = shop.client.call(&ctx, READ, pause("slow")).await.unwrap_err();
        assert_eq!(failure.kind, Kind::DeadlineExceeded);
        shop.seen().await;
        let crate::shop::Seen::Ended(_, Some(_)) = shop.seen().await else { panic!("the work went on") };
    }
}

#[tokio::test]
async fn a_passed_deadline_is_never_retried() {
    let shop = start(Carrier::Http).await;
    let failure = shop.client.call(&shop.ctx, FAIL, pause("deadline_exceeded")).await.unwrap_err();
    assert_eq!(failure.kind, Kind::DeadlineExceeded);
}
