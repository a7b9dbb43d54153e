use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use staffa_context::{Context, Timestamp};
use staffa_storage::{Commit, Error, Event, Kept, Mark, Moving, Record, Result, Section, Store, Unsent};
use staffa_storage_sqlite::{Access, Options, Sqlite};
use uuid::Uuid;

use crate::folder::{Folder, Product, insert, is_there, product, quick};

fn beside() -> Options {
    Options { access: Access::Beside, busy_wait: std::time::Duration::from_secs(10), ..quick() }
}

fn event(n: u32) -> Event {
    Event {
        id: Uuid::from_u128(u128::from(n) + 1),
        name: "product_priced".into(),
        kind: "product".into(),
        entity: format!("code {n}"),
        version: 1,
        n: 0,
        at: Timestamp::from_micros(5),
        trace: None,
        payload: serde_json::json!({ "n": n }),
    }
}

fn kept(key: &str) -> Kept {
    let (scope, digest) = ("place".into(), [7; 32]);
    let (answer, at) = (serde_json::json!([1.5]), Timestamp::from_micros(5));
    Kept { scope, key: key.into(), digest, answer, at }
}

#[tokio::test]
async fn a_store_is_frozen_by_a_command_beside_its_owner() {
    let folder = Folder::new();
    let store = folder.open(quick()).await;
    let ctx = &Context::background();
    insert(&store, ctx, [product(1)]).await.unwrap();
    let command = folder.open(beside()).await;
    command.freeze(ctx, true).await.unwrap();
    command.freeze(ctx, true).await.unwrap();
    assert!(store.is_frozen(ctx).await.unwrap());
    assert_eq!(insert(&store, ctx, [product(2)]).await, Err(Error::Frozen));
    assert_eq!(store.mark_sent(ctx, &[event(1).id]).await, Err(Error::Frozen));
    assert_eq!(store.sweep(ctx, ctx.wall(), 1).await, Err(Error::Frozen));
    assert_eq!(store.write(ctx, |tx| tx.execute_batch("SELECT 1")).await, Err(Error::Frozen));
    assert_eq!(insert(&command, ctx, [product(2)]).await, Err(Error::Frozen));
    assert!(is_there(&store, 1).await);
    store.ping(ctx).await.unwrap();
    drop((store, command));
    let store = folder.open(Options { busy_wait: std::time::Duration::from_secs(10), ..quick() }).await;
    assert_eq!(insert(&store, ctx, [product(2)]).await, Err(Error::Frozen), "a pause outlives its processes");
    store.freeze(ctx, false).await.unwrap();
    insert(&store, ctx, [product(2)]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_committed_after_the_freeze_was_answered() {
    let folder = Folder::new();
    let store = folder.open(quick()).await;
    let ctx = &Context::background();
    let command = folder.open(beside()).await;
    let stop = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..4)
        .map(|writer| {
            let (store, stop) = (Arc::clone(&store), Arc::clone(&stop));
            #[expect(clippy::disallowed_methods, reason = "the test awaits it")]
            tokio::spawn(async move {
                for number in 0.. {
                    let result =
                        insert(&store, &Context::background(), [product(writer * 1_000_000 + number)]).await;
                    match result {
                        Err(Error::Frozen) => return number,
                        _ if stop.load(Ordering::SeqCst) => panic!("{result:?} after the freeze"),
                        result => result.unwrap(),
                    }
                }
                0
            })
        })
        .collect();
    while store.backlog(ctx, 1).await.is_ok() && !is_there(&store, 20).await {
        tokio::task::yield_now().await;
    }
    command.freeze(ctx, true).await.unwrap();
    let count = "SELECT count(*) FROM product";
    let frozen = command.read(ctx, |c| c.query_row(count, [], |row| row.get::<_, i64>(0))).await.unwrap();
    let mut inserted = 0;
    for writer in writers {
        inserted += writer.await.unwrap();
    }
    stop.store(true, Ordering::SeqCst);
    assert_eq!(inserted, frozen);
}

/// All records of a section, read in pages of `limit`.
async fn exported(store: &dyn Moving, section: Section, limit: usize) -> Vec<Record> {
    let (mut all, mut after): (Vec<Record>, Option<Mark>) = (Vec::new(), None);
    loop {
        let page = store.export(&Context::background(), section, after.as_ref(), limit).await.unwrap();
        assert!(page.records.len() <= limit);
        all.extend(page.records);
        after = page.next;
        if after.is_none() {
            return all;
        }
    }
}

const SECTIONS: [Section; 3] = [Section::Rows("product"), Section::Events, Section::Kept];

async fn filled() -> Result<(Folder, Arc<Sqlite>)> {
    let (folder, ctx) = (Folder::new(), &Context::background());
    let store = folder.open(quick()).await;
    insert(&store, ctx, (0..7).map(product)).await?;
    let mut unit = (&*store as &dyn Store).unit();
    let gone = unit.get::<Product>(ctx, product(3).code).await?.expect("it was inserted");
    unit.delete(gone);
    unit.commit(ctx).await?;
    for n in 0..4 {
        let kept = Some(kept(&format!("key {n}")));
        store.commit(ctx, Commit { events: vec![event(n)], kept, ..Commit::default() }).await?;
    }
    store.mark_sent(ctx, &[event(1).id]).await?;
    Ok((folder, store))
}

#[tokio::test]
async fn a_copy_holds_what_the_store_held() {
    let (_folder, store) = filled().await.unwrap();
    let (folder, ctx) = (Folder::new(), &Context::background());
    let copy = folder.open(quick()).await;
    // What is there already is replaced, unique keys and places of events too.
    insert(&copy, ctx, [Product { code: product(1).code, ..product(2) }]).await.unwrap();
    copy.freeze(ctx, true).await.unwrap();
    for section in SECTIONS {
        let records = exported(&*store, section, 3).await;
        assert_eq!(records, exported(&*store, section, 100).await);
        for _ in 0..2 {
            copy.import(ctx, section, records.clone()).await.unwrap();
        }
        assert_eq!(exported(&*copy, section, 2).await, records);
    }
    copy.freeze(ctx, false).await.unwrap();
    let unsent = copy.unsent(ctx, Unsent::all(9)).await.unwrap();
    assert_eq!(unsent, [event(0), event(2), event(3)]);
    let mut unit = (&*copy as &dyn Store).unit();
    assert_eq!(unit.get::<Product>(ctx, product(3).code).await.unwrap(), None);
    assert_eq!(unit.insert(product(3)).version, 3);
    unit.commit(ctx).await.unwrap();
    let taken = insert(&copy, ctx, [Product { code: "new".into(), ..product(5) }]).await;
    assert_eq!(taken, Err(Error::Duplicate { kind: "product".into(), index: "number".into() }));
}

#[tokio::test]
async fn an_import_is_all_or_nothing() {
    let (folder, ctx) = (Folder::new(), &Context::background());
    let store = folder.open(quick()).await;
    let row = |code: &str, number: i64| {
        let document = serde_json::to_value(Product { code: code.into(), ..product(number) }).unwrap();
        Record::Row {
            id: staffa_storage::Part::Text(code.into()),
            version: 4,
            shape: 1,
            document: Some(document),
        }
    };
    let section = Section::Rows("product");
    let double = store.import(ctx, section, vec![row("a", 1), row("b", 1)]).await;
    assert_eq!(double, Err(Error::Duplicate { kind: "product".into(), index: "number".into() }));
    let misplaced = store.import(ctx, section, vec![row("a", 1), Record::Kept(kept("k"))]).await;
    assert!(matches!(misplaced, Err(Error::Unusable(_))), "{misplaced:?}");
    assert_eq!(exported(&*store, section, 9).await, []);
    store.import(ctx, section, vec![row("a", 1), row("b", 2)]).await.unwrap();
    store.import(ctx, section, vec![row("a", 2), row("b", 1)]).await.unwrap();
    assert_eq!(exported(&*store, section, 9).await, [row("a", 2), row("b", 1)]);
}

#[tokio::test]
async fn a_mark_of_another_store_is_refused() {
    let (_folder, store) = filled().await.unwrap();
    for section in SECTIONS {
        for text in ["", "{}", "[1,2]", "nonsense"] {
            let page = store.export(&Context::background(), section, Some(&Mark(text.into())), 1).await;
            assert!(matches!(page, Err(Error::Unusable(_))), "{section:?} {text}: {page:?}");
        }
    }
}

#[tokio::test]
async fn a_command_beside_makes_no_file() {
    let folder = Folder::new();
    let error = folder.try_open(beside()).await.unwrap_err();
    assert!(matches!(error, Error::Unusable(_)), "{error}");
    assert!(!folder.file().exists());
    staffa_storage_sqlite::rusqlite::Connection::open(folder.file())
        .unwrap()
        .execute_batch("CREATE TABLE a (b)")
        .unwrap();
    let error = folder.try_open(beside()).await.unwrap_err();
    assert!(error.to_string().contains("no store of this format in it"), "{error}");
}
