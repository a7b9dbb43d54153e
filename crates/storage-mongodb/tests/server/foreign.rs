//! Databases and users that are not the store's.

use bson::{Document, doc};
use staffa_storage::{Error, Migrate, Schema};
use staffa_storage_mongodb::{MongoDb, Options};

use crate::place::{Place, Product, insert, product};

fn told<T>(opened: staffa_storage::Result<T>) -> String {
    match opened.map(drop) {
        Err(Error::Unusable(words)) => words,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_database_with_somebody_elses_collections_is_left_alone() {
    let place = Place::new();
    let theirs = place.by_hand().await;
    theirs.collection::<Document>("invoices").insert_one(doc! { "_id": 1 }).await.unwrap();
    let words = told(place.try_open(place.options(), vec![Schema::of::<Product>()]).await);
    assert!(words.contains("invoices") && words.contains("another database"), "{words}");
    assert_eq!(theirs.list_collection_names().await.unwrap(), ["invoices"]);
    place.remove().await;
}

#[tokio::test]
async fn a_collection_that_somebody_put_beside_is_left_alone() {
    let place = Place::new();
    place.try_open(place.options(), vec![]).await.unwrap();
    let theirs = place.by_hand().await.collection::<Document>("product");
    theirs.insert_one(doc! { "_id": 1 }).await.unwrap();
    let words = told(place.try_open(place.options(), vec![Schema::of::<Product>()]).await);
    assert!(words.contains("collection product"), "{words}");
    assert_eq!(theirs.find_one(doc! {}).await.unwrap(), Some(doc! { "_id": 1 }));
    place.remove().await;
}

#[tokio::test]
async fn a_format_of_a_newer_binary_is_left_alone() {
    let place = Place::new();
    place.open().await;
    let meta = place.by_hand().await.collection::<Document>("staffa_meta");
    meta.update_one(doc! { "_id": "format" }, doc! { "$set": { "format": 2_i64 } }).await.unwrap();
    let words = told(place.try_open(place.options(), vec![Schema::of::<Product>()]).await);
    assert!(words.contains("update the binary"), "{words}");
    place.remove().await;
}

#[tokio::test]
async fn a_wrong_password_is_told() {
    let place = Place::new();
    let url = crate::url().replacen("mongodb://", "mongodb://nobody:s3cret@", 1);
    let words = told(MongoDb::open(&place.ctx, url, place.options(), vec![]).await);
    assert!(words.contains("user or the password") && !words.contains("s3cret"), "{words}");
}

#[tokio::test]
async fn what_is_missing_is_told_where_nothing_may_be_made() {
    let place = Place::new();
    let options = Options { migrate: Migrate::Check, ..place.options() };
    let words = told(place.try_open(options.clone(), vec![Schema::of::<Product>()]).await);
    assert!(words.contains("db.createCollection(\"product\")"), "{words}");
    assert!(place.by_hand().await.list_collection_names().await.unwrap().is_empty());
    insert(&place.ctx, &place.open().await, &[product("a", 1)]).await.unwrap();
    place.try_open(options, vec![Schema::of::<Product>()]).await.unwrap();
    place.remove().await;
}
