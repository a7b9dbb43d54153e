//! The half of a relay that reads, publishes and notes.
//!
//! Everything that waits is a step, and all steps are under way side by side: one that hangs holds up its own entity
//! and no more. An entity is in hand from when its events are read until what was sent of it is noted; it is not read
//! meanwhile.

use std::collections::{HashMap, VecDeque};

use futures_util::stream::{FuturesUnordered, StreamExt};
use staffa_context::{BoxFuture, Context, Failure, Instant, Metric, MetricKind, SpanKind, TraceContext};
use staffa_storage::{Event, Partitions, Result, Unsent};
use uuid::Uuid;

use super::desk::{Desk, Orders};
use super::{Relay, Subject};
use crate::DeadEvent;
use crate::failures::{News, counts};

const PUBLISHED: Metric = Metric {
    name: "outbox_events_published",
    help: "Events that the relay handed to the bus, by result.",
    kind: MetricKind::Counter,
};
const HELD: Metric = Metric {
    name: "outbox_entities_held",
    help: "Entities whose events wait since one of them failed, and is to be tried again.",
    kind: MetricKind::Gauge,
};

/// The rounds of one tenure.
pub(super) struct Rounds<'a> {
    relay: &'a Relay,
    ctx: &'a Context,
    desk: &'a Desk,
    steps: FuturesUnordered<BoxFuture<'a, Step>>,
    /// What was read and not begun.
    queue: VecDeque<(Subject, Vec<Event>)>,
    /// The entities in hand, each with its partition.
    busy: HashMap<Subject, u8>,
    holds: HashMap<Subject, Hold>,
    publishing: usize,
    /// What was sent and not noted.
    unnoted: Vec<Sent>,
    noting: bool,
    reading: bool,
    /// When it may read next; a nudge makes it now.
    read_at: Instant,
    note_at: Instant,
    /// How often in a row the store has failed.
    troubles: u32,
    /// Whether it said that it does not read, since too much is held.
    told_held: bool,
    news: News,
}

/// An entity whose event failed.
struct Hold {
    /// How often, in a row.
    failures: u32,
    /// How often in a way that counts towards death.
    attempts: u32,
    /// `None` once it was due and is being read.
    until: Option<Instant>,
    partition: u8,
}

/// What was sent of an entity.
struct Sent {
    subject: Subject,
    events: Vec<Uuid>,
}

/// What has ended.
enum Step {
    Read { limit: usize, events: Result<Vec<Event>> },
    Published { sent: Sent, failed: Option<(Event, Failure)> },
    Noted { sent: Vec<Sent>, noted: Result<()> },
    PutAside { event: Event, failure: Failure, put_aside: Result<()> },
}

impl<'a> Rounds<'a> {
    pub(super) fn new(relay: &'a Relay, ctx: &'a Context, desk: &'a Desk) -> Self {
        let now = ctx.clock().now();
        Self {
            relay,
            ctx,
            desk,
            steps: FuturesUnordered::new(),
            queue: VecDeque::new(),
            busy: HashMap::new(),
            holds: HashMap::new(),
            publishing: 0,
            unnoted: Vec::new(),
            noting: false,
            reading: false,
            read_at: now,
            note_at: now,
            troubles: 0,
            told_held: false,
            news: News::default(),
        }
    }

    /// Works until the context ends, and what was sent by then is noted.
    pub(super) async fn run(mut self) {
        loop {
            self.begin();
            let ended = self.ctx.cause().is_some();
            if ended && self.steps.is_empty() {
                return;
            }
            let due = self.due();
            tokio::select! {
                Some(step) = self.steps.next() => self.end(step),
                () = self.desk.ordered.notified() => self.obey(),
                () = self.relay.nudge.0.notified() => self.read_at = self.now(),
                () = self.ctx.clock().sleep_until(due), if !ended && due > self.now() => {}
                _ = self.ctx.done(), if !ended => self.queue.clear(),
            }
        }
    }

    fn now(&self) -> Instant {
        self.ctx.clock().now()
    }

