use std::sync::Arc;
use std::time::Duration;

use staffa_context::{Cause, Context, Failure, Group, Instruments, Kind, ManualClock};
use staffa_messaging::{Bus, Consumer, InProcess, Inbox, Relay, RelayOptions, Subscription};
use staffa_storage::memory::Memory;
use staffa_storage::{Event, Store, Unsent};
use staffa_storage_sqlite::{Options, Sqlite};

use crate::gauges::Gauges;
use crate::ledger::{Ledger, place, schemas};

/// Runs a case on each store.
async fn on_every_store<F: Future<Output = ()>>(case: impl Fn(Context, Arc<dyn Store>) -> F) {
    let ctx = Context::background().with_timeout(Duration::from_secs(60));
    case(ctx.clone(), Memory::open(schemas()).unwrap()).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("orders.sqlite");
    case(ctx.clone(), Sqlite::open(&ctx, &path, Options::default(), schemas()).await.unwrap()).await;
}

async fn bus(ctx: &Context, ledger: &Arc<Ledger>) -> Arc<InProcess> {
    let bus = Arc::new(InProcess::new());
    let handler =
        Arc::new(Inbox::new("ledger", Arc::clone(&ledger.store), Arc::clone(ledger) as Arc<dyn Consumer>));
    bus.subscribe(ctx, Subscription { consumer: "ledger", names: &["stepped"], handler }).await.unwrap();
    bus
}

/// Runs a relay until the outbox is empty.
async fn relay_all(ctx: &Context, store: &Arc<dyn Store>, bus: Arc<InProcess>) {
    let options = RelayOptions {
        idle: Duration::from_millis(1),
        backoff: Duration::from_millis(1),
        ..RelayOptions::default()
    };
    let relay = Relay::new(Arc::clone(store), bus, options);
    let group = Group::<Failure>::new(ctx, "relay");
    let running = group.spawn("relay", move |ctx| async move { Ok(relay.run(&ctx).await) }).await.unwrap();
    while !store.unsent(ctx, Unsent::all(1)).await.unwrap().is_empty() {
        ctx.sleep(Duration::from_millis(1)).await.unwrap();
    }
    group.cancel(Cause::ShuttingDown);
    drop(running);
    let _ = group.wait().await;
}

#[tokio::test]
async fn events_of_an_entity_arrive_once_and_in_order() {
    on_every_store(|ctx, store| async move {
        let ledger = Ledger::new(&store, &[]);
        let bus = bus(&ctx, &ledger).await;
        for id in ["a", "b", "c"] {
            place(&ctx, &*store, id, 5).await;
        }
        relay_all(&ctx, &store, bus).await;
        for id in ["a", "b", "c"] {
            assert_eq!(ledger.steps(&ctx, id).await, [0, 1, 2, 3, 4]);
        }
    })
    .await;
}

#[tokio::test]
async fn a_failing_event_holds_back_its_own_entity_only() {
    on_every_store(|ctx, store| async move {
        let ledger = Ledger::new(&store, &[("a", 3)]);
        let bus = bus(&ctx, &ledger).await;
        place(&ctx, &*store, "a", 2).await;
        place(&ctx, &*store, "b", 2).await;
        relay_all(&ctx, &store, bus).await;
        assert_eq!(ledger.steps(&ctx, "a").await, [0, 1]);
        assert_eq!(ledger.steps(&ctx, "b").await, [0, 1]);
        let calls = ledger.calls.lock().unwrap().clone();
        let of = |id: &str| {
            calls.iter().filter(|(entity, _)| entity == id).map(|(_, step)| *step).collect::<Vec<_>>()
        };
        assert_eq!(of("a"), [0, 0, 0, 0, 1]);
        let b_done = calls.iter().position(|call| *call == ("b".to_owned(), 1)).unwrap();
        let a_done = calls.iter().position(|call| *call == ("a".to_owned(), 1)).unwrap();
        assert!(b_done < a_done, "b waited for a: {calls:?}");
    })
    .await;
}

#[tokio::test]
async fn an_event_that_is_delivered_again_changes_nothing() {
    on_every_store(|ctx, store| async move {
        let ledger = Ledger::new(&store, &[]);
        let bus = bus(&ctx, &ledger).await;
        place(&ctx, &*store, "a", 1).await;
        let event = store.unsent(&ctx, Unsent::all(10)).await.unwrap().remove(0);
        // A crash after the effect and before the mark looks just like this.
        bus.publish(&ctx, &event).await.unwrap();
        bus.publish(&ctx, &event).await.unwrap();
        relay_all(&ctx, &store, bus).await;
        assert_eq!(ledger.steps(&ctx, "a").await, [0]);
        assert_eq!(ledger.calls.lock().unwrap().len(), 1);
    })
    .await;
}

