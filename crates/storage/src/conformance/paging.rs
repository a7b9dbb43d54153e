//! Pages and cursors.

use std::sync::Arc;

use super::test::{commit, insert, insert_all, invalid, same};
use super::things::{Item, NAME, NAME_AT, RANK, account, schemas};
use super::{Case, Outcome, Test, case};
use crate::{Cursor, Page, PageOf, Range, Repository, Store};

pub(super) const CASES: &[Case] = &[
    case!(
        paging::pages_give_everything_once,
        "pages of any size follow one another without gap or repeat, in both directions"
    ),
    case!(
        paging::pages_hold_still_while_others_write,
        "an entity whose key does not change while someone pages appears exactly once, whatever is written between pages"
    ),
    case!(paging::the_last_page_has_no_cursor, "a page has a cursor only if something follows it"),
    case!(
        paging::a_page_has_50_by_default_and_1000_at_most,
        "a page has 50 entities by default and at most 1,000; 0 and 1,001 are refused"
    ),
    case!(
        paging::a_foreign_cursor_is_refused,
        "a cursor of another kind, index, range or direction is invalid"
    ),
    case!(
        paging::an_altered_cursor_is_refused,
        "a cursor that is altered in any place, cut or made up is invalid"
    ),
    case!(paging::a_cursor_is_valid_on_another_store, "a cursor is valid on any store with the same data"),
    case!(
        paging::a_cursor_outlives_its_entity,
        "a cursor stays valid when the entity that it was made at is deleted or moved"
    ),
];

/// Items of few names and ranks, so that ties reach over pages.
fn crowd(len: i64) -> Vec<Item> {
    (0..len)
        .map(|id| Item { rank: Some(id), ..Item::named((id * 17) % len, format!("n{}", id % 3)) })
        .collect()
}

async fn page(
    test: &Test<'_>,
    store: &Arc<dyn Store>,
    descending: bool,
    page: Page,
) -> Outcome<PageOf<Item>> {
    let range = if descending { Range::of(()).descending() } else { Range::of(()) };
    Ok(Repository::<Item>::new(store).range(test.ctx, &NAME, range, page).await?)
}

async fn all_pages(
    test: &Test<'_>,
    store: &Arc<dyn Store>,
    descending: bool,
    limit: usize,
) -> Outcome<Vec<i64>> {
    let (mut ids, mut cursor) = (Vec::new(), None);
    loop {
        let got = page(test, store, descending, Page::after(cursor).limit(limit)).await?;
        ids.extend(got.items.iter().map(|item| item.id));
        cursor = got.next;
        if cursor.is_none() || ids.len() > 1_000 {
            return Ok(ids);
        }
    }
}

async fn pages_give_everything_once(test: &Test<'_>) -> Outcome {
    let store = test.store(schemas()).await?;
    let mut items = crowd(31);
    insert_all(test, &store, &items).await?;
    items.sort_by_key(|item| (item.name.clone(), item.id));
    let mut ids: Vec<i64> = items.iter().map(|item| item.id).collect();
    for limit in [1, 2, 10, 31, 32] {
        same(&format!("by {limit}"), all_pages(test, &store, false, limit).await?, ids.clone())?;
    }
    ids.reverse();
    for limit in [1, 2, 10, 31, 32] {
        same(&format!("by {limit}, descending"), all_pages(test, &store, true, limit).await?, ids.clone())?;
    }
    Ok(())
}

async fn pages_hold_still_while_others_write(test: &Test<'_>) -> Outcome {
    let store = test.store(schemas()).await?;
    insert_all(test, &store, &crowd(30)).await?;
    let repository = Repository::<Item>::new(&store);
    let (mut seen, mut cursor) = (Vec::new(), None);
    for turn in 0..100 {
        let got = page(test, &store, false, Page::after(cursor).limit(4)).await?;
        seen.extend(got.items.iter().map(|item| item.id));
        // Everybody's note changes, and others come before and after the place of the cursor, and go again.
        for item in repository.all(test.ctx, Page::first().limit(1_000)).await?.items {
            let note = format!("turn {turn}");
            commit(test, &store, |unit| match item.id {
                id if id >= 1_000 => unit.delete(item),
                _ => unit.update(item.map(|item| Item { note, ..item })),
            })
            .await?;
        }
        let others =
            [Item::named(1_000 + turn, "a"), Item::named(2_000 + turn, "z"), Item::named(3_000 + turn, "n1")];
        insert_all(test, &store, &others).await?;
        cursor = got.next;
        if cursor.is_none() {
            break;
        }
    }
    seen.retain(|id| *id < 1_000);
    seen.sort_unstable();
    same("who was seen", seen, (0..30).collect())
}

