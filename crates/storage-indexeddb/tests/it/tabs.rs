//! Several tabs with one store. Each handle is a connection of its own, as another tab's is.

use std::time::Duration;

use staffa_context::Context;
use staffa_storage::{Error, Page, Repository, Versioned, retry};
use staffa_storage_indexeddb::IndexedDb;
use wasm_bindgen_test::wasm_bindgen_test;

use crate::things::{Note, TEXT, Titled, insert, note, open, options, script, titled};

fn is_unavailable<T: std::fmt::Debug>(got: Result<T, Error>, words: &str) {
    match got {
        Err(Error::Unavailable(told)) => assert!(told.contains(words), "{told}"),
        other => panic!("{other:?}"),
    }
}

#[wasm_bindgen_test]
async fn two_tabs_lose_no_change() {
    let ctx = &Context::background();
    let tabs = [open::<Note>(ctx, "two").await.unwrap(), open::<Note>(ctx, "two").await.unwrap()];
    insert(ctx, &tabs[0], note(1, "")).await.unwrap();
    let add = async |store: &std::sync::Arc<dyn staffa_storage::Store>| {
        for _ in 0..10 {
            let added = retry(ctx, || async {
                let mut unit = store.unit();
                let Some(found) = unit.get::<Note>(ctx, 1).await? else { return Ok(()) };
                unit.update(found.map(|note| Note { text: note.text + "x", ..note }));
                unit.commit(ctx).await
            });
            added.await.unwrap();
        }
    };
    futures_util::future::join(add(&tabs[0]), add(&tabs[1])).await;
    let found = Repository::<Note>::new(&tabs[0]).find(ctx, 1).await.unwrap();
    assert_eq!(found, Some(Versioned { version: 21, value: note(1, &"x".repeat(20)) }));
    IndexedDb::remove(ctx, "two", &options()).await.unwrap();
}

#[wasm_bindgen_test]
async fn a_tab_that_holds_an_older_form_is_named() {
    let ctx = &Context::background();
    let store = open::<Note>(ctx, "held").await.unwrap();
    insert(ctx, &store, note(1, "a")).await.unwrap();
    store.close(ctx).await.unwrap();
    // Its page does not close when it is asked to.
    script("globalThis.held = await request(indexedDB.open('held'))").await;
    is_unavailable(open::<Titled>(ctx, "held").await.map(drop), "close or reload it");

    script("globalThis.held.close()").await;
    let store = open::<Titled>(ctx, "held").await.unwrap();
    let found = Repository::<Titled>::new(&store).first(ctx, &TEXT, "a".to_owned()).await.unwrap();
    assert_eq!(found.map(|found| found.value), Some(titled(1, "a")));
    IndexedDb::remove(ctx, "held", &options()).await.unwrap();
}

#[wasm_bindgen_test]
async fn an_opening_that_is_dropped_leaves_no_trace() {
    let ctx = &Context::background();
    let store = open::<Note>(ctx, "left").await.unwrap();
    insert(ctx, &store, note(1, "a")).await.unwrap();
    for polls in 1..9_u32 {
        let brief = ctx.with_timeout(Duration::from_micros(u64::from(polls * polls) * 150));
        // It may be in time.
        let _ = open::<Titled>(&brief, "left").await.map(drop);
    }
    let store = open::<Titled>(ctx, "left").await.unwrap();
    insert(ctx, &store, titled(2, "b")).await.unwrap();
    let all = Repository::<Titled>::new(&store).range(ctx, &TEXT, (), Page::first()).await.unwrap();
    assert_eq!(all.items.len(), 2);
    IndexedDb::remove(ctx, "left", &options()).await.unwrap();
}

#[wasm_bindgen_test]
async fn an_older_page_gives_way_to_a_newer_one() {
    let ctx = &Context::background();
    let older = open::<Note>(ctx, "way").await.unwrap();
    insert(ctx, &older, note(1, "a")).await.unwrap();
    let newer = open::<Titled>(ctx, "way").await.unwrap();
    is_unavailable(insert(ctx, &older, note(2, "b")).await, "reload this page");
    is_unavailable(older.ping(ctx).await, "reload this page");
    older.close(ctx).await.unwrap();
    insert(ctx, &newer, titled(2, "b")).await.unwrap();
    IndexedDb::remove(ctx, "way", &options()).await.unwrap();
}

#[wasm_bindgen_test]
async fn what_an_older_page_writes_beside_a_newer_is_in_its_indexes() {
    let ctx = &Context::background();
    let newer = open::<Titled>(ctx, "beside").await.unwrap();
    insert(ctx, &newer, titled(1, "a")).await.unwrap();
    let older = open::<Note>(ctx, "beside").await.unwrap();
    insert(ctx, &older, note(2, "b")).await.unwrap();
    let mut unit = older.unit();
    unit.update(Versioned { version: 1, value: note(1, "c") });
    unit.commit(ctx).await.unwrap();

    let repository = Repository::<Titled>::new(&newer);
    let taken = insert(ctx, &newer, titled(3, "b")).await;
    assert_eq!(taken, Err(Error::Duplicate { kind: "note".into(), index: "text".into() }));
    let found = repository.range(ctx, &TEXT, (), Page::first()).await.unwrap();
    let texts: Vec<String> = found.items.into_iter().map(|found| found.value.0.text).collect();
    assert_eq!(texts, ["b", "c"]);
    assert_eq!(repository.first(ctx, &TEXT, "a".to_owned()).await.unwrap(), None);
    newer.ping(ctx).await.unwrap();
    older.ping(ctx).await.unwrap();
    IndexedDb::remove(ctx, "beside", &options()).await.unwrap();
}
