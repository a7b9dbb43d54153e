//! The order of a read, and what a read covers.

use std::fmt::Debug;
use std::sync::Arc;

use staffa_context::Timestamp;
use uuid::Uuid;

use super::test::{insert_all, same};
use super::things::{Account, Dice, Item, NAME, NAME_AT, RANK, Tally, TallyId, WIDE, account, schemas};
use super::{Case, Outcome, Test, case};
use crate::{Bound, By, Entity, Error, Index, Key, KeyPart, Page, Part, Range, Repository, Scan, Store};

pub(super) const CASES: &[Case] = &[
    case!(
        order::text_goes_by_its_utf8_bytes,
        "text is ordered by its UTF-8 bytes, whatever the database's collation or UTF-16 habits"
    ),
    case!(order::none_comes_first, "in the order of a key, none comes first"),
    case!(
        order::numbers_times_and_uuids_go_by_value,
        "numbers and times are ordered by value, false before true, UUIDs by their bytes"
    ),
    case!(
        order::the_id_breaks_ties,
        "entities of one key are ordered by their id, reversed when the read is descending"
    ),
    case!(
        order::ids_of_every_type_are_ordered,
        "a read of everything is in the order of the ids, of whatever type"
    ),
    case!(
        order::leading_parts_are_equal,
        "a read covers the entities whose leading parts equal the given ones; a none part equals none"
    ),
    case!(
        order::a_range_includes_its_start_and_excludes_its_end,
        "the part after the leading ones lies from a start, included, to an end, excluded; none is below every start"
    ),
    case!(
        order::a_prefix_is_taken_byte_for_byte,
        "a text prefix is taken byte for byte: no wildcards, no case folding, no normalisation"
    ),
    case!(
        order::every_read_agrees_with_the_order,
        "any leading parts, bound, direction, place and limit give what the order of (key, id) says"
    ),
    case!(
        order::a_change_moves_an_entity,
        "an entity whose key changes, or that is deleted, leaves its old place in every index"
    ),
];

/// Text that databases order differently: by case, by locale, by UTF-16 code units, by trailing spaces.
const HOSTILE: &[&str] = &[
    "",
    " ",
    "  ",
    "!",
    "%",
    "_",
    "*",
    "\\",
    "0",
    "10",
    "2",
    "A",
    "A ",
    "AB",
    "Aa",
    "B",
    "Z",
    "[a]",
    "a",
    "a ",
    "a\u{1}",
    "a\tb",
    "a%",
    "a_",
    "aB",
    "ab",
    "b",
    "e\u{301}",
    "z",
    "~",
    "\u{7f}",
    "Ä",
    "ä",
    "é",
    "ı",
    "ß",
    "\u{d7ff}",
    "\u{e000}",
    "\u{fffd}",
    "\u{ffff}",
    "\u{10000}",
    "\u{10ffff}",
    "😀",
    "😀a",
];

async fn names(test: &Test<'_>, store: &Arc<dyn Store>, range: Range<String>) -> Outcome<Vec<String>> {
    let page =
        Repository::<Item>::new(store).range(test.ctx, &NAME, range, Page::first().limit(1_000)).await?;
    Ok(page.items.into_iter().map(|item| item.value.name).collect())
}

/// A store with an item for each hostile name, inserted in an order of no meaning.
async fn hostile(test: &Test<'_>) -> Outcome<Arc<dyn Store>> {
    let store = test.store(schemas()).await?;
    let mut items: Vec<Item> = (0..).zip(HOSTILE).map(|(id, name)| Item::named(id, *name)).collect();
    let mut dice = Dice::new(1);
    items.sort_by_cached_key(|_| dice.roll());
    insert_all(test, &store, &items).await?;
    Ok(store)
}

async fn text_goes_by_its_utf8_bytes(test: &Test<'_>) -> Outcome {
    let store = hostile(test).await?;
    let mut sorted: Vec<String> = HOSTILE.iter().map(|name| (*name).to_owned()).collect();
    sorted.sort();
    same("ascending", names(test, &store, ().into()).await?, sorted.clone())?;
    sorted.reverse();
    same("descending", names(test, &store, Range::of(()).descending().into()).await?, sorted)
}

