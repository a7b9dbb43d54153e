//! Hands the events of an outbox to a bus.
//!
//! Invariants:
//! 1. An event is marked as sent only after the bus said that its delivery is certain.
//! 2. The events of one entity are published one after the other, in order; an entity whose event failed is held
//!    back until that event is tried again, and one whose event is dead until a person has decided.
//! 3. What is unsent is read anew each time: no high-water mark skips what commits late.
//! 4. Of several relays of an outbox one has each partition, and passes it on with nothing of it in hand.

mod beats;
mod desk;
mod division;
mod lease;
mod pause;
mod room;
mod rounds;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join;
use staffa_context::{Cause, Context};
use staffa_storage::{Schema, Store};
use uuid::Uuid;

use crate::Bus;
use beats::Beats;
use desk::Desk;
pub(crate) use division::Division;
use lease::Lease;
use pause::Pause;
pub use room::Room;
use rounds::Rounds;

/// How a relay works.
#[derive(Clone, Debug)]
pub struct RelayOptions {
    /// Whether nobody else relays this outbox: a relay of a store that one process owns. It then needs no lease, and
    /// begins at once. Off by default.
    pub alone: bool,
    /// How long after its last beat a relay that is gone is taken to be so, 6 s by default; at least 100 ms. It beats
    /// three times as often, and publishes nothing from three quarters of that time on.
    pub lease: Duration,
    /// How many events are read at once; 100 by default.
    pub batch_max: usize,
    /// How many entities are served at once; 16 by default. So many whose events hang hold up the others.
    pub entities_max: usize,
    /// How long it waits when nothing was there, unless it is nudged; 250 ms by default.
    pub idle: Duration,
    /// How long one event may take to be published; 30 s by default. One that takes that long holds up its own entity, and
    /// a partition's hand-over to another relay.
    pub timeout: Duration,
    /// How long an entity is held after its event failed first; it doubles with each failure. 100 ms by default.
    pub backoff: Duration,
    /// How long an entity is held at most; 30 s by default.
    pub backoff_max: Duration,
    /// After how many failures an event is put aside as dead; 20 by default, some seven minutes with the default backoff.
    /// Those that say nothing of the event do not count: of kind unavailable, exhausted, deadline exceeded or cancelled.
    /// The count begins anew with another relay.
    pub attempts_max: u32,
    /// How many entities may be held, dead ones included, before the relay stops reading; 1,000 by default.
    pub held_max: usize,
    /// How many unsent events fill the outbox, so that [`Room::check`] refuses more; 100,000 by default.
    pub backlog_max: usize,
}

impl Default for RelayOptions {
    fn default() -> Self {
        Self {
            alone: false,
            lease: Duration::from_secs(6),
            batch_max: 100,
            entities_max: 16,
            idle: Duration::from_millis(250),
            timeout: Duration::from_secs(30),
            backoff: Duration::from_millis(100),
            backoff_max: Duration::from_secs(30),
            attempts_max: 20,
            held_max: 1_000,
            backlog_max: 100_000,
        }
    }
}

impl RelayOptions {
    /// How long to wait after so many failures in a row.
    fn pause(&self, failures: u32) -> Duration {
        self.backoff.saturating_mul(1 << failures.saturating_sub(1).min(20)).min(self.backoff_max)
    }
}

/// What a store is opened with besides, for its outbox to be relayed and its dead events to be kept.
pub fn schemas() -> Vec<Schema> {
    vec![Schema::of::<Division>(), Schema::of::<crate::DeadEvent>()]
}

/// Hands the events of one outbox to a bus, until its context ends.
///
/// Several relays of one outbox, in as many processes, divide it among themselves by the entities' partitions. Each
/// event is published at least once, and again when a relay dies between publishing and noting it.
pub struct Relay {
    store: Arc<dyn Store>,
    bus: Arc<dyn Bus>,
    options: RelayOptions,
    nudge: Nudge,
    room: Room,
    pause: Pause,
}

/// Tells an idle relay that there is something to send. Clones nudge the same relay; it costs an atomic when the
/// relay is awake.
#[derive(Clone, Debug, Default)]
pub struct Nudge(Arc<tokio::sync::Notify>);

impl Nudge {
    /// Lets the relay look now, or once more when it is looking.
    pub fn nudge(&self) {
        self.0.notify_one();
    }
}

/// An entity: its kind and id.
type Subject = (String, String);

impl Relay {
    /// A relay between a bus and the outbox of a store that was opened with [`schemas`].
    pub fn new(store: Arc<dyn Store>, bus: Arc<dyn Bus>, options: RelayOptions) -> Self {
        let options = RelayOptions { lease: options.lease.max(Duration::from_millis(100)), ..options };
        let (nudge, room, pause) = (Nudge::default(), Room::default(), Pause::default());
        Self { store, bus, options, nudge, room, pause }
    }

    /// What wakes this relay before its idle time is over.
    pub fn nudge(&self) -> Nudge {
        self.nudge.clone()
    }

    /// What tells whether the outbox has room, while this relay runs.
    pub fn room(&self) -> Room {
        self.room.clone()
    }

    /// Works until the context ends, and gives the cause. What fails is logged and tried again.
    ///
    /// When the context ends, publishing is cut, what was sent is noted, and other relays take over at their next beat.
    /// Dropping the future is safe: an event whose publishing was cut is published again, and others take over after a
    /// lease.
    pub async fn run(&self, ctx: &Context) -> Cause {
        let mut former = None;
        loop {
            former = self.serve(ctx, former).await;
            if let Some(cause) = ctx.cause() {
                return cause;
            }
        }
    }

    /// One tenure, after that of `former`; gives who it was, unless it is alone.
    async fn serve(&self, ctx: &Context, former: Option<Uuid>) -> Option<Uuid> {
        let (tenure, over) = ctx.with_cancel();
        let desk = Desk::default();
        let lease = || Lease::new(ctx, Arc::clone(&self.store), self.options.lease, former);
        let lease = (!self.options.alone).then(lease);
        let beats = async {
            let lease = Beats::new(self, &desk, lease).run(&tenure).await;
            over.cancel(Cause::cancelled("the relay's tenure is over"));
            lease
        };
        let (lease, ()) = join(beats, Rounds::new(self, &tenure, &desk).run()).await;
        let lease = lease?;
        let relay = lease.relay();
        if ctx.cause().is_some()
            && let Err(error) = lease.leave(&ctx.shielded().with_timeout(self.options.lease / 3)).await
            && !self.pause.is_why(&error)
        {
            tracing::warn!(%error, "the relay could not take its leave; others wait for its lease to run out");
        }
        Some(relay)
    }
}

impl fmt::Debug for Relay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Relay").field("options", &self.options).finish_non_exhaustive()
    }
}
