//! Builds of two ages over one database.

use std::sync::Arc;
use std::time::Duration;

use staffa_storage::{Error, Page, Repository, Result, Schema, Store};
use staffa_storage_mongodb::MongoDb;

use crate::place::{Older, PENCE, Place, Product, product};

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
