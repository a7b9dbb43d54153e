//! An outbox that several relays share, and how much is in it.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use staffa_context::Timestamp;
use uuid::Uuid;

use super::test::{holds, same};
use super::things::{Account, schemas};
use super::{Case, Outcome, Test, case};
use crate::{Backlog, Commit, Entity, Event, PARTITIONS, Partitions, Store, Unsent};

pub(super) const CASES: &[Case] = &[
    case!(
        partitions::a_read_gives_its_partitions_only,
        "a read of the outbox gives the events whose entity is in its partitions, and no others"
    ),
    case!(
        partitions::partitions_together_give_everything_once,
        "relays that part the partitions among them read every event, each once"
    ),
    case!(
        partitions::an_entity_stays_in_order_within_its_partition,
        "the events of an entity come in their order in the read of its partition too"
    ),
    case!(
        partitions::limits_and_held_entities_count_within_the_partitions,
        "a read gives its limit of events of its own partitions, however many of others or of held entities come before"
    ),
    case!(
        partitions::the_backlog_counts_what_is_unsent,
        "the backlog is the number of unsent events up to the limit, and the time of the oldest"
    ),
];

const EVENTS: u128 = 120;

fn event(n: u128) -> Event {
    Event {
        id: Uuid::from_u128(n),
        name: "counted".into(),
        kind: Account::KIND.into(),
        entity: format!("entity {}", n % 40),
        version: i64::try_from(n / 40).unwrap_or(0) + 1,
        n: 0,
        // The oldest is neither the first nor the last, and there are three of it.
        at: Timestamp::from_micros(1_000_000 + i64::try_from(n.abs_diff(60) / 2).unwrap_or(0)),
        trace: None,
        payload: json!(u64::try_from(n).unwrap_or(0)),
    }
}

/// Events of forty entities, three each, in a commit each.
async fn filled(test: &Test<'_>) -> Outcome<Arc<dyn Store>> {
    let store = test.store(schemas()).await?;
    for n in 0..EVENTS {
        store.commit(test.ctx, Commit { events: vec![event(n)], ..Commit::default() }).await?;
    }
    Ok(store)
}

fn ids(events: &[Event]) -> Vec<u128> {
    events.iter().map(|event| event.id.as_u128()).collect()
}

fn of(partitions: Partitions, limit: usize) -> Unsent<'static> {
    Unsent { partitions, ..Unsent::all(limit) }
}

async fn a_read_gives_its_partitions_only(test: &Test<'_>) -> Outcome {
    let store = filled(test).await?;
    let some = [0, 3, 7, 15].into_iter().fold(Partitions::NONE, Partitions::with);
    for partitions in [some, Partitions::ALL, Partitions::NONE.with(9)] {
        let mut got = ids(&store.unsent(test.ctx, of(partitions, 1_000)).await?);
        got.sort_unstable();
        let want = (0..EVENTS).filter(|n| partitions.contains(event(*n).partition())).collect();
        same(&format!("{partitions:?}"), got, want)?;
    }
    same("none", store.unsent(test.ctx, of(Partitions::NONE, 1_000)).await?, vec![])
}

async fn partitions_together_give_everything_once(test: &Test<'_>) -> Outcome {
    let store = filled(test).await?;
    let mut got = Vec::new();
    for partition in 0..PARTITIONS {
        let some = store.unsent(test.ctx, of(Partitions::NONE.with(partition), 1_000)).await?;
        store.mark_sent(test.ctx, &some.iter().map(|event| event.id).collect::<Vec<_>>()).await?;
        got.extend(ids(&some));
    }
    got.sort_unstable();
    same("what all of them read", got, (0..EVENTS).collect())?;
    same("what is left", store.unsent(test.ctx, Unsent::all(1_000)).await?, vec![])
}

async fn an_entity_stays_in_order_within_its_partition(test: &Test<'_>) -> Outcome {
    let store = filled(test).await?;
    for partition in 0..PARTITIONS {
        let some = store.unsent(test.ctx, of(Partitions::NONE.with(partition), 1_000)).await?;
        for event in &some {
            let of_it = some.iter().filter(|other| other.entity == event.entity);
            let versions: Vec<i64> = of_it.map(|event| event.version).collect();
            same(&event.entity, versions, vec![1, 2, 3])?;
        }
    }
    Ok(())
}

async fn limits_and_held_entities_count_within_the_partitions(test: &Test<'_>) -> Outcome {
    let store = filled(test).await?;
    let last = event(EVENTS - 1);
    let partitions = Partitions::NONE.with(last.partition());
    let all = store.unsent(test.ctx, of(partitions, 1_000)).await?;
    same("the first two", store.unsent(test.ctx, of(partitions, 2)).await?, all[..2].to_vec())?;
    let held: Vec<(String, String)> = all
        .iter()
        .filter(|event| event.entity != last.entity)
        .map(|event| (event.kind.clone(), event.entity.clone()))
        .collect();
    let got = store.unsent(test.ctx, Unsent { partitions, held: &held, limit: 2 }).await?;
    let want: Vec<Event> = all.into_iter().filter(|event| event.entity == last.entity).take(2).collect();
    same("behind what is held", got, want)
}

async fn the_backlog_counts_what_is_unsent(test: &Test<'_>) -> Outcome {
    let store = filled(test).await?;
    let oldest = Some(event(60).at);
    same("all", store.backlog(test.ctx, 1_000).await?, Backlog { events: 120, oldest })?;
    same("up to a limit", store.backlog(test.ctx, 7).await?.events, 7)?;
    store.mark_sent(test.ctx, &[59, 60, 61].map(Uuid::from_u128)).await?;
    let less = store.backlog(test.ctx, 1_000).await?;
    same("without those that were sent", less, Backlog { events: 117, oldest: Some(event(58).at) })?;
    store.mark_sent(test.ctx, &(0..EVENTS).map(Uuid::from_u128).collect::<Vec<_>>()).await?;
    same("nothing", store.backlog(test.ctx, 1_000).await?, Backlog { events: 0, oldest: None })?;
    let swept = store.sweep(test.ctx, event(0).at.plus(Duration::from_secs(1)), 1_000).await?;
    holds("what was sent is there until it is swept", swept == 120)?;
    same("nothing", store.backlog(test.ctx, 1_000).await?, Backlog::default())
}
