//! Kept answers and the inbox: one record in the commit of what it is about.

use std::sync::Arc;

use futures_util::future::join_all;
use serde_json::json;
use staffa_context::{Context, IdempotencyKey};
use uuid::Uuid;

use super::test::{commit, count, duplicate, find, holds, insert, invalid, refused, same};
use super::things::{Account, Counted, account, schemas};
use super::{Case, Outcome, Test, case};
use crate::{Error, Result, Store, Unsent};

pub(super) const CASES: &[Case] = &[
    case!(
        kept::an_answer_is_kept_with_the_state,
        "an answer is kept with its digest and time in the commit of the state that it tells of"
    ),
    case!(
        kept::a_repeat_does_nothing,
        "a commit whose key is kept already does nothing and says so, before any other check"
    ),
    case!(
        kept::another_request_with_the_key_is_told_apart,
        "the kept digest tells the same key with another request from a repeat"
    ),
    case!(kept::a_key_belongs_to_its_scope, "one key in two scopes is two keys"),
    case!(
        kept::a_refused_unit_keeps_no_answer,
        "a unit that is refused keeps no answer: its key may be used again"
    ),
    case!(
        kept::of_many_at_once_one_is_kept,
        "of several commits with one key at once, one succeeds and all others find it kept"
    ),
    case!(
        kept::an_event_takes_effect_once,
        "a consumer takes an event once, however often it is delivered; another consumer takes it too"
    ),
    case!(
        kept::a_write_under_a_key_must_answer,
        "a unit that writes under an idempotency key and keeps no answer is refused"
    ),
];

fn under(ctx: &Context, scope: &str, key: &str, request: u8) -> Context {
    ctx.with_value(IdempotencyKey { scope: scope.into(), key: key.into(), digest: [request; 32] })
}

/// Inserts an account and answers with its count.
async fn place(ctx: &Context, store: &Arc<dyn Store>, id: &str, count: i64) -> Result<()> {
    let mut unit = store.unit();
    let made = unit.insert(account(id, count));
    unit.emit(&made, Counted(json!(count)));
    unit.answer(ctx, &json!({ "count": count }));
    unit.commit(ctx).await
}

async fn an_answer_is_kept_with_the_state(test: &Test<'_>) -> Outcome {
    let store = test.store(schemas()).await?;
    same("before", store.kept(test.ctx, "place", "k").await?, None)?;
    let before = test.ctx.wall();
    place(&under(test.ctx, "place", "k", 7), &store, "a", 1).await?;
    let kept = store.kept(test.ctx, "place", "k").await?;
    let Some(kept) = kept else { return holds("an answer is kept", false) };
    same("the scope and key", (kept.scope.as_str(), kept.key.as_str()), ("place", "k"))?;
    same("the digest and answer", (kept.digest, kept.answer), ([7; 32], json!({ "count": 1 })))?;
    holds("the time", kept.at >= before && kept.at <= test.ctx.wall())?;
    same("the state", find::<Account>(test, &store, &"a".into()).await?.map(|a| a.count), Some(1))
}

async fn a_repeat_does_nothing(test: &Test<'_>) -> Outcome {
    let store = test.store(schemas()).await?;
    let ctx = under(test.ctx, "place", "k", 7);
    place(&ctx, &store, "a", 1).await?;
    refused("a repeat", place(&ctx, &store, "a", 2).await, &Error::Kept)?;
    refused("with another id", place(&ctx, &store, "b", 2).await, &Error::Kept)?;
    let mut stale = store.unit();
    stale.update(crate::Versioned { version: 9, value: account("a", 3) });
    stale.answer(&ctx, &json!(3));
    refused("with a conflict", stale.commit(&ctx).await, &Error::Kept)?;
    let kept = store.kept(&ctx, "place", "k").await?;
    same("the answer", kept.map(|kept| kept.answer), Some(json!({ "count": 1 })))?;
    same("the accounts", count::<Account>(test, &store).await?, 1)?;
    same("the outbox", store.unsent(&ctx, Unsent::all(9)).await?.len(), 1)
}

