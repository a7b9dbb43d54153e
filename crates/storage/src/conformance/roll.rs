//! A service that is replaced: the old build and the new one serve one store at once.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use staffa_context::Context;

use super::tasks::{at_once, turn};
use super::test::{commit, duplicate, find, holds, insert, insert_all, refused, same, whole};
use super::{Case, Outcome, Test, case};
use crate::{Entity, Error, Index, Indexes, Page, Repository, Result, Schema, Store, Versioned};

pub(super) const CASES: &[Case] = &[
    case!(roll::a_new_index_misses_no_row, "a read by a new index gives every row, those that the old build inserts, changes and deletes meanwhile too, or says that the index is being built", needs Roll),
    case!(roll::a_new_index_misses_no_row_while_the_old_build_writes, "while tasks of the old build write, each read by a new index gives every row that was there before it began", needs Roll),
    case!(roll::an_index_that_both_builds_know_serves_on, "rows of the old build without a key in a new index take nothing from an index that both builds know, however many they are", needs Roll),
    case!(roll::the_old_build_does_not_overwrite_a_newer_shape, "the old build neither reads, overwrites nor deletes what the new one wrote in a newer shape, and no write of either is lost", needs Roll),
    case!(roll::both_builds_keep_unique_keys, "a unique key that both builds know is kept over the writes of both at once", needs Roll),
    case!(roll::several_new_builds_open_at_once, "several replicas that open a store with a new index at once all serve it", needs Roll),
    case!(roll::an_old_build_that_opens_takes_nothing_away, "an old build that is opened once more leaves the new build's index whole", needs Roll),
];

/// What the old build knows of a kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Then {
    id: i64,
    name: String,
    code: String,
}

/// What the new build knows of it: a field and an index more.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Now {
    id: i64,
    name: String,
    code: String,
    note: Option<String>,
}

const THEN_CODE: Index<Then, String> = Index::unique("code", |then| then.code.clone());
const NOW_CODE: Index<Now, String> = Index::unique("code", |now| now.code.clone());
const NOW_NAME: Index<Now, (String, Option<String>)> =
    Index::new("name_note", |now| (now.name.clone(), now.note.clone()));

impl Entity for Then {
    type Id = i64;
    const KIND: &'static str = "rolling";
    const INDEXES: Indexes<Self> = &[&THEN_CODE];
    fn id(&self) -> &i64 {
        &self.id
    }
}

impl Entity for Now {
    type Id = i64;
    const KIND: &'static str = "rolling";
    const SHAPE: u32 = 2;
    const INDEXES: Indexes<Self> = &[&NOW_CODE, &NOW_NAME];
    fn id(&self) -> &i64 {
        &self.id
    }
    fn upgrade(_shape: u32, mut document: Value) -> Result<Value> {
        document["note"] = Value::Null;
        Ok(document)
    }
}

fn then(id: i64, name: &str) -> Then {
    Then { id, name: name.into(), code: format!("code {id}") }
}

fn now(id: i64, name: &str) -> Now {
    Now { id, name: name.into(), code: format!("code {id}"), note: Some("new".into()) }
}

async fn old_store(test: &Test<'_>) -> Outcome<Arc<dyn Store>> {
    test.store(vec![Schema::of::<Then>()]).await
}

async fn new_store(test: &Test<'_>) -> Outcome<Arc<dyn Store>> {
    test.store(vec![Schema::of::<Now>()]).await
}

