//! Every operation, dropped or cancelled at every await point and at any time: nothing is left on the server, the pool
//! serves on, and a commit tells the truth.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{Either, join_all, select};
use serde_json::json;
use staffa_context::{Cause, Context, Instant};
use uuid::Uuid;

use super::placed::{cancelled_after, happened, parts, place};
use super::tasks::at_once;
use super::test::{commit, count, dropped_after, find, holds, insert, insert_all, same};
use super::things::{Account, Dice, Doc, Item, NAME, account, schemas};
use super::{Broken, Case, Outcome, Test, case};
use crate::{Entity, Error, Moving, Page, Record, Repository, Result, Section, Store, Unsent};

pub(super) const CASES: &[Case] = &[
    case!(
        cancel::an_operation_dropped_anywhere_leaves_nothing,
        "each operation, dropped at each await point, leaves no session in a transaction or executing, hits no later operation, and takes nothing from the pool"
    ),
    case!(
        cancel::an_operation_cancelled_anywhere_leaves_nothing,
        "the same for each operation whose context ends at each await point; it gives the cause, or what it gives without"
    ),
    case!(
        cancel::operations_dropped_at_any_time_leave_nothing,
        "tasks whose operations are dropped or cancelled at random leave nothing either, and every commit is whole or nothing"
    ),
    case!(
        cancel::a_commit_that_happened_never_says_ended,
        "of commits that are cancelled at random, one that says that its context ended never happens; one that was not seen to its end says unknown"
    ),
    case!(cancel::moving_dropped_anywhere_leaves_nothing, "a pause, an export or an import, dropped or cancelled at each await point, leaves nothing either; an import is whole or nothing", needs Move),
    case!(cancel::a_deadline_frees_the_server, "a statement of 10 s under a deadline of 50 ms ends then, and its server is free within 100 ms", needs Slow),
    case!(cancel::a_dropped_statement_frees_the_server, "a statement of 10 s that is dropped or cancelled frees its server within 100 ms, and the pool serves as many as before", needs Slow),
];

/// More polls than any operation takes.
const POLLS_MAX: usize = 500;
/// How long a server may take to end what was dropped.
const GRACE: Duration = Duration::from_secs(2);
/// How long it may take where the rule says so.
const SOON: Duration = Duration::from_millis(100);

/// What a store can be asked.
#[derive(Clone, Copy, Debug)]
enum Operation {
    Get,
    GetMany,
    Scan,
    Insert,
    Update,
    Kept,
    Unsent,
    Backlog,
    MarkSent,
    Sweep,
    Ping,
}

impl Operation {
    fn writes(self) -> bool {
        matches!(self, Self::Insert | Self::Update | Self::MarkSent | Self::Sweep)
    }
}

const OPERATIONS: [Operation; 11] = [
    Operation::Get,
    Operation::GetMany,
    Operation::Scan,
    Operation::Insert,
    Operation::Update,
    Operation::Kept,
    Operation::Unsent,
    Operation::Backlog,
    Operation::MarkSent,
    Operation::Sweep,
    Operation::Ping,
];

/// Does it; `number` is another one each time.
async fn perform(ctx: &Context, store: &Arc<dyn Store>, operation: Operation, number: usize) -> Result<()> {
    match operation {
        Operation::Get => Repository::<Item>::new(store).find(ctx, 7).await.map(drop),
        Operation::GetMany => Repository::<Item>::new(store).find_many(ctx, 0..400).await.map(drop),
        Operation::Scan => {
            let page = Page::first().limit(200);
            Repository::<Item>::new(store).range(ctx, &NAME, (), page).await.map(drop)
        }
        Operation::Insert => place(ctx, store, &format!("p{}", 1_000_000 + number)).await,
        Operation::Update => {
            let mut unit = store.unit();
            if let Some(seen) = unit.get::<Account>(ctx, "updated".to_owned()).await? {
                unit.update(seen.map(|seen| Account { count: seen.count + 1, ..seen }));
            }
            match unit.commit(ctx).await {
                // The commit of one that was dropped before came in between.
                Err(Error::Conflict { .. }) => Ok(()),
                other => other,
            }
        }
        Operation::Kept => store.kept(ctx, "place", "p1").await.map(drop),
        Operation::Unsent => store.unsent(ctx, Unsent::all(20)).await.map(drop),
        Operation::Backlog => store.backlog(ctx, 1_000).await.map(drop),
        Operation::MarkSent => store.mark_sent(ctx, &[Uuid::nil()]).await,
        Operation::Sweep => store.sweep(ctx, staffa_context::Timestamp::MIN, 10).await.map(drop),
        Operation::Ping => store.ping(ctx).await,
    }
}

