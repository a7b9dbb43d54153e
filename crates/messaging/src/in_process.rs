use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use staffa_context::{Context, Failure, Kind, SpanKind};
use staffa_storage::Event;

use crate::{Bus, Subscription};

/// The bus of services that share a process.
///
/// It has no queue of its own: publishing calls the consumers one after the other and waits for them. A consumer
/// takes one event at a time, so that the effects of two do not get in each other's way; one that takes longer than a
/// second no longer holds up the others. An event without a consumer is delivered at once.
#[derive(Debug, Default)]
pub struct InProcess {
    subscriptions: Mutex<Vec<Seat>>,
    closed: AtomicBool,
}

/// A subscription, and whose turn it is.
#[derive(Clone, Debug)]
struct Seat {
    subscription: Subscription,
    turn: Arc<tokio::sync::Mutex<()>>,
}

/// How long an event waits for its turn; then it goes ahead.
const TURN: Duration = Duration::from_secs(1);

impl InProcess {
    /// A bus without subscriptions.
    pub fn new() -> Self {
        Self::default()
    }

    fn interested(&self, event: &Event) -> Vec<Seat> {
        let seats = self.subscriptions.lock().unwrap_or_else(PoisonError::into_inner);
        seats.iter().filter(|seat| seat.subscription.names.contains(&event.name.as_str())).cloned().collect()
    }
}

#[async_trait]
impl Bus for InProcess {
    async fn publish(&self, ctx: &Context, event: &Event) -> Result<(), Failure> {
        ctx.check()?;
        if self.closed.load(Ordering::Acquire) {
            return Err(Failure::new(Kind::Unavailable, "the bus is closed"));
        }
        for Seat { subscription, turn } in self.interested(event) {
            let _turn = ctx.with_timeout(TURN).run(turn.lock()).await;
            ctx.check()?;
            let name = format!("consume {}", event.name);
            let mut span = ctx.span_of(SpanKind::Consumer, name);
            span.set("messaging.consumer.group.name", subscription.consumer);
            if let Err(failure) = subscription.handler.consume(&span, event).await {
                span.fail(&failure);
                return Err(failure);
            }
        }
        Ok(())
    }

    async fn subscribe(&self, _ctx: &Context, subscription: Subscription) -> Result<(), Failure> {
        let mut subscriptions = self.subscriptions.lock().unwrap_or_else(PoisonError::into_inner);
        if subscriptions.iter().any(|seat| seat.subscription.consumer == subscription.consumer) {
            let words = format!("the consumer {} is subscribed already", subscription.consumer);
            return Err(Failure::new(Kind::Conflict, words));
        }
        subscriptions.push(Seat { subscription, turn: Arc::default() });
        Ok(())
    }

    /// There is nothing to wait for: what is in hand is the publishers'.
    async fn close(&self, _ctx: &Context) -> Result<(), Failure> {
        self.closed.store(true, Ordering::Release);
        Ok(())
    }
}
