//! The same checks over both carriers.
use std::time::Duration;

use staffa_context::{Cause, Context, Failure, Kind};
use staffa_transport::{CallLimits, Client, Endpoint, InProcess};

use crate::shop::{
    BROWSE, Browse, CARRIERS, Carrier, ECHO, FAIL, FIND, FLOOD, Number, PLACE, PlaceError, REMOVE, order,
    pause, start,
};

#[tokio::test]
async fn requests_and_responses_survive_path_query_and_body() {
    for carrier in CARRIERS {
        let shop = start(carrier).await;
        let (client, ctx) = (&shop.client, &shop.ctx);
        assert_eq!(client.call(ctx, FIND, Number(u64::MAX)).await.unwrap().number, u64::MAX);
        client.call(ctx, REMOVE, Number(1)).await.unwrap();
        let browse = Browse {
            shelf: "a/b %2F?#ä".into(),
            prefix: Some("ROSES & \"red\"+1".into()),
            limit: None,
            tags: vec![String::new(), "x,y".into()],
        };
        assert_eq!(client.call(ctx, BROWSE, browse.clone()).await.unwrap(), browse);
        assert_eq!(client.call(ctx, ECHO, order(7)).await.unwrap(), order(7));
    }
}

#[tokio::test]
async fn an_error_comes_back_as_itself_with_its_details() {
    for carrier in CARRIERS {
        let shop = start(carrier).await;
        *shop.shop.stale.lock().unwrap() = Some(4_711);
        let error = shop.client.call(&shop.ctx, PLACE, order(1)).await.unwrap_err();
        assert_eq!(error, PlaceError::Stale { total: 4_711 });
    }
}

#[tokio::test]
async fn every_kind_of_failure_comes_back_as_it_was() {
    for carrier in CARRIERS {
        let shop = start(carrier).await;
        let client = shop.client.clone().with_limits(CallLimits { attempts: 1, ..CallLimits::default() });
        for kind in [
            Kind::Invalid,
            Kind::Unauthenticated,
            Kind::Forbidden,
            Kind::NotFound,
            Kind::Conflict,
            Kind::Stale,
            Kind::TooLarge,
            Kind::Exhausted,
            Kind::Cancelled,
            Kind::DeadlineExceeded,
            Kind::Unavailable,
            Kind::UnknownOutcome,
            Kind::Unsupported,
            Kind::Internal,
        ] {
            let failure = client.call(&shop.ctx, FAIL, pause(kind.label())).await.unwrap_err();
            assert_eq!((failure.kind, &*failure.words), (kind, "for the client"));
        }
        let failure = client.call(&shop.ctx, FAIL, pause("panic")).await.unwrap_err();
        assert_eq!(failure.kind, Kind::Internal);
    }
}

#[tokio::test]
async fn what_the_server_refuses_is_refused_over_both() {
    const NOWHERE: Endpoint<(), (), Failure> = Endpoint::get("/nowhere");
    const WRONG_METHOD: Endpoint<(), (), Failure> = Endpoint::post("/orders/1");
    for carrier in CARRIERS {
        let shop = start(carrier).await;
        let (client, ctx) = (&shop.client, &shop.ctx);
        assert_eq!(client.call(ctx, NOWHERE, ()).await.unwrap_err().kind, Kind::NotFound);
        assert_eq!(client.call(ctx, WRONG_METHOD, ()).await.unwrap_err().kind, Kind::Unsupported);
        let mut large = order(1);
        large.lines[0].code = "x".repeat(5_000);
        assert_eq!(client.call(ctx, ECHO, large).await.unwrap_err().kind, Kind::TooLarge);
    }
}

#[tokio::test]
async fn a_response_beyond_the_limit_is_refused() {
    for carrier in CARRIERS {
        let shop = start(carrier).await;
        let client =
            shop.client.clone().with_limits(CallLimits { response_max: 20, ..CallLimits::default() });
        assert_eq!(client.call(&shop.ctx, ECHO, order(1)).await.unwrap_err().kind, Kind::TooLarge);
    }
}

