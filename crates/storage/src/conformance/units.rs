//! Units: atomic, and guarded by what they read.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;
use staffa_context::Context;

use super::test::{
    commit, conflict, count, duplicate, find, holds, insert, insert_all, invalid, refused, same,
};
use super::things::{Account, Counted, Item, NAME, account, schemas};
use super::{Case, Outcome, Test, case};
use crate::{ATTEMPTS_MAX, Error, Page, Repository, Result, Seen, Store, Unit, Unsent, Versioned, retry};

pub(super) const CASES: &[Case] = &[
    case!(
        units::all_or_nothing,
        "a unit commits its writes over all kinds, its events and its answer together, or none of them"
    ),
    case!(
        units::a_stale_write_is_a_conflict,
        "an update or deletion of a version that is no longer there is a conflict, and nothing happens"
    ),
    case!(
        units::what_was_read_is_guarded,
        "a commit succeeds only if every version that the unit got still holds: no write skew"
    ),
    case!(units::absence_is_remembered, "an absence that the unit got is guarded as a version is"),
    case!(
        units::absence_is_told_from_a_later_absence,
        "an entity that came and went since the unit saw its absence is a conflict"
    ),
    case!(
        units::a_unit_that_only_read_is_guarded_too,
        "a unit that writes nothing commits only if what it got still holds"
    ),
    case!(units::reads_by_index_are_not_guarded, "reads by index are not guarded"),
    case!(
        units::versions_never_repeat,
        "versions of an id rise with every write and never repeat, over deletion and insertion too"
    ),
    case!(
        units::a_blind_insert_over_anything_is_a_duplicate,
        "an insert that did not look is refused as a duplicate of the id if the id was ever taken"
    ),
    case!(
        units::at_most_1000_writes,
        "a unit has at most 1,000 writes; a larger one is refused and nothing happens"
    ),
    case!(units::an_entity_is_written_once, "a unit writes an entity at most once"),
    case!(units::a_unit_forgotten_leaves_nothing, "nothing reaches the store before the commit"),
    case!(
        units::retry_ends_in_success,
        "a change run again on conflict loses no update, however many run at once"
    ),
    case!(
        units::retry_is_bounded,
        "a change is run again at most 10 times, only on a conflict, and never beyond the budget"
    ),
];

async fn read(test: &Test<'_>, store: &Arc<dyn Store>, id: &str) -> Result<Option<Versioned<Account>>> {
    find(test, store, &id.to_owned()).await
}

fn add(account: Versioned<Account>, count: i64) -> Versioned<Account> {
    account.map(|account| Account { count: account.count + count, ..account })
}

async fn all_or_nothing(test: &Test<'_>) -> Outcome {
    let store = test.store(schemas()).await?;
    let old = insert(test, &store, account("old", 1)).await?;
    insert(test, &store, Item { code: Some("x".into()), ..Item::named(5, "five") }).await?;
    let attempt = |code: &'static str, stale: bool| {
        let (old, store) = (old.clone(), &store);
        async move {
            commit(test, store, |unit| {
                let made = unit.insert(account("a", 1));
                unit.emit(&made, Counted(json!(1)));
                unit.insert(Item { code: Some(code.into()), ..Item::named(1, "one") });
                let old = if stale { Versioned { version: 9, ..old } } else { old };
                unit.update(add(old, 1));
            })
            .await
        }
    };
    refused("a late unique key", attempt("x", false).await, &duplicate::<Item>("code"))?;
    refused("a late conflict", attempt("y", true).await, &conflict::<Account>("old"))?;
    same("the account", read(test, &store, "a").await?, None)?;
    same("the items", count::<Item>(test, &store).await?, 1)?;
    same("the old one", read(test, &store, "old").await?, Some(old.clone()))?;
    same("the outbox", store.unsent(test.ctx, Unsent::all(9)).await?.len(), 0)?;
    attempt("y", false).await?;
    same("the items", count::<Item>(test, &store).await?, 2)?;
    same("the old one", read(test, &store, "old").await?.map(|old| old.version), Some(2))?;
    same("the outbox", store.unsent(test.ctx, Unsent::all(9)).await?.len(), 1)
}

async fn a_stale_write_is_a_conflict(test: &Test<'_>) -> Outcome {
    let store = test.store(schemas()).await?;
    let first = insert(test, &store, account("a", 1)).await?;
    let second = commit(test, &store, |unit| unit.update(add(first.clone(), 1))).await?;
    let stale = commit(test, &store, |unit| {
        unit.insert(account("b", 1));
        unit.update(add(first.clone(), 5))
    });
    refused("a stale update", stale.await, &conflict::<Account>("a"))?;
    let stale = commit(test, &store, |unit| unit.delete(first)).await;
    refused("a stale deletion", stale, &conflict::<Account>("a"))?;
    same("the account", read(test, &store, "a").await?, Some(second.clone()))?;
    same("the other", read(test, &store, "b").await?, None)?;
    commit(test, &store, |unit| unit.delete(second.clone())).await?;
    let gone = commit(test, &store, |unit| unit.update(add(second, 1))).await;
    refused("an update of what is gone", gone, &conflict::<Account>("a"))
}

