//! What the browser refuses, and what takes too long.

use std::sync::Arc;
use std::time::Duration;

use staffa_context::{Cause, Context};
use staffa_storage::{Error, Page, Repository, Schema, Store};
use staffa_storage_indexeddb::{IndexedDb, Options};
use wasm_bindgen_test::wasm_bindgen_test;

use crate::things::{Note, TEXT, Titled, insert, note, open, options, script, titled};

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
    let store: Arc<dyn Store> = IndexedDb::open(ctx, "limit", one, schemas()).await.unwrap();
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
async fn each_who_closes_waits_until_the_store_is_at_rest() {
    let ctx = &Context::background();
    let store = open::<Note>(ctx, "rest").await.unwrap();
    script(&hold("rest")).await;
    let first = insert(ctx, &store, note(1, "a"));
    let closing = async {
        // The unit is under way by then.
        script("").await;
        for _ in 0..2 {
            let brief = ctx.with_timeout(Duration::from_millis(20));
            assert_eq!(store.close(&brief).await, Err(Error::Ended(Cause::DeadlineExceeded)));
        }
        script("release()").await;
        store.close(ctx).await.unwrap();
    };
    let (first, ()) = futures_util::future::join(first, closing).await;
    first.unwrap();
    assert!(matches!(insert(ctx, &store, note(2, "b")).await, Err(Error::Unavailable(_))));
    store.close(ctx).await.unwrap();
    IndexedDb::remove(ctx, "rest", &options()).await.unwrap();
}

#[wasm_bindgen_test]
async fn what_is_taken_back_is_told_to_its_caller_alone() {
    let ctx = &Context::background();
    let store = open::<Titled>(ctx, "alone").await.unwrap();
    insert(ctx, &store, titled(1, "a")).await.unwrap();
    script(&format!(
        "globalThis.unheard = 0;
        addEventListener('unhandledrejection', (event) => {{ unheard++; event.preventDefault(); }});
        {}",
        hold("alone")
    ))
    .await;
    let brief = &ctx.with_timeout(Duration::from_millis(20));
    let ended = Error::Ended(Cause::DeadlineExceeded);
    assert_eq!(insert(brief, &store, titled(2, "b")).await, Err(ended.clone()));
    let brief = &ctx.with_timeout(Duration::from_millis(20));
    let repository = Repository::<Titled>::new(&store);
    assert_eq!(repository.range(brief, &TEXT, (), Page::first()).await.map(drop), Err(ended));
    script("release()").await;
    store.close(ctx).await.unwrap();
    // The browser tells of such promises in a task of its own.
    let unheard = script("await new Promise((done) => setTimeout(done)); return unheard").await;
    assert_eq!(unheard.as_f64(), Some(0.0));
    IndexedDb::remove(ctx, "alone", &options()).await.unwrap();
}

/// Counts transactions, and lets those that write go on for as long as nobody calls `release`, even if they are to be committed.
const COUNTED: &str = "
    const { transaction } = IDBDatabase.prototype;
    const { commit } = IDBTransaction.prototype;
    globalThis.begun = 0;
    IDBDatabase.prototype.transaction = function (...asked) {
        begun++;
        return transaction.apply(this, asked);
    };
    let isHeld = true;
    IDBTransaction.prototype.commit = function () {
        const store = this.objectStore('note');
        const again = () => { if (isHeld) store.count().onsuccess = again; };
        again();
    };
    globalThis.release = () => {
        isHeld = false;
        IDBTransaction.prototype.commit = commit;
    };
    globalThis.counted = () => {
        IDBDatabase.prototype.transaction = transaction;
        return begun;
    };";

#[wasm_bindgen_test]
async fn a_read_that_is_dropped_while_it_makes_keys_does_not_go_on() {
    let ctx = &Context::background();
    let schemas = vec![Schema::of::<Titled>()];
    let one = Options { operations_max: 1, ..options() };
    let newer: Arc<dyn Store> = IndexedDb::open(ctx, "dropped", one, schemas).await.unwrap();
    let older = open::<Note>(ctx, "dropped").await.unwrap();
    insert(ctx, &older, note(1, "a")).await.unwrap();
    script(COUNTED).await;
    let brief = &ctx.with_timeout(Duration::from_millis(50));
    let repository = Repository::<Titled>::new(&newer);
    let read = repository.range(brief, &TEXT, (), Page::first()).await.map(drop);
    assert_eq!(read, Err(Error::Ended(Cause::DeadlineExceeded)));
    script("release()").await;
    // It has the store's one place once the read has ended.
    newer.ping(ctx).await.unwrap();
    // The read's, the one that makes the keys, and this one's.
    assert_eq!(script("return counted()").await.as_f64(), Some(3.0));
    IndexedDb::remove(ctx, "dropped", &options()).await.unwrap();
}

#[wasm_bindgen_test]
async fn a_commit_that_the_browser_does_not_end_is_unknown() {
    let ctx = &Context::background();
    let brief_end = Options { end_wait: Duration::from_millis(20), ..options() };
    let schemas = vec![Schema::of::<Note>()];
    let store: Arc<dyn Store> = IndexedDb::open(ctx, "unknown", brief_end, schemas).await.unwrap();
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
