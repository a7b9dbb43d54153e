//! A server that is away, silent or busy, and comes back.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{join, join_all};
use staffa_context::{Cause, Context};

use super::placed::{happened, place};
use super::test::{find, holds, insert, insert_all, same};
use super::things::{Account, Item, NAME, account, schemas};
use super::{Broken, Case, Faults, Outcome, Test, case};
use crate::{Error, Page, Repository, Result, Store, Unsent};

pub(super) const CASES: &[Case] = &[
    case!(away::a_server_that_is_away_is_unavailable, "while the server cannot be reached, every operation is unavailable, within its budget", needs Faults),
    case!(away::a_server_that_is_back_serves_again, "once the server can be reached again, the same handle serves, with as many operations at once as before", needs Faults),
    case!(away::a_commit_cut_at_any_answer_tells_the_truth, "a commit whose connection is cut at any of the server's answers succeeds, or nothing happened, or it says that the outcome is unknown; again under its idempotency key, it tells which", needs Faults),
    case!(away::a_silent_server_holds_nobody_beyond_the_deadline, "when no byte comes through, every operation ends at its deadline, and a commit that may have arrived says unknown", needs Faults),
    case!(away::what_was_cut_leaves_no_session, "after connections are cut in the midst of work, the server has no session in a transaction or executing", needs Faults),
    case!(away::an_exhausted_pool_refuses_within_the_budget, "when all of the pool is busy, a further operation is refused within its budget, and the pool serves again once it is free", needs Slow),
];

/// The budget of an operation.
const BUDGET: Duration = Duration::from_millis(500);
/// What more it may take: the machine may be busy.
const MORE: Duration = Duration::from_millis(400);
/// How long an adapter may take to find that its server is back.
const BACK: Duration = Duration::from_secs(15);

async fn filled<'a>(test: &Test<'a>) -> Outcome<(Arc<dyn Store>, &'a dyn Faults)> {
    let faults = test.open.faults().ok_or_else(|| Broken("the stores have no line to cut".into()))?;
    faults.mend().await;
    let store = test.store(schemas()).await?;
    insert_all(test, &store, &(0..50).map(|id| Item::named(id, "n")).collect::<Vec<_>>()).await?;
    Ok((store, faults))
}

/// Those whose outcome may be unknown.
const WRITES: [&str; 3] = ["commit", "mark_sent", "sweep"];

/// Runs each operation within the budget, and gives what each made of it, in words for its name.
async fn all_operations(
    test: &Test<'_>,
    store: &Arc<dyn Store>,
    number: usize,
) -> Outcome<Vec<(&'static str, Result<()>)>> {
    let key = format!("p{}", 1_000 + number);
    let repository = Repository::<Item>::new(store);
    let mut got = Vec::new();
    let timed = async |words: &'static str, work: staffa_context::BoxFuture<'_, Result<()>>| {
        let begun = test.ctx.clock().now();
        let outcome = work.await;
        let took = test.ctx.clock().now() - begun;
        holds(&format!("{words} took {took:?}, with {BUDGET:?} for it: {outcome:?}"), took < BUDGET + MORE)?;
        Ok::<_, Broken>((words, outcome))
    };
    let ctx = || test.ctx.with_timeout(BUDGET);
    let brief = ctx();
    got.push(timed("get", Box::pin(async { repository.find(&brief, 7).await.map(drop) })).await?);
    let brief = ctx();
    let range = async { repository.range(&brief, &NAME, (), Page::first()).await.map(drop) };
    got.push(timed("scan", Box::pin(range)).await?);
    let brief = ctx();
    got.push(timed("commit", Box::pin(place(&brief, store, &key))).await?);
    let brief = ctx();
    got.push(timed("kept", Box::pin(async { store.kept(&brief, "s", "k").await.map(drop) })).await?);
    let brief = ctx();
    got.push(
        timed("unsent", Box::pin(async { store.unsent(&brief, Unsent::all(9)).await.map(drop) })).await?,
    );
    let brief = ctx();
    got.push(timed("backlog", Box::pin(async { store.backlog(&brief, 9).await.map(drop) })).await?);
    let brief = ctx();
    got.push(
        timed("mark_sent", Box::pin(async { store.mark_sent(&brief, &[uuid::Uuid::nil()]).await })).await?,
    );
    let brief = ctx();
    let sweep = async { store.sweep(&brief, staffa_context::Timestamp::MIN, 9).await.map(drop) };
    got.push(timed("sweep", Box::pin(sweep)).await?);
    let brief = ctx();
    got.push(timed("ping", Box::pin(async { store.ping(&brief).await })).await?);
    Ok(got)
}

