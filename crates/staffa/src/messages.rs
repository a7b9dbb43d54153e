//! Events of a service: its outboxes are relayed, and what it hears of is consumed once.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use staffa_context::{Context, Failure, Timestamp};
use staffa_messaging::{Bus, Consumer, Inbox, Nudge, Relay, RelayOptions, Room, Subscription};
use staffa_storage::{Backlog, Commit, Event, Found, Kept, Part, Result, Scan, Seen, Store, Unsent};

use crate::Service;
use crate::process::ended;
use crate::service::Inner;

/// The relays and subscriptions of one service, until its process starts them.
pub(crate) struct Messages {
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) relays: Mutex<Vec<Relay>>,
    pub(crate) subscriptions: Vec<Subscription>,
}

impl Messages {
    pub(crate) fn new(bus: Arc<dyn Bus>) -> Self {
        Self { bus, relays: Mutex::default(), subscriptions: Vec::new() }
    }

    /// The same store, whose outbox a relay hands to the bus as soon as an event is committed, and which takes no more
    /// events when that is full.
    ///
    /// `alone`: this process has the store for itself.
    pub(crate) fn relayed(&self, store: Arc<dyn Store>, alone: bool) -> Arc<dyn Store> {
        let options = RelayOptions { alone, ..RelayOptions::default() };
        let relay = Relay::new(Arc::clone(&store), Arc::clone(&self.bus), options);
        let (nudge, room) = (relay.nudge(), relay.room());
        self.relays.lock().unwrap_or_else(PoisonError::into_inner).push(relay);
        Arc::new(Relayed { store, nudge, room })
    }
}

impl Inner {
    /// Subscribes what the service hears of.
    pub(crate) async fn subscribe(&mut self) -> Result<(), Failure> {
        for subscription in std::mem::take(&mut self.messages.subscriptions) {
            self.messages.bus.subscribe(&self.context, subscription).await?;
        }
        Ok(())
    }

    /// Starts to relay what the service tells. Whoever is to hear of it must have subscribed.
    pub(crate) async fn relay(&mut self) -> Result<(), Failure> {
        let relays =
            std::mem::take(&mut *self.messages.relays.lock().unwrap_or_else(PoisonError::into_inner));
        for relay in relays {
            self.jobs.spawn("relay", move |ctx| async move { ended(relay.run(&ctx).await) }).await?;
        }
        Ok(())
    }
}

impl<S> Service<S> {
    /// Lets `handler` hear of the events of these names, from any service that tells them over the same bus (in-process: of this process), under a lasting name.
    ///
    /// Each event's effect happens once: `handler` commits it in `store`, in a unit under the context that it is
    /// given, and the inbox record goes with it. An event that fails is handed over again.
    pub fn consume(
        &mut self,
        consumer: &'static str,
        names: &'static [&'static str],
        store: &Arc<dyn Store>,
        handler: Arc<dyn Consumer>,
    ) {
        let inbox = Inbox::new(consumer, Arc::clone(store), handler);
        let handler = Arc::new(OfService { context: self.inner.context.clone(), inner: inbox });
        self.inner.messages.subscriptions.push(Subscription { consumer, names, handler });
    }
}

/// Consumes with the instruments of the service that hears, not of the one that tells.
struct OfService<C> {
    context: Context,
    inner: C,
}

#[async_trait]
impl<C: Consumer> Consumer for OfService<C> {
    async fn consume(&self, ctx: &Context, event: &Event) -> Result<(), Failure> {
        let own = self.context.with_trace(ctx.trace());
        let own = ctx.deadline().map_or_else(|| own.clone(), |deadline| own.with_deadline(deadline));
        let mut span = own.span(format!("handle {}", event.name));
        let consumed = ctx.run(span.run(self.inner.consume(&span, event))).await;
        let consumed = consumed.and_then(|consumed| consumed).unwrap_or_else(|cause| Err(cause.into()));
        if let Err(failure) = &consumed {
            span.fail(failure);
        }
        consumed
    }
}

/// Wakes the relay after each commit that has events, and refuses those for which the outbox has no room.
struct Relayed {
    store: Arc<dyn Store>,
    nudge: Nudge,
    room: Room,
}

#[async_trait]
impl Store for Relayed {
    async fn get(&self, ctx: &Context, kind: &'static str, id: &Part) -> Result<Seen> {
        self.store.get(ctx, kind, id).await
    }

    async fn get_many(&self, ctx: &Context, kind: &'static str, ids: &[Part]) -> Result<Vec<Seen>> {
        self.store.get_many(ctx, kind, ids).await
    }

    async fn scan(&self, ctx: &Context, scan: Scan) -> Result<Vec<Found>> {
        self.store.scan(ctx, scan).await
    }

    async fn commit(&self, ctx: &Context, commit: Commit) -> Result<()> {
        if commit.events.is_empty() {
            return self.store.commit(ctx, commit).await;
        }
        self.room.check()?;
        let committed = self.store.commit(ctx, commit).await;
        self.nudge.nudge();
        committed
    }

    async fn kept(&self, ctx: &Context, scope: &str, key: &str) -> Result<Option<Kept>> {
        self.store.kept(ctx, scope, key).await
    }

    async fn unsent(&self, ctx: &Context, unsent: Unsent<'_>) -> Result<Vec<Event>> {
        self.store.unsent(ctx, unsent).await
    }

    async fn backlog(&self, ctx: &Context, limit: usize) -> Result<Backlog> {
        self.store.backlog(ctx, limit).await
    }

    async fn mark_sent(&self, ctx: &Context, events: &[uuid::Uuid]) -> Result<()> {
        self.store.mark_sent(ctx, events).await
    }

    async fn sweep(&self, ctx: &Context, before: Timestamp, limit: usize) -> Result<usize> {
        self.store.sweep(ctx, before, limit).await
    }

    async fn ping(&self, ctx: &Context) -> Result<()> {
        self.store.ping(ctx).await
    }

    async fn close(&self, ctx: &Context) -> Result<()> {
        self.store.close(ctx).await
    }
}
