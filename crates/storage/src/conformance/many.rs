//! Reads of many ids at once: each is answered as by a read of it alone, in the order asked, all as of one moment.

use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;
use staffa_context::{Context, Timestamp};
use uuid::Uuid;

use super::tasks::{at_once, turn};
use super::test::{commit, conflict, find, holds, insert, insert_all, invalid, refused, same};
use super::things::{Account, Dice, Doc, Item, Tally, TallyId, account, schemas};
use super::{Case, Outcome, Test, case};
use crate::{Entity, Error, IDS_MAX, Part, Repository, Result, Seen, Store, Unit, Versioned};

pub(super) const CASES: &[Case] = &[
    case!(
        many::each_id_is_answered_in_the_order_asked,
        "a read of many ids gives for each what a read of it alone gives, in the order asked, whatever the ids' type"
    ),
    case!(
        many::an_absence_has_its_last_version,
        "an absence among many ids tells the last version that was deleted, as a read of the id alone does"
    ),
    case!(
        many::a_repeated_id_is_answered_each_time,
        "an id that is asked for several times is answered each time"
    ),
    case!(
        many::at_most_1000_ids,
        "a read takes at most 1,000 ids; more are refused, and for none the store is not asked"
    ),
    case!(many::large_documents_come_whole, "a read of many ids gives 24 documents of about 1 MiB"),
    case!(
        many::all_are_of_one_moment,
        "a read of many ids sees all of a commit or nothing of it, while many tasks move parts of a sum"
    ),
    case!(
        many::a_unit_reads_what_is_committed,
        "many ids that a unit gets are as committed before the read: the unit's own changes do not show, and those of others do"
    ),
    case!(
        many::what_was_got_is_guarded,
        "each version and absence among many ids that a unit got is guarded, as by a read of it alone"
    ),
];

async fn find_many<E: Entity>(
    test: &Test<'_>,
    store: &Arc<dyn Store>,
    ids: &[E::Id],
) -> Result<Vec<Option<Versioned<E>>>> {
    Repository::<E>::new(store).find_many(test.ctx, ids).await
}

/// Inserts every other one of these, and compares what all give together and alone, in an order of the dice's.
async fn answered<I: TallyId + Debug + PartialEq>(
    test: &Test<'_>,
    store: &Arc<dyn Store>,
    mut ids: Vec<I>,
) -> Outcome {
    let tallies: Vec<Tally<I>> =
        ids.iter().step_by(2).zip(0..).map(|(id, count)| Tally { id: id.clone(), count }).collect();
    insert_all(test, store, &tallies).await?;
    let mut dice = Dice::new(ids.len() as u64);
    for _ in 0..4 {
        for at in (1..ids.len()).rev() {
            ids.swap(at, dice.below(at + 1));
        }
        let mut alone = Vec::with_capacity(ids.len());
        for id in &ids {
            alone.push(find::<Tally<I>>(test, store, id).await?);
        }
        same(&format!("{ids:?}"), find_many(test, store, &ids).await?, alone)?;
    }
    Ok(())
}

async fn each_id_is_answered_in_the_order_asked(test: &Test<'_>) -> Outcome {
    let store = test.store(schemas()).await?;
    let texts = [
        "b", "a", "B", "A", "\u{e9}", "e\u{301}", "\u{ffff}", "😀", "a ", "%", "{\"a\"}", "a,b", "\\", "'",
        "",
    ];
    answered(test, &store, texts.map(String::from).to_vec()).await?;
    answered(test, &store, [7, 3, 1 << 127, 0, u128::MAX].map(Uuid::from_u128).to_vec()).await?;
    let micros = [0, -1, 1, 1_000, 999, i64::MAX, i64::MIN];
    answered(test, &store, micros.map(Timestamp::from_micros).to_vec()).await?;
    let items: Vec<Item> = (0..40).map(|id| Item::named(id * 7 % 40, "n")).collect();
    insert_all(test, &store, &items).await?;
    let ids: Vec<i64> = items.iter().map(|item| item.id).chain([i64::MAX, i64::MIN, -1]).collect();
    let found = find_many::<Item>(test, &store, &ids).await?;
    let found: Vec<_> = found.into_iter().map(|item| item.map(|item| item.id)).collect();
    let want = items.iter().map(|item| Some(item.id)).chain([None; 3]).collect();
    same("numbers", found, want)
}

