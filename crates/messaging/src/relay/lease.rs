//! One relay's part in the division of an outbox.
//!
//! Invariants:
//! 1. A relay takes part for as long as it beats. Its tenure ends three quarters of a lease after it began to write its
//!    last beat, by its own monotonic clock; it then publishes nothing more.
//! 2. Another relay takes it out only after its beat has not moved for a whole lease, by the other's own monotonic
//!    clock. No two clocks are compared, and no wall clock is asked.
//! 3. Whoever was taken out, or could not beat, starts again as somebody new, and takes out whom it was before.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use staffa_context::{Context, Instant};
use staffa_storage::{Entity, Partitions, Result, Store, retry};
use uuid::Uuid;

use super::division::{Division, OUTBOX};

/// A relay's tenure.
pub(super) struct Lease {
    store: Arc<dyn Store>,
    relay: Uuid,
    /// Who it was in the tenure before, which may still take part and has nothing in hand.
    former: Option<Uuid>,
    length: Duration,
    /// The last beat of each other relay, and when it was first seen here.
    seen: Mutex<HashMap<Uuid, (u64, Instant)>>,
    until: Option<Instant>,
}

/// What a beat found.
pub(super) struct Share {
    /// What the relay may read.
    pub(super) own: Partitions,
    /// What it has yet, and is to let go.
    pub(super) leaving: Partitions,
}

impl Lease {
    pub(super) fn new(ctx: &Context, store: Arc<dyn Store>, length: Duration, former: Option<Uuid>) -> Self {
        Self { store, relay: ctx.uuid(), former, length, seen: Mutex::default(), until: None }
    }

    pub(super) fn relay(&self) -> Uuid {
        self.relay
    }

    /// Until when the tenure lasts unless another beat prolongs it; `None` before the first.
    pub(super) fn until(&self) -> Option<Instant> {
        self.until
    }

    /// Shows that the relay lives, looks whether the others do, hands over what it let go, and divides anew: a read and a
    /// commit. `None` when it was taken out.
    pub(super) async fn beat(&mut self, ctx: &Context, let_go: Partitions) -> Result<Option<Share>> {
        let (relay, joined) = (self.relay, self.until.is_some());
        let (division, begun) = self
            .change(ctx, |division, now| {
                let gone = self.observe(now, division);
                if joined && !division.has(relay) {
                    return;
                }
                division.beat(relay);
                self.former.iter().for_each(|former| division.leave(*former));
                gone.iter().for_each(|(relay, beat)| division.forget(*relay, *beat));
                division.hand_over(relay, let_go);
                division.divide();
            })
            .await?;
        if !division.has(relay) {
            return Ok(None);
        }
        self.former = None;
        self.until = Some(begun + self.length.mul_f32(0.75));
        let (own, leaving) = division.of(relay);
        Ok(Some(Share { own, leaving }))
    }

    /// Takes the relay out, which has let go of everything.
    pub(super) async fn leave(self, ctx: &Context) -> Result<()> {
        if self.until.is_none() && self.former.is_none() {
            return Ok(());
        }
        let leave = |division: &mut Division, _| {
            [Some(self.relay), self.former].into_iter().flatten().for_each(|relay| division.leave(relay));
            division.divide();
        };
        self.change(ctx, leave).await.map(drop)
    }

    /// Notes whose beat has moved, and gives those whose has not for a whole lease.
    fn observe(&self, now: Instant, division: &Division) -> Vec<(Uuid, u64)> {
        let mut all_seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        all_seen.retain(|relay, _| division.has(*relay));
        let mut gone = Vec::new();
        for (relay, beat) in division.beats().filter(|(relay, _)| *relay != self.relay) {
            let seen = all_seen.entry(relay).or_insert((beat, now));
            if seen.0 != beat {
                *seen = (beat, now);
            } else if now.saturating_duration_since(seen.1) >= self.length {
                gone.push((relay, beat));
            }
        }
        gone
    }

    /// Changes the division, and again when somebody else was faster; also gives when writing it began. Nobody saw the
    /// change before then.
    async fn change(
        &self,
        ctx: &Context,
        edit: impl Fn(&mut Division, Instant),
    ) -> Result<(Division, Instant)> {
        let edit = &edit;
        retry(ctx, || async move {
            let mut unit = self.store.unit();
            let found = unit.get::<Division>(ctx, OUTBOX.to_owned()).await?;
            let begun = ctx.clock().now();
            let edited = |mut division: Division| {
                edit(&mut division, begun);
                division
            };
            let changed = match found {
                Some(found) => unit.update(found.map(edited)),
                None => unit.insert(edited(Division::new())),
            };
            unit.commit(ctx).await?;
            Ok((changed.value, begun))
        })
        .await
    }
}

impl std::fmt::Debug for Lease {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lease")
            .field("kind", &Division::KIND)
            .field("relay", &self.relay)
            .finish_non_exhaustive()
    }
}
