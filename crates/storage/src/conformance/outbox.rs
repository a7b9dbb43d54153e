//! Events leave through the outbox.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use staffa_context::{Context, Timestamp, TraceContext};
use uuid::Uuid;

use super::test::{commit, holds, insert, insert_all, invalid, refused, same};
use super::things::{Account, Counted, Item, account, schemas};
use super::{Case, Outcome, Test, case};
use crate::{Commit, Entity, Event, Store, Unsent};

pub(super) const CASES: &[Case] = &[
    case!(
        outbox::an_event_is_committed_with_the_state,
        "an event is in the outbox exactly if its unit was committed, with everything that it says"
    ),
    case!(
        outbox::events_of_an_entity_keep_their_order,
        "events of an entity come in the order of (version, n), oldest commit first"
    ),
    case!(
        outbox::an_event_is_about_what_its_unit_wrote,
        "an event about a version that its unit does not write is refused"
    ),
    case!(
        outbox::a_late_commit_is_not_skipped,
        "the outbox is read by what is unsent, so an event that commits late is not skipped, however old its time and id"
    ),
    case!(
        outbox::sent_events_are_gone,
        "an event that was noted as sent is not read again; noting it twice, or an unknown one, does nothing"
    ),
    case!(
        outbox::a_held_entity_holds_back_itself_only,
        "events of a held entity are passed over, all others are read"
    ),
    case!(
        outbox::a_read_gives_at_most_its_limit,
        "a read of the outbox gives at most its limit, and goes on once those are sent"
    ),
];

async fn unsent(test: &Test<'_>, store: &Arc<dyn Store>) -> Outcome<Vec<Event>> {
    Ok(store.unsent(test.ctx, Unsent::all(1_000)).await?)
}

fn payloads(events: &[Event]) -> Vec<Value> {
    events.iter().map(|event| event.payload.clone()).collect()
}

async fn an_event_is_committed_with_the_state(test: &Test<'_>) -> Outcome {
    let store = test.store(schemas()).await?;
    let trace = TraceContext { trace_id: 7, span_id: 9, sampled: true };
    let ctx: Context = test.ctx.with_trace(Some(trace));
    let mut unit = store.unit();
    let made = unit.insert(Item::named(-5, "x"));
    let payload = json!({ "a": [1, 2.5, null, "é"], "b": { "c": true } });
    unit.emit(&made, Counted(payload.clone()));
    let before = ctx.wall();
    unit.commit(&ctx).await?;
    let events = unsent(test, &store).await?;
    let Some(event) = events.first() else { return holds("the event is there", false) };
    let at = event.at;
    holds("its time", at >= before && at <= ctx.wall())?;
    let want = Event {
        id: event.id,
        name: "counted".into(),
        kind: Item::KIND.into(),
        entity: "-5".into(),
        version: 1,
        n: 0,
        at,
        trace: Some(trace.traceparent()),
        payload,
    };
    same("the event", events, vec![want])?;
    let refusal = commit(test, &store, |unit| {
        let other = unit.insert(account("a", 1));
        unit.emit(&other, Counted(json!(1)));
        unit.update(crate::Versioned { version: 8, ..made });
    });
    refused("a stale write", refusal.await, &super::test::conflict::<Item>("-5"))?;
    same("after a refusal", unsent(test, &store).await?.len(), 1)
}

/// Two accounts, each with several versions and several events a version. Gives the payloads in their order.
async fn history(test: &Test<'_>, store: &Arc<dyn Store>) -> Outcome<Vec<Value>> {
    let mut a = insert(test, store, account("a", 0)).await?;
    let mut b = insert(test, store, account("b", 0)).await?;
    let mut told = Vec::new();
    for round in 0..4 {
        let mut unit = store.unit();
        // The unit writes in the order of ids; its events stay in the order of emission.
        let (next_b, next_a) = (unit.update(b), unit.update(a));
        for (at, entity) in [("b", &next_b), ("a", &next_a), ("b", &next_b)] {
            let payload = json!([at, round, told.len()]);
            unit.emit(entity, Counted(payload.clone()));
            told.push(payload);
        }
        unit.commit(test.ctx).await?;
        (a, b) = (next_a, next_b);
    }
    Ok(told)
}

async fn events_of_an_entity_keep_their_order(test: &Test<'_>) -> Outcome {
    let store = test.store(schemas()).await?;
    let told = history(test, &store).await?;
    let events = unsent(test, &store).await?;
    same("how many", events.len(), told.len())?;
    for id in ["a", "b"] {
        let of: Vec<Event> = events.iter().filter(|event| event.entity == id).cloned().collect();
        let want: Vec<Value> = told.iter().filter(|payload| payload[0] == id).cloned().collect();
        same(id, payloads(&of), want)?;
        let places: Vec<(i64, u32)> = of.iter().map(|event| (event.version, event.n)).collect();
        let mut sorted = places.clone();
        sorted.sort_unstable();
        sorted.dedup();
        same("the places", places, sorted)?;
    }
    let rounds: Vec<Option<i64>> = events.iter().map(|event| event.payload[1].as_i64()).collect();
    holds("oldest commit first", rounds.is_sorted())
}