async fn an_absence_has_its_last_version(test: &Test<'_>) -> Outcome {
    let store = test.store(schemas()).await?;
    let made = insert(test, &store, account("gone", 1)).await?;
    let made = commit(test, &store, |unit| unit.update(made)).await?;
    commit(test, &store, |unit| unit.delete(made)).await?;
    insert(test, &store, account("there", 1)).await?;
    let ids = ["there", "never", "gone"].map(|id| Part::Text(id.into()));
    let seen = store.get_many(test.ctx, Account::KIND, &ids).await?;
    let versions: Vec<(bool, i64)> = seen
        .iter()
        .map(|seen| match seen {
            Seen::Row(row) => (true, row.version),
            Seen::Absent { last } => (false, *last),
        })
        .collect();
    same("what is there, and in which version", versions, vec![(true, 1), (false, 0), (false, 3)])?;
    for (id, together) in ids.iter().zip(seen) {
        same("as alone", together, store.get(test.ctx, Account::KIND, id).await?)?;
    }
    Ok(())
}

async fn a_repeated_id_is_answered_each_time(test: &Test<'_>) -> Outcome {
    let store = test.store(schemas()).await?;
    insert_all(test, &store, &[account("a", 1), account("b", 2)]).await?;
    let ids = ["b", "a", "b", "none", "b", "none", "a"].map(String::from);
    let found = find_many::<Account>(test, &store, &ids).await?;
    let counts: Vec<_> = found.into_iter().map(|found| found.map(|found| found.count)).collect();
    same("the counts", counts, vec![Some(2), Some(1), Some(2), None, Some(2), None, Some(1)])?;
    let mut unit = store.unit();
    let got = unit.get_many::<Account>(test.ctx, &ids).await?;
    same("in a unit", got.len(), ids.len())?;
    Ok(unit.commit(test.ctx).await?)
}

async fn at_most_1000_ids(test: &Test<'_>) -> Outcome {
    let store = test.store(schemas()).await?;
    let accounts: Vec<Account> =
        (0..IDS_MAX).map(|id| account(&format!("a{id:04}"), i64::try_from(id).unwrap_or(0))).collect();
    insert_all(test, &store, &accounts).await?;
    let mut ids: Vec<String> = accounts.iter().rev().map(|account| account.id.clone()).collect();
    let found = find_many::<Account>(test, &store, &ids).await?;
    let found: Vec<_> = found.into_iter().flatten().map(|found| found.value).rev().collect();
    holds("all of 1,000 are there", found == accounts)?;
    let mut unit = store.unit();
    same("in a unit", unit.get_many::<Account>(test.ctx, &ids).await?.iter().flatten().count(), IDS_MAX)?;
    unit.commit(test.ctx).await?;
    ids.push("a0000".into());
    invalid(find_many::<Account>(test, &store, &ids).await, "ids")?;
    invalid(store.unit().get_many::<Account>(test.ctx, &ids).await, "ids")?;
    store.close(test.ctx).await?;
    let unavailable = find_many::<Account>(test, &store, &ids[..1]).await;
    holds("a closed store is unavailable", matches!(unavailable, Err(Error::Unavailable(_))))?;
    same("for no ids it is not asked", find_many::<Account>(test, &store, &[]).await?, vec![])
}

async fn large_documents_come_whole(test: &Test<'_>) -> Outcome {
    let store = test.store(schemas()).await?;
    let text =
        |id: usize| Value::from(format!("{id} ").repeat(340_000).chars().take(1_000_000).collect::<String>());
    let docs: Vec<Doc> = (0..24).map(|id| Doc { id: format!("d{id}"), value: text(id) }).collect();
    for some in docs.chunks(6) {
        insert_all(test, &store, some).await?;
    }
    let ids: Vec<String> = docs.iter().map(|doc| doc.id.clone()).collect();
    let found: Vec<_> = find_many::<Doc>(test, &store, &ids).await?;
    holds("all are there", found.into_iter().flatten().map(|found| found.value).eq(docs))
}

/// How many accounts have parts of the sum: more than any store asks for in one statement.
const SHARES: usize = 120;

async fn all_are_of_one_moment(test: &Test<'_>) -> Outcome {
    let store = test.store(schemas()).await?;
    let accounts: Vec<Account> = (0..SHARES).map(|id| account(&format!("a{id}"), 100)).collect();
    insert_all(test, &store, &accounts).await?;
    let stop = Arc::new(AtomicBool::new(false));
    at_once(test, 4, |ctx, number| {
        let (store, stop) = (Arc::clone(&store), Arc::clone(&stop));
        async move {
            if number > 0 {
                return shift(&ctx, &store, &stop, number).await;
            }
            let mut outcome = Ok(());
            for _ in 0..60 {
                outcome = outcome.and(sum(&ctx, &store).await);
                turn().await;
            }
            stop.store(true, Ordering::Release);
            outcome
        }
    })
    .await?;
    Ok(())
}