async fn what_was_read_is_guarded(test: &Test<'_>) -> Outcome {
    let store = test.store(schemas()).await?;
    insert_all(test, &store, &[account("a", 1), account("b", 1)]).await?;
    let (mut one, mut two) = (store.unit(), store.unit());
    let seen = [
        (
            one.get::<Account>(test.ctx, "a".to_owned()).await?,
            one.get::<Account>(test.ctx, "b".to_owned()).await?,
        ),
        (
            two.get::<Account>(test.ctx, "a".to_owned()).await?,
            two.get::<Account>(test.ctx, "b".to_owned()).await?,
        ),
    ];
    let [(Some(a), _), (_, Some(b))] = seen else { return holds("both are there", false) };
    one.update(add(a, -1));
    two.update(add(b, -1));
    one.commit(test.ctx).await?;
    refused("the second", two.commit(test.ctx).await, &conflict::<Account>("a"))?;
    let left = (read(test, &store, "a").await?, read(test, &store, "b").await?);
    same("what is left", (left.0.map(|a| a.count), left.1.map(|b| b.count)), (Some(0), Some(1)))
}

async fn absence_is_remembered(test: &Test<'_>) -> Outcome {
    let store = test.store(schemas()).await?;
    let (mut one, mut two, mut three) = (store.unit(), store.unit(), store.unit());
    for unit in [&mut one, &mut two, &mut three] {
        same("at first", unit.get::<Account>(test.ctx, "a".to_owned()).await?, None)?;
    }
    one.insert(account("a", 1));
    two.insert(account("a", 2));
    three.insert(account("b", 3));
    one.commit(test.ctx).await?;
    refused("a second insert", two.commit(test.ctx).await, &conflict::<Account>("a"))?;
    refused("a write that rests on it", three.commit(test.ctx).await, &conflict::<Account>("a"))?;
    same(
        "what is there",
        (read(test, &store, "a").await?.map(|a| a.count), count::<Account>(test, &store).await?),
        (Some(1), 1),
    )
}

async fn absence_is_told_from_a_later_absence(test: &Test<'_>) -> Outcome {
    let store = test.store(schemas()).await?;
    let (mut one, mut two) = (store.unit(), store.unit());
    one.get::<Account>(test.ctx, "a".to_owned()).await?;
    two.get::<Account>(test.ctx, "a".to_owned()).await?;
    let made = insert(test, &store, account("a", 1)).await?;
    commit(test, &store, |unit| unit.delete(made)).await?;
    one.insert(account("a", 2));
    two.insert(account("b", 2));
    refused("an insert", one.commit(test.ctx).await, &conflict::<Account>("a"))?;
    refused("another write", two.commit(test.ctx).await, &conflict::<Account>("a"))
}

async fn a_unit_that_only_read_is_guarded_too(test: &Test<'_>) -> Outcome {
    let store = test.store(schemas()).await?;
    let made = insert(test, &store, account("a", 1)).await?;
    let (mut one, mut two) = (store.unit(), store.unit());
    one.get::<Account>(test.ctx, "a".to_owned()).await?;
    two.get::<Account>(test.ctx, "a".to_owned()).await?;
    one.commit(test.ctx).await?;
    commit(test, &store, |unit| unit.update(made)).await?;
    refused("the reader", two.commit(test.ctx).await, &conflict::<Account>("a"))
}

async fn reads_by_index_are_not_guarded(test: &Test<'_>) -> Outcome {
    let store = test.store(schemas()).await?;
    let item = insert(test, &store, Item::named(1, "a")).await?;
    let mut unit = store.unit();
    let page = Repository::<Item>::new(&store).range(test.ctx, &NAME, (), Page::first()).await?;
    same("what was read", page.items.len(), 1)?;
    commit(test, &store, |unit| unit.update(item)).await?;
    unit.insert(Item::named(2, "b"));
    Ok(unit.commit(test.ctx).await?)
}

async fn versions_never_repeat(test: &Test<'_>) -> Outcome {
    let store = test.store(schemas()).await?;
    let mut versions = Vec::new();
    for round in 0..3 {
        let mut unit = store.unit();
        let seen = unit.get::<Account>(test.ctx, "a".to_owned()).await?;
        same("before", seen, None)?;
        let made = unit.insert(account("a", round));
        unit.commit(test.ctx).await?;
        let changed = commit(test, &store, |unit| unit.update(made.clone())).await?;
        same("as it is read", read(test, &store, "a").await?, Some(changed.clone()))?;
        let gone = commit(test, &store, |unit| unit.delete(changed.clone())).await?;
        versions.extend([made.version, changed.version, gone.version]);
    }
    same("the versions", versions, (1..=9).collect())?;
    let id = crate::Part::Text("a".into());
    let kind = <Account as crate::Entity>::KIND;
    same("the absence", store.get(test.ctx, kind, &id).await?, Seen::Absent { last: 9 })
}

