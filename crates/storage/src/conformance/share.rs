//! One store that several processes serve at once.

use std::sync::Arc;

use serde_json::json;

use super::concurrent;
use super::test::{commit, find, insert, insert_all, refused, same};
use super::things::{Account, Counted, Item, NAME, account, schemas};
use super::{Case, Outcome, Test, case};
use crate::{Page, Repository, Store, Unsent, Versioned};

pub(super) const CASES: &[Case] = &[
    case!(share::what_one_commits_the_others_read, "what was committed by one handle is read by every other at once: by id, by index, in the outbox, kept", needs Share),
    case!(share::closing_one_leaves_the_others, "closing one handle takes nothing from the others", needs Share),
    case!(share::no_update_is_lost, "changes of the same entities through several handles at once are all there", needs Share),
    case!(share::no_rule_over_two_entities_breaks, "a rule over two entities holds, whatever units of several handles do at once", needs Share),
    case!(share::transfers_keep_the_sum, "a sum is the same for every unit that reads it whole and commits, through whichever handle", needs Share),
    case!(share::of_duplicates_one_wins, "of units of several handles that claim one id or unique key at once, exactly one succeeds", needs Share),
    case!(share::one_key_takes_effect_once, "of units of several handles under one idempotency key, exactly one takes effect", needs Share),
    case!(share::versions_never_repeat, "no two commits through several handles give an entity the same version", needs Share),
    case!(share::pages_give_everything_once, "pages that several handles give in turn hold still while others write", needs Share),
    case!(share::relays_read_every_event_in_its_order, "relays of several processes read every event, those of an entity in their order, while others write", needs Share),
];

/// Three handles on one store.
async fn three(test: &Test<'_>) -> Outcome<Vec<Arc<dyn Store>>> {
    Ok(vec![test.store(schemas()).await?, test.store(schemas()).await?, test.store(schemas()).await?])
}

async fn what_one_commits_the_others_read(test: &Test<'_>) -> Outcome {
    let stores = three(test).await?;
    for turn in 0..20_i64 {
        let (here, there) = (
            &stores[usize::try_from(turn % 3).unwrap_or(0)],
            &stores[usize::try_from((turn + 1) % 3).unwrap_or(0)],
        );
        let name = format!("n{turn}");
        let made = commit(test, here, |unit| {
            let made = unit.insert(Item::named(turn, name.clone()));
            unit.emit(&made, Counted(json!(turn)));
            made
        });
        let made = made.await?;
        same("by id", find::<Item>(test, there, &turn).await?, Some(made.clone()))?;
        let first = Repository::<Item>::new(there).first(test.ctx, &NAME, name).await?;
        same("by index", first, Some(made))?;
        let events = there.unsent(test.ctx, Unsent::all(100)).await?;
        same("the outbox", events.last().map(|event| event.payload.clone()), Some(json!(turn)))?;
        there.mark_sent(test.ctx, &events.iter().map(|event| event.id).collect::<Vec<_>>()).await?;
        same("the outbox, sent", here.unsent(test.ctx, Unsent::all(100)).await?, vec![])?;
    }
    Ok(())
}

async fn closing_one_leaves_the_others(test: &Test<'_>) -> Outcome {
    let stores = three(test).await?;
    let made = insert(test, &stores[0], account("a", 1)).await?;
    stores[0].close(test.ctx).await?;
    same("by id", find::<Account>(test, &stores[1], &"a".into()).await?, Some(made.clone()))?;
    let next = commit(test, &stores[1], |unit| unit.update(made.clone())).await?;
    let stale = commit(test, &stores[2], |unit| unit.update(made)).await;
    refused("a stale write", stale.map(drop), &super::test::conflict::<Account>("a"))?;
    same(
        "by id",
        find::<Account>(test, &stores[2], &"a".into()).await?,
        Some(Versioned { version: 2, ..next }),
    )?;
    insert_all(test, &stores[2], &[account("b", 1), account("c", 1)]).await?;
    let all = Repository::<Account>::new(&stores[1]).all(test.ctx, Page::first()).await?;
    same("how many", all.items.len(), 3)
}

async fn no_update_is_lost(test: &Test<'_>) -> Outcome {
    concurrent::updates(test, &three(test).await?).await
}

async fn no_rule_over_two_entities_breaks(test: &Test<'_>) -> Outcome {
    concurrent::rules(test, &three(test).await?).await
}

async fn transfers_keep_the_sum(test: &Test<'_>) -> Outcome {
    concurrent::transfers(test, &three(test).await?).await
}

async fn of_duplicates_one_wins(test: &Test<'_>) -> Outcome {
    concurrent::duplicates(test, &three(test).await?).await
}

async fn one_key_takes_effect_once(test: &Test<'_>) -> Outcome {
    concurrent::keys(test, &three(test).await?).await
}

async fn versions_never_repeat(test: &Test<'_>) -> Outcome {
    concurrent::versions(test, &three(test).await?).await
}

async fn pages_give_everything_once(test: &Test<'_>) -> Outcome {
    concurrent::pages(test, &three(test).await?).await
}

async fn relays_read_every_event_in_its_order(test: &Test<'_>) -> Outcome {
    concurrent::relays(test, &three(test).await?).await
}
