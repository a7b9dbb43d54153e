//! Notes that events were sent, whose context ends at any time: they tell the truth, as a commit does.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use uuid::Uuid;

use super::cancel::interrupted;
use super::test::{commit, holds};
use super::things::{Counted, Dice, account, schemas};
use super::{Broken, Case, Outcome, Test, case};
use crate::{Error, Store, Unsent};

pub(super) const CASES: &[Case] = &[case!(
    noted::a_note_that_happened_never_says_ended,
    "of notes that events were sent that are cancelled at random, one that says that its context ended never happens, and one that succeeded did"
)];

/// Events whose note says that its context ended, before it is made sure of them.
const NOTES_MAX: usize = 50;

async fn a_note_that_happened_never_says_ended(test: &Test<'_>) -> Outcome {
    let store = test.store(schemas()).await?;
    let mut dice = Dice::new(7);
    let mut ended = Vec::new();
    for round in 0..test.open.rounds() {
        commit(test, &store, |unit| {
            let made = unit.insert(account(&format!("noted {round}"), 1));
            unit.emit(&made, Counted(json!(round)));
        })
        .await?;
        let unsent = store.unsent(test.ctx, Unsent::all(2 * NOTES_MAX)).await?;
        let Some(event) = unsent.iter().find(|event| event.payload == json!(round)).map(|event| event.id)
        else {
            return Err(Broken(format!("the event of round {round} is not unsent")));
        };
        let done = interrupted(test.ctx, &mut dice, |ctx| {
            let store = Arc::clone(&store);
            async move { store.mark_sent(&ctx, &[event]).await }
        })
        .await;
        match done {
            Some(Ok(())) => {
                let unsent = store.unsent(test.ctx, Unsent::all(2 * NOTES_MAX)).await?;
                let noted = unsent.iter().all(|unsent| unsent.id != event);
                holds(&format!("round {round}: a note that succeeded is there"), noted)?;
            }
            Some(Err(Error::Ended(_))) => ended.push(event),
            Some(Err(Error::Unknown(_))) | None => store.mark_sent(test.ctx, &[event]).await?,
            Some(Err(error)) => return Err(Broken(format!("round {round}: {error:?}"))),
        }
        if ended.len() == NOTES_MAX {
            still_unsent(test, &store, std::mem::take(&mut ended)).await?;
        }
    }
    still_unsent(test, &store, ended).await
}

/// These were not noted, and are not after all; then they are.
async fn still_unsent(test: &Test<'_>, store: &Arc<dyn Store>, events: Vec<Uuid>) -> Outcome {
    test.ctx.sleep(Duration::from_millis(50)).await.map_err(Error::from)?;
    let unsent = store.unsent(test.ctx, Unsent::all(2 * NOTES_MAX)).await?;
    for event in &events {
        let is_there = unsent.iter().any(|unsent| unsent.id == *event);
        holds("an event whose note said that its context ended is unsent", is_there)?;
    }
    Ok(store.mark_sent(test.ctx, &events).await?)
}
