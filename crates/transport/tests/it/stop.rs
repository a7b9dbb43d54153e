use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use staffa_context::{Cause, Kind};
use staffa_transport::{CallLimits, Limits};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::raw::{bare, read};
use crate::shop::{COUNT, Carrier, FIND, Number, READ, Seen, pause, start, start_with};

#[tokio::test]
async fn what_is_in_hand_is_answered_and_idle_connections_are_closed() {
    let mut shop = start(Carrier::Http).await;
    let mut idle = TcpStream::connect(shop.address).await.unwrap();
    idle.write_all(&bare("GET", "/orders/1", "")).await.unwrap();
    read(&mut idle).await.unwrap();
    let mut busy = TcpStream::connect(shop.address).await.unwrap();
    busy.write_all(&bare("GET", "/read/last", "")).await.unwrap();
    shop.seen().await;
    shop.begin_stop();
    assert_eq!(idle.read(&mut [0; 16]).await.unwrap(), 0, "an idle connection is closed at once");
    while TcpStream::connect(shop.address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    shop.go();
    let answer = read(&mut busy).await.unwrap();
    assert_eq!((answer.status, answer.body.as_str()), (200, "\"last\""));
    shop.stopped().await;
}

#[tokio::test]
async fn what_goes_on_beyond_the_drain_time_sees_why_it_ends() {
    let limits = Limits { drain: Duration::from_millis(50), ..Limits::default() };
    let mut shop = start_with(Carrier::Http, limits).await;
    let mut busy = TcpStream::connect(shop.address).await.unwrap();
    busy.write_all(&bare("GET", "/read/last", "")).await.unwrap();
    shop.seen().await;
    shop.begin_stop();
    assert_eq!(shop.seen().await, Seen::Ended("last".into(), Some(Cause::ShuttingDown)));
    let answer = read(&mut busy).await.unwrap();
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")));
    shop.stopped().await;
}

#[tokio::test]
async fn event_streams_do_not_hold_a_stop_up() {
    let shop = start(Carrier::Http).await;
    let client = shop.client.clone().with_limits(CallLimits { reopen_attempts: 0, ..CallLimits::default() });
    let mut events = client.events(&shop.ctx, COUNT, Number(1_000_000)).await.unwrap();
    events.next().await.unwrap().unwrap();
    let reading = tokio::spawn(async move {
        while let Some(event) = events.next().await {
            if let Err(failure) = event {
                return Some(failure.kind);
            }
        }
        None
    });
    shop.stopped().await;
    assert_eq!(reading.await.unwrap(), Some(Kind::Unavailable));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_accepted_request_fails_when_a_server_stops_under_load() {
    let shop = start(Carrier::Http).await;
    let client = shop.client.clone().with_limits(CallLimits { attempts: 1, ..CallLimits::default() });
    let ctx = shop.ctx.clone();
    let load: Vec<_> = (0..16)
        .map(|_| {
            let (client, ctx) = (client.clone(), ctx.clone());
            tokio::spawn(async move {
                let mut answered = 0;
                loop {
                    match client.call(&ctx, FIND, Number(1)).await {
                        Ok(_) => answered += 1,
                        Err(failure) => return (answered, failure),
                    }
                }
            })
        })
        .collect();
    let mut busy = TcpStream::connect(shop.address).await.unwrap();
    busy.write_all(&bare("GET", "/read/x", "")).await.unwrap();
    let (go, found) = (shop.shop.go.clone(), Arc::clone(&shop.shop));
    tokio::time::sleep(Duration::from_millis(200)).await;
    go.send_replace(true);
    shop.stopped().await;
    assert_eq!(read(&mut busy).await.unwrap().status, 200);
    let mut answered_total = 0;
    for load in load {
        let (answered, failure) = load.await.unwrap();
        answered_total += answered;
        assert_eq!(failure.kind, Kind::Unavailable, "{failure}");
    }
    assert!(answered_total > 0);
    assert_eq!(
        found.found.load(Ordering::Relaxed),
        answered_total,
        "each request that was taken was answered"
    );
}

#[tokio::test]
async fn a_deadline_of_the_process_ends_the_server_too() {
    let shop = start(Carrier::Http).await;
    let failure = shop.client.call(&shop.ctx.with_timeout(Duration::from_millis(50)), READ, pause("x")).await;
    assert_eq!(failure.unwrap_err().kind, Kind::DeadlineExceeded);
    shop.stopped().await;
}
