//! A store that is paused, and carried to another place.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::json;
use staffa_context::IdempotencyKey;
use uuid::Uuid;

use super::tasks::{at_once, turn};
use super::test::{commit, count, duplicate, find, holds, insert, insert_all, refused, same};
use super::things::{Account, Counted, Item, NAME, account, schemas};
use super::{Case, Outcome, Test, case};
use crate::memory::Memory;
use crate::{
    Commit, Entity, Error, Kept, Mark, Moving, Page, Record, Repository, Result, Section, Store, Unsent,
};

pub(super) const CASES: &[Case] = &[
    case!(moving::a_paused_store_refuses_who_writes, "while a store is paused, commits, notes of what was sent and sweeps are refused as frozen on every handle, and did nothing", needs Move),
    case!(moving::a_paused_store_is_read, "while a store is paused, everything is read as before", needs Move),
    case!(moving::a_pause_and_its_end_may_be_said_twice, "pausing what is paused, and resuming what is not, does nothing; resumed, the store takes writes again", needs Move),
    case!(moving::when_it_has_paused_nobody_writes, "once a store has paused, no unit is under way: nothing changes until it resumes, and no write that succeeded is lost", needs Move),
    case!(moving::a_pause_outlives_every_handle, "a pause is the store's, not a handle's: it is there when the store is opened again", needs Move, needs Reopen),
    case!(moving::everything_arrives, "what is exported and imported elsewhere is all there: entities with their versions, traces of deleted ones, events with what was sent, kept answers", needs Move),
    case!(moving::an_import_may_be_repeated, "records that are imported again replace those that are there: twice is the same as once", needs Move),
    case!(moving::an_import_is_whole_or_nothing_and_keeps_unique_keys, "an import whose rows break a unique key is refused as a duplicate, and none of its records is written", needs Move),
    case!(moving::an_import_goes_on_while_paused, "a paused store takes imports", needs Move),
    case!(moving::an_export_goes_on_at_its_mark, "pages of an export of any size follow one another without gap or repeat, on another handle too", needs Move),
    case!(moving::a_store_moves_through_another_technology, "a store that is carried to memory and back is the same store, its unique keys and cursors too", needs Move),
];

/// A store with something in every section; gives the cursor of its first page by name.
async fn filled(test: &Test<'_>, store: &Arc<dyn Store>) -> Outcome<crate::Cursor> {
    let items: Vec<Item> = (0..60)
        .map(|id| Item {
            code: Some(format!("c{id}")),
            rank: Some(id),
            ..Item::named(id, format!("n{}", id % 7))
        })
        .collect();
    insert_all(test, store, &items).await?;
    for id in ["gone", "back", "stays"] {
        let made = insert(test, store, account(id, 1)).await?;
        if id != "stays" {
            commit(test, store, |unit| unit.delete(made)).await?;
        }
    }
    let mut unit = store.unit();
    unit.get::<Account>(test.ctx, "back".to_owned()).await?;
    unit.insert(account("back", 2));
    unit.commit(test.ctx).await?;
    for n in 0..25 {
        let key = IdempotencyKey { scope: "place".into(), key: format!("k{n}"), digest: [n; 32] };
        let ctx = test.ctx.with_value(key);
        let mut unit = store.unit();
        let made = unit.insert(account(&format!("a{n:02}"), i64::from(n)));
        unit.emit(&made, Counted(json!(["first", n])));
        unit.emit(&made, Counted(json!(["second", n])));
        unit.answer(&ctx, &json!({ "n": n }));
        unit.commit(&ctx).await?;
    }
    let sent: Vec<Uuid> =
        store.unsent(test.ctx, Unsent::all(10)).await?.iter().map(|event| event.id).collect();
    store.mark_sent(test.ctx, &sent).await?;
    let page = Repository::<Item>::new(store).range(test.ctx, &NAME, (), Page::first().limit(20)).await?;
    page.next.ok_or_else(|| super::Broken("the first page has no cursor".into()))
}