#[tokio::test]
async fn an_ended_context_sends_nothing() {
    for carrier in CARRIERS {
        let shop = start(carrier).await;
        let (ctx, cancel) = shop.ctx.with_cancel();
        cancel.cancel(Cause::cancelled("enough"));
        let failure = shop.client.call(&ctx, FIND, Number(1)).await.unwrap_err();
        assert_eq!((failure.kind, &*failure.words), (Kind::Cancelled, "cancelled: enough"));
        let Err(failure) = shop.client.events(&ctx, FLOOD, ()).await else { panic!("a stream was opened") };
        assert_eq!(failure.kind, Kind::Cancelled);
    }
}

#[tokio::test]
async fn nobody_at_the_address_is_unavailable_and_retries_stop_at_the_deadline() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let client = Client::http(&format!("http://{address}")).unwrap();
    let ctx = Context::background();
    let failure = client.call(&ctx, FIND, Number(1)).await.unwrap_err();
    assert_eq!(failure.kind, Kind::Unavailable);
    assert!(failure.log.unwrap().contains("refused"));

    let slow = CallLimits {
        backoff: Duration::from_secs(60),
        backoff_max: Duration::from_secs(60),
        ..CallLimits::default()
    };
    let failure = client.with_limits(slow).call(&ctx, FIND, Number(1)).await.unwrap_err();
    assert_eq!(failure.kind, Kind::Unavailable, "a pause that does not fit is not made");
}

#[tokio::test]
async fn a_write_that_is_cut_off_has_an_unknown_outcome() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        use tokio::io::AsyncReadExt;
        let mut connections = 0;
        // Takes each request, and goes without an answer.
        while let Ok((mut stream, _)) = listener.accept().await {
            connections += 1;
            let _ = stream.read(&mut [0; 4_096]).await;
            if connections == 5 {
                return;
            }
        }
    });
    let client = Client::http(&format!("http://{address}")).unwrap();
    let ctx = Context::background();
    let failure = client.call(&ctx, ECHO, order(1)).await.unwrap_err();
    assert_eq!(failure.kind, Kind::UnknownOutcome);
    let failure = client.clone().with_limits(CallLimits { attempts: 1, ..CallLimits::default() });
    let failure = failure.call(&ctx, FIND, Number(1)).await.unwrap_err();
    assert_eq!(failure.kind, Kind::Unavailable, "a read is simply made again");
    // One write, one read, and three tries of a keyed write.
    let PlaceError::Other(failure) = client.call(&ctx, PLACE, order(1)).await.unwrap_err() else { panic!() };
    assert_eq!(failure.kind, Kind::UnknownOutcome);
    server.await.unwrap();
}

#[tokio::test]
async fn a_process_that_is_bound_later_is_unavailable_until_then() {
    let shop = start(Carrier::InProcess).await;
    let process = InProcess::default();
    let client =
        Client::in_process_later(&process).with_limits(CallLimits { attempts: 1, ..CallLimits::default() });
    assert_eq!(client.call(&shop.ctx, FIND, Number(1)).await.unwrap_err().kind, Kind::Unavailable);
    process.bind(shop.router.clone());
    client.call(&shop.ctx, FIND, Number(1)).await.unwrap();
}

#[tokio::test]
async fn only_an_http_address_is_a_base() {
    for bad in ["", "shop", "https://shop", "http://", "http://shop?a=1", "ftp://shop"] {
        let failure = Client::http(bad).unwrap_err();
        assert!(failure.words.contains("http://host:port"), "{bad}");
    }
    Client::http("http://127.0.0.1:1/prefix/").unwrap();
}

#[tokio::test]
async fn http2_is_served_on_the_same_port() {
    use http_body_util::{BodyExt, Empty};
    use hyper_util::client::legacy::Client as Pool;
    use hyper_util::rt::TokioExecutor;

    let shop = start(Carrier::Http).await;
    let pool = Pool::builder(TokioExecutor::new()).http2_only(true).build_http::<Empty<bytes::Bytes>>();
    let response = pool.get(format!("http://{}/orders/7", shop.address).parse().unwrap()).await.unwrap();
    assert_eq!((response.status().as_u16(), response.version()), (200, http::Version::HTTP_2));
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body, r#"{"number":7,"lines":[]}"#);
}
