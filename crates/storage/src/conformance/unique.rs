//! Unique keys.

use futures_util::future::join_all;

use super::test::{commit, count, duplicate, find, insert, insert_all, refused, same};
use super::things::{Account, Item, account, schemas};
use super::{Case, Outcome, Test, case};
use crate::{Error, Versioned};

pub(super) const CASES: &[Case] = &[
    case!(
        unique::a_second_entity_with_the_key_is_refused,
        "two entities may not have the same unique key; the error names the kind and the index, and nothing happens"
    ),
    case!(unique::a_key_with_a_none_part_is_not_checked, "a unique key with a none part is not checked"),
    case!(
        unique::keys_differ_by_one_byte,
        "unique keys are the same only if every byte is: case, spaces and composition count"
    ),
    case!(unique::two_in_one_unit_are_refused, "the rule holds within one unit too"),
    case!(
        unique::a_unit_may_swap_keys,
        "unique keys are checked after all writes of a unit, so it may swap them"
    ),
    case!(unique::a_freed_key_is_free, "a key that an entity no longer has, or that was deleted, is free"),
    case!(unique::an_update_keeps_its_own_key, "an entity does not collide with itself"),
    case!(unique::of_many_at_once_one_wins, "of several units that claim a key at once, one succeeds"),
];

fn coded(id: i64, code: &str) -> Item {
    Item { code: Some(code.into()), ..Item::named(id, format!("n{id}")) }
}

async fn a_second_entity_with_the_key_is_refused(test: &Test<'_>) -> Outcome {
    let store = test.store(schemas()).await?;
    insert(test, &store, coded(1, "x")).await?;
    let got = commit(test, &store, |unit| {
        unit.insert(account("a", 1));
        unit.insert(coded(2, "x"));
    });
    refused("a taken code", got.await, &duplicate::<Item>("code"))?;
    same("the account", find::<Account>(test, &store, &"a".into()).await?, None)?;
    let second = insert(test, &store, coded(2, "y")).await?;
    let got =
        commit(test, &store, |unit| unit.update(second.map(|item| Item { code: Some("x".into()), ..item })));
    refused("an update to it", got.await.map(drop), &duplicate::<Item>("code"))?;
    let pair = |id| Item { rank: Some(1), ..Item::named(id, "same") };
    insert(test, &store, pair(3)).await?;
    refused("a taken pair", insert(test, &store, pair(4)).await, &duplicate::<Item>("name_rank"))
}

async fn a_key_with_a_none_part_is_not_checked(test: &Test<'_>) -> Outcome {
    let store = test.store(schemas()).await?;
    insert_all(test, &store, &[Item::named(1, "same"), Item::named(2, "same")]).await?;
    insert(test, &store, Item::named(3, "same")).await?;
    same("how many", count::<Item>(test, &store).await?, 3)
}

async fn keys_differ_by_one_byte(test: &Test<'_>) -> Outcome {
    let store = test.store(schemas()).await?;
    let codes = [
        "85123A", "85123a", "85123a ", " 85123a", "é", "e\u{301}", "E\u{301}", "ß", "ss", "SS", "", " ", "😀",
    ];
    let items: Vec<Item> = (0..).zip(codes).map(|(id, code)| coded(id, code)).collect();
    insert_all(test, &store, &items).await?;
    same("how many", count::<Item>(test, &store).await?, codes.len())
}

async fn two_in_one_unit_are_refused(test: &Test<'_>) -> Outcome {
    let store = test.store(schemas()).await?;
    let got = insert_all(test, &store, &[coded(1, "x"), coded(2, "x")]).await;
    refused("a pair", got, &duplicate::<Item>("code"))?;
    same("how many", count::<Item>(test, &store).await?, 0)
}

async fn a_unit_may_swap_keys(test: &Test<'_>) -> Outcome {
    let store = test.store(schemas()).await?;
    insert_all(test, &store, &[coded(1, "x"), coded(2, "y"), coded(3, "z")]).await?;
    let mut unit = store.unit();
    for (id, code) in [(1, "y"), (2, "z"), (3, "x")] {
        if let Some(item) = unit.get::<Item>(test.ctx, id).await? {
            unit.update(item.map(|item| Item { code: Some(code.into()), ..item }));
        }
    }
    unit.commit(test.ctx).await?;
    let first = find::<Item>(test, &store, &1).await?;
    same("the first", first, Some(Versioned { version: 2, value: coded(1, "y") }))
}

async fn a_freed_key_is_free(test: &Test<'_>) -> Outcome {
    let store = test.store(schemas()).await?;
    let first = insert(test, &store, coded(1, "x")).await?;
    let first = commit(test, &store, |unit| unit.update(first.map(|_| coded(1, "y")))).await?;
    insert(test, &store, coded(2, "x")).await?;
    commit(test, &store, |unit| {
        unit.delete(first);
        unit.insert(coded(3, "y"));
    })
    .await?;
    same("how many", count::<Item>(test, &store).await?, 2)
}

async fn an_update_keeps_its_own_key(test: &Test<'_>) -> Outcome {
    let store = test.store(schemas()).await?;
    let item = insert(test, &store, coded(1, "x")).await?;
    let item =
        commit(test, &store, |unit| unit.update(item.map(|item| Item { note: "n".into(), ..item }))).await?;
    same("the version", item.version, 2)
}

async fn of_many_at_once_one_wins(test: &Test<'_>) -> Outcome {
    let store = test.store(schemas()).await?;
    let claims = join_all((0..8).map(|id| insert(test, &store, coded(id, "x")))).await;
    let (won, lost): (Vec<_>, Vec<_>) = claims.into_iter().partition(Result::is_ok);
    same("who won", won.len(), 1)?;
    let lost: Vec<Error> = lost.into_iter().filter_map(Result::err).collect();
    same("the others", lost, vec![duplicate::<Item>("code"); 7])?;
    same("how many", count::<Item>(test, &store).await?, 1)
}
