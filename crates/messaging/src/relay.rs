//! Hands the events of an outbox to a bus.
//!
//! Invariants:
//! 1. An event is marked as sent only after the bus said that its delivery is certain.
//! 2. The events of one entity are published one after the other, in order; an entity whose event failed is held
//!    back until that event is tried again.
//! 3. What is unsent is read anew each time: no high-water mark skips what commits late.
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{StreamExt, iter};
use staffa_context::{
    Cause, Context, Failure, Instant, Metric, MetricKind, SpanKind, Timestamp, TraceContext,
};
use staffa_storage::{Event, Store, Unsent};
use uuid::Uuid;

use crate::Bus;

const PUBLISHED: Metric = Metric {
    name: "outbox_events_published",
    help: "Events that the relay handed to the bus, by result.",
    kind: MetricKind::Counter,
};
const HELD: Metric = Metric {
    name: "outbox_entities_held",
    help: "Entities whose events wait since one of them failed.",
    kind: MetricKind::Gauge,
};
const OLDEST: Metric = Metric {
    name: "outbox_oldest_unsent_seconds",
    help: "Age of the oldest event that is not sent, those of held entities included; 0 when there is none.",
    kind: MetricKind::Gauge,
};

/// How a relay works.
#[derive(Clone, Debug)]
pub struct RelayOptions {
    /// How many events are read at once; 100 by default.
    pub batch_max: usize,
    /// How many entities are served at once; 16 by default. The next batch is read when all of this one are done.
    pub entities_max: usize,
    /// How long it waits when nothing was there, unless it is nudged; 250 ms by default.
    pub idle: Duration,
    /// How long one event may take to be published; 30 s by default. One that takes that long holds up the events
    /// that are not in its batch for as long.
    pub timeout: Duration,
    /// How long an entity is held after its event failed first; it doubles with each failure. 100 ms by default.
    pub backoff: Duration,
    /// How long an entity is held at most; 30 s by default.
    pub backoff_max: Duration,
    /// How many entities may be held before the relay stops reading until one is due; 1,000 by default.
    pub held_max: usize,
}

impl Default for RelayOptions {
    fn default() -> Self {
        Self {
            batch_max: 100,
            entities_max: 16,
            idle: Duration::from_millis(250),
            timeout: Duration::from_secs(30),
            backoff: Duration::from_millis(100),
            backoff_max: Duration::from_secs(30),
            held_max: 1_000,
        }
    }
}

/// Hands the events of one outbox to a bus, until its context ends.
pub struct Relay {
    store: Arc<dyn Store>,
    bus: Arc<dyn Bus>,
    options: RelayOptions,
    nudge: Nudge,
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

struct Hold {
    failures: u32,
    until: Instant,
    /// When the event that failed was emitted.
    since: Timestamp,
}

/// What became of an entity's events in one pass.
struct Published {
    subject: Subject,
    sent: Vec<Uuid>,
    /// The first that failed, after which none was tried.
    failed: Option<(Timestamp, Failure)>,
}

impl Relay {
    /// A relay between a store's outbox and a bus.
    pub fn new(store: Arc<dyn Store>, bus: Arc<dyn Bus>, options: RelayOptions) -> Self {
        Self { store, bus, options, nudge: Nudge::default() }
    }

    /// What wakes this relay before its idle time is over.
    pub fn nudge(&self) -> Nudge {
        self.nudge.clone()
    }

    /// Works until the context ends, and gives the cause. What fails is logged and tried again.
    ///
    /// Cancel-safe: an event whose publishing was cut is published again.
    pub async fn run(&self, ctx: &Context) -> Cause {
        let mut held = HashMap::new();
        loop {
            let moved = match self.pass(ctx, &mut held).await {
                Ok(moved) => moved,
                // What the end cut off is no trouble.
                Err(_) if ctx.cause().is_some() => false,
                Err(failure) => {
                    tracing::warn!(%failure, "the outbox could not be read; trying again");
                    false
                }
            };
            if let Some(cause) = ctx.cause() {
                return cause;
            }
            if !moved {
                // Whichever comes first: a nudge, the idle time, or the end, which the next round sees.
                let idle = ctx.with_timeout(self.options.idle);
                let _ = idle.run(self.nudge.0.notified()).await;
            }
        }
    }

