//! Contexts that end, futures that are dropped, stores that are closed.

use std::time::Duration;

use staffa_context::Cause;
use uuid::Uuid;

use super::placed::{cancelled_after, happened, parts, place};
use super::test::{commit, count, dropped_after, find, holds, insert, insert_all, refused, same};
use super::things::{Account, Item, NAME, account, schemas};
use super::{Case, Outcome, Test, case};
use crate::{Bound, By, Entity, Error, Page, Part, Repository, Result, Scan, Unsent};

pub(super) const CASES: &[Case] = &[
    case!(
        ending::an_ended_context_does_nothing,
        "an operation whose context has ended gives its cause, and nothing happens"
    ),
    case!(
        ending::a_commit_dropped_anywhere_is_whole_or_nothing,
        "a commit that is dropped at any await point is whole or nothing, its events and answer included, and the store works on"
    ),
    case!(
        ending::a_commit_cancelled_anywhere_tells_what_happened,
        "a commit whose context ends at any await point succeeds, or nothing happened, or it says that the outcome is unknown"
    ),
    case!(
        ending::a_read_dropped_anywhere_leaves_nothing,
        "a read that is dropped at any await point leaves nothing behind: the store works on"
    ),
    case!(
        ending::a_late_cancel_does_not_hit_the_next,
        "a cancellation that comes late never hits the operation after it"
    ),
    case!(ending::a_deadline_ends_what_waits, "an operation ends when its deadline passes"),
    case!(
        ending::a_closed_store_is_unavailable,
        "after close every operation is unavailable, and what was committed before is kept"
    ),
];

/// More polls than any operation takes.
const POLLS_MAX: usize = 200;

fn ended<T>(got: Result<T>) -> Result<()> {
    got.map(drop)
}

async fn an_ended_context_does_nothing(test: &Test<'_>) -> Outcome {
    let store = test.store(schemas()).await?;
    place(test.ctx, &store, "p0").await?;
    let event = store.unsent(test.ctx, Unsent::all(9)).await?[0].id;
    let (ctx, cancel) = test.ctx.with_cancel();
    cancel.cancel(Cause::ClientGone);
    let id = Part::Text("p0".into());
    let want = Error::Ended(Cause::ClientGone);
    let scan = Scan {
        kind: Item::KIND,
        by: By::Id,
        equal: vec![],
        bound: Bound::All,
        descending: false,
        after: None,
        limit: 1,
    };
    refused("get", ended(store.get(&ctx, Account::KIND, &id).await), &want)?;
    refused("get_many", ended(store.get_many(&ctx, Account::KIND, &[id]).await), &want)?;
    let none = Repository::<Account>::new(&store).find_many(&ctx, &[]).await;
    refused("get_many of none", ended(none), &want)?;
    refused("scan", ended(store.scan(&ctx, scan).await), &want)?;
    refused("commit", place(&ctx, &store, "p1").await, &want)?;
    refused("commit of an event", store.commit(&ctx, crate::Commit::default()).await, &want)?;
    refused("kept", ended(store.kept(&ctx, "place", "p0").await), &want)?;
    refused("unsent", ended(store.unsent(&ctx, Unsent::all(9)).await), &want)?;
    refused("mark_sent", store.mark_sent(&ctx, &[event]).await, &want)?;
    refused("sweep", ended(store.sweep(&ctx, test.ctx.wall().plus(Duration::from_secs(9)), 9).await), &want)?;
    refused("ping", store.ping(&ctx).await, &want)?;
    refused("close", store.close(&ctx).await, &want)?;
    let late = test.ctx.with_timeout(Duration::ZERO);
    refused("after the deadline", place(&late, &store, "p1").await, &Error::Ended(Cause::DeadlineExceeded))?;
    same("what was asked for", parts(test, &store, "p1").await?, [false; 4])?;
    same("what was there", parts(test, &store, "p0").await?, [true; 4])
}

async fn a_commit_dropped_anywhere_is_whole_or_nothing(test: &Test<'_>) -> Outcome {
    let store = test.store(schemas()).await?;
    for polls in 0..POLLS_MAX {
        let key = format!("p{polls}");
        let done = dropped_after(polls, place(test.ctx, &store, &key)).await;
        let there = happened(test, &store, &key).await?;
        // The store works on, and the key is not stuck.
        insert(test, &store, account(&format!("after {polls}"), 1)).await?;
        match done {
            Some(committed) => {
                committed?;
                return holds("a commit that ended is there", there);
            }
            None if !there => {
                let again = place(test.ctx, &store, &key).await;
                holds(&format!("again: {again:?}"), matches!(again, Ok(()) | Err(Error::Kept)))?;
                holds("a commit that was run again is there", happened(test, &store, &key).await?)?;
            }
            None => {}
        }
    }
    holds("a commit ends", false)
}