async fn the_last_page_has_no_cursor(test: &Test<'_>) -> Outcome {
    let store = test.store(schemas()).await?;
    let empty = page(test, &store, false, Page::first()).await?;
    same("of nothing", (empty.items.len(), empty.next), (0, None))?;
    insert_all(test, &store, &crowd(6)).await?;
    let first = page(test, &store, false, Page::first().limit(3)).await?;
    same("the first of two", first.next.is_some(), true)?;
    let second = page(test, &store, false, Page::after(first.next).limit(3)).await?;
    same("the second", (second.items.len(), second.next), (3, None))
}

async fn a_page_has_50_by_default_and_1000_at_most(test: &Test<'_>) -> Outcome {
    let store = test.store(schemas()).await?;
    insert_all(test, &store, &crowd(1_001)).await?;
    let len = |page: PageOf<Item>| (page.items.len(), page.next.is_some());
    same("by default", len(page(test, &store, false, Page::first()).await?), (50, true))?;
    same("at most", len(page(test, &store, false, Page::first().limit(1_000)).await?), (1_000, true))?;
    let repository = Repository::<Item>::new(&store);
    for limit in [0, 1_001, usize::MAX] {
        invalid(repository.all(test.ctx, Page::first().limit(limit)).await, "limit")?;
    }
    Ok(())
}

async fn a_foreign_cursor_is_refused(test: &Test<'_>) -> Outcome {
    let store = test.store(schemas()).await?;
    insert_all(test, &store, &crowd(10)).await?;
    insert_all(test, &store, &[account("a", 1), account("b", 2)]).await?;
    let (ctx, items) = (test.ctx, Repository::<Item>::new(&store));
    let cursor = items.range(ctx, &NAME, (), Page::first().limit(2)).await?.next;
    let on = || Page::after(cursor.clone());
    invalid(items.range(ctx, &NAME, Range::of(()).descending(), on()).await, "cursor")?;
    invalid(items.range(ctx, &NAME, Range::of(()).from("n".into()), on()).await, "cursor")?;
    invalid(items.range(ctx, &NAME, Range::of(()).prefix("n"), on()).await, "cursor")?;
    invalid(items.range(ctx, &NAME, ("n0".to_owned(),), on()).await, "cursor")?;
    invalid(items.range(ctx, &NAME_AT, (), on()).await, "cursor")?;
    invalid(items.range(ctx, &RANK, (), on()).await, "cursor")?;
    invalid(items.all(ctx, on()).await, "cursor")?;
    invalid(Repository::<super::things::Account>::new(&store).all(ctx, on()).await, "cursor")?;
    items.range(ctx, &NAME, (), on()).await?;
    Ok(())
}

async fn an_altered_cursor_is_refused(test: &Test<'_>) -> Outcome {
    let store = test.store(schemas()).await?;
    insert_all(test, &store, &crowd(10)).await?;
    let first = page(test, &store, false, Page::first().limit(2)).await?;
    let text = first.next.map(|cursor| cursor.as_str().to_owned()).unwrap_or_default();
    let repository = Repository::<Item>::new(&store);
    let mut altered = vec![
        String::new(),
        "null".into(),
        "😀".into(),
        format!("{text}="),
        format!("{text}A"),
        text.repeat(2),
    ];
    altered.extend((0..text.len()).map(|len| text[..len].to_owned()));
    for place in 0..text.len() {
        let other = if &text[place..=place] == "A" { "B" } else { "A" };
        altered.push(format!("{}{other}{}", &text[..place], &text[place + 1..]));
    }
    for text in altered {
        invalid(repository.range(test.ctx, &NAME, (), Page::after(Cursor::from_text(text))).await, "cursor")?;
    }
    Ok(())
}

async fn a_cursor_is_valid_on_another_store(test: &Test<'_>) -> Outcome {
    let (here, there) = (test.store(schemas()).await?, test.other_store(schemas()).await?);
    insert_all(test, &here, &crowd(20)).await?;
    insert_all(test, &there, &crowd(20)).await?;
    let first = page(test, &here, true, Page::first().limit(7)).await?;
    let one = page(test, &here, true, Page::after(first.next.clone())).await?;
    let other = page(test, &there, true, Page::after(first.next)).await?;
    same("how many", other.items.len(), 13)?;
    same("the second page", other, one)
}

async fn a_cursor_outlives_its_entity(test: &Test<'_>) -> Outcome {
    let store = test.store(schemas()).await?;
    for (id, name) in [(1, "a"), (2, "b"), (3, "c"), (4, "d")] {
        insert(test, &store, Item::named(id, name)).await?;
    }
    let first = page(test, &store, false, Page::first().limit(2)).await?;
    let last = first.items.last().cloned();
    if let Some(last) = last {
        commit(test, &store, |unit| unit.delete(last)).await?;
    }
    let second = page(test, &store, false, Page::after(first.next)).await?;
    same("what follows", second.items.iter().map(|item| item.id).collect::<Vec<_>>(), vec![3, 4])
}