async fn by<K: Key>(test: &Test<'_>, items: &[Item], index: &Index<Item, K>) -> Outcome<Vec<i64>>
where
    Range<K>: From<()>,
{
    let store = test.store(schemas()).await?;
    insert_all(test, &store, items).await?;
    let page = Repository::<Item>::new(&store).range(test.ctx, index, (), Page::first().limit(1_000)).await?;
    Ok(page.items.into_iter().map(|item| item.id).collect())
}

async fn none_comes_first(test: &Test<'_>) -> Outcome {
    let ranks = [Some(0), None, Some(i64::MIN), Some(-1), None];
    let items: Vec<Item> =
        (0..).zip(ranks).map(|(id, rank)| Item { rank, ..Item::named(id, format!("n{id}")) }).collect();
    same("by rank", by(test, &items, &RANK).await?, vec![1, 4, 2, 3, 0])
}

async fn numbers_times_and_uuids_go_by_value(test: &Test<'_>) -> Outcome {
    let mut items = Vec::new();
    for open in [true, false] {
        for tag in [u128::MAX, 1, 1 << 127, 255 << 120, 0] {
            for rank in [10, 9, -10, -9, 0, i64::MAX, i64::MIN] {
                let id = -i64::try_from(items.len()).unwrap_or(0);
                let name = format!("n{id}");
                items.push(Item {
                    open,
                    tag: Some(Uuid::from_u128(tag)),
                    rank: Some(rank),
                    ..Item::named(id, name)
                });
            }
        }
    }
    let got = by(test, &items, &WIDE).await?;
    items.sort_by_key(|item| (item.open, item.tag, item.rank));
    same("by bool, uuid and number", got, items.iter().map(|item| item.id).collect())
}

async fn the_id_breaks_ties(test: &Test<'_>) -> Outcome {
    let store = test.store(schemas()).await?;
    let ids = [3, -1, 10, 2, i64::MIN, i64::MAX, 0];
    insert_all(test, &store, &ids.map(|id| Item::named(id, "same"))).await?;
    let mut sorted = ids.to_vec();
    sorted.sort_unstable();
    let repository = Repository::<Item>::new(&store);
    let ids = |page: crate::PageOf<Item>| page.items.iter().map(|item| item.id).collect::<Vec<_>>();
    let page = repository.range(test.ctx, &NAME, (), Page::first()).await?;
    same("ascending", ids(page), sorted.clone())?;
    sorted.reverse();
    let page = repository.range(test.ctx, &NAME, Range::of(()).descending(), Page::first()).await?;
    same("descending", ids(page), sorted)
}

async fn ids_in_order<I: TallyId + Ord + Debug>(
    test: &Test<'_>,
    store: &Arc<dyn Store>,
    mut ids: Vec<I>,
) -> Outcome {
    let tallies: Vec<Tally<I>> = ids.iter().map(|id| Tally { id: id.clone(), count: 0 }).collect();
    insert_all(test, store, &tallies).await?;
    let page = Repository::<Tally<I>>::new(store).all(test.ctx, Page::first().limit(1_000)).await?;
    ids.sort();
    same("the ids", page.items.into_iter().map(|tally| tally.value.id).collect(), ids)
}

async fn ids_of_every_type_are_ordered(test: &Test<'_>) -> Outcome {
    let store = test.store(schemas()).await?;
    ids_in_order::<String>(test, &store, HOSTILE.iter().rev().map(|text| (*text).to_owned()).collect())
        .await?;
    ids_in_order(test, &store, [u128::MAX, 0, 1 << 127, 1, 1 << 64].map(Uuid::from_u128).to_vec()).await?;
    ids_in_order(test, &store, [5, -5, 0, 1 << 53, -1].map(Timestamp::from_micros).to_vec()).await
}

async fn leading_parts_are_equal(test: &Test<'_>) -> Outcome {
    let store = test.store(schemas()).await?;
    let tag = Some(Uuid::from_u128(7));
    let items = [
        Item { open: true, tag, code: Some("a".into()), ..Item::named(1, "1") },
        Item { open: true, tag: None, code: None, rank: Some(1), ..Item::named(2, "2") },
        Item { open: true, tag: None, code: None, rank: Some(0), ..Item::named(3, "3") },
        Item { open: false, tag: None, code: None, ..Item::named(4, "4") },
        Item { open: true, tag, code: Some("A".into()), ..Item::named(5, "5") },
    ];
    insert_all(test, &store, &items).await?;
    let repository = Repository::<Item>::new(&store);
    let ids = |page: crate::PageOf<Item>| page.items.iter().map(|item| item.id).collect::<Vec<_>>();
    let all = Page::first();
    let page = repository.range(test.ctx, &WIDE, (true,), all.clone()).await?;
    same("one part", ids(page), vec![3, 2, 5, 1])?;
    let page = repository.range(test.ctx, &WIDE, (true, None), all.clone()).await?;
    same("a none part", ids(page), vec![3, 2])?;
    let page = repository.range(test.ctx, &WIDE, (true, tag, Some("a".to_owned())), all.clone()).await?;
    same("three parts", ids(page), vec![1])?;
    let page = repository.range(test.ctx, &WIDE, (true, None, None, Some(1)), all).await?;
    same("the whole key", ids(page), vec![2])
}

async fn a_range_includes_its_start_and_excludes_its_end(test: &Test<'_>) -> Outcome {
    let store = test.store(schemas()).await?;
    let time = |micros| Some(Timestamp::from_micros(micros));
    let times = [None, time(-1), time(0), time(1), time(2)];
    let items: Vec<Item> = (0..).zip(times).map(|(id, at)| Item { at, ..Item::named(id, "n") }).collect();
    insert_all(test, &store, &items).await?;
    insert_all(test, &store, &[Item { at: time(0), ..Item::named(9, "o") }]).await?;
    let repository = Repository::<Item>::new(&store);
    let of = || Range::of(("n".to_owned(),));
    let ranges: [(Range<_>, Vec<i64>); 6] = [
        (of().from(time(0)).to(time(2)).into(), vec![2, 3]),
        (of().from(time(0)).into(), vec![2, 3, 4]),
        (of().to(time(0)).into(), vec![0, 1]),
        (of().from(None).to(time(-1)).into(), vec![0]),
        (of().from(time(1)).to(time(1)).into(), vec![]),
        (of().from(time(0)).to(time(2)).descending().into(), vec![3, 2]),
    ];
    for (range, want) in ranges {
        let told = format!("{range:?}");
        let page = repository.range(test.ctx, &NAME_AT, range, Page::first()).await?;
        same(&told, page.items.iter().map(|item| item.id).collect(), want)?;
    }
    Ok(())
}

async fn a_prefix_is_taken_byte_for_byte(test: &Test<'_>) -> Outcome {
    let store = hostile(test).await?;
    let mut sorted: Vec<String> = HOSTILE.iter().map(|name| (*name).to_owned()).collect();
    sorted.sort();
    for prefix in HOSTILE.iter().chain(&["a%b", "no", "\u{10ffff}\u{10ffff}"]) {
        let want: Vec<String> = sorted.iter().filter(|name| name.starts_with(prefix)).cloned().collect();
        let got = names(test, &store, Range::of(()).prefix(*prefix)).await?;
        same(&format!("the prefix {prefix:?}"), got, want.clone())?;
        let got = names(test, &store, Range::of(()).prefix(*prefix).descending()).await?;
        same("the same descending", got, want.into_iter().rev().collect())?;
    }
    Ok(())
}

/// Items with few values a part, so that keys meet.
fn crowd(dice: &mut Dice) -> Vec<Item> {
    let texts = ["", "a", "A", "ab", "a\u{1}", "\u{ffff}", "😀"];
    let mut items = Vec::new();
    for id in 0..200 {
        let some = |dice: &mut Dice| dice.below(4) > 0;
        let at = some(dice).then(|| Timestamp::from_micros(i64::try_from(dice.below(5)).unwrap_or(0) - 2));
        items.push(Item {
            at,
            open: dice.below(2) == 0,
            tag: some(dice).then(|| Uuid::from_u128(u128::from(dice.roll() % 3) << 100)),
            // Unique keys are not this case's matter: the rank makes each different, and the code is left out.
            rank: Some(id),
            ..Item::named(id, *dice.pick(&texts))
        });
    }
    items
}

/// Every entity with its key in the index, in the order of the port.
fn model<K: Key>(items: &[Item], key: fn(&Item) -> K) -> Outcome<Vec<(Vec<Part>, Part)>> {
    let keyed = |item: &Item| Ok::<_, Error>((key(item).parts()?, item.id.part()?));
    let mut entries: Vec<_> = items.iter().map(keyed).collect::<Result<_, _>>()?;
    entries.sort();
    Ok(entries)
}

fn any_scan(dice: &mut Dice, place: usize, entries: &[(Vec<Part>, Part)]) -> Scan {
    let lead = dice.pick(entries).0.clone();
    let led = dice.below(lead.len() + 1);
    let part = |dice: &mut Dice| dice.pick(entries).0.get(led).cloned();
    let bound = match (dice.below(3), lead.get(led)) {
        (0, Some(Part::Text(text))) => Bound::Prefix(text.chars().take(1).collect()),
        (1, Some(_)) => Bound::Range { from: part(dice), to: part(dice) },
        (2, Some(_)) => Bound::Range { from: None, to: part(dice) },
        _ => Bound::All,
    };
    Scan {
        kind: Item::KIND,
        by: By::Index(place),
        equal: lead.into_iter().take(led).collect(),
        bound,
        descending: dice.below(2) == 0,
        after: None,
        limit: 1 + dice.below(40),
    }
}

/// What the order says that a scan gives.
fn want(entries: &[(Vec<Part>, Part)], scan: &Scan) -> Vec<(Vec<Part>, Part)> {
    let covered = |(key, _): &&(Vec<Part>, Part)| {
        key.starts_with(&scan.equal) && key.get(scan.equal.len()).is_none_or(|part| scan.bound.covers(part))
    };
    let mut want: Vec<_> = entries.iter().filter(covered).cloned().collect();
    if scan.descending {
        want.reverse();
    }
    if let Some(after) = &scan.after {
        want.retain(|entry| if scan.descending { entry < after } else { entry > after });
    }
    want.truncate(scan.limit);
    want
}

async fn every_read_agrees_with_the_order(test: &Test<'_>) -> Outcome {
    let store = test.store(schemas()).await?;
    let mut dice = Dice::new(2);
    let items = crowd(&mut dice);
    insert_all(test, &store, &items).await?;
    let indexes = [
        (0, model(&items, |item| item.name.clone())?),
        (1, model(&items, |item| item.rank)?),
        (2, model(&items, |item| (item.name.clone(), item.at))?),
        (3, model(&items, |item| (item.open, item.tag, item.code.clone(), item.rank))?),
    ];
    for _ in 0..120 {
        let (place, entries) = dice.pick(&indexes);
        let mut scan = any_scan(&mut dice, *place, entries);
        // A first page, and the one after it.
        for _ in 0..2 {
            let found = store.scan(test.ctx, scan.clone()).await?;
            let got: Vec<_> = found.into_iter().map(|found| (found.key, found.row.id)).collect();
            same(&format!("{scan:?}"), &got, &want(entries, &scan))?;
            scan.after = got.last().cloned();
        }
    }
    Ok(())
}

async fn a_change_moves_an_entity(test: &Test<'_>) -> Outcome {
    let store = test.store(schemas()).await?;
    insert_all(test, &store, &[Item::named(1, "a"), Item::named(2, "b"), Item::named(3, "c")]).await?;
    insert_all(test, &store, &[account("a", 1)]).await?;
    let mut unit = store.unit();
    if let Some(item) = unit.get::<Item>(test.ctx, 1).await? {
        unit.update(item.map(|item| Item { name: "z".into(), ..item }));
    }
    if let Some(item) = unit.get::<Item>(test.ctx, 2).await? {
        unit.delete(item);
    }
    unit.commit(test.ctx).await?;
    same("the names", names(test, &store, ().into()).await?, vec!["c".to_owned(), "z".to_owned()])?;
    same("of the old name", names(test, &store, ("a".to_owned(),).into()).await?, vec![])?;
    same("other kinds", super::test::count::<Account>(test, &store).await?, 1)
}