async fn filled(test: &Test<'_>) -> Outcome<Arc<dyn Store>> {
    let store = test.store(schemas()).await?;
    insert_all(test, &store, &(0..300).map(|id| Item::named(id, format!("n{id}"))).collect::<Vec<_>>())
        .await?;
    insert(test, &store, account("updated", 0)).await?;
    place(test.ctx, &store, "p1000").await?;
    Ok(store)
}

/// The operations after it: one that reads and one that writes, neither hit by what became of the last.
async fn works_on(test: &Test<'_>, store: &Arc<dyn Store>, words: &str, id: &str) -> Outcome {
    let hit = |error: Error| Broken(format!("the operation after {words}: {error:?}"));
    let found = find::<Item>(test, store, &7).await.map_err(hit)?;
    holds(&format!("what is there, after {words}"), found.is_some())?;
    insert(test, store, account(id, 1)).await.map_err(hit)?;
    Ok(())
}

/// The server has nothing left, within the grace, and so many operations are served at once.
async fn is_free_for(test: &Test<'_>, store: &Arc<dyn Store>, len: usize, words: &str) -> Outcome {
    let until = test.ctx.clock().now() + GRACE;
    loop {
        let left = test.open.leftovers(test.ctx, &test.place).await?;
        if left.is_empty() {
            break;
        }
        holds(&format!("after {words}, the server has {left:?}"), test.ctx.clock().now() < until)?;
        test.ctx.sleep(Duration::from_millis(10)).await.map_err(Error::from)?;
    }
    let brief = test.ctx.with_timeout(Duration::from_secs(10));
    let repository = Repository::<Item>::new(store);
    for read in join_all((0..300).take(len).map(|id| repository.find(&brief, id))).await {
        let served = read.map_err(|error| Broken(format!("one of many after {words}: {error:?}")))?;
        holds(&format!("one of many after {words}"), served.is_some())?;
    }
    Ok(())
}

/// The same for as many as a pool has by default, and more.
async fn is_free(test: &Test<'_>, store: &Arc<dyn Store>, words: &str) -> Outcome {
    is_free_for(test, store, 32, words).await
}

async fn an_operation_dropped_anywhere_leaves_nothing(test: &Test<'_>) -> Outcome {
    let store = filled(test).await?;
    let mut number = 0;
    for operation in OPERATIONS {
        for polls in 1..POLLS_MAX {
            number += 1;
            let words = format!("{operation:?} dropped after {polls} polls");
            let done = dropped_after(polls, perform(test.ctx, &store, operation, number)).await;
            works_on(test, &store, &words, &format!("after {number}")).await?;
            if let Some(done) = done {
                done.map_err(|error| Broken(format!("{words}: {error:?}")))?;
                break;
            }
        }
        is_free(test, &store, &format!("{operation:?} dropped anywhere")).await?;
    }
    Ok(())
}

async fn an_operation_cancelled_anywhere_leaves_nothing(test: &Test<'_>) -> Outcome {
    let store = filled(test).await?;
    let mut number = 0;
    for operation in OPERATIONS {
        for polls in 0..POLLS_MAX {
            number += 1;
            let words = format!("{operation:?} cancelled after {polls} polls");
            let (ctx, cancel) = test.ctx.with_cancel();
            let (done, cancelled) =
                cancelled_after(polls, &cancel, perform(&ctx, &store, operation, number)).await;
            match done {
                Ok(()) => {}
                Err(Error::Ended(cause)) if cancelled => same(&words, cause, Cause::ClientGone)?,
                Err(Error::Unknown(_)) if operation.writes() => {}
                Err(error) => return Err(Broken(format!("{words}: {error:?}"))),
            }
            works_on(test, &store, &words, &format!("after {number}")).await?;
            if !cancelled {
                break;
            }
        }
        is_free(test, &store, &format!("{operation:?} cancelled anywhere")).await?;
    }
    Ok(())
}

/// Runs it for a while of the dice's, then drops it or ends its context; `None`: it was dropped.
pub(super) async fn interrupted<F>(
    ctx: &Context,
    dice: &mut Dice,
    work: impl FnOnce(Context) -> F,
) -> Option<F::Output>
where
    F: Future,
{
    let (inner, cancel) = ctx.with_cancel();
    // Few operations wait often, and all of them wait at their beginning.
    let most = 1 + dice.below(12);
    let (polls, pause) = (dice.below(most), Duration::from_micros(dice.roll() % 3_000));
    let work = work(inner);
    match dice.below(4) {
        0 => dropped_after(polls, work).await,
        1 => Some(cancelled_after(polls, &cancel, work).await.0),
        2 => match select(Box::pin(work), Box::pin(ctx.sleep(pause))).await {
            Either::Left((done, _)) => Some(done),
            Either::Right(_) => None,
        },
        _ => match select(Box::pin(work), Box::pin(ctx.sleep(pause))).await {
            Either::Left((done, _)) => Some(done),
            Either::Right((_, work)) => {
                cancel.cancel(Cause::ClientGone);
                Some(work.await)
            }
        },
    }
}

