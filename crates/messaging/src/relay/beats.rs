//! The half of a relay that keeps its part of the outbox, and looks after its length and its dead.

use std::collections::HashSet;
use std::time::Duration;

use staffa_context::{Context, Instant, Metric, MetricKind};
use staffa_storage::{Partitions, Result};

use super::Relay;
use super::desk::Desk;
use super::lease::{Lease, Share};
use crate::Dead;

const UNSENT: Metric = Metric {
    name: "outbox_unsent_events",
    help: "Events that are not sent, those of held entities included, counted up to the limit of the outbox.",
    kind: MetricKind::Gauge,
};
const OLDEST: Metric = Metric {
    name: "outbox_oldest_unsent_seconds",
    help: "Age of the oldest event that is not sent, those of held entities included; 0 when there is none.",
    kind: MetricKind::Gauge,
};
const DEAD: Metric = Metric {
    name: "outbox_entities_dead",
    help: "Entities whose events wait for a person, since one of them was put aside.",
    kind: MetricKind::Gauge,
};
const PARTITIONS: Metric = Metric {
    name: "outbox_partitions",
    help: "Partitions of the outbox that this process relays.",
    kind: MetricKind::Gauge,
};

/// The beats of one tenure.
pub(super) struct Beats<'a> {
    relay: &'a Relay,
    desk: &'a Desk,
    /// `None` for a relay alone.
    lease: Option<Lease>,
}

impl<'a> Beats<'a> {
    pub(super) fn new(relay: &'a Relay, desk: &'a Desk, lease: Option<Lease>) -> Self {
        Self { relay, desk, lease }
    }

    /// Beats until the tenure or the context is over; gives the lease back.
    pub(super) async fn run(mut self, ctx: &Context) -> Option<Lease> {
        loop {
            let beaten = self.beat(ctx).await;
            if ctx.cause().is_some() {
                return self.lease;
            }
            let pause = match beaten {
                Ok(true) => {
                    self.measure(&self.bounded(ctx)).await;
                    self.relay.options.lease / 3
                }
                Ok(false) => {
                    tracing::warn!("the relay was taken out of the outbox; starting again");
                    return self.lease;
                }
                Err(error) => {
                    if !self.relay.pause.is_why(&error) {
                        tracing::warn!(%error, "the relay could not beat; trying again");
                    }
                    self.relay.options.lease / 12
                }
            };
            if self.is_over(ctx) {
                if !self.relay.pause.is_on() {
                    tracing::warn!("the relay could not beat within its lease; starting again");
                }
                return self.lease;
            }
            // Whichever comes first; the next round sees which.
            let _ = self.bounded(ctx).with_timeout(pause).run(self.desk.let_go.notified()).await;
        }
    }

    /// A context that ends with the tenure.
    fn bounded(&self, ctx: &Context) -> Context {
        match self.until() {
            Some(until) => ctx.with_deadline(until),
            None => ctx.with_timeout(self.relay.options.lease),
        }
    }

    fn until(&self) -> Option<Instant> {
        self.lease.as_ref().and_then(Lease::until)
    }

    fn is_over(&self, ctx: &Context) -> bool {
        self.until().is_some_and(|until| ctx.clock().now() >= until)
    }

    /// Whether the relay still takes part.
    async fn beat(&mut self, ctx: &Context) -> Result<bool> {
        let bounded = self.bounded(ctx);
        let share = match &mut self.lease {
            Some(lease) => {
                let share = lease.beat(&bounded, self.desk.free()).await?;
                self.relay.pause.end();
                share
            }
            None => Some(Share { own: Partitions::ALL, leaving: Partitions::NONE }),
        };
        let Some(Share { own, leaving }) = share else { return Ok(false) };
        // What leaves is let go at once. What is new is read only once its dead are known.
        let had = self.desk.orders().own;
        let kept = own.iter().filter(|partition| had.contains(*partition));
        self.desk.order(kept.fold(Partitions::NONE, Partitions::with), leaving, self.until());
        // The beat has prolonged the tenure.
        self.look_for_dead(&self.bounded(ctx)).await?;
        self.desk.order(own, leaving, self.until());
        ctx.series(&PARTITIONS, &[]).set(own.iter().map(|_| 1).sum());
        Ok(true)
    }

    async fn look_for_dead(&self, ctx: &Context) -> Result<()> {
        let put_aside = self.desk.put_aside();
        let limit = self.relay.options.held_max;
        let dead: HashSet<_> = Dead::new(&self.relay.store).entities(ctx, limit).await?.into_iter().collect();
        ctx.series(&DEAD, &[]).set(whole(dead.len()));
        self.desk.bury(dead, put_aside);
        Ok(())
    }

    /// Tells how much is unsent, and whether that is too much.
    async fn measure(&self, ctx: &Context) {
        let limit = self.relay.options.backlog_max;
        match self.relay.store.backlog(ctx, limit).await {
            Ok(backlog) => {
                self.relay.room.set_full(backlog.events >= limit, limit);
                let age = backlog.oldest.map_or(Duration::ZERO, |oldest| ctx.wall().since(oldest));
                ctx.series(&UNSENT, &[]).set(whole(backlog.events));
                ctx.series(&OLDEST, &[]).set(i64::try_from(age.as_secs()).unwrap_or(i64::MAX));
            }
            Err(_) if ctx.cause().is_some() => {}
            Err(error) => tracing::warn!(%error, "the length of the outbox could not be read"),
        }
    }
}

fn whole(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
