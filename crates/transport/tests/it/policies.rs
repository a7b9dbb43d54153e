use std::time::Duration;

use staffa_context::{Cause, Context, Kind};
use staffa_transport::Limits;

use crate::shop::{CARRIERS, READ, Running, Seen, WRITE, pause, start, start_with};

/// Starts a call, and drops it once its handler runs.
async fn call_and_go(shop: &mut Running, write: bool) {
    let (client, ctx) = (shop.client.clone(), shop.ctx.clone());
    let call = tokio::spawn(async move {
        if write {
            client.call(&ctx, WRITE, pause("w")).await
        } else {
            client.call(&ctx, READ, pause("r")).await
        }
    });
    assert!(matches!(shop.seen().await, Seen::Started(_)));
    call.abort();
    let _ = call.await;
}

#[tokio::test]
async fn a_reader_sees_that_its_client_went() {
    for carrier in CARRIERS {
        let mut shop = start(carrier).await;
        call_and_go(&mut shop, false).await;
        assert_eq!(shop.seen().await, Seen::Ended("r".into(), Some(Cause::ClientGone)));
        shop.work.idle().await;
        assert_eq!(shop.work.count(), 0);
    }
}

#[tokio::test]
async fn a_writer_runs_to_its_end_though_its_client_went() {
    for carrier in CARRIERS {
        let mut shop = start(carrier).await;
        call_and_go(&mut shop, true).await;
        assert_eq!(shop.work.count(), 1);
        shop.go();
        assert_eq!(shop.seen().await, Seen::Ended("w".into(), None));
        shop.work.idle().await;
    }
}

#[tokio::test]
async fn cancelling_the_callers_context_is_a_client_that_goes() {
    for carrier in CARRIERS {
        let mut shop = start(carrier).await;
        let (ctx, cancel) = shop.ctx.with_cancel();
        let client = shop.client.clone();
        let call = tokio::spawn(async move { client.call(&ctx, READ, pause("r")).await });
        shop.seen().await;
        cancel.cancel(Cause::cancelled("the visitor pressed Cancel"));
        let failure = call.await.unwrap().unwrap_err();
        assert_eq!(
            (failure.kind, &*failure.words),
            (Kind::Cancelled, "cancelled: the visitor pressed Cancel")
        );
        assert_eq!(shop.seen().await, Seen::Ended("r".into(), Some(Cause::ClientGone)));
    }
}

#[tokio::test]
async fn a_writer_has_its_deadline_though_its_client_went() {
    for carrier in CARRIERS {
        let mut shop =
            start_with(carrier, Limits { timeout: Duration::from_millis(300), ..Limits::default() }).await;
        call_and_go(&mut shop, true).await;
        assert_eq!(shop.seen().await, Seen::Ended("w".into(), Some(Cause::DeadlineExceeded)));
    }
}

#[tokio::test]
async fn work_that_does_not_look_is_dropped_after_its_grace() {
    for carrier in CARRIERS {
        let limits = Limits { grace: Duration::from_millis(50), ..Limits::default() };
        let shop = start_with(carrier, limits).await;
        shop.client.call(&shop.ctx, crate::shop::DEAF, pause("x")).await.unwrap_err();
        assert_eq!(shop.work.count(), 1);
        let idle = Context::background().with_timeout(Duration::from_secs(5));
        idle.run(shop.work.idle()).await.unwrap();
    }
}
