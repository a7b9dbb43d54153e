use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use staffa_context::{Context, Failure, Kind, SpanKind};
use staffa_storage::Event;

use crate::{Bus, Subscription};

/// The bus of services that share a process.
///
/// It has no queue of its own: publishing calls the consumers one after the other and waits for them. A consumer
/// takes one event at a time, so that the effects of two never get in each other's way. An event without a consumer
/// is delivered at once.
#[derive(Debug, Default)]
pub struct InProcess {
    subscriptions: Mutex<Vec<Seat>>,
}

/// A subscription, and whose turn it is.
#[derive(Clone, Debug)]
struct Seat {
    subscription: Subscription,
    turn: Arc<tokio::sync::Mutex<()>>,
}

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
        for Seat { subscription, turn } in self.interested(event) {
            let _turn = ctx.run(turn.lock()).await?;
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
}
