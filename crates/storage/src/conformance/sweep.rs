//! Kept records and sent events do not live for ever.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use staffa_context::Timestamp;
use uuid::Uuid;

use super::test::same;
use super::things::schemas;
use super::{Case, Outcome, Test, case};
use crate::{Commit, Event, Kept, Store, Unsent};

pub(super) const CASES: &[Case] = &[
    case!(
        sweep::old_records_go_and_young_ones_stay,
        "a sweep removes kept records and sent events from before its time, and no others"
    ),
    case!(sweep::unsent_events_are_never_swept, "an event that was not sent is never swept, however old"),
    case!(
        sweep::a_sweep_is_bounded,
        "a sweep removes at most its limit of each, and gives how many went; repeated, it ends at 0"
    ),
];

const LEN: u128 = 6;

fn time(at: u128) -> Timestamp {
    Timestamp::default().plus(Duration::from_micros(u64::try_from(at).unwrap_or(0)))
}

/// One kept record and one event at each of the times 0 to 5.
async fn filled(test: &Test<'_>) -> Outcome<Arc<dyn Store>> {
    let store = test.store(schemas()).await?;
    for at in 0..LEN {
        let event = Event {
            id: Uuid::from_u128(at),
            name: "counted".into(),
            kind: "doc".into(),
            entity: at.to_string(),
            version: 1,
            n: 0,
            at: time(at),
            trace: None,
            payload: json!(null),
        };
        let kept = Kept {
            scope: "s".into(),
            key: at.to_string(),
            digest: [1; 32],
            answer: json!(null),
            at: time(at),
        };
        let commit = Commit { events: vec![event], kept: Some(kept), ..Commit::default() };
        store.commit(test.ctx, commit).await?;
    }
    Ok(store)
}

async fn send_all(test: &Test<'_>, store: &Arc<dyn Store>) -> Outcome {
    let ids: Vec<Uuid> = (0..LEN).map(Uuid::from_u128).collect();
    Ok(store.mark_sent(test.ctx, &ids).await?)
}

async fn keys(test: &Test<'_>, store: &Arc<dyn Store>) -> Outcome<Vec<u128>> {
    let mut keys = Vec::new();
    for at in 0..LEN {
        if store.kept(test.ctx, "s", &at.to_string()).await?.is_some() {
            keys.push(at);
        }
    }
    Ok(keys)
}

async fn old_records_go_and_young_ones_stay(test: &Test<'_>) -> Outcome {
    let store = filled(test).await?;
    send_all(test, &store).await?;
    same("how many went", store.sweep(test.ctx, time(3), 100).await?, 6)?;
    same("which keys stay", keys(test, &store).await?, vec![3, 4, 5])?;
    same("a second sweep", store.sweep(test.ctx, time(3), 100).await?, 0)?;
    let again = Kept { scope: "s".into(), key: "0".into(), digest: [2; 32], answer: json!(1), at: time(9) };
    store.commit(test.ctx, Commit { kept: Some(again), ..Commit::default() }).await?;
    same("a key that was swept is free", keys(test, &store).await?, vec![0, 3, 4, 5])
}

async fn unsent_events_are_never_swept(test: &Test<'_>) -> Outcome {
    let store = filled(test).await?;
    store.mark_sent(test.ctx, &[Uuid::from_u128(1)]).await?;
    same("how many went", store.sweep(test.ctx, time(100), 100).await?, 7)?;
    let left: Vec<Uuid> =
        store.unsent(test.ctx, Unsent::all(100)).await?.iter().map(|event| event.id).collect();
    same("the outbox", left, [0, 2, 3, 4, 5].map(Uuid::from_u128).to_vec())
}

async fn a_sweep_is_bounded(test: &Test<'_>) -> Outcome {
    let store = filled(test).await?;
    send_all(test, &store).await?;
    let mut swept = Vec::new();
    while swept.len() < 10 {
        let went = store.sweep(test.ctx, time(100), 4).await?;
        swept.push(went);
        if went == 0 {
            break;
        }
    }
    same("how many went each time", swept, vec![8, 4, 0])?;
    same("which keys stay", keys(test, &store).await?, vec![])
}
