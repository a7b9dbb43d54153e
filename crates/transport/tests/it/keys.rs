use staffa_context::Kind;
use staffa_transport::CallKey;

use crate::raw::{send, with_body};
use crate::shop::{CARRIERS, Carrier, PLACE, PlaceError, order, start};

#[tokio::test]
async fn a_repeat_gets_the_kept_answer_and_runs_nothing() {
    for carrier in CARRIERS {
        let shop = start(carrier).await;
        shop.go();
        let ctx = shop.ctx.with_value(CallKey("581475".into()));
        let first = shop.client.call(&ctx, PLACE, order(3)).await.unwrap();
        let again = shop.client.call(&ctx, PLACE, order(3)).await.unwrap();
        assert_eq!(first, again);
        assert_eq!(shop.shop.kept.len(), 1);
        let other = shop.client.call(&shop.ctx, PLACE, order(3)).await.unwrap();
        assert_ne!(first.number, other.number, "a call without a key of its own makes a new one");
    }
}

#[tokio::test]
async fn the_same_key_for_another_request_is_a_conflict() {
    for carrier in CARRIERS {
        let shop = start(carrier).await;
        shop.go();
        let ctx = shop.ctx.with_value(CallKey("581475".into()));
        shop.client.call(&ctx, PLACE, order(3)).await.unwrap();
        let PlaceError::Other(failure) = shop.client.call(&ctx, PLACE, order(4)).await.unwrap_err() else {
            panic!()
        };
        assert_eq!(failure.kind, Kind::Conflict);
        assert!(failure.words.contains("another request"));
    }
}

#[tokio::test]
async fn two_at_once_under_one_key_get_one_answer() {
    for carrier in CARRIERS {
        let shop = start(carrier).await;
        let ctx = shop.ctx.with_value(CallKey("581475".into()));
        let calls: Vec<_> = (0..8)
            .map(|_| {
                let (client, ctx) = (shop.client.clone(), ctx.clone());
                tokio::spawn(async move { client.call(&ctx, PLACE, order(3)).await })
            })
            .collect();
        while shop.work.count() < 8 {
            tokio::task::yield_now().await;
        }
        shop.go();
        for call in calls {
            assert_eq!(call.await.unwrap().unwrap().number, 1);
        }
        assert_eq!(shop.shop.kept.len(), 1);
    }
}

#[tokio::test]
async fn a_kept_answer_says_so_and_the_order_of_names_is_no_other_request() {
    let shop = start(Carrier::Http).await;
    shop.go();
    let headers = "content-type: application/json\r\nidempotency-key: k\r\n";
    let first = br#"{"customer":null,"lines":[{"code":"a","quantity":1}]}"#;
    let again = br#"{ "lines": [ {"quantity":1, "code":"a"} ] }"#;
    let answer = send(shop.address, &with_body("POST", "/orders", headers, first)).await.unwrap();
    assert_eq!((answer.status, answer.header("idempotency-replayed")), (200, None));
    let kept = send(shop.address, &with_body("POST", "/orders", headers, again)).await.unwrap();
    assert_eq!((kept.status, kept.header("idempotency-replayed")), (200, Some("true")));
    assert_eq!(kept.json(), answer.json());
}
