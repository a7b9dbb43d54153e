//! Events that failed too often, in an outbox and at a bus: one command reaches both.
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use shop_core::Orders;
use staffa::messaging::{Bus, Consumer, DeadEvent, Subscription};
use staffa::nats::{Nats, Options};
use staffa::settings::Storage;
use staffa::storage::Event;
use staffa::store::Home;
use staffa::{Context, Failure, Kind, Uuid};

use crate::server;

/// A consumer that refuses until it is told not to, and counts.
#[derive(Default)]
struct Ledger {
    takes: AtomicBool,
    taken: AtomicUsize,
}

#[async_trait]
impl Consumer for Ledger {
    async fn consume(&self, _ctx: &Context, _event: &Event) -> Result<(), Failure> {
        if !self.takes.load(Ordering::SeqCst) {
            return Err(Failure::new(Kind::Invalid, "told to refuse"));
        }
        self.taken.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}

fn event(ctx: &Context, version: i64) -> Event {
    Event {
        id: ctx.uuid(),
        name: "order_placed".into(),
        kind: "order".into(),
        entity: "7".into(),
        version,
        n: 0,
        at: ctx.wall(),
        trace: None,
        payload: version.into(),
    }
}

/// A dead event in the outbox of the orders.
async fn bury(ctx: &Context, url: &str) -> Uuid {
    let id = ctx.uuid();
    let settings = Storage::default();
    let home = Home { url, service: "orders", settings: &settings, own: Orders::schemas() };
    let adapter = home.open(ctx).await.unwrap();
    let store = adapter.store();
    let mut unit = store.unit();
    unit.insert(DeadEvent {
        id,
        name: "order_cancelled".into(),
        kind: "order".into(),
        entity: "8".into(),
        failure: "nobody takes it".into(),
        attempts: 20,
        at: ctx.wall(),
    });
    unit.commit(ctx).await.unwrap();
    store.close(ctx).await.unwrap();
    id
}

/// A shop's data, and a bus.
struct Places {
    store: String,
    bus: String,
}

impl Places {
    fn new(ctx: &Context, folder: &Path) -> Self {
        let bus = format!("{}/events{}", server("STAFFA_TEST_NATS"), ctx.uuid().simple());
        Self { store: format!("sqlite:{}", folder.display()), bus }
    }

    /// What `shop events` says, and whether it went well.
    fn events(&self, words: &[&str], bus: bool) -> (bool, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_shop"));
        command.arg("events").args(words).args(["--store", &self.store]).env_clear().stdin(Stdio::null());
        if bus {
            command.args(["--bus", &self.bus]);
        }
        let ended = command.output().unwrap();
        let said = [ended.stdout, ended.stderr].concat();
        (ended.status.success(), String::from_utf8(said).unwrap())
    }

    #[track_caller]
    fn good(&self, words: &[&str], bus: bool) -> String {
        let (is_good, said) = self.events(words, bus);
        assert!(is_good, "{words:?}: {said}");
        said
    }
}

async fn until(ctx: &Context, what: &str, mut look: impl AsyncFnMut() -> bool) {
    let ctx = ctx.with_timeout(Duration::from_secs(60));
    while !look().await {
        ctx.sleep(Duration::from_millis(20)).await.unwrap_or_else(|_| panic!("not in time: {what}"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dead_events_of_an_outbox_and_of_a_bus_are_listed_tried_again_and_skipped() {
    let (ctx, folder) = (Context::background(), tempfile::tempdir().unwrap());
    let places = Places::new(&ctx, folder.path());
    let migrate = ["migrate", "--store", &places.store];
    assert!(Command::new(env!("CARGO_BIN_EXE_shop")).args(migrate).output().unwrap().status.success());
    let told = bury(&ctx, &places.store).await;

    let moment = Duration::from_millis(1);
    let options =
        Options { lease: Duration::from_secs(1), backoff: moment, attempts_max: 1, ..Options::default() };
    let bus = Nats::open(&ctx, &places.bus, options).await.unwrap();
    let ledger = Arc::new(Ledger::default());
    let handler = Arc::clone(&ledger) as Arc<dyn Consumer>;
    bus.subscribe(&ctx, Subscription { consumer: "stock", names: &["order_placed"], handler }).await.unwrap();
    let heard: Vec<Event> = (1..=3).map(|version| event(&ctx, version)).collect();
    for event in &heard {
        bus.publish(&ctx, event).await.unwrap();
    }
    let aside = async || bus.dead().list(&ctx, None, 0, 9).await.unwrap().len();
    until(&ctx, "three are aside", async || aside().await == 3).await;

    let listed = places.good(&["list"], false);
    assert!(listed.contains(&format!("{told} orders order_cancelled of order 8")), "{listed}");
    assert!(listed.ends_with("\n1 dead\n"), "{listed}");
    let listed = places.good(&["list"], true);
    let at_bus = format!("{} stock at the bus: order_placed of order 7, dead after 1 attempts", heard[0].id);
    assert!(listed.contains(&told.to_string()) && listed.contains(&at_bus), "{listed}");
    assert!(listed.ends_with("\n2 dead, 2 wait behind them\n"), "{listed}");

    // Without the bus nobody knows of it; what waits behind another one is not skipped.
    let (first, second) = (heard[0].id.to_string(), heard[1].id.to_string());
    assert!(places.events(&["skip", &first], false).1.contains("--bus"));
    assert!(places.events(&["skip", &second], true).1.contains("waits behind another one"));
    ledger.takes.store(true, Ordering::SeqCst);
    places.good(&["skip", &first], true);
    until(&ctx, "the rest takes effect", async || aside().await == 0).await;
    assert_eq!(ledger.taken.load(Ordering::SeqCst), 2);

    ledger.takes.store(false, Ordering::SeqCst);
    let last = event(&ctx, 4);
    bus.publish(&ctx, &last).await.unwrap();
    until(&ctx, "it is aside", async || aside().await == 1).await;
    ledger.takes.store(true, Ordering::SeqCst);
    places.good(&["redrive", &last.id.to_string()], true);
    until(&ctx, "it takes effect", async || aside().await == 0).await;
    assert_eq!(ledger.taken.load(Ordering::SeqCst), 3);

    places.good(&["redrive", &told.to_string()], true);
    assert_eq!(places.good(&["list"], true), "0 dead\n");
    bus.close(&ctx).await.unwrap();
    bus.remove(&ctx).await.unwrap();
}
