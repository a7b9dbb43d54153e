use std::time::Duration;

use staffa_context::{Cause, Kind};
use staffa_transport::{CallLimits, Limits};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::raw::bare;
use crate::shop::{CARRIERS, COUNT, Carrier, DRIP, Number, QUIET, start, start_with};

#[tokio::test]
async fn events_come_in_order_and_the_end_is_the_end() {
    for carrier in CARRIERS {
        let shop = start(carrier).await;
        let mut events = shop.client.events(&shop.ctx, COUNT, Number(20)).await.unwrap();
        let mut got = Vec::new();
        while let Some(event) = events.next().await {
            got.push(event.unwrap());
        }
        assert_eq!(got, (1..=20).map(|id| (id, id * id)).collect::<Vec<_>>());
        assert!(events.next().await.is_none());
    }
}

#[tokio::test]
async fn a_handler_that_refuses_is_a_problem_and_no_stream() {
    for carrier in CARRIERS {
        let shop = start(carrier).await;
        let failure = shop.client.events(&shop.ctx, COUNT, Number(u64::MAX)).await.unwrap_err();
        assert_eq!((failure.kind, &*failure.words), (Kind::NotFound, "there are no such numbers"));
    }
}

#[tokio::test]
async fn a_stream_goes_on_after_the_last_event_that_was_seen() {
    let shop = start(Carrier::Http).await;
    let mut stream = TcpStream::connect(shop.address).await.unwrap();
    stream.write_all(&bare("GET", "/count/5", "last-event-id: 3\r\n")).await.unwrap();
    let mut text = String::new();
    while !text.contains("event: end") {
        let mut chunk = [0; 1_024];
        let len = stream.read(&mut chunk).await.unwrap();
        text.push_str(std::str::from_utf8(&chunk[..len]).unwrap());
    }
    assert!(text.contains("content-type: text/event-stream"));
    assert!(!text.contains("id: 3\n"));
    assert!(text.contains("id: 4\ndata: 16\n\n") && text.contains("id: 5\ndata: 25\n\n"), "{text}");
}

/// A proxy that cuts each connection after some bytes of the answer.
async fn cutting_proxy(to: std::net::SocketAddr, bytes_max: usize) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let mut server = TcpStream::connect(to).await.unwrap();
            let (mut request, mut answer) = ([0; 4_096], vec![0; bytes_max]);
            let len = client.read(&mut request).await.unwrap();
            server.write_all(&request[..len]).await.unwrap();
            let len = server.read(&mut answer).await.unwrap();
            client.write_all(&answer[..len]).await.unwrap();
        }
    });
    address
}

#[tokio::test]
async fn a_lost_connection_loses_and_repeats_no_event() {
    let shop = start(Carrier::Http).await;
    let proxy = cutting_proxy(shop.address, 400).await;
    let client = staffa_transport::Client::http(&format!("http://{proxy}"))
        .unwrap()
        .with_limits(CallLimits { backoff: Duration::from_millis(1), ..CallLimits::default() });
    let mut events = client.events(&shop.ctx, COUNT, Number(50)).await.unwrap();
    for id in 1..=50 {
        assert_eq!(events.next().await.unwrap().unwrap(), (id, id * id));
    }
}

#[tokio::test]
async fn the_deadline_covers_the_first_event_only() {
    for carrier in CARRIERS {
        let shop = start(carrier).await;
        let failure = shop.client.events(&shop.ctx, QUIET, ()).await.unwrap_err();
        assert_eq!(failure.kind, Kind::DeadlineExceeded);
        let ctx = shop.ctx.with_timeout(Duration::from_millis(300));
        let mut events = shop.client.events(&ctx, COUNT, Number(1_000_000)).await.unwrap();
        events.next().await.unwrap().unwrap();
        ctx.done().await;
        events.next().await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_cancelled_context_and_a_dropped_stream_end_it_on_both_sides() {
    for carrier in CARRIERS {
        let limits = Limits { stream_queue: 2, ..Limits::default() };
        let shop = start_with(carrier, limits).await;
        let (ctx, cancel) = shop.ctx.with_cancel();
        let mut events = shop.client.events(&ctx, COUNT, Number(1_000_000)).await.unwrap();
        events.next().await.unwrap().unwrap();
        cancel.cancel(Cause::cancelled("enough"));
        assert_eq!(events.next().await.unwrap().unwrap_err().kind, Kind::Cancelled);
        assert!(events.next().await.is_none());
        drop(events);
        tokio::time::timeout(Duration::from_secs(5), shop.work.idle()).await.unwrap();
    }
}

#[tokio::test]
async fn a_client_that_is_too_slow_loses_its_stream() {
    let limits = Limits { stream_patience: Duration::from_millis(100), ..Limits::default() };
    let shop = start_with(Carrier::Http, limits).await;
    let mut stream = TcpStream::connect(shop.address).await.unwrap();
    stream.write_all(&bare("GET", "/flood", "")).await.unwrap();
    // The client reads nothing, the system's buffers and the queue fill, and the handler's side is over.
    tokio::time::timeout(Duration::from_secs(5), async {
        while shop.work.count() == 0 {
            tokio::task::yield_now().await;
        }
        shop.work.idle().await;
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_quiet_stream_has_a_heartbeat_and_a_largest_age() {
    let limits = Limits {
        heartbeat: Duration::from_millis(20),
        stream_age: Duration::from_millis(200),
        ..Limits::default()
    };
    let shop = start_with(Carrier::Http, limits).await;
    let mut stream = TcpStream::connect(shop.address).await.unwrap();
    let request = bare("GET", "/quiet", "connection: close\r\nlast-event-id: 7\r\n");
    stream.write_all(&request).await.unwrap();
    let mut text = String::new();
    tokio::time::timeout(Duration::from_secs(5), stream.read_to_string(&mut text)).await.unwrap().unwrap();
    assert!(text.matches(":\n\n").count() >= 2, "{text}");
    assert!(!text.contains("event: end"), "the client shall come back");
}

#[tokio::test]
async fn a_silent_stream_is_opened_again() {
    let limits = Limits { heartbeat: Duration::from_secs(60), ..Limits::default() };
    let shop = start_with(Carrier::Http, limits).await;
    let client = shop.client.clone().with_limits(CallLimits {
        silence_max: Duration::from_millis(50),
        backoff: Duration::from_millis(1),
        ..CallLimits::default()
    });
    // Each opening brings one event and then nothing.
    let mut events = client.events(&shop.ctx, DRIP, ()).await.unwrap();
    for id in 1..=5 {
        assert_eq!(events.next().await.unwrap().unwrap(), (id, id));
    }
}

#[tokio::test]
async fn more_events_than_the_queue_holds_come_all_to_a_client_that_takes_them() {
    for carrier in CARRIERS {
        let shop = start(carrier).await;
        let client =
            shop.client.clone().with_limits(CallLimits { reopen_attempts: 0, ..CallLimits::default() });
        let mut events = client.events(&shop.ctx, COUNT, Number(2_000)).await.unwrap();
        for id in 1..=2_000 {
            assert_eq!(events.next().await.unwrap().unwrap().0, id);
        }
        assert!(events.next().await.is_none());
    }
}
