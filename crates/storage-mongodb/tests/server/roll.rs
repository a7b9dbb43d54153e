//! Builds of two ages over one database.

use std::sync::Arc;
use std::time::Duration;

use bson::{Bson, Document, doc};
use staffa_context::Timestamp;
use staffa_storage::{Error, Page, Repository, Result, Schema, Store};
use staffa_storage_mongodb::MongoDb;

use crate::place::{Older, PENCE, Place, Product, SEEN, product};

async fn open_older(place: &Place) -> Arc<MongoDb> {
    place.try_open(place.options(), vec![Schema::of::<Older>()]).await.unwrap()
}

async fn insert_older(place: &Place, store: &Arc<MongoDb>, count: usize) {
    let store: Arc<dyn Store> = Arc::<MongoDb>::clone(store);
    let codes: Vec<usize> = (0..count).collect();
    for some in codes.chunks(300) {
        let mut unit = store.unit();
        some.iter().for_each(|n| drop(unit.insert(Older(product(&format!("c{n:05}"), 3)))));
        unit.commit(&place.ctx).await.unwrap();
    }
}

/// How many of the first 10 products with 3 pence there are.
async fn with_pence(place: &Place, store: &Arc<MongoDb>) -> Result<usize> {
    let store: Arc<dyn Store> = Arc::<MongoDb>::clone(store);
    let repository = Repository::<Product>::new(&store);
    let page = repository.range(&place.ctx, &PENCE, (3,), Page::first().limit(10)).await?;
    Ok(page.items.len())
}

#[tokio::test]
async fn many_rows_of_an_older_build_are_keyed_in_the_background() {
    let place = Place::new();
    let older = open_older(&place).await;
    let newer = place.open().await;
    newer.ping(&place.ctx).await.unwrap();
    insert_older(&place, &older, 1_200).await;
    let refused = with_pence(&place, &newer).await.unwrap_err();
    let words = "the index pence of product is being built: more than 1000 rows to go";
    assert_eq!(refused, Error::Unavailable(words.into()));
    let found = loop {
        match with_pence(&place, &newer).await {
            Ok(found) => break found,
            Err(Error::Unavailable(_)) => place.ctx.sleep(Duration::from_millis(50)).await.unwrap(),
            Err(error) => panic!("{error:?}"),
        }
    };
    assert_eq!(found, 10);
    while newer.ping(&place.ctx).await.is_err() {
        place.ctx.sleep(Duration::from_millis(50)).await.unwrap();
    }
    place.remove().await;
}

#[tokio::test]
async fn a_key_that_an_older_build_doubled_is_told_of_until_it_is_changed() {
    let place = Place::new();
    let older: Arc<dyn Store> = open_older(&place).await;
    let newer: Arc<dyn Store> = place.open().await;
    newer.ping(&place.ctx).await.unwrap();
    let seen = Some(Timestamp::from_micros(7));
    // The key has the code in small letters.
    let mut unit = older.unit();
    unit.insert(Older(Product { seen, ..product("A", 1) }));
    let second = unit.insert(Older(Product { seen, ..product("a", 1) }));
    unit.commit(&place.ctx).await.unwrap();

    let products = Repository::<Product>::new(&newer);
    let read = products.range(&place.ctx, &SEEN, (seen,), Page::first()).await;
    assert!(matches!(&read, Err(Error::Unavailable(words)) if words.contains("same seen")), "{read:?}");
    let ready = async |is: bool| {
        while newer.ping(&place.ctx).await.is_ok() != is {
            place.ctx.sleep(Duration::from_millis(50)).await.unwrap();
        }
    };
    ready(false).await;

    let mut unit = older.unit();
    unit.delete(second);
    unit.commit(&place.ctx).await.unwrap();
    ready(true).await;
    let read = products.range(&place.ctx, &SEEN, (seen,), Page::first()).await;
    assert_eq!(read.unwrap().items.len(), 1);
    place.remove().await;
}

/// The index sets that were entered for products, as they are at rest.
async fn sets(place: &Place) -> Document {
    let records = place.by_hand().await.collection::<Document>("staffa_meta");
    let record = records.find_one(doc! { "_id": "kind.product" }).await.unwrap().unwrap();
    record.get_document("sets").unwrap().clone()
}

/// The digest of the set of the older build, once it is there.
fn heavy(sets: &Document) -> Option<(&String, &Document)> {
    let entries = sets.iter().filter_map(|(digest, entry)| Some((digest, entry.as_document()?)));
    let signs = |entry: &Document| entry.get_array("indexes").unwrap().clone();
    entries.into_iter().find(|(_, entry)| signs(entry) == [Bson::String("heavy(bool)".into())])
}

#[tokio::test]
async fn an_older_build_is_pending_while_readers_may_not_know_of_it() {
    let place = Place::new();
    let _newer = place.open().await;
    let opening = open_older(&place);
    let seen = async {
        while heavy(&sets(&place).await).is_none_or(|(_, entry)| !entry.contains_key("pending")) {
            place.ctx.sleep(Duration::from_millis(10)).await.unwrap();
        }
    };
    // Once it is open it is pending no more, and `seen` would never end.
    tokio::join!(opening, async { place.ctx.with_timeout(Duration::from_secs(30)).run(seen).await.unwrap() });
    let sets = sets(&place).await;
    assert!(!heavy(&sets).unwrap().1.contains_key("pending"), "{sets}");
    place.remove().await;
}

#[tokio::test]
async fn who_finds_an_index_set_pending_waits_too() {
    let place = Place::new();
    let _newer = place.open().await;
    open_older(&place).await.close(&place.ctx).await.unwrap();
    let digest = heavy(&sets(&place).await).unwrap().0.clone();
    // Another replica of the older build has just entered it, or has been killed meanwhile.
    let records = place.by_hand().await.collection::<Document>("staffa_meta");
    let pending = doc! { "$set": { format!("sets.{digest}.pending"): true } };
    records.update_one(doc! { "_id": "kind.product" }, pending).await.unwrap();
    let begun = place.ctx.clock().now();
    let _older = open_older(&place).await;
    let waited = place.ctx.clock().now().saturating_duration_since(begun);
    assert!(waited >= Duration::from_millis(1_500), "{waited:?}");
    assert!(!heavy(&sets(&place).await).unwrap().1.contains_key("pending"));
    place.remove().await;
}
