//! What a database lacks, what it has besides, and how it is brought to a binary's schemas.

use std::sync::{Arc, Mutex};

use bson::{Document, doc};
use staffa_storage::{Phase, Schema, Step, Store};
use staffa_storage_mongodb::{migrate, plan};

use crate::place::{Older, Place, Product, insert, product};

fn schemas() -> Vec<Schema> {
    vec![Schema::of::<Product>()]
}

async fn planned(place: &Place, contract: bool) -> Vec<Step> {
    plan(&place.ctx, crate::url(), &place.options(), &schemas(), contract).await.unwrap()
}

async fn migrated(place: &Place, contract: bool) -> Vec<Step> {
    let steps = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&steps);
    let observe = move |step: &Step| seen.lock().unwrap().push(step.clone());
    migrate(&place.ctx, crate::url(), &place.options(), &schemas(), contract, observe).await.unwrap();
    let steps = steps.lock().unwrap();
    steps.clone()
}

#[tokio::test]
async fn a_plan_tells_every_statement_and_makes_nothing() {
    let place = Place::new();
    let steps = planned(&place, true).await;
    let told: Vec<&str> = steps.iter().map(|step| step.statement.as_str()).collect();
    let index = "db.product.createIndex({ \"keys.pence\": 1, \"_id\": 1 }, { \"name\": \"pence.1\",";
    assert!(told.iter().any(|statement| statement.starts_with(index)), "{told:#?}");
    assert!(place.by_hand().await.list_collection_names().await.unwrap().is_empty());
    assert_eq!(migrated(&place, false).await.len(), steps.len());
    assert_eq!(planned(&place, true).await, []);
    place.open().await.ping(&place.ctx).await.unwrap();
    place.remove().await;
}

#[tokio::test]
async fn a_contraction_takes_away_what_only_older_builds_need() {
    let place = Place::new();
    let old = place.try_open(place.options(), vec![Schema::of::<Older>()]).await.unwrap();
    let store: Arc<dyn Store> = old.clone();
    let mut unit = store.unit();
    (0..5).for_each(|n| drop(unit.insert(Older(product(&format!("c{n}"), n)))));
    unit.commit(&place.ctx).await.unwrap();
    old.close(&place.ctx).await.unwrap();

    let phases: Vec<Phase> = planned(&place, true).await.iter().map(|step| step.phase).collect();
    assert!(phases.is_sorted() && phases.contains(&Phase::Backfill) && phases.contains(&Phase::Contract));
    migrated(&place, false).await;
    let products = place.by_hand().await.collection::<Document>("product");
    let both = doc! { "keys.heavy": false, "keys.pence": 3_i64 };
    assert_eq!(products.count_documents(both.clone()).await.unwrap(), 1, "both builds are served");
    migrated(&place, true).await;
    assert_eq!(products.count_documents(both).await.unwrap(), 0);
    assert_eq!(products.count_documents(doc! { "keys.pence": 3_i64 }).await.unwrap(), 1);
    let indexes = products.list_index_names().await.unwrap();
    assert!(!indexes.contains(&"heavy.1".to_owned()), "{indexes:?}");
    assert_eq!(planned(&place, true).await, []);

    insert(&place.ctx, &place.open().await, &[product("new", 9)]).await.unwrap();
    place.remove().await;
}