    /// When something is to be begun that no step, order or nudge tells of.
    fn due(&self) -> Instant {
        let hold = self.holds.values().filter_map(|hold| hold.until).min();
        let read = if self.reading { None } else { Some(self.read_at) };
        let note = Some(self.note_at).filter(|_| !self.unnoted.is_empty());
        let now = self.now();
        let later = [hold, read, note].into_iter().flatten().filter(|at| *at > now).min();
        later.unwrap_or(now + self.relay.options.idle)
    }

    /// Begins what may be begun.
    fn begin(&mut self) {
        let now = self.now();
        if !self.noting && !self.unnoted.is_empty() && now >= self.note_at {
            self.note();
        }
        if self.ctx.cause().is_some() {
            return;
        }
        while self.publishing < self.relay.options.entities_max
            && let Some((subject, events)) = self.queue.pop_front()
        {
            self.publish(subject, events);
        }
        let has_place = self.publishing < self.relay.options.entities_max && self.queue.is_empty();
        if !self.reading && has_place && self.troubles_are_over(now) && self.is_read_due(now) {
            self.read(now);
        }
    }

    /// What was sent is noted before more is read.
    fn troubles_are_over(&self, now: Instant) -> bool {
        self.unnoted.is_empty() || now >= self.note_at
    }

    fn is_read_due(&self, now: Instant) -> bool {
        now >= self.read_at || self.holds.values().any(|hold| hold.until.is_some_and(|until| until <= now))
    }

    fn read(&mut self, now: Instant) {
        self.read_at = now + self.relay.options.idle;
        let Orders { own, until, dead, .. } = self.desk.orders();
        if own == Partitions::NONE || until.is_some_and(|until| until <= now) {
            return;
        }
        let Some(passed_over) = self.passed_over(now, &dead) else { return };
        self.reading = true;
        let (store, ctx, limit) = (&self.relay.store, self.ctx, self.relay.options.batch_max);
        self.steps.push(Box::pin(async move {
            let events = store.unsent(ctx, Unsent { partitions: own, held: &passed_over, limit }).await;
            Step::Read { limit, events }
        }));
    }

    /// The entities that are not read now; `None` when there are too many of them to read at all.
    fn passed_over(
        &mut self,
        now: Instant,
        dead: &std::collections::HashSet<Subject>,
    ) -> Option<Vec<Subject>> {
        for hold in self.holds.values_mut().filter(|hold| hold.until.is_some_and(|until| until <= now)) {
            hold.until = None;
        }
        let waiting = self.holds.iter().filter(|(_, hold)| hold.until.is_some()).map(|(subject, _)| subject);
        let waiting = waiting.filter(|subject| !self.busy.contains_key(*subject));
        let passed_over: Vec<Subject> = waiting.chain(dead).chain(self.busy.keys()).cloned().collect();
        let too_many = passed_over.len() >= self.relay.options.held_max;
        if too_many && !self.told_held {
            let (dead, held) = (dead.len(), self.holds.len());
            tracing::error!(dead, held, "the relay does not read on: too many entities are held");
        }
        self.told_held = too_many;
        Some(passed_over).filter(|_| !too_many)
    }

    fn publish(&mut self, subject: Subject, events: Vec<Event>) {
        self.publishing += 1;
        let (relay, ctx, desk) = (self.relay, self.ctx, self.desk);
        self.steps.push(Box::pin(async move {
            let mut sent = Sent { subject, events: Vec::with_capacity(events.len()) };
            for event in events {
                // In mid-batch a partition may be called back, or the tenure be over.
                if !desk.may_begin(event.partition(), ctx.clock().now()) {
                    break;
                }
                match publish(relay, ctx, &event).await {
                    Ok(()) => sent.events.push(event.id),
                    Err(failure) => return Step::Published { sent, failed: Some((event, failure)) },
                }
            }
            Step::Published { sent, failed: None }
        }));
    }