async fn another_request_with_the_key_is_told_apart(test: &Test<'_>) -> Outcome {
    let store = test.store(schemas()).await?;
    place(&under(test.ctx, "place", "k", 7), &store, "a", 1).await?;
    refused("another request", place(&under(test.ctx, "place", "k", 8), &store, "b", 1).await, &Error::Kept)?;
    same("the digest", store.kept(test.ctx, "place", "k").await?.map(|kept| kept.digest), Some([7; 32]))
}

async fn a_key_belongs_to_its_scope(test: &Test<'_>) -> Outcome {
    let store = test.store(schemas()).await?;
    for (at, (scope, key)) in (0..).zip([("place", "k"), ("pay", "k"), ("place", "K"), ("placek", "_")]) {
        let ctx = under(test.ctx, scope, key, 7);
        place(&ctx, &store, &format!("a{at}"), at).await?;
        let kept = store.kept(&ctx, scope, key).await?;
        same("the answer", kept.map(|kept| kept.answer), Some(json!({ "count": at })))?;
    }
    Ok(())
}

async fn a_refused_unit_keeps_no_answer(test: &Test<'_>) -> Outcome {
    let store = test.store(schemas()).await?;
    insert(test, &store, account("a", 1)).await?;
    let ctx = under(test.ctx, "place", "k", 7);
    refused("a duplicate", place(&ctx, &store, "a", 2).await, &duplicate::<Account>("id"))?;
    same("after a refusal", store.kept(&ctx, "place", "k").await?, None)?;
    Ok(place(&ctx, &store, "b", 2).await?)
}

async fn of_many_at_once_one_is_kept(test: &Test<'_>) -> Outcome {
    let store = test.store(schemas()).await?;
    let ctx = under(test.ctx, "place", "k", 7);
    let ids: Vec<String> = (0..8).map(|id| format!("a{id}")).collect();
    let placed = join_all(ids.iter().map(|id| place(&ctx, &store, id, 1))).await;
    same("who won", placed.iter().filter(|placed| placed.is_ok()).count(), 1)?;
    holds(&format!("{placed:?}"), placed.iter().all(|placed| matches!(placed, Ok(()) | Err(Error::Kept))))?;
    same("the accounts", count::<Account>(test, &store).await?, 1)
}

async fn an_event_takes_effect_once(test: &Test<'_>) -> Outcome {
    let store = test.store(schemas()).await?;
    let event = Uuid::from_u128(5);
    let take = |consumer: &'static str, id: String, event: Uuid| {
        let store = &store;
        async move {
            commit(test, store, |unit| {
                unit.insert(account(&id, 1));
                unit.consume(test.ctx, consumer, event);
            })
            .await
        }
    };
    let taken = join_all((0..4).map(|id| take("stock", format!("a{id}"), event))).await;
    same("who took it", taken.iter().filter(|taken| taken.is_ok()).count(), 1)?;
    refused("a late delivery", take("stock", "b".into(), event).await, &Error::Kept)?;
    take("mail", "c".into(), event).await?;
    take("stock", "d".into(), Uuid::from_u128(6)).await?;
    same("the effects", count::<Account>(test, &store).await?, 3)
}

async fn a_write_under_a_key_must_answer(test: &Test<'_>) -> Outcome {
    let store = test.store(schemas()).await?;
    let ctx = under(test.ctx, "place", "k", 7);
    let mut unit = store.unit();
    unit.insert(account("a", 1));
    invalid(unit.commit(&ctx).await, "unit")?;
    same("the accounts", count::<Account>(test, &store).await?, 0)?;
    store.unit().commit(&ctx).await?;
    same("a unit that writes nothing keeps nothing", store.kept(&ctx, "place", "k").await?, None)
}
