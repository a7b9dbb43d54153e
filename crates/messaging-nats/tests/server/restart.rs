//! The server goes away and comes back, and so do consumers.
use std::sync::Arc;
use std::time::Duration;

use staffa_context::{Context, Group, Kind};
use staffa_messaging::Bus;
use staffa_messaging_nats::Nats;

use crate::listening::{Listening, event, send};
use crate::open::Server;
use crate::{open, place, quick};

fn ctx() -> Context {
    Context::background().with_timeout(Duration::from_secs(90))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_when_the_server_is_killed_and_comes_back() {
    let ctx = ctx();
    let mut server = Server::start(&ctx, &["-js"]).await;
    let bus = Nats::open(&ctx, &server.url("shop"), quick()).await.unwrap();
    let listening = Arc::new(Listening::default());
    listening.subscribe(&ctx, &*bus).await;
    let publisher = Arc::clone(&bus);
    let group = Group::<staffa_context::Failure>::new(&ctx, "publish");
    let publishing = group.spawn("publish", move |ctx| async move {
        for version in 1..=300 {
            send(&ctx, &*publisher, &event(&ctx, "a", version)).await;
            send(&ctx, &*publisher, &event(&ctx, &format!("b{}", version % 7), version)).await;
        }
        Ok(())
    });
    publishing.await.unwrap();
    for round in 1..=3 {
        while listening.versions("a").len() < round * 20 {
            ctx.sleep(Duration::from_millis(5)).await.unwrap();
        }
        server.kill();
        ctx.sleep(Duration::from_millis(300)).await.unwrap();
        server.restart(&ctx).await;
    }
    group.wait().await.unwrap();
    listening.until(&ctx, "a", &(1..=300).collect::<Vec<_>>()).await;
    bus.close(&ctx).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn publishing_is_unavailable_at_once_while_the_server_is_away() {
    let ctx = ctx();
    let mut server = Server::start(&ctx, &["-js"]).await;
    let bus = Nats::open(&ctx, &server.url("shop"), quick()).await.unwrap();
    let listening = Arc::new(Listening::default());
    listening.subscribe(&ctx, &*bus).await;
    send(&ctx, &*bus, &event(&ctx, "a", 1)).await;
    listening.until(&ctx, "a", &[1]).await;
    server.kill();
    let second = event(&ctx, "a", 2);
    // The first may find out.
    let _ = bus.publish(&ctx.with_timeout(Duration::from_millis(200)), &second).await;
    let begun = ctx.clock().now();
    let failure = bus.publish(&ctx, &second).await.unwrap_err();
    assert_eq!(failure.kind, Kind::Unavailable);
    assert!(ctx.clock().now() - begun < Duration::from_millis(100));
    server.restart(&ctx).await;
    send(&ctx, &*bus, &second).await;
    listening.until(&ctx, "a", &[1, 2]).await;
    bus.close(&ctx).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_follows_a_process_that_was_killed_goes_on_in_order() {
    let ctx = ctx();
    let place = place(&ctx);
    let publisher = open(&ctx, &place, quick()).await.unwrap();
    let listening = Arc::new(Listening::default());
    // One listener for all tells how the effects follow each other.
    let mut processes = Vec::new();
    for _ in 0..2 {
        let bus = open(&ctx, &place, quick()).await.unwrap();
        listening.subscribe(&ctx, &*bus).await;
        processes.push(bus);
    }
    let mut sent = 0;
    for round in 1..=4 {
        for _ in 0..60 {
            sent += 1;
            send(&ctx, &*publisher, &event(&ctx, "a", sent)).await;
            send(&ctx, &*publisher, &event(&ctx, &format!("b{}", sent % 7), sent)).await;
        }
        while listening.versions("a").len() < round * 40 {
            ctx.sleep(Duration::from_millis(5)).await.unwrap();
        }
        // Its tasks are aborted: nothing is given back.
        drop(processes.remove(0));
        let bus = open(&ctx, &place, quick()).await.unwrap();
        listening.subscribe(&ctx, &*bus).await;
        processes.push(bus);
    }
    listening.until(&ctx, "a", &(1..=sent).collect::<Vec<_>>()).await;
    for bus in processes {
        bus.close(&ctx).await.unwrap();
    }
    publisher.remove(&ctx).await.unwrap();
}
