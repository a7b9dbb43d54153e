//! What is at rest: native documents that people read with the database's own tools.

use std::sync::Arc;

use bson::{Bson, Document, doc};
use staffa_context::Timestamp;
use staffa_storage::{Store, Versioned};

use crate::place::{Place, Priced, Product, insert, product};

#[tokio::test]
async fn fields_are_fields_and_keys_are_beside_them() {
    let place = Place::new();
    let store = place.open().await;
    let seen = Timestamp::from_micros(1_291_190_760_123_456);
    let made = Product { seen: Some(seen), ..product("A", 1_275) };
    insert(&place.ctx, &store, &[made]).await.unwrap();
    let products = place.by_hand().await.collection::<Document>("product");
    let found = products.find_one(doc! { "document.pence": 1_275 }).await.unwrap().unwrap();
    let document = found.get_document("document").unwrap();
    assert_eq!(document.get("pence"), Some(&Bson::Int64(1_275)));
    assert_eq!(document.get("weight"), Some(&Bson::Double(0.5)));
    assert_eq!(found.get("_id"), Some(&Bson::String("A".into())));
    assert_eq!(found.get("version"), Some(&Bson::Int64(1)));
    let keys = doc! { "pence": 1_275_i64, "seen_1": seen.as_micros(), "seen_2": "a" };
    assert_eq!(found.get_document("keys").unwrap(), &keys);
    place.remove().await;
}

#[tokio::test]
async fn what_was_deleted_leaves_its_version() {
    let place = Place::new();
    let store = place.open().await;
    insert(&place.ctx, &store, &[product("A", 1)]).await.unwrap();
    let store: Arc<dyn Store> = store;
    let mut unit = store.unit();
    unit.delete(Versioned { version: 1, value: product("A", 1) });
    unit.commit(&place.ctx).await.unwrap();
    let products = place.by_hand().await.collection::<Document>("product");
    let left = products.find_one(doc! {}).await.unwrap().unwrap();
    assert_eq!(left, doc! { "_id": "A", "version": 2_i64, "deleted": true });
    place.remove().await;
}

#[tokio::test]
async fn an_event_can_be_read_with_its_time() {
    let place = Place::new();
    let store: Arc<dyn Store> = place.open().await;
    let mut unit = store.unit();
    let made = unit.insert(product("A", 1));
    unit.emit(&made, Priced { pence: 1 });
    unit.commit(&place.ctx).await.unwrap();
    let events = place.by_hand().await.collection::<Document>("staffa_outbox");
    let event = events.find_one(doc! { "name": "priced" }).await.unwrap().unwrap();
    assert_eq!(event.get_document("payload").unwrap(), &doc! { "pence": 1_i64 });
    let micros = event.get_i64("at").unwrap();
    assert_eq!(event.get_datetime("at_date").unwrap().timestamp_millis(), micros.div_euclid(1_000));
    assert!(event.get_timestamp("place").is_ok());
    place.remove().await;
}
