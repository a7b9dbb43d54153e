use std::sync::Arc;

use staffa::messaging::Consumer;
use staffa::settings::Flags;
use staffa::storage::{Event, Happened};
use staffa::{Context, Entity, Failure, Host, Repository, Schema, Service, Store, Versioned, test};

use crate::orders::{PLACE, Place, compose};

/// How much of something is left.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
struct Stock {
    code: String,
    units: i64,
}

impl Entity for Stock {
    type Id = String;
    const KIND: &'static str = "stock";
    fn id(&self) -> &String {
        &self.code
    }
}

struct Inventory {
    store: Arc<dyn Store>,
    taken: Arc<tokio::sync::Notify>,
}

#[async_trait::async_trait]
impl Consumer for Inventory {
    async fn consume(&self, ctx: &Context, event: &Event) -> Result<(), Failure> {
        let units = event.payload["units"].as_i64().unwrap_or_default();
        let mut unit = self.store.unit();
        match unit.get::<Stock>(ctx, "x".to_owned()).await? {
            Some(stock) => {
                unit.update(stock.map(|stock| Stock { units: stock.units - units, ..stock }));
            }
            None => {
                unit.insert(Stock { code: "x".to_owned(), units: -units });
            }
        }
        unit.answer(ctx, &());
        unit.commit(ctx).await?;
        self.taken.notify_one();
        Ok(())
    }
}

#[tokio::test]
async fn an_event_of_one_service_has_its_effect_in_another_once() {
    let taken = Arc::new(tokio::sync::Notify::new());
    let told = Arc::clone(&taken);
    let inventory = async move |ctx: &Context, service: &mut Service<()>| {
        let store = service.store(ctx, "memory:", vec![Schema::of::<Stock>()]).await?;
        let inventory = Arc::new(Inventory { store: Arc::clone(&store), taken: told });
        service.consume("inventory", &["order_placed"], &store, inventory);
        Ok(())
    };
    let host = Host::new("shop").service("orders", compose).service("inventory", inventory);
    let process = test::start_host(host, Flags::default()).await;
    for units in [1, 2] {
        process.call(PLACE, Place { units }).await.unwrap();
        taken.notified().await;
    }
    let ctx = process.context();
    let stock = Repository::<Stock>::new(&process.stores("inventory")[0]).find(&ctx, "x".to_owned()).await;
    assert_eq!(stock, Ok(Some(Versioned { version: 2, value: Stock { code: "x".to_owned(), units: -3 } })));

    let spans = process.capture().spans();
    let handled = spans.iter().find(|span| span.name == "handle order_placed").unwrap();
    let placed = spans.iter().find(|span| span.name == "publish order_placed").unwrap();
    assert_eq!((handled.service.as_str(), placed.service.as_str()), ("inventory", "orders"));
    assert!(
        spans.iter().any(|span| span.trace_id == handled.trace_id && span.name.contains("/orders")),
        "{spans:#?}"
    );
    process.stop().await;
}

/// Something that was made.
#[derive(Clone, serde::Serialize, serde::Deserialize)]
struct Thing {
    id: i64,
}

impl Entity for Thing {
    type Id = i64;
    const KIND: &'static str = "thing";
    fn id(&self) -> &i64 {
        &self.id
    }
}

#[derive(serde::Serialize)]
struct Made {}

impl Happened for Made {
    const NAME: &'static str = "made";
}

/// Counts what it hears.
struct Heard(Arc<tokio::sync::Semaphore>);

#[async_trait::async_trait]
impl Consumer for Heard {
    async fn consume(&self, _ctx: &Context, _event: &Event) -> Result<(), Failure> {
        self.0.add_permits(1);
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_left_from_before_wait_for_the_last_service_to_listen() {
    let heard = Arc::new(tokio::sync::Semaphore::new(0));
    let told = Arc::clone(&heard);
    let teller = async |ctx: &Context, service: &mut Service<()>| {
        let store = service.store(ctx, "memory:", vec![Schema::of::<Thing>()]).await?;
        let mut unit = store.unit();
        let thing = unit.insert(Thing { id: 1 });
        unit.emit(&thing, Made {});
        unit.commit(ctx).await?;
        Ok(())
    };
    let listener = async move |ctx: &Context, service: &mut Service<()>| {
        let store = service.store(ctx, "memory:", Vec::new()).await?;
        service.consume("listener", &["made"], &store, Arc::new(Heard(told)));
        Ok(())
    };
    let mut host = Host::new("shop").service("teller", teller);
    for n in 0..64 {
        // Services between the two, whose start takes its time.
        let name: &'static str = format!("between_{n}").leak();
        host = host.service(name, async |ctx: &Context, service: &mut Service<()>| {
            service.store(ctx, "memory:", Vec::new()).await?;
            Ok(())
        });
    }
    let process = test::start_host(host.service("listener", listener), Flags::default()).await;
    let ctx = process.context();
    let _ = ctx.run(heard.acquire()).await.unwrap().unwrap();
    process.stop().await;
}