async fn a_server_that_is_away_is_unavailable(test: &Test<'_>) -> Outcome {
    let (store, faults) = filled(test).await?;
    faults.cut().await;
    // What is sent before the cut is noticed may have arrived, as far as a commit knows.
    let first = all_operations(test, &store, 0).await?;
    let later = all_operations(test, &store, 1).await?;
    faults.mend().await;
    for (words, outcome) in first {
        let told = matches!(outcome, Err(Error::Unavailable(_) | Error::Ended(Cause::DeadlineExceeded)));
        let unknown = WRITES.contains(&words) && matches!(outcome, Err(Error::Unknown(_)));
        holds(&format!("{words} just after the cut: {outcome:?}"), told || unknown)?;
    }
    let unavailable =
        later.iter().filter(|(_, outcome)| matches!(outcome, Err(Error::Unavailable(_)))).count();
    for (words, outcome) in &later {
        let told = matches!(outcome, Err(Error::Unavailable(_) | Error::Ended(Cause::DeadlineExceeded)));
        holds(&format!("{words} while it is away: {outcome:?}"), told)?;
    }
    holds(&format!("most say that it is unavailable: {later:?}"), unavailable * 2 > later.len())?;
    back(test, &store).await?;
    same("what was refused", happened(test, &store, "p1001").await?, false)
}

/// Waits until the store serves again.
async fn back(test: &Test<'_>, store: &Arc<dyn Store>) -> Outcome {
    let until = test.ctx.clock().now() + BACK;
    loop {
        let brief = test.ctx.with_timeout(Duration::from_secs(2));
        match store.ping(&brief).await {
            Ok(()) => return Ok(()),
            Err(error) if test.ctx.clock().now() > until => {
                return Err(Broken(format!("the server is back, the handle is not: {error:?}")));
            }
            Err(_) => test.ctx.sleep(Duration::from_millis(20)).await.map_err(Error::from)?,
        }
    }
}

async fn a_server_that_is_back_serves_again(test: &Test<'_>) -> Outcome {
    let (store, faults) = filled(test).await?;
    for round in 0..3 {
        faults.cut().await;
        let refused = all_operations(test, &store, 10 + round).await?;
        holds("it is away", refused.iter().all(|(_, outcome)| outcome.is_err()))?;
        faults.mend().await;
        back(test, &store).await?;
        let brief = test.ctx.with_timeout(Duration::from_secs(10));
        let repository = Repository::<Item>::new(&store);
        for found in join_all((0..20).map(|id| repository.find(&brief, id))).await {
            holds("what is there", found?.is_some())?;
        }
        insert(test, &store, account(&format!("round {round}"), 1)).await?;
    }
    Ok(())
}

async fn a_commit_cut_at_any_answer_tells_the_truth(test: &Test<'_>) -> Outcome {
    let (store, faults) = filled(test).await?;
    let mut told = Vec::new();
    for answers in 0..30 {
        let key = format!("p{}", 2_000 + answers);
        faults.cut_after(answers).await;
        let brief = test.ctx.with_timeout(Duration::from_secs(5));
        let outcome = place(&brief, &store, &key).await;
        faults.mend().await;
        back(test, &store).await?;
        let there = happened(test, &store, &key).await?;
        let words = format!("cut at answer {answers}: {outcome:?}, and it happened: {there}");
        match &outcome {
            Ok(()) => holds(&words, there)?,
            Err(Error::Unknown(_)) => {}
            Err(Error::Unavailable(_) | Error::Ended(_)) => holds(&words, !there)?,
            Err(_) => return Err(Broken(words)),
        }
        let again = place(test.ctx, &store, &key).await;
        let want = if there { Err(Error::Kept) } else { Ok(()) };
        same(&format!("{words}; again, with its key"), again, want)?;
        holds("it is there once", happened(test, &store, &key).await?)?;
        told.push(words);
        if outcome.is_ok() && answers > 0 {
            // The commit was over before its line was cut, or the adapter did it again by itself, which is as good.
            break;
        }
    }
    holds(&format!("some commit was cut: {told:?}"), told.len() > 1)
}

