//! What a page finds when it opens a store, and what it leaves at rest.

use staffa_context::{Context, Timestamp};
use staffa_storage::{Commit, Error, Event, Kept, Unsent};
use staffa_storage_indexeddb::IndexedDb;
use uuid::Uuid;
use wasm_bindgen_test::wasm_bindgen_test;

use crate::things::{Note, Titled, insert, note, open, options, script};

fn is_unusable<T>(got: Result<T, Error>, words: &str) {
    match got.map(drop) {
        Err(Error::Unusable(told)) => assert!(told.contains(words), "{told}"),
        other => panic!("{other:?}"),
    }
}

#[wasm_bindgen_test]
async fn without_indexeddb_it_says_so() {
    let ctx = &Context::background();
    script("globalThis.own = Object.getOwnPropertyDescriptor(globalThis, 'indexedDB')").await;
    script("Object.defineProperty(globalThis, 'indexedDB', { configurable: true, value: undefined })").await;
    is_unusable(open::<Note>(ctx, "none").await, "no IndexedDB");
    let denied = "get() { throw new DOMException('denied', 'SecurityError'); }";
    script(&format!("Object.defineProperty(globalThis, 'indexedDB', {{ configurable: true, {denied} }})"))
        .await;
    is_unusable(open::<Note>(ctx, "none").await, "no IndexedDB");
    script("Object.defineProperty(globalThis, 'indexedDB', own)").await;
    open::<Note>(ctx, "none").await.unwrap();
    IndexedDb::remove(ctx, "none", &options()).await.unwrap();
}

#[wasm_bindgen_test]
async fn somebody_elses_database_is_not_touched() {
    let ctx = &Context::background();
    script("const it = indexedDB.open('theirs', 3); it.onupgradeneeded = () => it.result.createObjectStore('note');
            (await request(it)).close()")
    .await;
    is_unusable(open::<Note>(ctx, "theirs").await, "choose another name");
    let names = script(
        "const it = await request(indexedDB.open('theirs')); it.close();
                        return [it.version, ...it.objectStoreNames].join()",
    );
    assert_eq!(names.await.as_string().unwrap(), "3,note");
    IndexedDb::remove(ctx, "theirs", &options()).await.unwrap();
}

#[wasm_bindgen_test]
async fn a_newer_format_is_refused() {
    let ctx = &Context::background();
    open::<Note>(ctx, "future").await.unwrap().close(ctx).await.unwrap();
    script("const it = await request(indexedDB.open('future'));
            await request(it.transaction('staffa_meta', 'readwrite').objectStore('staffa_meta').put({ key: 'format', value: 2 }));
            it.close()")
    .await;
    is_unusable(open::<Note>(ctx, "future").await, "format 2");
    IndexedDb::remove(ctx, "future", &options()).await.unwrap();
}

#[wasm_bindgen_test]
async fn a_new_unique_index_over_doubles_leaves_all_as_it_was() {
    let ctx = &Context::background();
    let store = open::<Note>(ctx, "doubles").await.unwrap();
    insert(ctx, &store, note(1, "a")).await.unwrap();
    insert(ctx, &store, note(2, "a")).await.unwrap();
    let refused = open::<Titled>(ctx, "doubles").await.map(drop);
    assert_eq!(refused, Err(Error::Duplicate { kind: "note".into(), index: "text".into() }));
    let store = open::<Note>(ctx, "doubles").await.unwrap();
    insert(ctx, &store, note(3, "a")).await.unwrap();
    IndexedDb::remove(ctx, "doubles", &options()).await.unwrap();
}

#[wasm_bindgen_test]
async fn a_person_can_read_what_is_at_rest() {
    let ctx = &Context::background();
    let store = open::<Titled>(ctx, "rest").await.unwrap();
    insert(ctx, &store, crate::things::titled(i64::MAX, "Leeds")).await.unwrap();
    let at = Timestamp::from_micros(1_275);
    let (trace, payload) = (None, serde_json::json!({ "n": i64::MIN }));
    let (name, kind, entity) = ("made".into(), "note".into(), "9".into());
    let event = Event { id: Uuid::nil(), name, kind, entity, version: 1, n: 0, at, trace, payload };
    let kept =
        Kept { scope: "s".into(), key: "k".into(), digest: [171; 32], answer: serde_json::json!([1.0]), at };
    let commit = Commit { events: vec![event.clone()], kept: Some(kept), ..Commit::default() };
    store.commit(ctx, commit).await.unwrap();
    let shown = script("const it = await request(indexedDB.open('rest'));
        const of = async (name) => (await request(it.transaction(name).objectStore(name).getAll()))[0];
        const [note, event, kept] = [await of('note'), await of('staffa_outbox'), await of('staffa_kept')];
        it.close();
        return [note.document, note.version, note.keys.text.split('\\0').join(' '), note.writer, event.payload, event.at, kept.answer, kept.digest.slice(0, 4)].join('\\n')");
    let want = [
        r#"{"id":9223372036854775807,"text":"Leeds"}"#,
        "1",
        "\"Leeds 09223372036854775807",
        "0000000001 int text:text",
        r#"{"n":-9223372036854775808}"#,
        "00000000000000001275",
        "[1.0]",
        "abab",
    ];
    assert_eq!(shown.await.as_string().unwrap(), want.join("\n"));
    assert_eq!(store.unsent(ctx, Unsent::all(9)).await.unwrap(), [event]);
    IndexedDb::remove(ctx, "rest", &options()).await.unwrap();
}

#[wasm_bindgen_test]
async fn a_commit_that_is_dropped_holds_back_nobody() {
    let ctx = &Context::background();
    let store = open::<Note>(ctx, "dropped").await.unwrap();
    let (brief, cancel) = ctx.with_cancel();
    for id in 0..50 {
        let commit = insert(&brief, &store, note(id, "a"));
        let mut commit = std::pin::pin!(commit);
        std::future::poll_fn(|cx| {
            let _ = commit.as_mut().poll(cx);
            std::task::Poll::Ready(())
        })
        .await;
    }
    cancel.cancel(staffa_context::Cause::ClientGone);
    let written = script(
        "const it = await request(indexedDB.open('dropped'));
        await request(it.transaction('note', 'readwrite').objectStore('note').put({ id: 'x' }));
        const count = await request(it.transaction('note').objectStore('note').count());
        it.close();
        return count",
    );
    let count = written.await.as_f64().unwrap();
    assert!(count < 51.0, "none was taken back");
    IndexedDb::remove(ctx, "dropped", &options()).await.unwrap();
}