fn sections() -> Vec<Section> {
    let rows = schemas().into_iter().map(|schema| Section::Rows(schema.kind));
    rows.chain([Section::Events, Section::Kept]).collect()
}

/// Every record of a section, page by page.
async fn export(
    test: &Test<'_>,
    from: &Arc<dyn Moving>,
    section: Section,
    limit: usize,
) -> Outcome<Vec<Record>> {
    let (mut records, mut mark) = (Vec::new(), None::<Mark>);
    loop {
        let page = from.export(test.ctx, section, mark.as_ref(), limit).await?;
        holds("a page has at most its limit", page.records.len() <= limit)?;
        records.extend(page.records);
        mark = page.next;
        if mark.is_none() || records.len() > 1_000 {
            return Ok(records);
        }
    }
}

async fn carry(test: &Test<'_>, from: &Arc<dyn Moving>, to: &Arc<dyn Moving>) -> Outcome {
    for section in sections() {
        for some in export(test, from, section, 13).await?.chunks(9) {
            to.import(test.ctx, section, some.to_vec()).await?;
        }
    }
    Ok(())
}

/// Records in an order of their own, since each adapter has its own.
fn sorted(mut records: Vec<Record>) -> Vec<String> {
    let traceless = |record: &mut Record| {
        // What was deleted has no document, so its shape says nothing.
        if let Record::Row { shape, document: None, .. } = record {
            *shape = 0;
        }
    };
    records.iter_mut().for_each(traceless);
    let mut told: Vec<String> = records.iter().map(|record| format!("{record:?}")).collect();
    told.sort_unstable();
    told
}

async fn alike(test: &Test<'_>, one: &Arc<dyn Moving>, other: &Arc<dyn Moving>) -> Outcome {
    for section in sections() {
        let (one, other) = (export(test, one, section, 100).await?, export(test, other, section, 100).await?);
        let (one, other) = (sorted(one), sorted(other));
        same(&format!("how many of {section:?}"), other.len(), one.len())?;
        for (other, one) in other.into_iter().zip(one) {
            same(&format!("a record of {section:?}"), other, one)?;
        }
    }
    Ok(())
}

async fn write(test: &Test<'_>, store: &Arc<dyn Store>, id: &str) -> Result<()> {
    commit(test, store, |unit| {
        let made = unit.insert(account(id, 1));
        unit.emit(&made, Counted(json!("while paused")));
    })
    .await
}

fn sweep_all(test: &Test<'_>) -> staffa_context::Timestamp {
    test.ctx.wall().plus(Duration::from_secs(3_600))
}

async fn refuses<S: Store + ?Sized>(test: &Test<'_>, store: &S, event: Uuid) -> Outcome {
    let empty = Commit::default();
    refused("a commit of nothing", store.commit(test.ctx, empty).await, &Error::Frozen)?;
    let kept =
        Kept { scope: "s".into(), key: "k".into(), digest: [0; 32], answer: json!(1), at: test.ctx.wall() };
    let keeps = Commit { kept: Some(kept), ..Commit::default() };
    refused("a commit that keeps an answer", store.commit(test.ctx, keeps).await, &Error::Frozen)?;
    refused("a note of what was sent", store.mark_sent(test.ctx, &[event]).await, &Error::Frozen)?;
    refused("a sweep", store.sweep(test.ctx, sweep_all(test), 1_000).await, &Error::Frozen)
}

async fn a_paused_store_refuses_who_writes(test: &Test<'_>) -> Outcome {
    let store = test.store(schemas()).await?;
    filled(test, &store).await?;
    let unsent = store.unsent(test.ctx, Unsent::all(1_000)).await?;
    let beside = test.moving(schemas()).await?;
    beside.freeze(test.ctx, true).await?;
    refused("a unit", write(test, &store, "new").await, &Error::Frozen)?;
    refuses(test, &*store, unsent[0].id).await?;
    refuses(test, &*beside, unsent[0].id).await?;
    beside.freeze(test.ctx, false).await?;
    same("what was inserted", find::<Account>(test, &store, &"new".into()).await?, None)?;
    same("what was kept", store.kept(test.ctx, "s", "k").await?, None)?;
    same("the outbox", store.unsent(test.ctx, Unsent::all(1_000)).await?, unsent)?;
    same("what a sweep finds", store.sweep(test.ctx, sweep_all(test), 1_000).await?, 25 + 10)
}