async fn a_silent_server_holds_nobody_beyond_the_deadline(test: &Test<'_>) -> Outcome {
    let (store, faults) = filled(test).await?;
    faults.stall().await;
    let got = all_operations(test, &store, 20).await;
    faults.mend().await;
    let got = got?;
    for (words, outcome) in &got {
        let told = matches!(outcome, Err(Error::Unavailable(_) | Error::Ended(Cause::DeadlineExceeded)));
        let unknown = WRITES.contains(words) && matches!(outcome, Err(Error::Unknown(_)));
        holds(&format!("{words} while it is silent: {outcome:?}"), told || unknown)?;
    }
    back(test, &store).await?;
    // What was held back arrives late, if at all.
    test.ctx.sleep(Duration::from_millis(300)).await.map_err(Error::from)?;
    let there = happened(test, &store, "p1020").await?;
    let unknown = |(words, outcome): &(&str, Result<()>)| {
        *words == "commit" && matches!(outcome, Err(Error::Unknown(_)))
    };
    let unknown = got.iter().any(unknown);
    holds("a commit that said that nothing happened did not happen", unknown || !there)?;
    leaves_nothing(test).await
}

async fn leaves_nothing(test: &Test<'_>) -> Outcome {
    let until = test.ctx.clock().now() + Duration::from_secs(5);
    loop {
        let left = test.open.leftovers(test.ctx, &test.place).await?;
        if left.is_empty() {
            return Ok(());
        }
        holds(&format!("the server has {left:?}"), test.ctx.clock().now() < until)?;
        test.ctx.sleep(Duration::from_millis(20)).await.map_err(Error::from)?;
    }
}

async fn what_was_cut_leaves_no_session(test: &Test<'_>) -> Outcome {
    let (store, faults) = filled(test).await?;
    for round in 0..5 {
        let work = join_all((0..12).map(|number| {
            let (store, ctx) = (Arc::clone(&store), test.ctx.with_timeout(Duration::from_secs(5)));
            async move { place(&ctx, &store, &format!("p{}", 3_000 + 100 * round + number)).await }
        }));
        let cut = async {
            // The dice of the machine: the cut comes somewhere in the work.
            let paused = test.ctx.sleep(Duration::from_millis(1 + 3 * round)).await;
            faults.cut().await;
            paused
        };
        let (_, paused) = join(work, cut).await;
        paused.map_err(Error::from)?;
        faults.mend().await;
        back(test, &store).await?;
        for number in 0..12 {
            happened(test, &store, &format!("p{}", 3_000 + 100 * round + number)).await?;
        }
    }
    leaves_nothing(test).await
}

async fn an_exhausted_pool_refuses_within_the_budget(test: &Test<'_>) -> Outcome {
    let store = test.store(schemas()).await?;
    insert(test, &store, account("a", 1)).await?;
    let slow = test.open.slow(test.ctx, &test.place).await?;
    let (held, cancel) = test.ctx.with_cancel();
    let busy = join_all((0..slow.pool_len()).map(|_| slow.run(&held, Duration::from_secs(30))));
    let looks = async {
        test.ctx.sleep(Duration::from_millis(300)).await.map_err(Error::from)?;
        let begun = test.ctx.clock().now();
        let further = slow.run(&test.ctx.with_timeout(BUDGET), Duration::from_millis(1)).await;
        let took = test.ctx.clock().now() - begun;
        cancel.cancel(Cause::ClientGone);
        Ok::<_, Broken>((further, took))
    };
    let (_, looked) = join(busy, looks).await;
    let (further, took) = looked?;
    let refused = matches!(further, Err(Error::Unavailable(_) | Error::Ended(Cause::DeadlineExceeded)));
    holds(&format!("a further one: {further:?}"), refused)?;
    holds(&format!("it took {took:?}, with {BUDGET:?} for it"), took < BUDGET + MORE)?;
    let soon: Context = test.ctx.with_timeout(Duration::from_secs(5));
    slow.run(&soon, Duration::from_millis(1)).await?;
    let found = find::<Account>(test, &slow.store(), &"a".into()).await?;
    holds("what is there", found.is_some())
}
