//! A freezing that ended half-way.

use bson::{Document, doc};
use staffa_storage::{Error, Moving};

use crate::place::{Place, insert, product};

#[tokio::test]
async fn a_store_with_an_open_gate_is_not_frozen() {
    let place = Place::new();
    let store = place.open().await;
    let database = place.by_hand().await;
    let records = database.collection::<Document>("staffa_meta");
    let gates = database.collection::<Document>("staffa_outbox");
    // As it is when its process was killed after the first step.
    records.update_one(doc! { "_id": "format" }, doc! { "$set": { "frozen": true } }).await.unwrap();
    assert_eq!(store.is_frozen(&place.ctx).await, Ok(false));
    insert(&place.ctx, &store, &[product("A", 1)]).await.unwrap();

    store.freeze(&place.ctx, true).await.unwrap();
    assert_eq!(store.is_frozen(&place.ctx).await, Ok(true));
    assert_eq!(insert(&place.ctx, &store, &[product("B", 1)]).await, Err(Error::Frozen));

    gates.update_one(doc! { "_id": 7 }, doc! { "$set": { "frozen": false } }).await.unwrap();
    assert_eq!(store.is_frozen(&place.ctx).await, Ok(false));
    store.freeze(&place.ctx, false).await.unwrap();
    insert(&place.ctx, &store, &[product("B", 1)]).await.unwrap();
    place.remove().await;
}
