use std::sync::{Arc, mpsc};
use std::time::Duration;

use staffa_context::{Cause, Context};
use staffa_storage::{Error, Store};
use staffa_storage_sqlite::{Options, Sqlite};

use crate::folder::{Folder, Product, insert, is_there, product, quick};

/// Keeps the writer busy until the sender is dropped.
async fn busy(store: &Arc<Sqlite>) -> (mpsc::Sender<()>, tokio::task::JoinHandle<Result<(), Error>>) {
    let (release, released) = mpsc::channel::<()>();
    let (begins, mut begun) = tokio::sync::mpsc::channel(1);
    let store = Arc::clone(store);
    let task = tokio::spawn(async move {
        let ctx = Context::background();
        let held = store.write(&ctx, move |_| {
            begins.blocking_send(()).unwrap();
            // It ends with an error when the sender is dropped.
            let _ = released.recv();
            Ok(())
        });
        held.await
    });
    begun.recv().await.unwrap();
    (release, task)
}

#[tokio::test]
async fn a_unit_that_fails_takes_back_itself_alone() {
    let folder = Folder::new();
    let store = folder.open(quick()).await;
    let ctx = Context::background();
    let (release, task) = busy(&store).await;
    // 2 has the number of 1 already, and fails after its first write.
    let mut second = product(2);
    second.number = 1;
    let (first, failed, third, ()) = tokio::join!(
        insert(&store, &ctx, [product(1)]),
        insert(&store, &ctx, [product(9), second]),
        insert(&store, &ctx, [product(3)]),
        async { drop(release) },
    );
    task.await.unwrap().unwrap();
    assert_eq!(first, Ok(()));
    assert_eq!(failed, Err(Error::Duplicate { kind: "product".into(), index: "number".into() }));
    assert_eq!(third, Ok(()));
    for (number, there) in [(1, true), (2, false), (9, false), (3, true)] {
        assert_eq!(is_there(&store, number).await, there, "{number}");
    }
}

#[tokio::test]
async fn a_unit_whose_context_ends_in_the_queue_leaves_nothing() {
    let folder = Folder::new();
    let store = folder.open(quick()).await;
    let ctx = Context::background();
    let (release, task) = busy(&store).await;
    let short = ctx.with_timeout(Duration::from_millis(20));
    assert_eq!(insert(&store, &short, [product(1)]).await, Err(Error::Ended(Cause::DeadlineExceeded)));
    drop(release);
    task.await.unwrap().unwrap();
    insert(&store, &ctx, [product(2)]).await.unwrap();
    assert!(!is_there(&store, 1).await);
}

#[tokio::test]
async fn many_units_at_once_all_commit_and_none_twice() {
    let folder = Folder::new();
    let store = folder.open(Options { group_units_max: 8, ..quick() }).await;
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..200 {
        let store = Arc::clone(&store);
        tasks.spawn(async move { insert(&store, &Context::background(), [product(number)]).await });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap().unwrap();
    }
    let count = "SELECT count(*) FROM product WHERE document IS NOT NULL";
    let ctx = Context::background();
    let rows: i64 =
        store.read(&ctx, move |connection| connection.query_row(count, [], |row| row.get(0))).await.unwrap();
    assert_eq!(rows, 200);
}

#[tokio::test]
async fn two_entities_swap_their_unique_keys_in_one_unit() {
    let folder = Folder::new();
    let store = folder.open(quick()).await;
    let ctx = Context::background();
    insert(&store, &ctx, [product(1), product(2)]).await.unwrap();
    let mut unit = (&*store as &dyn Store).unit();
    for (mine, other) in [(1, 2), (2, 1)] {
        let found = unit.get::<Product>(&ctx, product(mine).code).await.unwrap().unwrap();
        unit.update(found.map(|mut product| {
            product.number = other;
            product
        }));
    }
    unit.commit(&ctx).await.unwrap();
}

#[tokio::test]
async fn a_closed_store_has_finished_what_it_accepted_and_takes_nothing_more() {
    let folder = Folder::new();
    let store = folder.open(quick()).await;
    let ctx = Context::background();
    let (release, task) = busy(&store).await;
    let accepted = {
        let store = Arc::clone(&store);
        tokio::spawn(async move { insert(&store, &Context::background(), [product(1)]).await })
    };
    tokio::task::yield_now().await;
    let (closed, ()) = tokio::join!(store.close(&ctx), async { drop(release) });
    closed.unwrap();
    task.await.unwrap().unwrap();
    accepted.await.unwrap().unwrap();
    assert!(matches!(store.ping(&ctx).await, Err(Error::Unavailable(_))));
    assert!(matches!(insert(&store, &ctx, [product(2)]).await, Err(Error::Unavailable(_))));
    store.close(&ctx).await.unwrap();
    // The file is free at once.
    let again = folder.open(Options { busy_wait: Duration::ZERO, ..quick() }).await;
    assert!(is_there(&again, 1).await);
}

#[tokio::test]
async fn a_unit_that_the_disk_refuses_takes_no_other_with_it() {
    let folder = Folder::new();
    let store = folder.open(Options { file_bytes_max: Some(1 << 20), ..quick() }).await;
    let ctx = Context::background();
    let (release, task) = busy(&store).await;
    let large =
        (100..1_000).map(|number| Product { code: "x".repeat(900) + &number.to_string(), ..product(number) });
    let (first, refused, third, ()) = tokio::join!(
        insert(&store, &ctx, [product(1)]),
        insert(&store, &ctx, large),
        insert(&store, &ctx, [product(3)]),
        async { drop(release) },
    );
    task.await.unwrap().unwrap();
    assert_eq!((first, third), (Ok(()), Ok(())));
    assert!(matches!(refused, Err(Error::Unavailable(_))), "{refused:?}");
    assert!(is_there(&store, 1).await && is_there(&store, 3).await);
}
