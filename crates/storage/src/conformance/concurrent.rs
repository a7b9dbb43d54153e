//! Units that are truly under way at once, as tasks over one handle or over several.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;
use staffa_context::{Context, IdempotencyKey};
use uuid::Uuid;

use super::tasks::{at_once, turn};
use super::test::{count, duplicate, find, holds, insert_all, same};
use super::things::{Account, Counted, Dice, Item, NAME, account, schemas};
use super::{Case, Outcome, Test, case};
use crate::{Error, Event, PARTITIONS, Page, Partitions, Repository, Result, Store, Unit, Unsent, Versioned};

pub(super) const CASES: &[Case] = &[
    case!(concurrent::no_update_is_lost, "changes of the same entities by many tasks at once are all there"),
    case!(
        concurrent::no_rule_over_two_entities_breaks,
        "a rule over two entities, which each unit reads and of which it writes one, holds whatever many tasks do at once"
    ),
    case!(
        concurrent::transfers_keep_the_sum,
        "a sum over entities is the same for every unit that reads them all and commits, while many tasks move parts of it"
    ),
    case!(
        concurrent::of_duplicates_one_wins,
        "of many tasks that insert one id or claim one unique key at once, exactly one succeeds, and the others are told of the duplicate"
    ),
    case!(
        concurrent::one_key_takes_effect_once,
        "of many tasks that commit under one idempotency key, exactly one takes effect, and all others find its answer"
    ),
    case!(
        concurrent::versions_never_repeat,
        "no two commits of many tasks give an entity the same version, over deletions and insertions too"
    ),
    case!(
        concurrent::pages_give_everything_once_while_many_write,
        "an entity whose key does not change appears exactly once to a reader of pages, while many tasks write around it"
    ),
    case!(
        concurrent::relays_read_every_event_in_its_order,
        "relays that share the partitions read every event, those of an entity in their order, while many tasks write"
    ),
];

async fn one(test: &Test<'_>) -> Outcome<Vec<Arc<dyn Store>>> {
    Ok(vec![test.store(schemas()).await?])
}

async fn no_update_is_lost(test: &Test<'_>) -> Outcome {
    updates(test, &one(test).await?).await
}

async fn no_rule_over_two_entities_breaks(test: &Test<'_>) -> Outcome {
    rules(test, &one(test).await?).await
}

async fn transfers_keep_the_sum(test: &Test<'_>) -> Outcome {
    transfers(test, &one(test).await?).await
}

async fn of_duplicates_one_wins(test: &Test<'_>) -> Outcome {
    duplicates(test, &one(test).await?).await
}

async fn one_key_takes_effect_once(test: &Test<'_>) -> Outcome {
    keys(test, &one(test).await?).await
}

async fn versions_never_repeat(test: &Test<'_>) -> Outcome {
    versions(test, &one(test).await?).await
}

async fn pages_give_everything_once_while_many_write(test: &Test<'_>) -> Outcome {
    pages(test, &one(test).await?).await
}

async fn relays_read_every_event_in_its_order(test: &Test<'_>) -> Outcome {
    relays(test, &one(test).await?).await
}

/// Tasks of a crowd.
const TASKS: usize = 8;

fn of(stores: &[Arc<dyn Store>], number: usize) -> Arc<dyn Store> {
    Arc::clone(&stores[number % stores.len()])
}

