//! Relays whose time stands still until it is moved, each by a clock of its own.
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use staffa_context::{Cause, Context, Failure, Group, Instruments, Kind, ManualClock, Timestamp};
use staffa_messaging::{Bus, Relay, RelayOptions, Subscription};
use staffa_storage::memory::Memory;
use staffa_storage::{Entity, Event, Happened, Schema, Store, Unsent};

use crate::gauges::Gauges;
use crate::logs;

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Order {
    id: String,
}

impl Entity for Order {
    type Id = String;
    const KIND: &'static str = "order";
    fn id(&self) -> &String {
        &self.id
    }
}

#[derive(Serialize)]
struct Placed {}

impl Happened for Placed {
    const NAME: &'static str = "placed";
}

/// Notes what was published; what it is told to refuse is refused.
#[derive(Default)]
struct Post {
    taken: Mutex<BTreeSet<String>>,
    refused: Mutex<Option<Kind>>,
}

#[async_trait::async_trait]
impl Bus for Post {
    async fn publish(&self, _ctx: &Context, event: &Event) -> Result<(), Failure> {
        if let Some(kind) = *self.refused.lock().unwrap() {
            return Err(Failure::new(kind, "told to refuse"));
        }
        self.taken.lock().unwrap().insert(event.entity.clone());
        Ok(())
    }

    async fn subscribe(&self, _ctx: &Context, _subscription: Subscription) -> Result<(), Failure> {
        Ok(())
    }

    async fn close(&self, _ctx: &Context) -> Result<(), Failure> {
        Ok(())
    }
}

/// A process with a clock, a relay and a bus of its own.
struct Process {
    clock: ManualClock,
    post: Arc<Post>,
    gauges: Arc<Gauges>,
    group: Group<Failure>,
}

const LEASE: Duration = Duration::from_secs(6);

impl Process {
    async fn start(store: &Arc<dyn Store>, wall: i64, options: RelayOptions) -> Self {
        let clock = ManualClock::at(Timestamp::from_micros(wall));
        let gauges = Arc::new(Gauges::default());
        let instruments = Instruments {
            clock: Arc::new(clock.clone()),
            meter: Some(Arc::clone(&gauges) as _),
            ..Instruments::default()
        };
        let ctx = Context::root(instruments);
        let post = Arc::new(Post::default());
        let relay = Relay::new(Arc::clone(store), Arc::clone(&post) as _, options);
        let group = Group::new(&ctx, "relay");
        group.spawn("relay", move |ctx| async move { Ok(relay.run(&ctx).await) }).await.unwrap();
        let process = Self { clock, post, gauges, group };
        settle().await;
        process
    }

    /// Moves its time on, in steps in which everything comes to rest.
    async fn advance(&self, by: Duration) {
        let step = Duration::from_millis(250);
        for _ in 0..by.as_millis() / step.as_millis() {
            self.clock.advance(step);
            settle().await;
        }
    }

    fn taken(&self) -> usize {
        self.post.taken.lock().unwrap().len()
    }

    fn gauge(&self, name: &str) -> i64 {
        self.gauges.get(name).unwrap()
    }

    async fn stop(self) {
        self.group.cancel(Cause::ShuttingDown);
        let _ = self.group.wait().await;
    }
}

/// Lets everything run that can.
async fn settle() {
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
}

fn store() -> Arc<dyn Store> {
    let own = [Schema::of::<Order>()];
    Memory::open(own.into_iter().chain(staffa_messaging::schemas()).collect()).unwrap()
}

/// Places an order in each partition, and more.
async fn place_40(store: &Arc<dyn Store>, from: u32) {
    for n in from..from + 40 {
        let mut unit = store.unit();
        let order = unit.insert(Order { id: n.to_string() });
        unit.emit(&order, Placed {});
        unit.commit(&Context::background()).await.unwrap();
    }
}

async fn unsent(store: &Arc<dyn Store>) -> usize {
    store.unsent(&Context::background(), Unsent::all(1_000)).await.unwrap().len()
}

#[tokio::test]
async fn relays_whose_wall_clocks_are_years_apart_share_an_outbox() {
    let store = store();
    let (old, new) = (0, 2_000_000_000_000_000);
    let first = Process::start(&store, old, RelayOptions::default()).await;
    let second = Process::start(&store, new, RelayOptions::default()).await;
    for _ in 0..4 {
        first.advance(LEASE / 3).await;
        second.advance(LEASE / 3).await;
    }
    assert_eq!((first.gauge("outbox_partitions"), second.gauge("outbox_partitions")), (8, 8));
    place_40(&store, 0).await;
    first.advance(LEASE / 6).await;
    second.advance(LEASE / 6).await;
    assert_eq!(unsent(&store).await, 0);
    assert_eq!(first.taken() + second.taken(), 40);
    assert!(first.taken() > 0 && second.taken() > 0);
}

#[tokio::test]
async fn a_relay_that_is_gone_is_followed_after_a_lease_of_the_others_time() {
    let store = store();
    let first = Process::start(&store, 0, RelayOptions::default()).await;
    let second = Process::start(&store, 0, RelayOptions::default()).await;
    // The first is gone, its time is of no matter.
    drop(first.group);
    place_40(&store, 0).await;
    second.advance(LEASE - Duration::from_secs(1)).await;
    assert_eq!(second.taken(), 0);
    second.advance(LEASE / 2).await;
    assert_eq!((second.taken(), unsent(&store).await), (40, 0));
}

