//! What the browser refuses, and what takes too long.

use std::time::Duration;

use staffa_context::{Cause, Context};
use staffa_storage::{Error, Schema, Store};
use staffa_storage_indexeddb::{IndexedDb, Options};
use wasm_bindgen_test::wasm_bindgen_test;

use crate::things::{Note, insert, note, open, options, script};

/// Lets a transaction of another tab hold the kind `note` of a database, until `release` is called.
fn hold(name: &str) -> String {
    format!(
        "const it = await request(indexedDB.open('{name}'));
        const store = it.transaction('note', 'readwrite').objectStore('note');
        let isHeld = true;
        globalThis.release = () => {{ isHeld = false; it.close(); }};
        const again = () => {{ if (isHeld) store.count().onsuccess = again; }};
        await request(store.count());
        again();"
    )
}

#[wasm_bindgen_test]
async fn each_exception_says_what_to_do() {
    let ctx = &Context::background();
    let store = open::<Note>(ctx, "exceptions").await.unwrap();
    script("globalThis.put = IDBObjectStore.prototype.put").await;
    for (name, words) in [
        ("QuotaExceededError", Some("no more room")),
        ("InvalidStateError", Some("reload")),
        ("AbortError", Some("took the transaction back")),
        ("UnknownError", Some("disk: why")),
        ("SecurityError", None),
        ("DataError", None),
    ] {
        let throws = format!("throw new DOMException('why', '{name}')");
        script(&format!("IDBObjectStore.prototype.put = () => {{ {throws}; }}")).await;
        match (insert(ctx, &store, note(1, "a")).await, words) {
            (Err(Error::Unavailable(told)), Some(words)) => assert!(told.contains(words), "{name}: {told}"),
            (Err(Error::Unusable(told)), None) if name == "DataError" => assert_eq!(told, "DataError: why"),
            (Err(Error::Unusable(told)), None) => assert!(told.contains("no IndexedDB"), "{told}"),
            (other, _) => panic!("{name}: {other:?}"),
        }
    }
    script("IDBObjectStore.prototype.put = put").await;
    insert(ctx, &store, note(1, "a")).await.unwrap();
    IndexedDb::remove(ctx, "exceptions", &options()).await.unwrap();
}

#[wasm_bindgen_test]
async fn operations_above_the_limit_wait_within_their_contexts() {
    let ctx = &Context::background();
    let one = Options { operations_max: 1, ..options() };
    let schemas = || vec![Schema::of::<Note>()];
    let store: std::sync::Arc<dyn Store> = IndexedDb::open(ctx, "limit", one, schemas()).await.unwrap();
    script(&hold("limit")).await;
    let first = insert(ctx, &store, note(1, "a"));
    let brief = &ctx.with_timeout(Duration::from_millis(20));
    let waits = async {
        let second = insert(brief, &store, note(2, "b")).await;
        assert_eq!(second, Err(Error::Ended(Cause::DeadlineExceeded)));
        script("release()").await;
    };
    let third = insert(ctx, &store, note(3, "c"));
    let (first, (), third) = futures_util::future::join3(first, waits, third).await;
    first.unwrap();
    third.unwrap();
    let found = store.get(ctx, "note", &staffa_storage::Part::Int(2)).await.unwrap();
    assert_eq!(found, staffa_storage::Seen::Absent { last: 0 });
    store.close(ctx).await.unwrap();
    IndexedDb::remove(ctx, "limit", &options()).await.unwrap();
}

#[wasm_bindgen_test]
async fn a_commit_that_the_browser_does_not_end_is_unknown() {
    let ctx = &Context::background();
    let brief_end = Options { end_wait: Duration::from_millis(20), ..options() };
    let schemas = vec![Schema::of::<Note>()];
    let store: std::sync::Arc<dyn Store> = IndexedDb::open(ctx, "unknown", brief_end, schemas).await.unwrap();
    script(
        "globalThis.own = Object.getOwnPropertyDescriptor(IDBTransaction.prototype, 'oncomplete');
        Object.defineProperty(IDBTransaction.prototype, 'oncomplete', { configurable: true, set() {} })",
    )
    .await;
    let brief = &ctx.with_timeout(Duration::from_millis(20));
    let outcome = insert(brief, &store, note(1, "a")).await;
    script("Object.defineProperty(IDBTransaction.prototype, 'oncomplete', own)").await;
    assert!(matches!(outcome, Err(Error::Unknown(_))), "{outcome:?}");
    IndexedDb::remove(ctx, "unknown", &options()).await.unwrap();
}