/// Moves parts of the sum between every fourth account, which no other task writes.
async fn shift(ctx: &Context, store: &Arc<dyn Store>, stop: &AtomicBool, number: usize) -> Outcome {
    let mut dice = Dice::new(number as u64);
    while !stop.load(Ordering::Acquire) {
        let (from, to) = (number + 4 * dice.below(15), number + 4 * (15 + dice.below(15)));
        let amount = i64::try_from(dice.below(9)).unwrap_or(0) - 4;
        let mut unit = store.unit();
        let found = unit.get_many::<Account>(ctx, [from, to].map(|id| format!("a{id}"))).await?;
        for (found, amount) in found.into_iter().flatten().zip([-amount, amount]) {
            unit.update(found.map(|found| Account { count: found.count + amount, ..found }));
        }
        unit.commit(ctx).await?;
        turn().await;
    }
    Ok(())
}

async fn sum(ctx: &Context, store: &Arc<dyn Store>) -> Outcome {
    let ids = (0..SHARES).map(|id| format!("a{id}"));
    let found = Repository::<Account>::new(store).find_many(ctx, ids).await?;
    same("the sum", found.into_iter().flatten().map(|found| found.count).sum(), 100 * SHARES as i64)
}

async fn counts(ctx: &Context, unit: &mut Unit<'_>) -> Result<Vec<Option<i64>>> {
    let found = unit.get_many::<Account>(ctx, ["a", "b", "c"].map(String::from)).await?;
    Ok(found.into_iter().map(|found| found.map(|found| found.count)).collect())
}

async fn a_unit_reads_what_is_committed(test: &Test<'_>) -> Outcome {
    let store = test.store(schemas()).await?;
    insert_all(test, &store, &[account("a", 1), account("b", 1)]).await?;
    let mut unit = store.unit();
    let found = unit.get_many::<Account>(test.ctx, ["a".to_owned()]).await?;
    for found in found.into_iter().flatten() {
        unit.update(found.map(|found| Account { count: 5, ..found }));
    }
    unit.insert(account("c", 5));
    same("before the commit", counts(test.ctx, &mut unit).await?, vec![Some(1), Some(1), None])?;
    unit.commit(test.ctx).await?;
    same("after it", counts(test.ctx, &mut store.unit()).await?, vec![Some(5), Some(1), Some(5)])
}

/// What a unit gets whose reads are guarded: two that are there, one that was deleted, and one that never was.
const GOT: [&str; 4] = ["none", "b", "gone", "a"];

/// A unit that got these and writes one of its own, while another one does this.
async fn beside<T>(
    test: &Test<'_>,
    store: &Arc<dyn Store>,
    own: &str,
    other: impl FnOnce(&mut Unit<'_>) -> T,
) -> Result<()> {
    let mut unit = store.unit();
    unit.get_many::<Account>(test.ctx, GOT.map(String::from)).await?;
    unit.insert(account(own, 1));
    commit(test, store, other).await?;
    unit.commit(test.ctx).await
}

async fn what_was_got_is_guarded(test: &Test<'_>) -> Outcome {
    let store = test.store(schemas()).await?;
    let (a, b) = (insert(test, &store, account("a", 1)).await?, insert(test, &store, account("b", 1)).await?);
    let gone = insert(test, &store, account("gone", 1)).await?;
    commit(test, &store, |unit| unit.delete(gone)).await?;
    beside(test, &store, "1", |unit| unit.insert(account("another", 1))).await?;
    let changed = beside(test, &store, "2", |unit| unit.update(a)).await;
    refused("a version", changed, &conflict::<Account>("a"))?;
    let deleted = beside(test, &store, "2", |unit| unit.delete(b)).await;
    refused("a deletion", deleted, &conflict::<Account>("b"))?;
    let mut unit = store.unit();
    unit.get::<Account>(test.ctx, "none".to_owned()).await?;
    let inserted = beside(test, &store, "2", |unit| unit.insert(account("none", 1))).await;
    refused("an absence", inserted, &conflict::<Account>("none"))?;
    let otherwise = unit.get_many::<Account>(test.ctx, GOT.map(String::from)).await;
    refused("one that it saw otherwise", otherwise, &conflict::<Account>("none"))?;
    same("what was refused", find::<Account>(test, &store, &"2".to_owned()).await?, None)?;
    let mut unit = store.unit();
    unit.get_many::<Account>(test.ctx, GOT.map(String::from)).await?;
    let back = unit.insert(account("gone", 2));
    unit.commit(test.ctx).await?;
    same("the version of one that came back", back.version, 3)
}