#[tokio::test]
async fn a_relay_that_stops_in_order_is_followed_at_the_next_beat() {
    let store = store();
    let first = Process::start(&store, 0, RelayOptions::default()).await;
    let second = Process::start(&store, 0, RelayOptions::default()).await;
    first.stop().await;
    place_40(&store, 0).await;
    second.advance(LEASE / 3 + Duration::from_millis(250)).await;
    assert_eq!((second.taken(), unsent(&store).await), (40, 0));
}

#[tokio::test]
async fn a_relay_that_was_taken_out_publishes_nothing_and_starts_again() {
    let store = store();
    let first = Process::start(&store, 0, RelayOptions::default()).await;
    let second = Process::start(&store, 0, RelayOptions::default()).await;
    // The first stands still, and is followed.
    second.advance(LEASE + LEASE / 3).await;
    assert_eq!(second.gauge("outbox_partitions"), 16);
    place_40(&store, 0).await;
    // It wakes up late: its tenure is over before it looks at the outbox.
    first.clock.advance(2 * LEASE);
    settle().await;
    assert_eq!(first.taken(), 0);
    for _ in 0..4 {
        second.advance(LEASE / 3).await;
        first.advance(LEASE / 3).await;
    }
    assert_eq!((first.gauge("outbox_partitions"), second.gauge("outbox_partitions")), (8, 8));
    assert_eq!(unsent(&store).await, 0);
}

#[tokio::test]
async fn a_relay_that_cannot_beat_publishes_nothing_from_three_quarters_of_its_lease_on() {
    let memory =
        Memory::open([Schema::of::<Order>()].into_iter().chain(staffa_messaging::schemas()).collect())
            .unwrap();
    let store: Arc<dyn Store> = Arc::clone(&memory) as _;
    let ctx = Context::background();
    let relay = Process::start(&store, 0, RelayOptions::default()).await;
    place_40(&store, 0).await;
    // Nobody can write, so that no beat comes through, and nothing can be noted.
    staffa_storage::Moving::freeze(&*memory, &ctx, true).await.unwrap();
    relay.advance(LEASE / 3).await;
    let taken = relay.taken();
    relay.advance(LEASE).await;
    assert_eq!(relay.taken(), taken, "what was sent and not noted is not sent again");
    staffa_storage::Moving::freeze(&*memory, &ctx, false).await.unwrap();
    // It follows itself without waiting for a lease.
    relay.advance(LEASE / 2).await;
    assert_eq!((relay.taken(), unsent(&store).await), (40, 0));
}

#[tokio::test]
async fn how_much_is_unsent_is_told_at_each_beat() {
    let store = store();
    place_40(&store, 0).await;
    let options = RelayOptions { alone: true, ..RelayOptions::default() };
    let relay = Process::start(&store, 90_000_000, options).await;
    // It was measured as the first round began.
    *relay.post.refused.lock().unwrap() = Some(Kind::Unavailable);
    place_40(&store, 40).await;
    relay.advance(Duration::from_secs(2)).await;
    assert_eq!(relay.gauge("outbox_unsent_events"), 40);
    assert!(relay.gauge("outbox_entities_held") > 0);
    *relay.post.refused.lock().unwrap() = None;
    relay.advance(Duration::from_secs(40)).await;
    assert_eq!(relay.gauge("outbox_unsent_events"), 0);
    assert_eq!(relay.gauge("outbox_oldest_unsent_seconds"), 0);
    assert_eq!(relay.gauge("outbox_entities_held"), 0);
}

const IS_FROZEN: &str = "the store is frozen; the relay notes nothing until it is thawed";
const IS_THAWED: &str = "the store is thawed; the relay goes on";

#[tokio::test]
async fn a_freeze_and_a_thaw_are_logged_once_each() {
    for alone in [false, true] {
        logs::keep();
        let memory =
            Memory::open([Schema::of::<Order>()].into_iter().chain(staffa_messaging::schemas()).collect())
                .unwrap();
        let store: Arc<dyn Store> = Arc::clone(&memory) as _;
        let ctx = Context::background();
        let relay = Process::start(&store, 0, RelayOptions { alone, ..RelayOptions::default() }).await;
        for round in 0..2 {
            place_40(&store, round * 40).await;
            staffa_storage::Moving::freeze(&*memory, &ctx, true).await.unwrap();
            relay.advance(5 * LEASE).await;
            assert_eq!(logs::lines(), [IS_FROZEN], "alone: {alone}");
            staffa_storage::Moving::freeze(&*memory, &ctx, false).await.unwrap();
            relay.advance(LEASE).await;
            assert_eq!(logs::lines(), [IS_THAWED], "alone: {alone}");
        }
        assert_eq!((relay.taken(), unsent(&store).await), (80, 0));
    }
}

#[tokio::test]
async fn what_fails_all_events_alike_is_logged_once_until_one_goes_out() {
    logs::keep();
    let store = store();
    let options = RelayOptions { alone: true, ..RelayOptions::default() };
    let relay = Process::start(&store, 0, options).await;
    for round in 0..2 {
        *relay.post.refused.lock().unwrap() = Some(Kind::Unavailable);
        place_40(&store, round * 40).await;
        relay.advance(Duration::from_secs(30)).await;
        assert_eq!(logs::lines(), ["an event could not be published"]);
        *relay.post.refused.lock().unwrap() = None;
        relay.advance(Duration::from_secs(40)).await;
        assert_eq!(unsent(&store).await, 0);
    }
    *relay.post.refused.lock().unwrap() = Some(Kind::Invalid);
    place_40(&store, 80).await;
    relay.advance(Duration::from_secs(1)).await;
    assert!(logs::lines().len() >= 40, "an event's own failure is not logged");
}