/// Runs the change until it does not conflict; it yields between its reads and its commit.
async fn again<'a, F, Fut, T>(ctx: &Context, store: &'a Arc<dyn Store>, mut change: F) -> Result<T>
where
    F: FnMut(Unit<'a>) -> Fut,
    Fut: Future<Output = Result<(Unit<'a>, T)>>,
{
    loop {
        let (unit, made) = change(store.unit()).await?;
        turn().await;
        match unit.commit(ctx).await {
            Ok(()) => return Ok(made),
            Err(Error::Conflict { .. }) => ctx.check()?,
            Err(error) => return Err(error),
        }
    }
}

async fn get(ctx: &Context, unit: &mut Unit<'_>, id: &str) -> Result<Versioned<Account>> {
    let seen = unit.get::<Account>(ctx, id.to_owned()).await?;
    seen.ok_or_else(|| Error::Unusable(format!("the account {id} is gone")))
}

fn plus(seen: Versioned<Account>, count: i64) -> Versioned<Account> {
    seen.map(|seen| Account { count: seen.count + count, ..seen })
}

pub(super) async fn updates(test: &Test<'_>, stores: &[Arc<dyn Store>]) -> Outcome {
    let ids = ["a", "b"];
    insert_all(test, &stores[0], &ids.map(|id| account(id, 0))).await?;
    at_once(test, TASKS, |ctx, number| {
        let store = of(stores, number);
        async move {
            for turn in 0..10 {
                let id = ids[(number + turn) % 2];
                again(&ctx, &store, async |mut unit| {
                    let seen = get(&ctx, &mut unit, id).await?;
                    unit.update(plus(seen, 1));
                    Ok((unit, ()))
                })
                .await?;
            }
            Ok(())
        }
    })
    .await?;
    for id in ids {
        let found = find::<Account>(test, &stores[0], &id.to_owned()).await?;
        let told = found.map(|found| (found.count, found.version));
        same("the count and version", told, Some((40, 41)))?;
    }
    Ok(())
}

/// At least one of two is on duty: who leaves looks at the other first.
pub(super) async fn rules(test: &Test<'_>, stores: &[Arc<dyn Store>]) -> Outcome {
    insert_all(test, &stores[0], &["a", "b"].map(|id| account(id, 1))).await?;
    at_once(test, TASKS, |ctx, number| {
        let store = of(stores, number);
        async move {
            let (mine, other) = if number % 4 < 2 { ("a", "b") } else { ("b", "a") };
            for _ in 0..15 {
                let seen = again(&ctx, &store, async |mut unit| {
                    let (own, others) =
                        (get(&ctx, &mut unit, mine).await?, get(&ctx, &mut unit, other).await?);
                    let on_duty = own.count + others.count;
                    if own.count == 0 {
                        unit.update(plus(own, 1));
                    } else if on_duty > 1 {
                        unit.update(plus(own, -1));
                    }
                    Ok((unit, on_duty))
                })
                .await?;
                holds("somebody is on duty in what a unit read and committed", (1..=2).contains(&seen))?;
            }
            Ok(())
        }
    })
    .await?;
    let (a, b) =
        (find::<Account>(test, &stores[0], &"a".into()).await?, find(test, &stores[0], &"b".into()).await?);
    let on_duty: i64 = a.into_iter().chain(b).map(|account: Versioned<Account>| account.count).sum();
    holds("somebody is on duty", (1..=2).contains(&on_duty))
}

pub(super) async fn transfers(test: &Test<'_>, stores: &[Arc<dyn Store>]) -> Outcome {
    let ids = ["a", "b", "c", "d"];
    insert_all(test, &stores[0], &ids.map(|id| account(id, 100))).await?;
    at_once(test, TASKS, |ctx, number| {
        let store = of(stores, number);
        let mut dice = Dice::new(number as u64);
        async move {
            for _ in 0..10 {
                let (from, to) = (dice.below(4), dice.below(4));
                let sum = again(&ctx, &store, async |mut unit| {
                    let mut all = Vec::with_capacity(4);
                    for id in ids {
                        all.push(get(&ctx, &mut unit, id).await?);
                        turn().await;
                    }
                    let sum: i64 = all.iter().map(|account| account.count).sum();
                    // Some only read.
                    if from != to {
                        unit.update(plus(all[from].clone(), -7));
                        unit.update(plus(all[to].clone(), 7));
                    }
                    Ok((unit, sum))
                })
                .await?;
                same("the sum that a unit read and committed", sum, 400)?;
            }
            Ok(())
        }
    })
    .await?;
    let all = Repository::<Account>::new(&stores[0]).all(test.ctx, Page::first()).await?;
    same("the sum", all.items.iter().map(|account| account.count).sum::<i64>(), 400)
}

pub(super) async fn duplicates(test: &Test<'_>, stores: &[Arc<dyn Store>]) -> Outcome {
    for round in 0..10 {
        let claims = at_once(test, TASKS, |ctx, number| {
            let store = of(stores, number);
            async move {
                let own = i64::try_from(number).unwrap_or(0) + 100 * round;
                let mut blind = store.unit();
                blind.insert(account(&format!("id {round}"), own));
                let blind = blind.commit(&ctx).await;
                let mut coded = store.unit();
                coded.insert(Item {
                    code: Some(format!("code {round}")),
                    ..Item::named(own, format!("n{own}"))
                });
                Ok((blind, coded.commit(&ctx).await))
            }
        })
        .await?;
        let (blind, coded): (Vec<_>, Vec<_>) = claims.into_iter().unzip();
        one_won("an id", blind, &duplicate::<Account>("id"))?;
        one_won("a code", coded, &duplicate::<Item>("code"))?;
    }
    same("how many items", count::<Item>(test, &stores[0]).await?, 10)
}

fn one_won(what: &str, claims: Vec<Result<()>>, lost: &Error) -> Outcome {
    same(&format!("who won {what}"), claims.iter().filter(|claim| claim.is_ok()).count(), 1)?;
    claims.into_iter().filter_map(Result::err).try_for_each(|error| same("who lost", error, lost.clone()))
}

pub(super) async fn keys(test: &Test<'_>, stores: &[Arc<dyn Store>]) -> Outcome {
    for round in 0..10 {
        let effects = at_once(test, TASKS, |ctx, number| {
            let store = of(stores, number);
            async move {
                let key = format!("k{round}");
                let ctx =
                    ctx.with_value(IdempotencyKey { scope: "s".into(), key: key.clone(), digest: [1; 32] });
                let mut unit = store.unit();
                let made = unit.insert(account(&format!("{round} by {number}"), 1));
                unit.emit(&made, Counted(json!(round)));
                unit.answer(&ctx, &json!(number));
                let effect = unit.commit(&ctx).await;
                let kept = store.kept(&ctx, "s", &key).await?;
                Ok((effect, kept.map(|kept| kept.answer)))
            }
        })
        .await?;
        let winner = effects.iter().position(|(effect, _)| effect.is_ok());
        let (effects, answers): (Vec<_>, Vec<_>) = effects.into_iter().unzip();
        one_won("a key", effects, &Error::Kept)?;
        for answer in answers {
            same("the answer", answer, winner.map(|winner| json!(winner)))?;
        }
    }
    same("how many took effect", count::<Account>(test, &stores[0]).await?, 10)?;
    same("how many events", stores[0].unsent(test.ctx, Unsent::all(1_000)).await?.len(), 10)
}

pub(super) async fn versions(test: &Test<'_>, stores: &[Arc<dyn Store>]) -> Outcome {
    let given = at_once(test, TASKS, |ctx, number| {
        let store = of(stores, number);
        async move {
            let mut given = Vec::new();
            for turn in 0..12 {
                let version = again(&ctx, &store, async |mut unit| {
                    let version = match unit.get::<Account>(&ctx, "a".to_owned()).await? {
                        None => unit.insert(account("a", turn)).version,
                        Some(seen) if (turn + seen.count) % 3 == 0 => {
                            // A deletion takes the version after the one that it removes.
                            let version = seen.version + 1;
                            unit.delete(seen);
                            version
                        }
                        Some(seen) => unit.update(plus(seen, 1)).version,
                    };
                    Ok((unit, version))
                })
                .await?;
                given.push(version);
            }
            Ok(given)
        }
    })
    .await?;
    for own in &given {
        holds("the versions of one task rise", own.is_sorted_by(|one, next| one < next))?;
    }
    let mut all: Vec<i64> = given.into_iter().flatten().collect();
    all.sort_unstable();
    same("the versions of all", all, (1..=12 * i64::try_from(TASKS).unwrap_or(0)).collect())
}

pub(super) async fn pages(test: &Test<'_>, stores: &[Arc<dyn Store>]) -> Outcome {
    let items: Vec<Item> =
        (0..60).map(|id| Item { rank: Some(id), ..Item::named(id, format!("n{}", id % 4)) }).collect();
    insert_all(test, &stores[0], &items).await?;
    let stop = Arc::new(AtomicBool::new(false));
    at_once(test, 5, |ctx, number| {
        let (store, stop) = (of(stores, number), Arc::clone(&stop));
        async move {
            if number > 0 {
                return churn(&ctx, &store, &stop, i64::try_from(number).unwrap_or(1)).await;
            }
            let mut outcome = Ok(());
            for _ in 0..6 {
                outcome = outcome.and(read_pages(&ctx, &store).await);
            }
            stop.store(true, Ordering::Release);
            outcome
        }
    })
    .await?;
    Ok(())
}

/// Writes notes of those that stay, and lets others come and go before, between and after them.
async fn churn(ctx: &Context, store: &Arc<dyn Store>, stop: &AtomicBool, number: i64) -> Outcome {
    let mut turn_number = 0;
    while !stop.load(Ordering::Acquire) {
        turn_number += 1;
        let (stays, comes) = ((turn_number * 7 + number) % 60, number * 100_000 + turn_number);
        again(ctx, store, async |mut unit| {
            let Some(seen) = unit.get::<Item>(ctx, stays).await? else { return Ok((unit, ())) };
            unit.update(seen.map(|item| Item { note: format!("by {number}"), ..item }));
            unit.insert(Item::named(
                comes,
                ["a", "n1", "n2", "z"][usize::try_from(turn_number % 4).unwrap_or(0)],
            ));
            if let Some(before) = unit.get::<Item>(ctx, comes - 3).await? {
                unit.delete(before);
            }
            Ok((unit, ()))
        })
        .await?;
        turn().await;
    }
    Ok(())
}

async fn read_pages(ctx: &Context, store: &Arc<dyn Store>) -> Outcome {
    let repository = Repository::<Item>::new(store);
    let (mut seen, mut cursor) = (Vec::new(), None);
    loop {
        let page = repository.range(ctx, &NAME, (), Page::after(cursor).limit(7)).await?;
        seen.extend(page.items.iter().map(|item| item.id).filter(|id| *id < 60));
        cursor = page.next;
        turn().await;
        if cursor.is_none() {
            break;
        }
    }
    seen.sort_unstable();
    same("who was seen", seen, (0..60).collect())
}

pub(super) async fn relays(test: &Test<'_>, stores: &[Arc<dyn Store>]) -> Outcome {
    let writing = Arc::new(std::sync::atomic::AtomicUsize::new(4));
    let read = at_once(test, 7, |ctx, number| {
        let (store, writing) = (of(stores, number), Arc::clone(&writing));
        async move {
            if number < 4 {
                let told = tell(&ctx, &store, number).await;
                writing.fetch_sub(1, Ordering::AcqRel);
                return told.map(|()| Vec::new());
            }
            let own = (0..PARTITIONS).filter(|partition| usize::from(*partition) % 3 == number - 4);
            relay(&ctx, &store, own.fold(Partitions::NONE, Partitions::with), &writing).await
        }
    })
    .await?;
    let mut all: Vec<Event> = read.into_iter().flatten().collect();
    same("how many events", all.len(), 4 * 20)?;
    let versions =
        |id: &str| all.iter().filter(|event| event.entity == id).map(|event| event.version).collect();
    for id in 0..5 {
        let versions: Vec<i64> = versions(&format!("a{id}"));
        same("the versions of an entity's events", versions.clone(), (1..=16).collect())?;
    }
    all.sort_by_key(|event| event.id);
    all.dedup_by_key(|event| event.id);
    same("how many different ones", all.len(), 4 * 20)
}

/// Each of four writers changes each of five entities four times, with an event.
async fn tell(ctx: &Context, store: &Arc<dyn Store>, number: usize) -> Outcome {
    for turn in 0..20 {
        let id = format!("a{}", (turn + number) % 5);
        again(ctx, store, async |mut unit| {
            let made = match unit.get::<Account>(ctx, id.clone()).await? {
                Some(seen) => unit.update(plus(seen, 1)),
                None => unit.insert(account(&id, 1)),
            };
            unit.emit(&made, Counted(json!([number, turn])));
            Ok((unit, ()))
        })
        .await?;
    }
    Ok(())
}

async fn relay(
    ctx: &Context,
    store: &Arc<dyn Store>,
    partitions: Partitions,
    writing: &std::sync::atomic::AtomicUsize,
) -> Outcome<Vec<Event>> {
    let mut read = Vec::new();
    loop {
        let over = writing.load(Ordering::Acquire) == 0;
        let some = store.unsent(ctx, Unsent { partitions, ..Unsent::all(3) }).await?;
        if some.is_empty() && over {
            return Ok(read);
        }
        store.mark_sent(ctx, &some.iter().map(|event| event.id).collect::<Vec<Uuid>>()).await?;
        read.extend(some);
        turn().await;
    }
}
