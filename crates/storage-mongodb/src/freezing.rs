//! How a store is frozen and thawed: gate by gate, so that who was killed half-way is followed by whoever comes next.
//!
//! The record of the store says what is wanted, and counts its turns; each gate says of which turn it is. Invariants:
//! 1. The record is turned first, then each gate to it; a gate is never turned back to an older turn.
//! 2. While all gates are shut and the record says so, no unit is under way and none begins.
//! 3. A gate that is shut though the record says that nothing is frozen was left by a thaw that was cut: whoever meets it opens it.
//! 4. What has no turn yet, record or gate, is older than every turn: builds of the same format did not count them.

use std::time::Duration;

use bson::{Document, doc};
use futures_util::{TryStreamExt, stream};
use staffa_storage::{Error, Result};

use crate::call::Call;
use crate::error::{told, waits};
use crate::outbox::{self, GATES};
use crate::row::{self, int};
use crate::schema::META;
use crate::shared::Shared;
use crate::transaction::{self, raw};

/// How many gates are turned at once: as many connections as there are beside those for units.
const GATES_AT_ONCE: usize = 4;
/// How long the server tries to turn a gate; then it is asked again.
const TURN_MAX: Duration = Duration::from_millis(500);

/// What the record of a store says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Noted {
    pub(crate) frozen: bool,
    pub(crate) turn: i64,
}

/// What is noted now; a freezing begins with it.
pub(crate) async fn noted(store: &Shared, call: &Call) -> Result<Noted> {
    let record = store.find_one(call, META, doc! { "_id": "format" }).await?;
    Ok(match record {
        Some(record) => {
            let turn = row::optional(&record, "turn")?.map_or(Ok(0), |_| int(&record, "turn"))?;
            Noted { frozen: record.get_bool("frozen").unwrap_or(false), turn }
        }
        None => Noted { frozen: false, turn: 0 },
    })
}

/// Whether it is frozen: a freezing that was interrupted has left gates open, and holds back nobody for certain.
pub(crate) async fn is_frozen(store: &Shared, call: &Call) -> Result<bool> {
    if !noted(store, call).await?.frozen {
        return Ok(false);
    }
    are_all(store, call, doc! { "frozen": true }).await
}

/// Whether every gate is as said.
async fn are_all(store: &Shared, call: &Call, said: Document) -> Result<bool> {
    let mut gates = doc! { "_id": { "$gte": 0, "$lt": GATES } };
    gates.extend(said);
    Ok(store.count(call, outbox::COLLECTION, gates, GATES as usize).await? == GATES as usize)
}

/// Shuts or opens all gates. Of several who turn them at once, the last one to begin wins.
///
/// # Errors
///
/// [`Error::Unavailable`] when somebody else did the opposite meanwhile. [`Error::Unusable`] when a gate was not shut, since it
/// is gone or somebody wrote it by hand.
pub(crate) async fn freeze(store: &Shared, call: &Call, frozen: bool) -> Result<()> {
    let note = doc! { "$set": { "frozen": frozen }, "$inc": { "turn": 1_i64 } };
    let turned = store.update(call, META, vec![raw(&doc! { "q": { "_id": "format" }, "u": note })?]).await?;
    transaction::done(&turned)?;
    loop {
        let wanted = noted(store, call).await?;
        if wanted.frozen != frozen {
            let other = if frozen { "thawed" } else { "froze" };
            return Err(Error::Unavailable(format!("somebody else {other} the store meanwhile")));
        }
        stream::iter((0..GATES).map(Ok))
            .try_for_each_concurrent(GATES_AT_ONCE, |gate| turn(store, call, gate, wanted))
            .await?;
        let shut = doc! { "frozen": true, "turn": wanted.turn };
        let are_shut = !frozen || are_all(store, call, shut).await?;
        // Whoever turned gates since has turned the record before.
        if noted(store, call).await? == wanted {
            return if are_shut { Ok(()) } else { Err(open_gate()) };
        }
    }
}

fn open_gate() -> Error {
    let gates = outbox::COLLECTION;
    Error::Unusable(format!(
        "the collection {gates} lacks one of its gates, or one was not shut: open the store again"
    ))
}

/// Opens a gate that a thaw has left shut; gives whether it is open now.
pub(crate) async fn finish_thaw(store: &Shared, call: &Call, gate: i32) -> Result<bool> {
    let wanted = noted(store, call).await?;
    if wanted.frozen {
        return Ok(false);
    }
    turn(store, call, gate, wanted).await?;
    Ok(true)
}

/// Shuts or opens a gate, once no unit is passing it. Each is a write of its own: one over all gates might never find all of them
/// free at once.
async fn turn(store: &Shared, call: &Call, gate: i32, wanted: Noted) -> Result<()> {
    let older = doc! { "_id": gate, "turn": { "$not": { "$gte": wanted.turn } } };
    let change = doc! { "$set": { "frozen": wanted.frozen, "turn": wanted.turn } };
    let turned = raw(&doc! { "q": older, "u": change })?;
    loop {
        call.check()?;
        match store.try_update(call, outbox::COLLECTION, vec![turned.clone()], TURN_MAX).await {
            Ok(reply) => match transaction::done(&reply) {
                Err(_) if transaction::waits(&reply) => {}
                done => return done,
            },
            Err(error) if waits(&error) => {}
            Err(error) => return Err(told(error)),
        }
        store.presence.held_up();
        call.context().sleep(Duration::from_millis(2)).await?;
    }
}