async fn an_event_is_about_what_its_unit_wrote(test: &Test<'_>) -> Outcome {
    let store = test.store(schemas()).await?;
    let made = insert(test, &store, account("a", 1)).await?;
    let foreign = commit(test, &store, |unit| {
        unit.insert(account("b", 1));
        unit.emit(&made, Counted(json!(1)));
    });
    invalid(foreign.await, "unit")?;
    same("the outbox", unsent(test, &store).await?, vec![])
}

/// An event of another relay's or machine's making, as the adapter sees it.
fn raw(id: u128, at: Timestamp, entity: &str) -> Event {
    Event {
        id: Uuid::from_u128(id),
        name: "counted".into(),
        kind: Account::KIND.into(),
        entity: entity.into(),
        version: 1,
        n: 0,
        at,
        trace: None,
        payload: json!(entity),
    }
}

async fn put(test: &Test<'_>, store: &Arc<dyn Store>, event: Event) -> Outcome {
    Ok(store.commit(test.ctx, Commit { events: vec![event], ..Commit::default() }).await?)
}

async fn a_late_commit_is_not_skipped(test: &Test<'_>) -> Outcome {
    let store = test.store(schemas()).await?;
    let now = test.ctx.wall();
    put(test, &store, raw(100, now, "first")).await?;
    let first = unsent(test, &store).await?;
    same("the first", payloads(&first), vec![json!("first")])?;
    store.mark_sent(test.ctx, &[first[0].id]).await?;
    // It began earlier, and its commit comes later.
    put(test, &store, raw(1, now.minus(Duration::from_secs(3_600)), "late")).await?;
    same("the late one", payloads(&unsent(test, &store).await?), vec![json!("late")])
}

async fn sent_events_are_gone(test: &Test<'_>) -> Outcome {
    let store = test.store(schemas()).await?;
    history(test, &store).await?;
    let events = unsent(test, &store).await?;
    let ids: Vec<Uuid> = [1, 4, 5].map(|at: usize| events[at].id).to_vec();
    store.mark_sent(test.ctx, &ids).await?;
    store.mark_sent(test.ctx, &ids).await?;
    store.mark_sent(test.ctx, &[Uuid::from_u128(1), Uuid::nil()]).await?;
    store.mark_sent(test.ctx, &[]).await?;
    let left: Vec<Event> = events.into_iter().filter(|event| !ids.contains(&event.id)).collect();
    same("what is left", unsent(test, &store).await?, left)
}

async fn a_held_entity_holds_back_itself_only(test: &Test<'_>) -> Outcome {
    let store = test.store(schemas()).await?;
    history(test, &store).await?;
    let item = commit(test, &store, |unit| {
        let item = unit.insert(Item::named(1, "a"));
        unit.emit(&item, Counted(json!(["item"])));
    });
    item.await?;
    let all = unsent(test, &store).await?;
    let kind = Account::KIND.to_owned();
    // The same id in another kind is another entity, and so is another case.
    let held = [(kind.clone(), "a".to_owned()), (kind.clone(), "1".to_owned()), (kind, "B".to_owned())];
    let got = store.unsent(test.ctx, Unsent { held: &held, ..Unsent::all(1_000) }).await?;
    let free = |event: &Event| !(event.kind == Account::KIND && event.entity == "a");
    same("while it is held", got, all.iter().filter(|event| free(event)).cloned().collect())?;
    let first = store.unsent(test.ctx, Unsent { held: &held, ..Unsent::all(2) }).await?;
    same("the limit counts what is given", first.len(), 2)?;
    same("afterwards", unsent(test, &store).await?, all)
}

async fn a_read_gives_at_most_its_limit(test: &Test<'_>) -> Outcome {
    let store = test.store(schemas()).await?;
    insert_all(test, &store, &[account("x", 0)]).await?;
    history(test, &store).await?;
    let all = unsent(test, &store).await?;
    let mut got = Vec::new();
    loop {
        let some = store.unsent(test.ctx, Unsent::all(5)).await?;
        if some.is_empty() || got.len() > all.len() {
            break;
        }
        holds("at most 5", some.len() <= 5)?;
        store.mark_sent(test.ctx, &some.iter().map(|event| event.id).collect::<Vec<_>>()).await?;
        got.extend(some);
    }
    same("all of them", got, all)
}
