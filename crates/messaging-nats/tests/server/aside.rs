//! Events whose effect failed too often.
use std::sync::Arc;
use std::time::Duration;

use staffa_context::{Context, Kind};
use staffa_messaging::Bus;
use staffa_messaging_nats::{DeadDelivery, Nats, Options};

use crate::listening::{Listening, event, send};
use crate::{open, place, quick};

fn options() -> Options {
    Options { attempts_max: 3, ..quick() }
}

fn ctx() -> Context {
    Context::background().with_timeout(Duration::from_secs(60))
}

/// A bus on which the third event of the entity `a` died, and two wait behind it.
async fn with_a_dead_one(ctx: &Context, place: &str) -> (Arc<Nats>, Arc<Listening>) {
    let bus = open(ctx, place, options()).await.unwrap();
    let listening = Arc::new(Listening::default());
    listening.refuse(&[3]);
    listening.subscribe(ctx, &*bus).await;
    for version in 1..=5 {
        send(ctx, &*bus, &event(ctx, "a", version)).await;
        send(ctx, &*bus, &event(ctx, "b", version)).await;
    }
    listening.until(ctx, "b", &[1, 2, 3, 4, 5]).await;
    listening.until(ctx, "a", &[1, 2]).await;
    until_aside(ctx, &bus, 3).await;
    (bus, listening)
}

/// Waits until so many are put aside.
async fn until_aside(ctx: &Context, bus: &Nats, count: usize) -> Vec<DeadDelivery> {
    loop {
        let found = bus.dead().list(ctx, Some("ledger"), 0, 100).await.unwrap();
        if found.len() == count {
            return found;
        }
        ctx.sleep(Duration::from_millis(20)).await.unwrap_or_else(|_| panic!("{found:?}"));
    }
}

async fn end(ctx: &Context, bus: &Nats) {
    bus.close(ctx).await.unwrap();
    bus.remove(ctx).await.unwrap();
}

#[tokio::test]
async fn an_event_that_fails_too_often_is_listed_with_what_waits_behind_it() {
    let ctx = ctx();
    let (bus, listening) = with_a_dead_one(&ctx, &place(&ctx)).await;
    let found = bus.dead().list(&ctx, None, 0, 100).await.unwrap();
    let versions: Vec<_> = found.iter().map(|dead| (dead.event.version, dead.attempts)).collect();
    assert_eq!(versions, [(3, 3), (4, 0), (5, 0)]);
    assert_eq!(found[0].failure.as_deref(), Some("invalid: told to refuse"));
    assert_eq!((found[1].failure.as_deref(), &*found[0].consumer), (None, "ledger"));
    let next = bus.dead().list(&ctx, None, found[0].place, 1).await.unwrap();
    assert_eq!(next[0].event.version, 4);
    assert_eq!(listening.versions("a"), [1, 2]);
    end(&ctx, &bus).await;
}

#[tokio::test]
async fn one_that_is_redriven_takes_effect_before_what_waits_behind_it() {
    let ctx = ctx();
    let (bus, listening) = with_a_dead_one(&ctx, &place(&ctx)).await;
    let dead = bus.dead().list(&ctx, None, 0, 1).await.unwrap().remove(0);
    // It dies again, and stays.
    bus.dead().redrive(&ctx, "ledger", dead.event.id).await.unwrap();
    ctx.sleep(Duration::from_secs(1)).await.unwrap();
    assert_eq!((listening.versions("a"), until_aside(&ctx, &bus, 3).await.len()), (vec![1, 2], 3));
    listening.refuse(&[]);
    bus.dead().redrive(&ctx, "ledger", dead.event.id).await.unwrap();
    send(&ctx, &*bus, &event(&ctx, "a", 6)).await;
    listening.until(&ctx, "a", &[1, 2, 3, 4, 5, 6]).await;
    until_aside(&ctx, &bus, 0).await;
    let again = bus.dead().redrive(&ctx, "ledger", dead.event.id).await;
    assert_eq!(again.map_err(|failure| failure.kind), Err(Kind::NotFound));
    send(&ctx, &*bus, &event(&ctx, "a", 7)).await;
    listening.until(&ctx, "a", &[1, 2, 3, 4, 5, 6, 7]).await;
    end(&ctx, &bus).await;
}

#[tokio::test]
async fn one_that_is_skipped_never_takes_effect_and_the_rest_does() {
    let ctx = ctx();
    let (bus, listening) = with_a_dead_one(&ctx, &place(&ctx)).await;
    let found = bus.dead().list(&ctx, None, 0, 2).await.unwrap();
    let behind = bus.dead().skip(&ctx, "ledger", found[1].event.id).await;
    assert_eq!(behind.map_err(|failure| failure.kind), Err(Kind::Conflict));
    bus.dead().skip(&ctx, "ledger", found[0].event.id).await.unwrap();
    listening.until(&ctx, "a", &[1, 2, 4, 5]).await;
    until_aside(&ctx, &bus, 0).await;
    end(&ctx, &bus).await;
}

#[tokio::test]
async fn another_process_holds_the_entity_too() {
    let ctx = ctx();
    let place = place(&ctx);
    let (bus, first) = with_a_dead_one(&ctx, &place).await;
    bus.close(&ctx).await.unwrap();
    let (bus, second) = (open(&ctx, &place, options()).await.unwrap(), Arc::new(Listening::default()));
    second.subscribe(&ctx, &*bus).await;
    send(&ctx, &*bus, &event(&ctx, "a", 6)).await;
    send(&ctx, &*bus, &event(&ctx, "b", 6)).await;
    second.until(&ctx, "b", &[6]).await;
    let found = until_aside(&ctx, &bus, 4).await;
    assert_eq!((first.versions("a"), second.versions("a")), (vec![1, 2], vec![]));
    // Nothing comes any more, and the wish is seen nevertheless.
    bus.dead().redrive(&ctx, "ledger", found[0].event.id).await.unwrap();
    second.until(&ctx, "a", &[3, 4, 5, 6]).await;
    end(&ctx, &bus).await;
}

#[tokio::test]
async fn a_wish_is_seen_by_a_process_to_which_nothing_comes() {
    let ctx = ctx();
    let place = place(&ctx);
    let (bus, _) = with_a_dead_one(&ctx, &place).await;
    let found = bus.dead().list(&ctx, None, 0, 1).await.unwrap();
    bus.close(&ctx).await.unwrap();
    let (bus, second) = (open(&ctx, &place, options()).await.unwrap(), Arc::new(Listening::default()));
    second.subscribe(&ctx, &*bus).await;
    bus.dead().redrive(&ctx, "ledger", found[0].event.id).await.unwrap();
    second.until(&ctx, "a", &[3, 4, 5]).await;
    end(&ctx, &bus).await;
}
