//! What a consumer does with what it is handed.
//!
//! Invariants:
//! 1. Of one entity at most one step is under way, and always with the first of its events.
//! 2. Nothing is begun while something may be in another process's hand. The server counts deliveries: after a gap in that
//!    count it waits until the server says that nobody else has any.
//! 3. An event is acknowledged after its effect, or after it was put aside.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::consumer::PullConsumer;
use async_nats::jetstream::consumer::pull::{MessagesErrorKind, Stream};
use async_nats::jetstream::{AckKind, Message};
use futures_util::stream::{FuturesUnordered, StreamExt};
use staffa_context::{BoxFuture, Context, Failure, Instant, Metric, MetricKind, TraceContext};
use staffa_messaging::failures::{News, counts};
use tokio::sync::watch;

use crate::aside::Held;
use crate::consumer::{GROUP, Seat};
use crate::line::{Delivery, Line, Next};
use crate::step::{Looked, Step, Taken, handle_first, look, put_aside, take_up};
use crate::streams::away;
use crate::wire;

const CONSUMED: Metric = Metric {
    name: "bus_events_consumed",
    help: "Events that consumers handled, by consumer and result.",
    kind: MetricKind::Counter,
};
const DEAD: Metric = Metric {
    name: "bus_entities_dead",
    help: "Entities whose events wait for a person, since one of them was put aside, by consumer.",
    kind: MetricKind::Gauge,
};

/// How often it looks whether others have something in hand, while it waits for that.
const GAP_LOOK: Duration = Duration::from_millis(50);

/// How serving ended.
pub(crate) enum Ended {
    /// The bus closed, or the context ended.
    Over,
    /// Another process has the consumer now, or the server gave it up.
    Lost,
}

/// A consumer as long as it is attached.
pub(crate) struct Serving {
    ctx: Context,
    seat: Arc<Seat>,
    consumer: PullConsumer,
    lines: BTreeMap<String, Line>,
    steps: FuturesUnordered<BoxFuture<'static, Step>>,
    under_way: usize,
    /// What the server calls this process while it has the consumer.
    pin: Option<String>,
    /// The last delivery.
    last: Option<u64>,
    /// Whether nobody else has anything in hand.
    settled: bool,
    looking: bool,
    look_at: Instant,
    /// How many steps that change what is put aside were begun or ended.
    changes: u64,
    /// How many such steps are under way.
    changing: usize,
    closing: bool,
    told_full: bool,
    news: News,
}

impl Serving {
    pub(crate) fn new(ctx: &Context, seat: &Arc<Seat>, consumer: PullConsumer) -> Self {
        Self {
            ctx: ctx.clone(),
            seat: Arc::clone(seat),
            consumer,
            lines: BTreeMap::new(),
            steps: FuturesUnordered::new(),
            under_way: 0,
            pin: None,
            last: None,
            // What was put aside is not known yet.
            settled: false,
            looking: false,
            look_at: ctx.clock().now(),
            changes: 0,
            changing: 0,
            closing: false,
            told_full: false,
            news: News::default(),
        }
    }

    pub(crate) async fn run(
        mut self,
        mut messages: Stream,
        closing: &mut watch::Receiver<bool>,
    ) -> Result<Ended, Failure> {
        let ended = loop {
            self.closing |= *closing.borrow() || self.ctx.cause().is_some();
            self.begin();
            if self.closing && self.under_way == 0 {
                break Ok(Ended::Over);
            }
            let due = self.due();
            tokio::select! {
                message = messages.next() => match message {
                    Some(Ok(message)) => self.arrived(message),
                    Some(Err(error)) if error.kind() == MessagesErrorKind::MissingHeartbeat => {}
                    Some(Err(error)) => break Err(away(&error)),
                    None => break Ok(Ended::Lost),
                },
                Some(step) = self.steps.next() => if self.ended(step) {
                    tracing::info!(consumer = self.name(), "another process has the consumer now");
                    break Ok(Ended::Lost);
                },
                () = self.ctx.clock().sleep_until(due), if due > self.now() => {}
                _ = self.ctx.done(), if !self.closing => {}
                _ = closing.changed(), if !self.closing => {}
            }
        };
        drop(messages);
        self.let_go().await;
        ended
    }

