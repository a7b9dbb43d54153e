//! A freezing and a thaw that ended half-way.

use std::time::Duration;

use bson::{Document, doc};
use staffa_storage::{Error, Moving, Store};
use staffa_storage_mongodb::driver::Collection;

use crate::place::{Place, insert, product};

struct Parts {
    records: Collection<Document>,
    gates: Collection<Document>,
}

impl Parts {
    async fn of(place: &Place) -> Self {
        let database = place.by_hand().await;
        Self { records: database.collection("staffa_meta"), gates: database.collection("staffa_outbox") }
    }

    /// As it is when the process that freezes or thaws is killed after its first step.
    async fn first_step(&self, frozen: bool) {
        let noted = doc! { "$set": { "frozen": frozen }, "$inc": { "turn": 1_i64 } };
        self.records.update_one(doc! { "_id": "format" }, noted).await.unwrap();
    }

    /// As a build of the same format left it that did not count turns.
    async fn without_turns(&self) {
        let uncounted = doc! { "$unset": { "turn": "" } };
        self.records.update_one(doc! { "_id": "format" }, uncounted.clone()).await.unwrap();
        self.gates.update_many(doc! { "frozen": { "$exists": true } }, uncounted).await.unwrap();
    }

    async fn shut(&self) -> u64 {
        self.gates.count_documents(doc! { "frozen": true }).await.unwrap()
    }
}

#[tokio::test]
async fn a_store_with_an_open_gate_is_not_frozen() {
    let place = Place::new();
    let store = place.open().await;
    let parts = Parts::of(&place).await;
    parts.first_step(true).await;
    assert_eq!(store.is_frozen(&place.ctx).await, Ok(false));
    insert(&place.ctx, &store, &[product("A", 1)]).await.unwrap();

    store.freeze(&place.ctx, true).await.unwrap();
    assert_eq!(store.is_frozen(&place.ctx).await, Ok(true));
    assert_eq!(insert(&place.ctx, &store, &[product("B", 1)]).await, Err(Error::Frozen));

    parts.gates.update_one(doc! { "_id": 7 }, doc! { "$set": { "frozen": false } }).await.unwrap();
    assert_eq!(store.is_frozen(&place.ctx).await, Ok(false));
    store.freeze(&place.ctx, false).await.unwrap();
    insert(&place.ctx, &store, &[product("B", 1)]).await.unwrap();
    place.remove().await;
}

#[tokio::test]
async fn a_database_whose_gates_have_no_turn_is_frozen_and_thawed() {
    let place = Place::new();
    place.open().await.close(&place.ctx).await.unwrap();
    let parts = Parts::of(&place).await;
    parts.without_turns().await;
    let store = place.open().await;
    assert_eq!(store.is_frozen(&place.ctx).await, Ok(false));
    store.freeze(&place.ctx, true).await.unwrap();
    assert_eq!(parts.shut().await, 64);
    assert_eq!(insert(&place.ctx, &store, &[product("A", 1)]).await, Err(Error::Frozen));
    // It was frozen by such a build.
    parts.without_turns().await;
    assert_eq!(store.is_frozen(&place.ctx).await, Ok(true));
    assert_eq!(insert(&place.ctx, &store, &[product("A", 1)]).await, Err(Error::Frozen));
    store.freeze(&place.ctx, false).await.unwrap();
    assert_eq!(parts.shut().await, 0);
    insert(&place.ctx, &store, &[product("A", 1)]).await.unwrap();
    place.remove().await;
}

#[tokio::test]
async fn a_freezing_that_lacks_a_gate_says_so() {
    let place = Place::new();
    let store = place.open().await;
    Parts::of(&place).await.gates.delete_one(doc! { "_id": 7 }).await.unwrap();
    let froze = store.freeze(&place.ctx, true).await;
    assert!(matches!(&froze, Err(Error::Unusable(words)) if words.contains("gate")), "{froze:?}");
    place.remove().await;
}

#[tokio::test]
async fn a_thaw_that_was_cut_holds_nobody_back_and_goes_on() {
    let place = Place::new();
    let store = place.open().await;
    let parts = Parts::of(&place).await;
    store.freeze(&place.ctx, true).await.unwrap();
    parts.first_step(false).await;
    assert_eq!(store.is_frozen(&place.ctx).await, Ok(false));
    assert_eq!(parts.shut().await, 64);
    insert(&place.ctx, &store, &[product("A", 1)]).await.unwrap();
    store.mark_sent(&place.ctx, &[]).await.unwrap();
    // Of one's own: it is not run again by itself.
    while let Err(error) = store.write(&place.ctx, |_| Box::pin(async { Ok(()) })).await {
        assert!(matches!(&error, Error::Unavailable(words) if words.contains("thawed")), "{error:?}");
    }
    store.freeze(&place.ctx, false).await.unwrap();
    assert_eq!(parts.shut().await, 0);
    place.remove().await;
}

#[tokio::test]
async fn who_finishes_an_older_thaw_opens_no_gate_of_a_later_freezing() {
    let place = Place::new();
    let store = place.open().await;
    let parts = Parts::of(&place).await;
    store.freeze(&place.ctx, true).await.unwrap();
    parts.first_step(false).await;
    store.freeze(&place.ctx, true).await.unwrap();
    assert_eq!(store.is_frozen(&place.ctx).await, Ok(true));
    assert_eq!(insert(&place.ctx, &store, &[product("A", 1)]).await, Err(Error::Frozen));
    assert_eq!(parts.shut().await, 64);
    place.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_freezer_whom_a_thaw_overtook_shuts_no_gate_any_more() {
    let place = Place::new();
    let (store, other) = (place.open().await, place.open().await);
    let parts = Parts::of(&place).await;
    let are_shut = async |which: fn(u64) -> bool| {
        while !which(parts.shut().await) {
            place.ctx.sleep(Duration::from_millis(10)).await.unwrap();
        }
    };
    for _ in 0..5 {
        // Both wait for the gate that this unit passes.
        let (passed, passes) = tokio::sync::oneshot::channel::<()>();
        let passing = other.write(&place.ctx, move |_| {
            Box::pin(async move {
                passes.await.unwrap();
                Ok(())
            })
        });
        let overtaking = async {
            are_shut(|shut| shut == 63).await;
            let thaw = async {
                are_shut(|shut| shut == 0).await;
                passed.send(()).unwrap();
            };
            tokio::join!(other.freeze(&place.ctx, false), thaw).0
        };
        let (written, froze, thawed) = tokio::join!(passing, store.freeze(&place.ctx, true), overtaking);
        assert_eq!((written, thawed), (Ok(()), Ok(())));
        assert!(matches!(&froze, Err(Error::Unavailable(words)) if words.contains("thawed")), "{froze:?}");
        assert_eq!(parts.shut().await, 0);
    }
    place.remove().await;
}