/// The ids that have this name, by the new index, once it is whole.
async fn named(ctx: &Context, store: &Arc<dyn Store>, name: &str) -> Outcome<Vec<i64>> {
    let (mut ids, mut cursor) = (Vec::new(), None);
    loop {
        let page = Page::after(cursor.clone()).limit(500);
        let repository = Repository::<Now>::new(store);
        let page =
            whole(ctx, async || repository.range(ctx, &NOW_NAME, (name.to_owned(),), page.clone()).await);
        let page = page.await?;
        ids.extend(page.items.iter().map(|now| now.id));
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    ids.sort_unstable();
    Ok(ids)
}

async fn a_new_index_misses_no_row(test: &Test<'_>) -> Outcome {
    let old = old_store(test).await?;
    insert_all(test, &old, &(0..500).map(|id| then(id, "a")).collect::<Vec<_>>()).await?;
    let new = new_store(test).await?;
    same("what was there", named(test.ctx, &new, "a").await?, (0..500).collect())?;
    let inserted = insert(test, &old, then(500, "a")).await?;
    same("after the old build's insertion", named(test.ctx, &new, "a").await?, (0..501).collect())?;
    let changed =
        commit(test, &old, |unit| unit.update(inserted.map(|then| Then { name: "b".into(), ..then })));
    let changed = changed.await?;
    same("after its change", named(test.ctx, &new, "a").await?, (0..500).collect())?;
    same("in the new place", named(test.ctx, &new, "b").await?, vec![500])?;
    commit(test, &old, |unit| unit.delete(changed)).await?;
    same("after its deletion", named(test.ctx, &new, "b").await?, vec![])?;
    insert(test, &new, now(501, "b")).await?;
    same("after the new build's insertion", named(test.ctx, &new, "b").await?, vec![501])?;
    let lifted = find::<Now>(test, &new, &7).await?.ok_or_else(|| Error::Unusable("a row is gone".into()))?;
    commit(test, &new, |unit| unit.update(lifted.map(|now| Now { name: "b".into(), ..now }))).await?;
    same("after the new build's change", named(test.ctx, &new, "b").await?, vec![7, 501])
}

async fn a_new_index_misses_no_row_while_the_old_build_writes(test: &Test<'_>) -> Outcome {
    let old = old_store(test).await?;
    let steady: Vec<Then> = (0..600).map(|id| then(id, "steady")).collect();
    insert_all(test, &old, &steady).await?;
    let new = new_store(test).await?;
    at_once(test, 5, |ctx, number| {
        let (old, new) = (Arc::clone(&old), Arc::clone(&new));
        async move {
            if number == 0 {
                for _ in 0..10 {
                    same("the steady ones", named(&ctx, &new, "steady").await?, (0..600).collect())?;
                    turn().await;
                }
                return Ok(());
            }
            write_and_look(&ctx, &old, &new, i64::try_from(number).unwrap_or(1)).await
        }
    })
    .await?;
    Ok(())
}

/// Writes through the old build, and looks at once through the new one.
async fn write_and_look(ctx: &Context, old: &Arc<dyn Store>, new: &Arc<dyn Store>, number: i64) -> Outcome {
    let name = format!("by {number}");
    let mut own = Vec::new();
    for turn_number in 0..15 {
        let id = number * 10_000 + turn_number;
        let mut unit = old.unit();
        unit.insert(then(id, &name));
        own.push(id);
        if turn_number % 5 == 4 {
            let before = unit.get::<Then>(ctx, id - 2).await?;
            before.into_iter().for_each(|before| drop(unit.delete(before)));
            own.retain(|other| *other != id - 2);
        }
        unit.commit(ctx).await?;
        same("what it wrote", named(ctx, new, &name).await?, own.clone())?;
    }
    Ok(())
}

async fn the_old_build_does_not_overwrite_a_newer_shape(test: &Test<'_>) -> Outcome {
    let old = old_store(test).await?;
    let seen = insert(test, &old, then(1, "a")).await?;
    insert(test, &old, then(2, "a")).await?;
    let new = new_store(test).await?;
    let lifted = find::<Now>(test, &new, &1).await?.ok_or_else(|| Error::Unusable("a row is gone".into()))?;
    commit(test, &new, |unit| unit.update(lifted.map(|lifted| Now { note: Some("n".into()), ..lifted })))
        .await?;
    let newer = Error::NewerShape { kind: "rolling".into(), id: "1".into(), shape: 2 };
    refused("a read", find::<Then>(test, &old, &1).await, &newer)?;
    let current = Versioned { version: 2, ..seen };
    refused("an update", commit(test, &old, |unit| unit.update(current.clone())).await, &newer)?;
    refused("a deletion", commit(test, &old, |unit| unit.delete(current)).await, &newer)?;
    let other = find::<Then>(test, &old, &2).await?.ok_or_else(|| Error::Unusable("a row is gone".into()))?;
    commit(test, &old, |unit| unit.update(other.map(|then| Then { name: "b".into(), ..then }))).await?;
    let note = find::<Now>(test, &new, &1).await?.and_then(|now| now.value.note);
    same("what the new build wrote", note, Some("n".into()))?;
    let name = find::<Now>(test, &new, &2).await?.map(|now| now.value.name);
    same("what the old build wrote", name, Some("b".into()))
}

async fn both_builds_keep_unique_keys(test: &Test<'_>) -> Outcome {
    let (old, new) = (old_store(test).await?, new_store(test).await?);
    for round in 0..8 {
        let claims = at_once(test, 6, |ctx, number| {
            let (old, new) = (Arc::clone(&old), Arc::clone(&new));
            async move {
                let (id, code) = (round * 10 + i64::try_from(number).unwrap_or(0), format!("round {round}"));
                if number % 2 == 0 {
                    let mut unit = old.unit();
                    unit.insert(Then { code, ..then(id, "a") });
                    Ok(unit.commit(&ctx).await)
                } else {
                    let mut unit = new.unit();
                    unit.insert(Now { code, ..now(id, "a") });
                    Ok(unit.commit(&ctx).await)
                }
            }
        })
        .await?;
        same("who won", claims.iter().filter(|claim| claim.is_ok()).count(), 1)?;
        for lost in claims.into_iter().filter_map(Result::err) {
            same("who lost", lost, duplicate::<Now>("code"))?;
        }
    }
    same("by the new index", named(test.ctx, &new, "a").await?.len(), 8)
}

async fn several_new_builds_open_at_once(test: &Test<'_>) -> Outcome {
    let old = old_store(test).await?;
    insert_all(test, &old, &(0..2_000).map(|id| then(id, "a")).collect::<Vec<_>>()).await?;
    let opened = futures_util::future::join_all((0..4).map(|_| new_store(test))).await;
    let opened = opened.into_iter().collect::<Outcome<Vec<_>>>()?;
    for store in &opened {
        same("by the new index", named(test.ctx, store, "a").await?.len(), 2_000)?;
        store.ping(test.ctx).await?;
    }
    insert(test, &opened[3], now(2_000, "a")).await?;
    same("by the new index", named(test.ctx, &opened[0], "a").await?.len(), 2_001)?;
    holds("the old build serves on", find::<Then>(test, &old, &5).await?.is_some())
}

async fn an_old_build_that_opens_takes_nothing_away(test: &Test<'_>) -> Outcome {
    let old = old_store(test).await?;
    insert_all(test, &old, &(0..50).map(|id| then(id, "a")).collect::<Vec<_>>()).await?;
    let new = new_store(test).await?;
    same("at first", named(test.ctx, &new, "a").await?.len(), 50)?;
    let another = old_store(test).await?;
    insert(test, &another, then(50, "a")).await?;
    insert(test, &new, now(51, "a")).await?;
    same("with it", named(test.ctx, &new, "a").await?.len(), 52)?;
    another.close(test.ctx).await?;
    same("without it", named(test.ctx, &new, "a").await?.len(), 52)
}

/// More rows than a read by the new index gives their keys.
const MANY: i64 = 3_000;

async fn an_index_that_both_builds_know_serves_on(test: &Test<'_>) -> Outcome {
    let old = old_store(test).await?;
    insert(test, &old, then(0, "a")).await?;
    let new = new_store(test).await?;
    same("by the new index at first", named(test.ctx, &new, "a").await?, vec![0])?;
    for from in (1..MANY).step_by(500) {
        let rows: Vec<Then> = (from..MANY.min(from + 500)).map(|id| then(id, "a")).collect();
        insert_all(test, &old, &rows).await?;
        let last = rows.last().map_or(0, |row| row.id);
        let repository = Repository::<Now>::new(&new);
        let found = repository.first(test.ctx, &NOW_CODE, format!("code {last}")).await?;
        same("by the index that both know", found.map(|found| found.value.id), Some(last))?;
        let page = repository.range(test.ctx, &NOW_CODE, (), Page::first().limit(1_000)).await?;
        same("a page by it", page.items.len(), usize::try_from(last + 1).unwrap_or(0).min(1_000))?;
    }
    same("by the new index", named(test.ctx, &new, "a").await?.len(), usize::try_from(MANY).unwrap_or(0))
}