#[tokio::test]
async fn an_event_that_is_delivered_twice_at_once_takes_effect_once() {
    on_every_store(|ctx, store| async move {
        let ledger = Ledger::new(&store, &[]);
        let bus = bus(&ctx, &ledger).await;
        place(&ctx, &*store, "a", 1).await;
        let event = store.unsent(&ctx, Unsent::all(10)).await.unwrap().remove(0);
        let deliveries = (0..8).map(|_| bus.publish(&ctx, &event));
        for delivered in futures_util::future::join_all(deliveries).await {
            delivered.unwrap();
        }
        assert_eq!(ledger.steps(&ctx, "a").await, [0]);
    })
    .await;
}

#[tokio::test]
async fn an_event_nobody_subscribes_to_is_sent_at_once() {
    on_every_store(|ctx, store| async move {
        place(&ctx, &*store, "a", 3).await;
        relay_all(&ctx, &store, Arc::new(InProcess::new())).await;
        assert!(store.unsent(&ctx, Unsent::all(10)).await.unwrap().is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_consumer_has_one_subscription() {
    let ctx = Context::background();
    let store: Arc<dyn Store> = Memory::open(schemas()).unwrap();
    let ledger = Ledger::new(&store, &[]);
    let bus = bus(&ctx, &ledger).await;
    let again = Subscription { consumer: "ledger", names: &[], handler: ledger };
    assert!(bus.subscribe(&ctx, again).await.is_err());
}

#[tokio::test]
async fn the_age_of_the_oldest_unsent_event_is_told_while_its_entity_is_held() {
    let (clock, gauges) = (ManualClock::default(), Arc::new(Gauges::default()));
    let instruments = Instruments {
        clock: Arc::new(clock.clone()),
        meter: Some(Arc::clone(&gauges) as _),
        ..Instruments::default()
    };
    let ctx = Context::root(instruments);
    let store: Arc<dyn Store> = Memory::open(schemas()).unwrap();
    let ledger = Ledger::new(&store, &[("a", 1)]);
    let bus = bus(&ctx, &ledger).await;
    place(&ctx, &*store, "a", 1).await;
    clock.advance(Duration::from_secs(90));
    place(&ctx, &*store, "b", 1).await;

    let relay = Relay::new(Arc::clone(&store), bus, RelayOptions::default());
    let (nudge, oldest) = (relay.nudge(), "outbox_oldest_unsent_seconds");
    let group = Group::<Failure>::new(&ctx, "relay");
    group.spawn("relay", move |ctx| async move { Ok(relay.run(&ctx).await) }).await.unwrap();
    gauges.until("outbox_entities_held", 1).await;
    assert_eq!(gauges.get(oldest), Some(90));
    // The entity is held, so that its event is not read.
    nudge.nudge();
    clock.advance(Duration::from_millis(50));
    gauges.until(oldest, 90).await;
    clock.advance(Duration::from_secs(1));
    gauges.until(oldest, 0).await;
    assert_eq!(ledger.steps(&ctx, "a").await, [0]);
    group.cancel(Cause::ShuttingDown);
    let _ = group.wait().await;
}

/// Fails with words of its own after its store has gone away.
struct Gone(Arc<dyn Store>);

#[async_trait::async_trait]
impl Consumer for Gone {
    async fn consume(&self, ctx: &Context, _event: &Event) -> Result<(), Failure> {
        self.0.close(ctx).await?;
        Err(Failure::new(Kind::Internal, "the effect failed"))
    }
}

#[tokio::test]
async fn an_inbox_that_cannot_look_again_tells_why_the_effect_failed() {
    let ctx = Context::background();
    let store: Arc<dyn Store> = Memory::open(schemas()).unwrap();
    place(&ctx, &*store, "a", 1).await;
    let event = store.unsent(&ctx, Unsent::all(1)).await.unwrap().remove(0);
    let inbox = Inbox::new("gone", Arc::clone(&store), Arc::new(Gone(store)));
    assert_eq!(inbox.consume(&ctx, &event).await.unwrap_err().words, "the effect failed");
}