async fn a_paused_store_is_read(test: &Test<'_>) -> Outcome {
    let store = test.store(schemas()).await?;
    let cursor = filled(test, &store).await?;
    let beside = test.moving(schemas()).await?;
    beside.freeze(test.ctx, true).await?;
    same("by id", find::<Account>(test, &store, &"back".into()).await?.map(|found| found.version), Some(3))?;
    let page = Repository::<Item>::new(&store).range(test.ctx, &NAME, (), Page::after(cursor)).await?;
    same("by index", page.items.len(), 40)?;
    same("the outbox", store.unsent(test.ctx, Unsent::all(1_000)).await?.len(), 40)?;
    same("its backlog", store.backlog(test.ctx, 1_000).await?.events, 40)?;
    same(
        "a kept answer",
        store.kept(test.ctx, "place", "k7").await?.map(|kept| kept.answer),
        Some(json!({ "n": 7 })),
    )?;
    store.ping(test.ctx).await?;
    Ok(())
}

async fn a_pause_and_its_end_may_be_said_twice(test: &Test<'_>) -> Outcome {
    let store = test.store(schemas()).await?;
    let beside = test.moving(schemas()).await?;
    let other = test.moving(schemas()).await?;
    for (turn, frozen) in [false, false, true, true, false, false, true, false].into_iter().enumerate() {
        beside.freeze(test.ctx, frozen).await?;
        same("it is paused", beside.is_frozen(test.ctx).await?, frozen)?;
        same("it is paused, says another handle", other.is_frozen(test.ctx).await?, frozen)?;
        let want = if frozen { Err(Error::Frozen) } else { Ok(()) };
        same("a write", write(test, &store, &format!("a{turn}")).await, want)?;
    }
    Ok(())
}