/// Tasks that are interrupted at once.
const TASKS: usize = 6;

async fn operations_dropped_at_any_time_leave_nothing(test: &Test<'_>) -> Outcome {
    let store = filled(test).await?;
    let rounds = test.open.rounds();
    at_once(test, TASKS, |ctx, task| {
        let store = Arc::clone(&store);
        async move {
            let mut dice = Dice::new(task as u64);
            for round in 0..rounds {
                let operation = *dice.pick(&OPERATIONS);
                let number = 10_000 + task * 1_000_000 + round;
                interrupted(&ctx, &mut dice, |ctx| {
                    let store = Arc::clone(&store);
                    async move { perform(&ctx, &store, operation, number).await }
                })
                .await;
                let repository = Repository::<Item>::new(&store);
                let hit = |error| Broken(format!("a read after {operation:?}: {error:?}"));
                let found = repository.find(&ctx, 7).await.map_err(hit)?;
                let first = repository.first(&ctx, &NAME, "n7".to_owned()).await.map_err(hit)?;
                holds("what is there", found.is_some() && found == first)?;
            }
            Ok(())
        }
    })
    .await?;
    is_free(test, &store, "operations dropped at random").await?;
    works_on(test, &store, "operations dropped at random", "after all").await
}

async fn a_commit_that_happened_never_says_ended(test: &Test<'_>) -> Outcome {
    let store = test.store(schemas()).await?;
    insert(test, &store, Item::named(7, "n")).await?;
    let seed = 5;
    let mut dice = Dice::new(seed);
    let mut ended = Vec::new();
    for round in 0..test.open.rounds() {
        let key = format!("p{}", 1_000 + round);
        let done = interrupted(test.ctx, &mut dice, |ctx| {
            let (store, key) = (Arc::clone(&store), key.clone());
            async move { place(&ctx, &store, &key).await }
        })
        .await;
        let there = happened(test, &store, &key).await?;
        match done {
            Some(Ok(())) => holds(&format!("round {round}: a commit that succeeded is there"), there)?,
            Some(Err(Error::Ended(_))) => ended.push(key),
            Some(Err(Error::Unknown(_))) | None => {}
            Some(Err(error)) => return Err(Broken(format!("round {round}: {error:?}"))),
        }
        let unsent = store.unsent(test.ctx, Unsent::all(1_000)).await?;
        if unsent.len() > 300 {
            let ids: Vec<Uuid> = unsent.iter().take(200).map(|event| event.id).collect();
            store.mark_sent(test.ctx, &ids).await?;
        }
    }
    // They may not come after all.
    test.ctx.sleep(Duration::from_millis(50)).await.map_err(Error::from)?;
    for key in ended {
        same(
            &format!("{key}, which said that its context ended"),
            parts(test, &store, &key).await?,
            [false; 4],
        )?;
    }
    Ok(())
}

/// What a handle for moving can be asked; an import is of two documents.
async fn carry(ctx: &Context, beside: &Arc<dyn Moving>, what: usize, number: usize) -> Result<()> {
    match what {
        0 => beside.export(ctx, Section::Rows(Item::KIND), None, 50).await.map(drop),
        1 => beside.export(ctx, Section::Events, None, 50).await.map(drop),
        2 => beside.freeze(ctx, true).await,
        3 => beside.freeze(ctx, false).await,
        4 => beside.is_frozen(ctx).await.map(drop),
        _ => {
            let id = |half| format!("d{number} {half}");
            let record = |half| Record::Row {
                id: crate::Part::Text(id(half)),
                version: 1,
                shape: 1,
                document: Some(json!({ "id": id(half), "value": null })),
            };
            beside.import(ctx, Section::Rows(Doc::KIND), ["one", "two"].map(record).to_vec()).await
        }
    }
}

