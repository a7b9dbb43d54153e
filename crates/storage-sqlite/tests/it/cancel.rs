use std::future::Future;
use std::sync::{Arc, mpsc};
use std::task::{Poll, Waker};
use std::time::Duration;

use staffa_context::{BoxFuture, Cause, Context, Instruments, ManualClock};
use staffa_storage::{Bound, By, Error, Part, Scan, Store, Unsent};
use staffa_storage_sqlite::{Sqlite, rusqlite};

use crate::folder::{Folder, insert, is_there, product, quick};

const ENDLESS: &str =
    "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";

/// Far more than the 100 ms that are promised, and far less than for ever.
const SOON: Duration = Duration::from_secs(5);

/// Begins an endless statement, and says when it has begun and how it ended.
fn endless(
    store: &Sqlite,
    ctx: &Context,
) -> (impl Future<Output = Result<i64, Error>>, mpsc::Receiver<()>, mpsc::Receiver<String>) {
    let (begins, begun) = mpsc::channel();
    let (ends, ended) = mpsc::channel();
    let read = store.read(ctx, move |connection| {
        begins.send(()).unwrap();
        let count = connection.query_row(ENDLESS, [], |row| row.get(0));
        ends.send(format!("{count:?}")).unwrap();
        count
    });
    (read, begun, ended)
}

fn poll_once<F: Future + ?Sized>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut std::task::Context::from_waker(Waker::noop()))
}

#[tokio::test]
async fn a_statement_stops_at_the_deadline_and_the_next_one_runs() {
    let folder = Folder::new();
    let store = folder.open(quick()).await;
    let clock = ManualClock::default();
    let root = Context::root(Instruments { clock: Arc::new(clock.clone()), ..Instruments::default() });
    let ctx = root.with_timeout(Duration::from_secs(1));
    let (read, begun, ended) = endless(&store, &ctx);
    let mut read = Box::pin(read);
    assert!(poll_once(read.as_mut()).is_pending());
    begun.recv_timeout(SOON).unwrap();
    clock.advance(Duration::from_secs(1));
    assert_eq!(read.await, Err(Error::Ended(Cause::DeadlineExceeded)));
    assert!(ended.recv_timeout(SOON).unwrap().contains("Interrupt"));
    store.ping(&Context::background()).await.unwrap();
}

#[tokio::test]
async fn a_statement_stops_when_its_context_is_cancelled_or_its_future_dropped() {
    let folder = Folder::new();
    let store = folder.open(quick()).await;
    for dropped in [false, true] {
        let (ctx, cancel) = Context::background().with_cancel();
        let (read, begun, ended) = endless(&store, &ctx);
        let mut read = Box::pin(read);
        assert!(poll_once(read.as_mut()).is_pending());
        begun.recv_timeout(SOON).unwrap();
        if dropped {
            drop(read);
        } else {
            cancel.cancel(Cause::ClientGone);
            assert_eq!(read.await, Err(Error::Ended(Cause::ClientGone)));
        }
        assert!(ended.recv_timeout(SOON).unwrap().contains("Interrupt"));
    }
}

#[tokio::test]
async fn a_late_cancel_never_hits_the_next_statement() {
    let folder = Folder::new();
    let store = folder.open(quick()).await;
    let short =
        "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n LIMIT 5000) SELECT count(*) FROM n";
    for _ in 0..200 {
        let (ctx, cancel) = Context::background().with_cancel();
        let (read, _begun, _ended) = endless(&store, &ctx);
        let mut read = Box::pin(read);
        assert!(poll_once(read.as_mut()).is_pending());
        let background = Context::background();
        let mut next = Box::pin(store.read(&background, move |connection| {
            connection.query_row(short, [], |row| row.get::<_, i64>(0))
        }));
        assert!(poll_once(next.as_mut()).is_pending());
        cancel.cancel(Cause::ClientGone);
        drop(read);
        assert_eq!(next.await, Ok(5000));
    }
}

#[tokio::test]
async fn work_whose_caller_has_left_is_never_begun() {
    let folder = Folder::new();
    let store = folder.open(quick()).await;
    let (held, cancel) = Context::background().with_cancel();
    let (read, begun, ended) = endless(&store, &held);
    let mut read = Box::pin(read);
    assert!(poll_once(read.as_mut()).is_pending());
    begun.recv_timeout(SOON).unwrap();
    let (runs, ran) = mpsc::channel();
    let ctx = Context::background();
    let mut waiting = Box::pin(store.read(&ctx, move |_| {
        runs.send(()).unwrap();
        Ok(())
    }));
    assert!(poll_once(waiting.as_mut()).is_pending());
    drop(waiting);
    cancel.cancel(Cause::ClientGone);
    ended.recv_timeout(SOON).unwrap();
    store.ping(&ctx).await.unwrap();
    assert!(ran.try_recv().is_err());
}

