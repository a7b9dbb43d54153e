//! Statements of one's own.

use std::sync::Arc;
use std::time::Duration;

use bson::{Document, doc};
use staffa_context::Cause;
use staffa_storage::conformance::{self, Open};
use staffa_storage::{Error, Moving};
use staffa_storage_mongodb::MongoDb;
use staffa_storage_mongodb::conformance::Databases;

use crate::place::{Place, insert, product};

#[tokio::test]
async fn an_aggregation_reads_the_fields_of_entities() {
    let place = Place::new();
    let store = place.open().await;
    insert(&place.ctx, &store, &[product("A", 1), product("B", 41)]).await.unwrap();
    let sum = doc! { "$group": { "_id": null, "pence": { "$sum": "$document.pence" } } };
    let sums = store.read(&place.ctx, |session| Box::pin(session.aggregate("product", vec![sum])));
    assert_eq!(sums.await.unwrap()[0].get_i64("pence").unwrap(), 42);
    place.remove().await;
}

#[tokio::test]
async fn a_write_is_whole_or_nothing_and_waits_for_no_thaw() {
    let place = Place::new();
    let store = place.open().await;
    let write = async |store: &Arc<MongoDb>, fails: bool| {
        let write = store.write(&place.ctx, move |session| {
            Box::pin(async move {
                let notes = session.database().collection::<Document>("notes_of_mine");
                notes.insert_one(doc! { "a": 1 }).session(session.session()).await?;
                if fails {
                    let wrong = vec![doc! { "$nonsense": 1 }];
                    notes.aggregate(wrong).session(session.session()).await?;
                }
                Ok(())
            })
        });
        write.await
    };
    place.by_hand().await.create_collection("notes_of_mine").await.unwrap();
    write(&store, false).await.unwrap();
    assert!(matches!(write(&store, true).await, Err(Error::Unusable(_))));
    store.freeze(&place.ctx, true).await.unwrap();
    assert_eq!(write(&store, false).await, Err(Error::Frozen));
    let notes = place.by_hand().await.collection::<Document>("notes_of_mine");
    assert_eq!(notes.count_documents(doc! {}).await.unwrap(), 1);
    place.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deadline_ends_a_long_statement_on_the_server() {
    let place = Place::new();
    let all = Databases::new(crate::url());
    let name = format!("slow_{}", place.ctx.uuid().simple());
    all.open(&place.ctx, &name, conformance::schemas()).await.unwrap();
    let slow = all.slow(&place.ctx, &name).await.unwrap();
    let short = place.ctx.with_timeout(Duration::from_millis(50));
    let ended = slow.run(&short, Duration::from_secs(10)).await;
    assert_eq!(ended, Err(Error::Ended(Cause::DeadlineExceeded)));
    // A busy machine may need a moment more than the 100 ms that the suite measures.
    let patient = place.ctx.with_timeout(Duration::from_secs(5));
    while !all.leftovers(&place.ctx, &name).await.unwrap().is_empty() {
        patient.sleep(Duration::from_millis(20)).await.unwrap();
    }
    all.remove(&place.ctx, &name).await;
}