async fn moving_dropped_anywhere_leaves_nothing(test: &Test<'_>) -> Outcome {
    let store = filled(test).await?;
    let beside = test.moving(schemas()).await?;
    let mut number = 0;
    for what in 0..6 {
        for polls in 1..POLLS_MAX {
            number += 1;
            let words = format!("operation {what} of moving, interrupted after {polls} polls");
            let dropped = dropped_after(polls, carry(test.ctx, &beside, what, number)).await;
            let (ctx, cancel) = test.ctx.with_cancel();
            let (done, cancelled) =
                cancelled_after(polls, &cancel, carry(&ctx, &beside, what, number + 100_000)).await;
            holds(
                &format!("{words}: {done:?}"),
                matches!(done, Ok(()) | Err(Error::Ended(_) | Error::Unknown(_))),
            )?;
            whole(test, &store, number).await?;
            whole(test, &store, number + 100_000).await?;
            beside.freeze(test.ctx, false).await?;
            works_on(test, &store, &words, &format!("moved {number}")).await?;
            if dropped.is_some() && !cancelled {
                break;
            }
        }
        is_free(test, &store, &format!("operation {what} of moving")).await?;
    }
    Ok(())
}

/// An import of two documents is there whole or not at all, within the grace of one that was dropped.
async fn whole(test: &Test<'_>, store: &Arc<dyn Store>, number: usize) -> Outcome {
    for _ in 0..50 {
        let one = find::<Doc>(test, store, &format!("d{number} one")).await?;
        let two = find::<Doc>(test, store, &format!("d{number} two")).await?;
        if one.is_some() == two.is_some() {
            return Ok(());
        }
        test.ctx.sleep(Duration::from_millis(10)).await.map_err(Error::from)?;
    }
    Err(Broken(format!("a part of import {number} happened")))
}

/// How long the slow statements would take.
const LASTING: Duration = Duration::from_secs(10);
/// How often a measure in time must hold, and how often it is tried for that: other work on the machine may be in its way, but
/// not always.
const MUST: usize = 3;
const TRIES: usize = 20;

async fn a_deadline_frees_the_server(test: &Test<'_>) -> Outcome {
    let _store = filled(test).await?;
    let slow = test.open.slow(test.ctx, &test.place).await?;
    let (mut held, mut seen) = (0, Vec::new());
    for _ in 0..TRIES {
        let begun = test.ctx.clock().now();
        let deadline = begun + Duration::from_millis(50);
        let got = slow.run(&test.ctx.with_deadline(deadline), LASTING).await;
        same("the outcome", got, Err(Error::Ended(Cause::DeadlineExceeded)))?;
        let took = test.ctx.clock().now() - begun;
        sleep_until(test.ctx, deadline + SOON).await?;
        let left = test.open.leftovers(test.ctx, &test.place).await?;
        if left.is_empty() && took <= Duration::from_millis(50) + SOON {
            held += 1;
        } else {
            seen.push(format!(
                "it ended after {took:?}, and 100 ms after the deadline the server has {left:?}"
            ));
        }
        if held == MUST {
            break;
        }
    }
    holds(&seen.join("; "), held >= MUST)
}

async fn sleep_until(ctx: &Context, at: Instant) -> Outcome {
    let now = ctx.clock().now();
    if at > now {
        ctx.sleep(at - now).await.map_err(Error::from)?;
    }
    Ok(())
}

async fn a_dropped_statement_frees_the_server(test: &Test<'_>) -> Outcome {
    let _store = filled(test).await?;
    let slow = test.open.slow(test.ctx, &test.place).await?;
    // How often it held for those that were dropped, and for those that were cancelled.
    let (mut held, mut seen) = ([0; 2], Vec::new());
    for turn in 0..TRIES {
        let (ctx, cancel) = test.ctx.with_cancel();
        let all = join_all((0..slow.pool_len()).map(|_| slow.run(&ctx, LASTING)));
        let pause = Duration::from_millis(60);
        match select(Box::pin(all), Box::pin(test.ctx.sleep(pause))).await {
            Either::Left((done, _)) => return Err(Broken(format!("10 s were over at once: {done:?}"))),
            Either::Right((_, all)) if turn % 2 == 0 => drop(all),
            Either::Right((_, all)) => {
                cancel.cancel(Cause::ClientGone);
                for done in all.await {
                    same("a cancelled statement", done, Err(Error::Ended(Cause::ClientGone)))?;
                }
            }
        }
        sleep_until(test.ctx, test.ctx.clock().now() + SOON).await?;
        let left = test.open.leftovers(test.ctx, &test.place).await?;
        if left.is_empty() {
            held[turn % 2] += 1
        } else {
            seen.push(format!("turn {turn}: 100 ms later the server has {left:?}"))
        }
        is_free_for(test, &slow.store(), slow.pool_len(), "statements that were interrupted").await?;
        if held.iter().all(|held| *held >= MUST) {
            break;
        }
    }
    commit(test, &slow.store(), |unit| unit.insert(account("after all", 1))).await?;
    holds("what is there", count::<Account>(test, &slow.store()).await? > 0)?;
    holds(&seen.join("; "), held.iter().all(|held| *held >= MUST))
}