async fn a_blind_insert_over_anything_is_a_duplicate(test: &Test<'_>) -> Outcome {
    let store = test.store(schemas()).await?;
    let made = insert(test, &store, account("a", 1)).await?;
    refused("over one", insert(test, &store, account("a", 2)).await, &duplicate::<Account>("id"))?;
    commit(test, &store, |unit| unit.delete(made)).await?;
    refused("over a deleted one", insert(test, &store, account("a", 2)).await, &duplicate::<Account>("id"))?;
    let blind = join_all((0..4).map(|count| insert(test, &store, account("b", count)))).await;
    same("of many at once", blind.iter().filter(|made| made.is_ok()).count(), 1)
}

async fn at_most_1000_writes(test: &Test<'_>) -> Outcome {
    let store = test.store(schemas()).await?;
    let many = |len: usize| (0..len).map(|id| account(&format!("a{id:04}"), 1)).collect::<Vec<_>>();
    let insert_in_one = |accounts: Vec<Account>| {
        commit(test, &store, |unit| accounts.into_iter().for_each(|account| drop(unit.insert(account))))
    };
    invalid(insert_in_one(many(Unit::LEN_MAX + 1)).await, "unit")?;
    same("after a refusal", count::<Account>(test, &store).await?, 0)?;
    insert_in_one(many(Unit::LEN_MAX)).await?;
    same("after the largest", count::<Account>(test, &store).await?, 1_000)
}

async fn an_entity_is_written_once(test: &Test<'_>) -> Outcome {
    let store = test.store(schemas()).await?;
    let twice = commit(test, &store, |unit| {
        let made = unit.insert(account("a", 1));
        unit.update(made);
    });
    invalid(twice.await, "unit")?;
    same("what is there", count::<Account>(test, &store).await?, 0)
}

async fn a_unit_forgotten_leaves_nothing(test: &Test<'_>) -> Outcome {
    let store = test.store(schemas()).await?;
    let mut unit = store.unit();
    let made = unit.insert(account("a", 1));
    unit.emit(&made, Counted(json!(1)));
    drop(unit);
    same("what is there", count::<Account>(test, &store).await?, 0)?;
    same("the outbox", store.unsent(test.ctx, Unsent::all(9)).await?, vec![])
}

async fn retry_ends_in_success(test: &Test<'_>) -> Outcome {
    let store = test.store(schemas()).await?;
    insert(test, &store, account("a", 0)).await?;
    let store = &store;
    let change = || async move {
        let mut unit = store.unit();
        let seen = unit.get::<Account>(test.ctx, "a".to_owned()).await?;
        let account = seen.ok_or_else(|| Error::Unusable("the account is gone".into()))?;
        unit.update(add(account, 1));
        unit.commit(test.ctx).await
    };
    // Each worker tries until it succeeds: how many attempts are enough is not this rule's matter.
    let worker = || async move {
        for _ in 0..5 {
            while let Err(error) = retry(test.ctx, change).await {
                holds(&format!("{error:?}"), matches!(error, Error::Conflict { .. }))?;
            }
        }
        Outcome::Ok(())
    };
    join_all((0..6).map(|_| worker())).await.into_iter().collect::<Outcome<Vec<_>>>()?;
    same("the count", read(test, store, "a").await?.map(|a| a.count), Some(30))
}

async fn retry_is_bounded(test: &Test<'_>) -> Outcome {
    let store = test.store(schemas()).await?;
    let first = insert(test, &store, account("a", 0)).await?;
    commit(test, &store, |unit| unit.update(first.clone())).await?;
    let runs = AtomicU32::new(0);
    let stale = |ctx: Context| {
        let (store, first, runs) = (&store, &first, &runs);
        async move {
            runs.fetch_add(1, Ordering::Relaxed);
            let mut unit = store.unit();
            unit.update(first.clone());
            unit.commit(&ctx).await
        }
    };
    refused(
        "a hopeless change",
        retry(test.ctx, || stale(test.ctx.clone())).await,
        &conflict::<Account>("a"),
    )?;
    same("how often it ran", runs.load(Ordering::Relaxed), ATTEMPTS_MAX)?;

    let refusals = AtomicU32::new(0);
    let refuse = || {
        refusals.fetch_add(1, Ordering::Relaxed);
        std::future::ready(Err::<(), _>(duplicate::<Account>("id")))
    };
    refused("another error", retry(test.ctx, refuse).await, &duplicate::<Account>("id"))?;
    same("how often it ran", refusals.load(Ordering::Relaxed), 1)?;

    let brief = test.ctx.with_timeout(Duration::from_millis(30));
    let begun = test.ctx.clock().now();
    let got = retry(&brief, || stale(brief.clone())).await;
    let ended = matches!(got, Err(Error::Ended(_)));
    holds(&format!("{got:?}"), ended || got == Err(conflict::<Account>("a")))?;
    holds("within the budget", test.ctx.clock().now() - begun < Duration::from_secs(1))
}
