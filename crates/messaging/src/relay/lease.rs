//! One relay's part in the division of an outbox.
//!
//! Invariants:
//! 1. A relay takes part for as long as it beats. Its tenure ends three quarters of a lease after the beginning of its
//!    last beat, by its own monotonic clock; it then publishes nothing more.
//! 2. Another relay takes it out only after its beat has not moved for a whole lease, by the other's own monotonic
//!    clock. No two clocks are compared, and no wall clock is asked.
//! 3. Whoever was taken out, or could not beat, starts again as somebody new.

use std::collections::HashMap;
use std::time::Duration;

use staffa_context::{Context, Instant};
use staffa_storage::{Entity, Partitions, Repository, Result, Store, retry};
use std::sync::Arc;
use uuid::Uuid;

use super::division::{Division, OUTBOX};

/// A relay's tenure.
pub(super) struct Lease {
    store: Arc<dyn Store>,
    relay: Uuid,
    length: Duration,
    /// The last beat of each other relay, and when it was first seen here.
    seen: HashMap<Uuid, (u64, Instant)>,
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
    pub(super) fn new(ctx: &Context, store: Arc<dyn Store>, length: Duration) -> Self {
        Self { store, relay: ctx.uuid(), length, seen: HashMap::new(), until: None }
    }

    /// Until when the tenure lasts unless another beat prolongs it; `None` before the first.
    pub(super) fn until(&self) -> Option<Instant> {
        self.until
    }

    /// Shows that the relay lives, looks whether the others do, hands over what it let go, and divides anew. `None` when
    /// it was taken out.
    pub(super) async fn beat(&mut self, ctx: &Context, let_go: Partitions) -> Result<Option<Share>> {
        let begun = ctx.clock().now();
        let gone = match Repository::<Division>::new(&self.store).find(ctx, OUTBOX.to_owned()).await? {
            Some(division) => self.observe(ctx, &division),
            None => Vec::new(),
        };
        let (relay, joined) = (self.relay, self.until.is_some());
        let division = change(ctx, &*self.store, |division| {
            if joined && !division.has(relay) {
                return;
            }
            division.beat(relay);
            gone.iter().for_each(|(relay, beat)| division.forget(*relay, *beat));
            division.hand_over(relay, let_go);
            division.divide();
        })
        .await?;
        if !division.has(relay) {
            return Ok(None);
        }
        self.until = Some(begun + self.length.mul_f32(0.75));
        let (own, leaving) = division.of(relay);
        Ok(Some(Share { own, leaving }))
    }

    /// Takes the relay out, which has let go of everything.
    pub(super) async fn leave(self, ctx: &Context) -> Result<()> {
        if self.until.is_none() {
            return Ok(());
        }
        let leave = |division: &mut Division| {
            division.leave(self.relay);
            division.divide();
        };
        change(ctx, &*self.store, leave).await.map(drop)
    }

    /// Notes whose beat has moved, and gives those whose has not for a whole lease.
    fn observe(&mut self, ctx: &Context, division: &Division) -> Vec<(Uuid, u64)> {
        let now = ctx.clock().now();
        self.seen.retain(|relay, _| division.has(*relay));
        let mut gone = Vec::new();
        for (relay, beat) in division.beats().filter(|(relay, _)| *relay != self.relay) {
            let seen = self.seen.entry(relay).or_insert((beat, now));
            if seen.0 != beat {
                *seen = (beat, now);
            } else if now.saturating_duration_since(seen.1) >= self.length {
                gone.push((relay, beat));
            }
        }
        gone
    }
}

/// Changes the division, and again when somebody else was faster.
async fn change(ctx: &Context, store: &dyn Store, edit: impl Fn(&mut Division)) -> Result<Division> {
    let edit = &edit;
    let edited = |mut division: Division| {
        edit(&mut division);
        division
    };
    let edited = &edited;
    retry(ctx, || async move {
        let mut unit = store.unit();
        let changed = match unit.get::<Division>(ctx, OUTBOX.to_owned()).await? {
            Some(found) => unit.update(found.map(edited)),
            None => unit.insert(edited(Division::new())),
        };
        unit.commit(ctx).await?;
        Ok(changed.value)
    })
    .await
}

impl std::fmt::Debug for Lease {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lease")
            .field("kind", &Division::KIND)
            .field("relay", &self.relay)
            .finish_non_exhaustive()
    }
}