    fn note(&mut self) {
        self.noting = true;
        let sent = std::mem::take(&mut self.unnoted);
        let events: Vec<Uuid> = sent.iter().flat_map(|sent| sent.events.iter().copied()).collect();
        let store = &self.relay.store;
        // What was delivered is noted even if the context ends now, within a bound of its own.
        let ctx = self.ctx.shielded().with_timeout(self.relay.options.timeout);
        self.steps.push(Box::pin(async move {
            let noted = store.mark_sent(&ctx, &events).await;
            Step::Noted { sent, noted }
        }));
    }

    fn put_aside(&mut self, event: Event, failure: Failure, attempts: u32) {
        tracing::error!(
            %failure, event = %event.id, name = event.name, kind = event.kind, entity = event.entity, attempts,
            "an event failed too often and is put aside; its entity is held until somebody decides"
        );
        let (store, ctx) = (&self.relay.store, self.ctx);
        self.steps.push(Box::pin(async move {
            let put_aside = DeadEvent::of(ctx, &event, &failure, attempts).put_aside(ctx, &**store).await;
            Step::PutAside { event, failure, put_aside }
        }));
    }

    fn end(&mut self, step: Step) {
        match step {
            Step::Read { limit, events } => {
                self.reading = false;
                match events {
                    Ok(events) => self.take(events, limit),
                    Err(error) => {
                        let pause = self.trouble(&error, "the outbox could not be read; trying again");
                        self.read_at = self.now() + pause;
                    }
                }
            }
            Step::Published { sent, failed } => self.published(sent, failed),
            Step::Noted { sent, noted } => self.noted(sent, noted),
            Step::PutAside { event, failure, put_aside } => {
                let subject = subject_of(&event);
                match put_aside {
                    Ok(()) => self.desk.bury_one(subject.clone()),
                    Err(error) if self.ctx.cause().is_none() => {
                        if !self.relay.pause.is_why(&error) {
                            tracing::warn!(%error, "an event could not be put aside; trying again");
                        }
                        self.hold(&event, &failure);
                    }
                    Err(_) => {}
                }
                self.let_go(&subject);
            }
        }
        self.tell();
    }

    /// Notes a failure of the store, and gives how long to wait.
    fn trouble(&mut self, error: &staffa_storage::Error, words: &'static str) -> std::time::Duration {
        // What the end cut off is no trouble.
        if self.ctx.cause().is_none() && !self.relay.pause.is_why(error) {
            tracing::warn!(%error, "{words}");
        }
        self.troubles = self.troubles.saturating_add(1);
        let options = &self.relay.options;
        options.pause(self.troubles).min(options.idle.saturating_mul(8)).max(options.idle)
    }

    /// Lines up what was read.
    fn take(&mut self, events: Vec<Event>, limit: usize) {
        self.troubles = 0;
        if !events.is_empty() {
            self.read_at = self.now();
        }
        let whole = events.len() < limit;
        let orders = self.desk.orders();
        let read = by_entity(events);
        if whole {
            // What was due, is in nobody's hand and is not there any more was settled by somebody else.
            let (busy, is_read) = (&self.busy, |subject: &Subject| read.iter().any(|(it, _)| it == subject));
            self.holds.retain(|subject, hold| {
                hold.until.is_some() || busy.contains_key(subject) || is_read(subject)
            });
        }
        for (subject, events) in read {
            let partition = events.first().map_or(0, Event::partition);
            if orders.own.contains(partition) && !orders.dead.contains(&subject) {
                self.busy.insert(subject.clone(), partition);
                self.queue.push_back((subject, events));
            }
        }
    }

    fn published(&mut self, sent: Sent, failed: Option<(Event, Failure)>) {
        self.publishing -= 1;
        if !sent.events.is_empty() {
            self.news.succeeded();
        }
        if !sent.events.is_empty() || failed.is_none() {
            // A failure after one that was sent is another event's first.
            self.holds.remove(&sent.subject);
        }
        let subject = sent.subject.clone();
        let is_noted = sent.events.is_empty();
        let mut dying = false;
        if let Some((event, failure)) = failed
            && self.ctx.cause().is_none()
        {
            let attempts = self.hold(&event, &failure);
            dying = attempts >= self.relay.options.attempts_max.max(1);
            if dying {
                self.put_aside(event, failure, attempts);
            }
        }
        if !is_noted {
            self.unnoted.push(sent);
        } else if !dying {
            self.let_go(&subject);
        }
    }

