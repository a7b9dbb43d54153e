//! Processes that are killed in the midst of a transaction, and those who come after them.

use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use bson::{Document, doc};
use staffa_context::{Context, Instant};
use staffa_storage::{Error, Moving, Part, Result, Schema, Seen, Store};
use staffa_storage_mongodb::{MongoDb, Session};

use crate::place::{Place, Product, insert, product};

/// What is documented, with some time for a machine that has much to do.
const ENDED_WITHIN: Duration = Duration::from_secs(15);
/// Longer than one that is asked may be silent, and than it takes to be asked.
const LONG: Duration = Duration::from_secs(6);

type Written = staffa_storage_mongodb::driver::error::Result<()>;

/// Writes a product's document in the transaction of a session.
async fn touch(session: &mut Session<'_>) -> Written {
    let products = session.database().collection::<Document>("product");
    let touched = products.update_one(doc! { "_id": "A" }, doc! { "$inc": { "touched": 1 } });
    touched.session(session.session()).await.map(drop)
}

async fn try_touch(place: &Place, store: &Arc<MongoDb>) -> Result<()> {
    store.write(&place.ctx, |session| Box::pin(touch(session))).await
}

/// A store whose process is gone while its transaction has a product: nothing runs that could end it.
fn killed_while_it_holds_a_product(place: &Place) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (tell, told) = mpsc::channel();
    let options = place.options();
    runtime.spawn(async move {
        let ctx = Context::background();
        let store = MongoDb::open(&ctx, crate::url(), options, vec![Schema::of::<Product>()]).await.unwrap();
        let holding = store.write(&ctx, move |session| {
            Box::pin(async move {
                touch(session).await?;
                tell.send(()).unwrap();
                std::future::pending::<Written>().await
            })
        });
        drop(holding.await);
    });
    told.recv().unwrap();
    runtime.shutdown_background();
}

/// Tries until nobody is in the way any more; gives how long that took.
async fn touched_after(place: &Place, store: &Arc<MongoDb>, since: Instant) -> Duration {
    loop {
        match try_touch(place, store).await {
            Ok(()) => return place.ctx.clock().now().saturating_duration_since(since),
            Err(Error::Unavailable(_)) => place.ctx.sleep(Duration::from_millis(50)).await.unwrap(),
            Err(error) => panic!("{error:?}"),
        }
    }
}

async fn records(place: &Place) -> u64 {
    let records = place.by_hand().await.collection::<Document>("staffa_meta");
    records.count_documents(doc! { "_id": { "$regex": "^store\\." } }).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_killed_process_left_locked_is_free_soon_after_its_successor_is_opened() {
    let place = Place::new();
    let first = place.open().await;
    insert(&place.ctx, &first, &[product("A", 1)]).await.unwrap();
    first.close(&place.ctx).await.unwrap();
    killed_while_it_holds_a_product(&place);
    let successor = place.open().await;
    let opened = place.ctx.clock().now();
    assert!(matches!(try_touch(&place, &successor).await, Err(Error::Unavailable(_))));
    let took = touched_after(&place, &successor, opened).await;
    assert!(took < ENDED_WITHIN, "{took:?}");
    // The successor's own.
    assert_eq!(records(&place).await, 1);
    place.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_killed_replica_left_locked_is_free_soon_after_another_is_held_up() {
    let place = Place::new();
    let survivor = place.open().await;
    insert(&place.ctx, &survivor, &[product("A", 1)]).await.unwrap();
    killed_while_it_holds_a_product(&place);
    let took = touched_after(&place, &survivor, place.ctx.clock().now()).await;
    assert!(took < ENDED_WITHIN, "{took:?}");
    killed_while_it_holds_a_product(&place);
    // Its gate is held, too, and all others are free.
    survivor.freeze(&place.ctx.with_timeout(ENDED_WITHIN), true).await.unwrap();
    place.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_transaction_of_a_living_process_is_left_alone() {
    let place = Place::new();
    let long = place.open().await;
    insert(&place.ctx, &long, &[product("A", 1)]).await.unwrap();
    let (tell, told) = tokio::sync::oneshot::channel();
    let ctx = place.ctx.clone();
    let holding = long.write(&place.ctx, move |session| {
        Box::pin(async move {
            touch(session).await?;
            tell.send(()).unwrap();
            ctx.sleep(LONG).await.unwrap();
            touch(session).await
        })
    });
    let held_up = async {
        told.await.unwrap();
        let other = place.open().await;
        touched_after(&place, &other, place.ctx.clock().now()).await
    };
    let (held, waited) = tokio::join!(holding, held_up);
    held.unwrap();
    assert!(waited > LONG / 2, "{waited:?}");
    place.remove().await;
}

#[tokio::test]
async fn a_store_that_was_taken_for_gone_enters_itself_anew() {
    let place = Place::new();
    let store = place.open().await;
    insert(&place.ctx, &store, &[product("A", 1)]).await.unwrap();
    let meta = place.by_hand().await.collection::<Document>("staffa_meta");
    let record = meta.find_one_and_delete(doc! { "_id": { "$regex": "^store\\." } }).await.unwrap().unwrap();
    for session in record.get_array("sessions").unwrap() {
        place.by_hand().await.run_command(doc! { "killSessions": [session.clone()] }).await.unwrap();
    }
    while records(&place).await == 0 {
        try_touch(&place, &store).await.unwrap();
        place.ctx.sleep(Duration::from_millis(100)).await.unwrap();
    }
    place.remove().await;
}

/// Two transactions at once, on two sessions.
async fn touch_twice(place: &Place, store: &Arc<MongoDb>) {
    let meeting = Arc::new(tokio::sync::Barrier::new(2));
    let meet = || {
        let meeting = Arc::clone(&meeting);
        let write = store.write(&place.ctx, |_| {
            Box::pin(async move {
                meeting.wait().await;
                Ok(())
            })
        });
        async { write.await.unwrap() }
    };
    tokio::join!(meet(), meet());
}

#[tokio::test]
async fn a_record_that_a_new_session_makes_anew_gets_the_others_too() {
    let place = Place::new();
    let store = place.open().await;
    insert(&place.ctx, &store, &[product("A", 1)]).await.unwrap();
    let meta = place.by_hand().await.collection::<Document>("staffa_meta");
    meta.delete_one(doc! { "_id": { "$regex": "^store\\." } }).await.unwrap();
    for _ in 0..3 {
        touch_twice(&place, &store).await;
    }
    let record = meta.find_one(doc! { "_id": { "$regex": "^store\\." } }).await.unwrap().unwrap();
    assert!(record.get_array("sessions").unwrap().len() >= 2, "{record}");
    place.remove().await;
}

#[tokio::test]
async fn who_only_reads_several_statements_is_known_too() {
    let place = Place::new();
    let store = place.open().await;
    let seen = store.get_many(&place.ctx, "product", &[Part::Text("A".into())]).await.unwrap();
    assert_eq!(seen, [Seen::Absent { last: 0 }]);
    assert_eq!(records(&place).await, 1);
    store.close(&place.ctx).await.unwrap();
    assert_eq!(records(&place).await, 0);
    place.remove().await;
}

#[tokio::test]
async fn a_store_that_is_closed_leaves_nothing_to_be_asked() {
    let place = Place::new();
    let store = place.open().await;
    assert_eq!(records(&place).await, 0, "it has written nothing");
    insert(&place.ctx, &store, &[product("A", 1)]).await.unwrap();
    assert_eq!(records(&place).await, 1);
    store.close(&place.ctx).await.unwrap();
    assert_eq!(records(&place).await, 0);
    place.remove().await;
}