/// Adds to an account of its own until it is told to stop; gives how often that succeeded.
async fn keep_adding(
    ctx: staffa_context::Context,
    store: Arc<dyn Store>,
    id: String,
    stop: Arc<AtomicBool>,
) -> Outcome<i64> {
    let mut done = 0;
    while !stop.load(Ordering::Acquire) {
        let mut unit = store.unit();
        match unit.get::<Account>(&ctx, id.clone()).await? {
            Some(seen) => drop(unit.update(seen.map(|seen| Account { count: seen.count + 1, ..seen }))),
            None => drop(unit.insert(account(&id, 1))),
        }
        turn().await;
        match unit.commit(&ctx).await {
            Ok(()) => done += 1,
            Err(Error::Frozen) => ctx.sleep(Duration::from_millis(1)).await.map_err(Error::from)?,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(done)
}

async fn pause_and_look(
    ctx: staffa_context::Context,
    store: Arc<dyn Store>,
    beside: Arc<dyn Moving>,
    stop: Arc<AtomicBool>,
) -> Outcome<i64> {
    let seen = async || {
        let all = Repository::<Account>::new(&store).all(&ctx, Page::first().limit(1_000)).await?;
        Ok::<i64, Error>(all.items.iter().map(|account| account.count).sum())
    };
    let mut last = 0;
    for _ in 0..5 {
        ctx.sleep(Duration::from_millis(20)).await.map_err(Error::from)?;
        beside.freeze(&ctx, true).await?;
        let before = seen().await?;
        ctx.sleep(Duration::from_millis(20)).await.map_err(Error::from)?;
        same("the sum while it is paused", seen().await?, before)?;
        beside.freeze(&ctx, false).await?;
        last = before;
    }
    stop.store(true, Ordering::Release);
    Ok(last)
}

async fn when_it_has_paused_nobody_writes(test: &Test<'_>) -> Outcome {
    let store = test.store(schemas()).await?;
    let beside = test.moving(schemas()).await?;
    let stop = Arc::new(AtomicBool::new(false));
    let done = at_once(test, 7, |ctx, number| {
        let (store, beside, stop) = (Arc::clone(&store), Arc::clone(&beside), Arc::clone(&stop));
        async move {
            if number == 0 {
                pause_and_look(ctx, store, beside, stop).await.map(|_| 0)
            } else {
                keep_adding(ctx, store, format!("a{number}"), stop).await
            }
        }
    })
    .await?;
    let all = Repository::<Account>::new(&store).all(test.ctx, Page::first()).await?;
    same("what succeeded", all.items.iter().map(|account| account.count).sum::<i64>(), done.into_iter().sum())
}

async fn a_pause_outlives_every_handle(test: &Test<'_>) -> Outcome {
    let store = test.store(schemas()).await?;
    let beside = test.moving(schemas()).await?;
    beside.freeze(test.ctx, true).await?;
    beside.close(test.ctx).await?;
    drop(beside);
    let store = test.reopen(store, schemas()).await?;
    refused("a unit", write(test, &store, "new").await, &Error::Frozen)?;
    let beside = test.moving(schemas()).await?;
    holds("it is paused", beside.is_frozen(test.ctx).await?)?;
    beside.freeze(test.ctx, false).await?;
    write(test, &store, "new").await?;
    Ok(())
}

/// The store, filled, and another one, both with a handle for moving.
async fn here_and_there(
    test: &Test<'_>,
) -> Outcome<(Arc<dyn Store>, Arc<dyn Moving>, Arc<dyn Store>, Arc<dyn Moving>)> {
    let (here, there) = (test.store(schemas()).await?, test.other_store(schemas()).await?);
    filled(test, &here).await?;
    let from = test.moving(schemas()).await?;
    from.freeze(test.ctx, true).await?;
    Ok((here, from, there, test.other_moving(schemas()).await?))
}

async fn everything_arrives(test: &Test<'_>) -> Outcome {
    let (here, from, there, to) = here_and_there(test).await?;
    carry(test, &from, &to).await?;
    alike(test, &from, &to).await?;
    let events = there.unsent(test.ctx, Unsent::all(1_000)).await?;
    let order = |events: &[crate::Event], id: &str| -> Vec<Uuid> {
        events.iter().filter(|event| event.entity == id).map(|event| event.id).collect()
    };
    let before = here.unsent(test.ctx, Unsent::all(1_000)).await?;
    for event in &before {
        same("the order of its events", order(&events, &event.entity), order(&before, &event.entity))?;
    }
    let mut unit = there.unit();
    unit.get::<Account>(test.ctx, "gone".to_owned()).await?;
    same("the version of what comes back", unit.insert(account("gone", 2)).version, 3)?;
    unit.commit(test.ctx).await?;
    let taken = Item { code: Some("c9".into()), ..Item::named(1_000, "x") };
    refused("a taken code", insert(test, &there, taken).await, &duplicate::<Item>("code"))?;
    let again =
        test.ctx.with_value(IdempotencyKey { scope: "place".into(), key: "k3".into(), digest: [3; 32] });
    let mut unit = there.unit();
    unit.insert(account("again", 1));
    unit.answer(&again, &json!(1));
    refused("a key that was used here", unit.commit(&again).await, &Error::Kept)?;
    same("what a sweep finds", there.sweep(test.ctx, sweep_all(test), 1_000).await?, 25 + 10)
}

async fn an_import_may_be_repeated(test: &Test<'_>) -> Outcome {
    let (_here, from, there, to) = here_and_there(test).await?;
    carry(test, &from, &to).await?;
    let unsent = there.unsent(test.ctx, Unsent::all(1_000)).await?;
    carry(test, &from, &to).await?;
    alike(test, &from, &to).await?;
    same("the outbox", there.unsent(test.ctx, Unsent::all(1_000)).await?, unsent)?;
    let changed = Item { code: Some("c0 changed".into()), ..Item::named(0, "changed") };
    let row = row(0, &changed)?;
    to.import(test.ctx, Section::Rows(Item::KIND), vec![row]).await?;
    same("what was replaced", find::<Item>(test, &there, &0).await?.map(|item| item.value), Some(changed))?;
    let items = Repository::<Item>::new(&there);
    let old = items.range(test.ctx, &NAME, ("n0".to_owned(),), Page::first()).await?;
    holds("its old key is gone", old.items.iter().all(|item| item.id != 0))
}

fn row(id: i64, item: &Item) -> Outcome<Record> {
    let document = serde_json::to_value(item).map_err(|error| super::Broken(error.to_string()))?;
    Ok(Record::Row { id: crate::Part::Int(id), version: 7, shape: 1, document: Some(document) })
}

async fn an_import_is_whole_or_nothing_and_keeps_unique_keys(test: &Test<'_>) -> Outcome {
    let (_here, from, there, to) = here_and_there(test).await?;
    carry(test, &from, &to).await?;
    let taken = Item { code: Some("c5".into()), ..Item::named(501, "y") };
    let rows = vec![row(500, &Item::named(500, "x"))?, row(501, &taken)?];
    let refusal = to.import(test.ctx, Section::Rows(Item::KIND), rows).await;
    refused("a taken code", refusal, &duplicate::<Item>("code"))?;
    same("the record beside it", find::<Item>(test, &there, &500).await?, None)?;
    let twins = [502, 503].map(|id| Item { code: Some("twin".into()), ..Item::named(id, format!("t{id}")) });
    let rows = twins.iter().map(|twin| row(twin.id, twin)).collect::<Outcome<Vec<_>>>()?;
    let refusal = to.import(test.ctx, Section::Rows(Item::KIND), rows).await;
    refused("a code that two have", refusal, &duplicate::<Item>("code"))?;
    same("how many", count::<Item>(test, &there).await?, 60)
}

async fn an_import_goes_on_while_paused(test: &Test<'_>) -> Outcome {
    let (_here, from, there, to) = here_and_there(test).await?;
    to.freeze(test.ctx, true).await?;
    carry(test, &from, &to).await?;
    alike(test, &from, &to).await?;
    refused("a unit", write(test, &there, "new").await, &Error::Frozen)
}

async fn an_export_goes_on_at_its_mark(test: &Test<'_>) -> Outcome {
    let (_here, from, _there, _to) = here_and_there(test).await?;
    let other = test.moving(schemas()).await?;
    for section in sections() {
        let all = export(test, &from, section, 1_000).await?;
        for limit in [1, 7, all.len().max(1)] {
            same(
                &format!("{section:?} by {limit}"),
                export(test, &from, section, limit).await?,
                all.clone(),
            )?;
        }
        let first = from.export(test.ctx, section, None, 3).await?;
        if let Some(mark) = first.next {
            let rest = other.export(test.ctx, section, Some(&mark), 1_000).await?.records;
            same("after a mark of another handle", [first.records, rest].concat(), all)?;
        }
    }
    Ok(())
}

async fn a_store_moves_through_another_technology(test: &Test<'_>) -> Outcome {
    let (here, there) = (test.store(schemas()).await?, test.other_store(schemas()).await?);
    let cursor = filled(test, &here).await?;
    let (from, to) = (test.moving(schemas()).await?, test.other_moving(schemas()).await?);
    from.freeze(test.ctx, true).await?;
    let memory: Arc<dyn Moving> = Memory::open(schemas())?;
    carry(test, &from, &memory).await?;
    alike(test, &from, &memory).await?;
    carry(test, &memory, &to).await?;
    alike(test, &memory, &to).await?;
    let page = async |store: &Arc<dyn Store>| {
        Repository::<Item>::new(store).range(test.ctx, &NAME, (), Page::after(cursor.clone())).await
    };
    let memory: Arc<dyn Store> = memory;
    let want = page(&here).await?;
    same("the page after a cursor, in memory", page(&memory).await?, want.clone())?;
    same("the page after a cursor, moved back", page(&there).await?, want)
}