#[tokio::test]
async fn a_full_queue_waits_within_the_deadline_and_no_longer_than_its_own_wait() {
    let folder = Folder::new();
    let place_wait = Duration::from_millis(50);
    let options = staffa_storage_sqlite::Options { read_queue_max: 1, place_wait, ..quick() };
    let store = folder.open(options).await;
    let (held, _cancel) = Context::background().with_cancel();
    let (read, begun, _ended) = endless(&store, &held);
    let mut read = Box::pin(read);
    assert!(poll_once(read.as_mut()).is_pending());
    begun.recv_timeout(SOON).unwrap();
    let ctx = Context::background();
    let mut queued = Box::pin(store.ping(&ctx));
    assert!(poll_once(queued.as_mut()).is_pending());
    let short = ctx.with_timeout(Duration::from_millis(20));
    assert_eq!(store.ping(&short).await, Err(Error::Ended(Cause::DeadlineExceeded)));
    let refused = store.ping(&ctx).await;
    assert!(
        matches!(&refused, Err(Error::Unavailable(words)) if words.contains("place_wait")),
        "{refused:?}"
    );
    drop(read);
    queued.await.unwrap();
}

#[tokio::test]
async fn a_commit_that_is_dropped_at_any_poll_is_whole_or_not_at_all() {
    let folder = Folder::new();
    let store = folder.open(quick()).await;
    let ctx = Context::background();
    for round in 0..60_i64 {
        let pair = [product(2 * round), product(2 * round + 1)];
        let mut commit = Box::pin(insert(&store, &ctx, pair));
        for _ in 0..round % 4 {
            if poll_once(commit.as_mut()).is_ready() {
                break;
            }
            tokio::time::sleep(Duration::from_micros(50 * (round as u64 % 7))).await;
        }
        drop(commit);
        store.ping(&ctx).await.unwrap();
        assert_eq!(is_there(&store, 2 * round).await, is_there(&store, 2 * round + 1).await);
    }
    insert(&store, &ctx, [product(1000)]).await.unwrap();
    let open: bool = store.read(&ctx, |connection| Ok(!connection.is_autocommit())).await.unwrap();
    assert!(!open);
}

#[tokio::test]
async fn a_panic_in_a_port_of_ones_own_ends_its_operation_alone() {
    let folder = Folder::new();
    let store = folder.open(quick()).await;
    let ctx = Context::background();
    let read = store.read(&ctx, |_| -> rusqlite::Result<()> { panic!("a bug") }).await;
    assert!(matches!(read, Err(Error::Unusable(_))));
    let write = store.write(&ctx, |_| -> rusqlite::Result<()> { panic!("a bug") }).await;
    assert!(matches!(write, Err(Error::Unusable(_))));
    insert(&store, &ctx, [product(1)]).await.unwrap();
}

/// Every operation of the port, by number.
fn operation<'a>(
    store: &'a Sqlite,
    ctx: &'a Context,
    number: usize,
    round: i64,
) -> Option<BoxFuture<'a, Result<(), Error>>> {
    let by_number = Scan {
        kind: "product",
        by: By::Index(0),
        equal: vec![],
        bound: Bound::All,
        descending: false,
        after: None,
        limit: 10,
    };
    Some(match number {
        0 => Box::pin(async move { store.get(ctx, "product", &Part::Text("x".into())).await.map(drop) }),
        1 => Box::pin(async move { store.scan(ctx, by_number).await.map(drop) }),
        2 => Box::pin(insert(store, ctx, [product(round)])),
        3 => Box::pin(async move { store.kept(ctx, "scope", "key").await.map(drop) }),
        4 => Box::pin(async move { store.unsent(ctx, Unsent::all(10)).await.map(drop) }),
        5 => Box::pin(async move { store.mark_sent(ctx, &[ctx.uuid()]).await }),
        6 => Box::pin(async move { store.sweep(ctx, ctx.wall(), 10).await.map(drop) }),
        7 => Box::pin(store.ping(ctx)),
        8 => Box::pin(async move { store.write(ctx, |tx| tx.execute_batch("SELECT 1")).await }),
        _ => return None,
    })
}

#[tokio::test]
async fn an_operation_that_is_dropped_at_any_poll_leaves_the_store_working() {
    let folder = Folder::new();
    let store = folder.open(quick()).await;
    let ctx = Context::background();
    let mut round = 0;
    for number in 0.. {
        for polls in 0..4 {
            round += 1;
            let Some(mut dropped) = operation(&store, &ctx, number, round) else { return };
            for _ in 0..polls {
                if poll_once(dropped.as_mut()).is_ready() {
                    break;
                }
                tokio::task::yield_now().await;
            }
            drop(dropped);
            for next in 0.. {
                round += 1;
                let Some(next) = operation(&store, &ctx, next, round) else { break };
                next.await.unwrap();
            }
        }
    }
}