    fn noted(&mut self, sent: Vec<Sent>, noted: Result<()>) {
        self.noting = false;
        match noted {
            Ok(()) => {
                self.relay.pause.end();
                self.troubles = 0;
                self.read_at = self.now();
                sent.iter().for_each(|sent| self.let_go(&sent.subject));
            }
            // It is published again some day.
            Err(_) if self.ctx.cause().is_some() => {}
            Err(error) => {
                let pause = self.trouble(&error, "what was sent could not be noted; trying again");
                self.note_at = self.now() + pause;
                self.unnoted.extend(sent);
            }
        }
    }

    /// Holds an entity whose event failed, for longer each time; gives how many of its failures count.
    fn hold(&mut self, event: &Event, failure: &Failure) -> u32 {
        let subject = subject_of(event);
        let before = self.holds.get(&subject).map_or((0, 0), |hold| (hold.failures, hold.attempts));
        let failures = before.0.saturating_add(1);
        let attempts = before.1.saturating_add(u32::from(counts(failure.kind)));
        if self.news.is_news(failure) {
            tracing::warn!(
                %failure, event = event.name, kind = event.kind, entity = event.entity, failures,
                "an event could not be published"
            );
        }
        let until = Some(self.now() + self.relay.options.pause(failures));
        let hold = Hold { failures, attempts, until, partition: event.partition() };
        self.holds.insert(subject, hold);
        attempts
    }

    /// Nothing of the entity is in hand any more.
    fn let_go(&mut self, subject: &Subject) {
        self.busy.remove(subject);
    }

    /// Leaves what was taken away, and takes up what is new.
    fn obey(&mut self) {
        let Orders { own, dead, .. } = self.desk.orders();
        let (queue, busy) = (&mut self.queue, &mut self.busy);
        queue.retain(|(subject, events)| {
            let stays = events.first().is_some_and(|event| own.contains(event.partition()));
            if !stays {
                busy.remove(subject);
            }
            stays
        });
        self.holds.retain(|subject, hold| own.contains(hold.partition) && !dead.contains(subject));
        self.read_at = self.now();
        self.tell();
    }

    fn tell(&self) {
        self.desk
            .set_busy(self.busy.values().fold(Partitions::NONE, |busy, partition| busy.with(*partition)));
        self.ctx.series(&HELD, &[]).set(i64::try_from(self.holds.len()).unwrap_or(i64::MAX));
    }
}

async fn publish(relay: &Relay, ctx: &Context, event: &Event) -> Result<(), Failure> {
    let trace = event.trace.as_deref().and_then(TraceContext::from_traceparent);
    let ctx = ctx.with_trace(trace).with_timeout(relay.options.timeout);
    let mut span = ctx.span_of(SpanKind::Producer, format!("publish {}", event.name));
    let published = span.run(relay.bus.publish(&span, event)).await.unwrap_or_else(|cause| Err(cause.into()));
    let result = if published.is_ok() { "sent" } else { "failed" };
    ctx.series(&PUBLISHED, &[("result", result)]).add(1);
    if let Err(failure) = &published {
        span.fail(failure);
    }
    published
}

fn subject_of(event: &Event) -> Subject {
    (event.kind.clone(), event.entity.clone())
}

/// The events of each entity, in the order in which they came.
fn by_entity(events: Vec<Event>) -> Vec<(Subject, Vec<Event>)> {
    let mut order: Vec<(Subject, Vec<Event>)> = Vec::new();
    let mut places: HashMap<Subject, usize> = HashMap::new();
    for event in events {
        let subject = subject_of(&event);
        let place = *places.entry(subject.clone()).or_insert_with(|| {
            order.push((subject, Vec::new()));
            order.len() - 1
        });
        order[place].1.push(event);
    }
    order
}