    /// Publishes one batch; whether any event was sent.
    async fn pass(&self, ctx: &Context, held: &mut HashMap<Subject, Hold>) -> Result<bool, Failure> {
        let now = ctx.clock().now();
        let waiting: Vec<Subject> =
            held.iter().filter(|(_, hold)| hold.until > now).map(|(subject, _)| subject.clone()).collect();
        if waiting.len() >= self.options.held_max {
            tell_oldest(ctx, &[], held);
            return Ok(false);
        }
        let events =
            self.store.unsent(ctx, Unsent { held: &waiting, ..Unsent::all(self.options.batch_max) }).await?;
        tell_oldest(ctx, &events, held);
        let results: Vec<Published> = iter(by_entity(events))
            .map(|(subject, events)| self.publish_in_order(ctx, subject, events))
            .buffer_unordered(self.options.entities_max)
            .collect()
            .await;
        let sent: Vec<Uuid> = results.iter().flat_map(|published| published.sent.iter().copied()).collect();
        for published in results {
            self.hold(ctx, held, published);
        }
        ctx.series(&HELD, &[]).set(i64::try_from(held.len()).unwrap_or(i64::MAX));
        if sent.is_empty() {
            return Ok(false);
        }
        // What was delivered is noted even if the context ends now, within a bound of its own.
        let note = ctx.shielded().with_timeout(self.options.timeout);
        self.store.mark_sent(&note, &sent).await?;
        Ok(true)
    }

    async fn publish_in_order(&self, ctx: &Context, subject: Subject, events: Vec<Event>) -> Published {
        let mut sent = Vec::with_capacity(events.len());
        let mut failed = None;
        for event in events {
            match self.publish(ctx, &event).await {
                Ok(()) => sent.push(event.id),
                Err(failure) => {
                    failed = Some((event.at, failure));
                    break;
                }
            }
        }
        Published { subject, sent, failed }
    }

    async fn publish(&self, ctx: &Context, event: &Event) -> Result<(), Failure> {
        let trace = event.trace.as_deref().and_then(TraceContext::from_traceparent);
        let ctx = ctx.with_trace(trace).with_timeout(self.options.timeout);
        let mut span = ctx.span_of(SpanKind::Producer, format!("publish {}", event.name));
        let published =
            span.run(self.bus.publish(&span, event)).await.unwrap_or_else(|cause| Err(cause.into()));
        let result = if published.is_ok() { "sent" } else { "failed" };
        ctx.series(&PUBLISHED, &[("result", result)]).add(1);
        if let Err(failure) = &published {
            span.fail(failure);
        }
        published
    }

    /// Holds an entity whose event failed, for longer each time, or lets it go.
    fn hold(&self, ctx: &Context, held: &mut HashMap<Subject, Hold>, published: Published) {
        let Published { subject, sent, failed } = published;
        let Some((since, failure)) = failed else {
            held.remove(&subject);
            return;
        };
        if ctx.cause().is_some() {
            // What the end cut off is no trouble.
            return;
        }
        // A failure after one that was sent is another event's first.
        let before = held.get(&subject).filter(|_| sent.is_empty()).map_or(0, |hold| hold.failures);
        let failures = before.saturating_add(1);
        let wait = self.options.backoff.saturating_mul(1 << before.min(20)).min(self.options.backoff_max);
        tracing::warn!(%failure, kind = subject.0, entity = subject.1, failures, "an event could not be published");
        held.insert(subject, Hold { failures, until: ctx.clock().now() + wait, since });
    }
}

/// Records the age of the oldest of what was read and what is held. What is read comes oldest commit first.
fn tell_oldest(ctx: &Context, events: &[Event], held: &HashMap<Subject, Hold>) {
    let oldest = held.values().map(|hold| hold.since).chain(events.first().map(|event| event.at)).min();
    let age = oldest.map_or(Duration::ZERO, |oldest| ctx.wall().since(oldest));
    ctx.series(&OLDEST, &[]).set(i64::try_from(age.as_secs()).unwrap_or(i64::MAX));
}

/// The events of each entity, in the order in which they came.
fn by_entity(events: Vec<Event>) -> Vec<(Subject, Vec<Event>)> {
    let mut order: Vec<(Subject, Vec<Event>)> = Vec::new();
    let mut places: HashMap<Subject, usize> = HashMap::new();
    for event in events {
        let subject = (event.kind.clone(), event.entity.clone());
        let place = *places.entry(subject.clone()).or_insert_with(|| {
            order.push((subject, Vec::new()));
            order.len() - 1
        });
        order[place].1.push(event);
    }
    order
}

impl fmt::Debug for Relay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Relay").field("options", &self.options).finish_non_exhaustive()
    }
}