    fn now(&self) -> Instant {
        self.ctx.clock().now()
    }

    fn name(&self) -> &'static str {
        self.seat.subscription.consumer
    }

    fn due(&self) -> Instant {
        let lines = self.lines.values().filter(|line| !line.busy).filter_map(|line| line.until);
        let look = Some(self.look_at).filter(|_| !self.looking);
        let now = self.now();
        lines.chain(look).filter(|at| *at > now).min().unwrap_or(now + self.seat.options.beat())
    }

    fn arrived(&mut self, message: Message) {
        if let Some(pin) = wire::header(message.headers.as_ref(), "Nats-Pin-Id") {
            self.pin = Some(pin.to_owned());
        }
        let Ok(info) = message.info() else { return };
        let (sequence, delivery) = (info.stream_sequence, info.consumer_sequence);
        if self.last.is_none_or(|last| delivery != last + 1) {
            self.settled = false;
            self.look_at = self.now();
        }
        self.last = Some(delivery);
        let Some(event) = wire::event(&message) else {
            tracing::error!(subject = %message.subject, sequence, "a message on the bus is no event; it is passed over");
            self.refuse(message);
            return;
        };
        let trace = wire::header(message.headers.as_ref(), wire::TRACE);
        let trace = trace.and_then(TraceContext::from_traceparent);
        let line = self.lines.entry(wire::entity(&event)).or_default();
        line.put(Delivery { sequence, event, trace, message: Arc::new(message), is_done: false });
    }

    fn refuse(&mut self, message: Message) {
        self.under_way += 1;
        self.changing += 1;
        let entity = String::new();
        self.steps.push(Box::pin(async move {
            // Whatever becomes of it, it is handed over again until it is settled.
            let _ = message.ack_with(AckKind::Term).await;
            Step::PutAside { entity, put: Ok(()) }
        }));
    }

    /// Begins what may be begun.
    fn begin(&mut self) {
        if self.closing {
            return;
        }
        let now = self.now();
        if !self.looking && now >= self.look_at {
            self.look();
        }
        if !self.settled {
            return;
        }
        let is_full = self.is_full();
        let next: Vec<(String, Next)> = self
            .lines
            .iter()
            .map(|(entity, line)| (entity, line.next(now)))
            .filter(|(_, next)| *next != Next::Nothing && !(is_full && *next == Next::Handle))
            .take(self.seat.options.entities_max.saturating_sub(self.under_way))
            .map(|(entity, next)| (entity.clone(), next))
            .collect();
        next.into_iter().for_each(|(entity, next)| self.step(entity, next));
    }

    /// Whether too many entities are held to take anything new.
    fn is_full(&mut self) -> bool {
        let held = self.lines.values().filter(|line| line.held).count();
        let is_full = held >= self.seat.options.held_max;
        if is_full && !self.told_full {
            tracing::error!(
                consumer = self.name(),
                held,
                "the consumer takes nothing new: too many entities are held"
            );
        }
        self.told_full = is_full;
        is_full
    }

    fn step(&mut self, entity: String, next: Next) {
        let Some(line) = self.lines.get_mut(&entity) else { return };
        line.begin(next);
        self.under_way += 1;
        let (ctx, seat) = (self.ctx.clone(), Arc::clone(&self.seat));
        let first = line.waiting.front().cloned();
        let step: BoxFuture<'static, Step> = match (next, first) {
            (Next::Handle, Some(first)) => {
                Box::pin(async move { handle_first(&ctx, &seat, entity, first).await })
            }
            (Next::PutAside, Some(first)) => {
                self.changes += 1;
                self.changing += 1;
                let why = line.dying.clone().map(|failure| (failure, line.attempts));
                Box::pin(async move {
                    let put = put_aside(&ctx, &seat, &first, why).await;
                    Step::PutAside { entity, put }
                })
            }
            _ => {
                self.changes += 1;
                self.changing += 1;
                Box::pin(async move {
                    let taken = take_up(&ctx, &seat, &entity).await;
                    Step::TakenUp { entity, taken }
                })
            }
        };
        self.steps.push(step);
    }

    /// Shows that it works on what it has, and asks how things stand.
    fn look(&mut self) {
        self.looking = true;
        let in_hand: Vec<Arc<Message>> = self.in_hand().map(|first| Arc::clone(&first.message)).collect();
        let (ctx, seat, consumer) = (self.ctx.clone(), Arc::clone(&self.seat), self.consumer.clone());
        let changes = self.changes;
        self.steps.push(Box::pin(async move {
            let bounded = ctx.with_timeout(seat.options.lease);
            let looked = bounded.run(look(&seat, &consumer, &in_hand)).await;
            let looked = looked.unwrap_or_else(|cause| Err(cause.into()));
            Step::Looked { changes, looked }
        }));
    }

    fn in_hand(&self) -> impl Iterator<Item = &Delivery> {
        self.lines.values().flat_map(|line| &line.waiting)
    }

    /// Takes note of what has ended; whether the consumer was lost.
    fn ended(&mut self, step: Step) -> bool {
        match step {
            Step::Looked { changes, looked } => return self.looked(changes, looked),
            Step::Handled { entity, handled, acknowledged } => self.handled(&entity, handled, &acknowledged),
            Step::PutAside { entity, put } => self.put_aside(&entity, put),
            Step::TakenUp { entity, taken } => self.taken_up(&entity, taken),
            Step::Granted { entity, granted } => self.granted(&entity, granted),
        }
        self.under_way -= 1;
        false
    }

    fn handled(&mut self, entity: &str, handled: Result<(), Failure>, acknowledged: &Result<(), Failure>) {
        let result = if handled.is_ok() { "done" } else { "failed" };
        self.ctx.series(&CONSUMED, &[("consumer", self.name()), ("result", result)]).add(1);
        if handled.is_ok() {
            self.news.succeeded();
        }
        let Some(line) = self.line(entity) else { return };
        match handled {
            Ok(()) if acknowledged.is_ok() => {
                line.settle();
                line.waiting.pop_front();
            }
            Ok(()) => {
                if let Some(first) = line.waiting.front_mut() {
                    first.is_done = true;
                }
                self.pause(entity);
            }
            Err(failure) => self.failed(entity, failure),
        }
        self.clean(entity);
    }

    /// Holds an entity whose first event failed, for longer each time.
    fn failed(&mut self, entity: &str, failure: Failure) {
        if self.ctx.cause().is_some() {
            return;
        }
        self.pause(entity);
        let (consumer, attempts_max) = (self.name(), self.seat.options.attempts_max.max(1));
        let Some(line) = self.lines.get_mut(entity) else { return };
        line.attempts = line.attempts.saturating_add(u32::from(counts(failure.kind)));
        let failures = line.failures;
        if self.news.is_news(&failure) {
            tracing::warn!(%failure, consumer, failures, "the effect of an event failed");
        }
        if line.attempts < attempts_max {
            return;
        }
        tracing::error!(
            %failure, consumer, failures,
            "an event failed too often and is put aside; its entity is held until somebody decides"
        );
        if line.held {
            // It is there already, and stays.
            line.settle();
            line.wished = false;
            self.under_way += 1;
            line.begin(Next::TakeUp);
            let (seat, entity) = (Arc::clone(&self.seat), entity.to_owned());
            self.changes += 1;
            self.changing += 1;
            self.steps.push(Box::pin(async move {
                let granted = seat.aside.fulfil(seat.subscription.consumer, &entity).await;
                Step::Granted { entity, granted }
            }));
        } else {
            line.until = None;
            line.dying = Some(failure);
        }
    }

    fn pause(&mut self, entity: &str) {
        let (now, options) = (self.now(), self.seat.options.clone());
        if let Some(line) = self.lines.get_mut(entity) {
            line.failures = line.failures.saturating_add(1);
            line.until = Some(now + options.pause(line.failures));
        }
    }

    fn granted(&mut self, entity: &str, granted: Result<(), Failure>) {
        self.changes += 1;
        self.changing -= 1;
        if self.line(entity).is_some()
            && let Err(failure) = granted
        {
            // The wish is there yet: it is tried once more.
            tracing::warn!(%failure, "a wish could not be forgotten");
            self.pause(entity);
        }
    }

    fn put_aside(&mut self, entity: &str, put: Result<(), Failure>) {
        self.changes += 1;
        self.changing -= 1;
        let Some(line) = self.line(entity) else { return };
        match put {
            Ok(()) => {
                line.settle();
                line.held = true;
                line.waiting.pop_front();
            }
            Err(failure) => {
                tracing::warn!(%failure, "an event could not be put aside; trying again");
                self.pause(entity);
            }
        }
    }

    fn taken_up(&mut self, entity: &str, taken: Result<Taken, Failure>) {
        self.changes += 1;
        self.changing -= 1;
        let Some(line) = self.line(entity) else { return };
        match taken {
            Ok(Taken::Done) => line.settle(),
            Ok(Taken::Nothing) => {
                line.settle();
                (line.held, line.wished) = (false, false);
            }
            Ok(Taken::Failed(failure)) => self.failed(entity, failure),
            Err(failure) => {
                tracing::warn!(%failure, "what was put aside could not be taken up; trying again");
                self.pause(entity);
            }
        }
        self.clean(entity);
    }

    fn looked(&mut self, changes: u64, looked: Result<Looked, Failure>) -> bool {
        self.looking = false;
        self.look_at = self.now() + if self.settled { self.seat.options.beat() } else { GAP_LOOK };
        let Looked { pinned, pending, held } = match looked {
            Ok(looked) => looked,
            Err(failure) => {
                tracing::debug!(%failure, consumer = self.name(), "how things stand at the bus is not known");
                self.look_at = self.now() + self.seat.options.beat() / 4;
                return false;
            }
        };
        if self.pin.is_some() && pinned.is_some() && pinned != self.pin {
            return true;
        }
        // What changed meanwhile is told by the next look.
        if changes == self.changes && self.changing == 0 {
            self.hold(&held);
            let in_hand = self.in_hand().count();
            if !self.settled && pending <= in_hand && self.last.is_some() {
                self.settled = true;
                self.look_at = self.now() + self.seat.options.beat();
            } else if self.last.is_none() && held.wishes.is_empty() {
                // Another process has the consumer, or there was nothing yet.
                self.look_at = self.now() + self.seat.options.beat();
            } else if self.last.is_none() && pending == 0 && (pinned.is_none() || pinned == self.pin) {
                // Nothing comes, and there is a wish.
                self.settled = true;
            }
        }
        false
    }

    /// Takes over what is put aside.
    fn hold(&mut self, held: &Held) {
        for (entity, line) in &mut self.lines {
            line.held = held.entities.contains(entity);
            line.wished = line.held && held.wishes.contains(entity);
        }
        for entity in &held.entities {
            let line = self.lines.entry(entity.clone()).or_default();
            line.held = true;
            line.wished = held.wishes.contains(entity);
        }
        self.lines.retain(|_, line| !line.is_over());
        let count = i64::try_from(held.entities.len()).unwrap_or(i64::MAX);
        self.ctx.series(&DEAD, &[("consumer", self.name())]).set(count);
    }

    /// The line of a step that has ended.
    fn line(&mut self, entity: &str) -> Option<&mut Line> {
        let line = self.lines.get_mut(entity)?;
        line.end();
        Some(line)
    }

    fn clean(&mut self, entity: &str) {
        if self.lines.get(entity).is_some_and(Line::is_over) {
            self.lines.remove(entity);
        }
    }

    /// Gives back what is in hand, in its order, so that another process has it at once.
    async fn let_go(self) {
        let name = self.name();
        let Self { ctx, seat, lines, closing, pin, .. } = self;
        let mut in_hand: Vec<Delivery> = lines.into_values().flat_map(|line| line.waiting).collect();
        in_hand.sort_by_key(|delivery| delivery.sequence);
        let letting_go = async {
            for delivery in in_hand {
                let kind = if delivery.is_done { AckKind::Ack } else { AckKind::Nak(None) };
                // What is not given back comes to another process by itself, later.
                let _ = delivery.message.ack_with(kind).await;
            }
            let _ = seat.jetstream.client().flush().await;
            if closing && pin.is_some() {
                let unpin = serde_json::json!({ "group": GROUP });
                let subject = format!("CONSUMER.UNPIN.{}.{}", seat.names.events(), wire::token(name));
                let _ = seat.jetstream.request::<_, _, serde_json::Value>(subject, &unpin).await;
            }
        };
        let _ = ctx.shielded().with_timeout(seat.options.lease).run(letting_go).await;
    }
}