async fn a_commit_cancelled_anywhere_tells_what_happened(test: &Test<'_>) -> Outcome {
    let store = test.store(schemas()).await?;
    for polls in 0..POLLS_MAX {
        let key = format!("p{polls}");
        let (ctx, cancel) = test.ctx.with_cancel();
        let (got, cancelled) = cancelled_after(polls, &cancel, place(&ctx, &store, &key)).await;
        let there = happened(test, &store, &key).await?;
        match &got {
            Ok(()) => holds("a commit that succeeded is there", there)?,
            Err(Error::Ended(cause)) => {
                same("the cause", cause.clone(), Cause::ClientGone)?;
                // It may not come after all.
                test.ctx.sleep(Duration::from_millis(20)).await.map_err(Error::from)?;
                same("a commit that ended", parts(test, &store, &key).await?, [false; 4])?;
            }
            Err(Error::Unknown(_)) => {}
            Err(error) => return Err(error.clone().into()),
        }
        insert(test, &store, account(&format!("after {polls}"), 1)).await?;
        if got.is_ok() && !cancelled && ctx.check().is_ok() {
            return Ok(());
        }
    }
    holds("a commit ends", false)
}

async fn a_read_dropped_anywhere_leaves_nothing(test: &Test<'_>) -> Outcome {
    let store = test.store(schemas()).await?;
    insert_all(test, &store, &(0..50).map(|id| Item::named(id, "n")).collect::<Vec<_>>()).await?;
    place(test.ctx, &store, "p99").await?;
    let repository = Repository::<Item>::new(&store);
    let (ctx, id) = (test.ctx, 7);
    for polls in 0..POLLS_MAX {
        let ends = [
            dropped_after(polls, repository.find(ctx, id)).await.map(|read| read.map(drop)),
            dropped_after(polls, repository.find_many(ctx, 0..20)).await.map(|read| read.map(drop)),
            dropped_after(polls, repository.range(ctx, &NAME, (), Page::first()))
                .await
                .map(|read| read.map(drop)),
            dropped_after(polls, store.kept(ctx, "place", "p99")).await.map(|read| read.map(drop)),
            dropped_after(polls, store.unsent(ctx, Unsent::all(9))).await.map(|read| read.map(drop)),
            dropped_after(polls, store.mark_sent(ctx, &[Uuid::nil()])).await,
        ];
        insert(test, &store, account(&format!("after {polls}"), 1)).await?;
        same("a whole page", repository.all(ctx, Page::first().limit(1_000)).await?.items.len(), 51)?;
        let ended = ends.into_iter().flatten().collect::<Result<Vec<()>>>()?;
        if ended.len() == 6 {
            return Ok(());
        }
    }
    holds("a read ends", false)
}

async fn a_late_cancel_does_not_hit_the_next(test: &Test<'_>) -> Outcome {
    let store = test.store(schemas()).await?;
    insert_all(test, &store, &(0..200).map(|id| Item::named(id, "n")).collect::<Vec<_>>()).await?;
    let repository = Repository::<Item>::new(&store);
    let all = || Page::first().limit(1_000);
    for turn in 0..60 {
        let (ctx, cancel) = test.ctx.with_cancel();
        if turn % 2 == 0 {
            dropped_after(1, repository.range(&ctx, &NAME, (), all())).await;
        } else {
            dropped_after(1, place(&ctx, &store, &format!("p{}", 1_000 + turn))).await;
        }
        let next = repository.range(test.ctx, &NAME, ("n".to_owned(),), all());
        let (next, ()) = futures_util::future::join(next, async { cancel.cancel(Cause::ClientGone) }).await;
        same("the read after it", next?.items.len(), 200)?;
        commit(test, &store, |unit| unit.insert(account(&format!("a{turn}"), 1))).await?;
    }
    same("the writes after it", count::<Account>(test, &store).await? >= 60, true)
}

async fn a_deadline_ends_what_waits(test: &Test<'_>) -> Outcome {
    let store = test.store(schemas()).await?;
    insert_all(test, &store, &(0..1_000).map(|id| Item::named(id, "n")).collect::<Vec<_>>()).await?;
    let repository = Repository::<Item>::new(&store);
    let brief = test.ctx.with_timeout(Duration::from_millis(20));
    let begun = test.ctx.clock().now();
    let got = loop {
        if let Err(error) = repository.all(&brief, Page::first().limit(1_000)).await {
            break error;
        }
        // A store in memory never waits by itself.
        test.ctx.sleep(Duration::from_millis(1)).await.map_err(Error::from)?;
    };
    same("the error", got, Error::Ended(Cause::DeadlineExceeded))?;
    holds("soon after the deadline", test.ctx.clock().now() - begun < Duration::from_secs(2))
}

async fn a_closed_store_is_unavailable(test: &Test<'_>) -> Outcome {
    let store = test.store(schemas()).await?;
    place(test.ctx, &store, "p0").await?;
    store.ping(test.ctx).await?;
    store.close(test.ctx).await?;
    let unavailable = |got: Result<()>| holds(&format!("{got:?}"), matches!(got, Err(Error::Unavailable(_))));
    unavailable(find::<Item>(test, &store, &0).await.map(drop))?;
    unavailable(Repository::<Item>::new(&store).find_many(test.ctx, [0, 1]).await.map(drop))?;
    unavailable(count::<Item>(test, &store).await.map(drop))?;
    unavailable(place(test.ctx, &store, "p1").await)?;
    unavailable(store.kept(test.ctx, "place", "p0").await.map(drop))?;
    unavailable(store.unsent(test.ctx, Unsent::all(9)).await.map(drop))?;
    unavailable(store.mark_sent(test.ctx, &[]).await)?;
    unavailable(store.sweep(test.ctx, test.ctx.wall(), 9).await.map(drop))?;
    unavailable(store.ping(test.ctx).await)?;
    store.close(test.ctx).await?;
    Ok(())
}
