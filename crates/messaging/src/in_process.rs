use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use staffa_context::{Context, Failure, Kind, SpanKind};
use staffa_storage::Event;

use crate::{Bus, Subscription};

/// The bus of services that share a process.
///
/// It has no queue of its own: publishing calls the consumers one after the other and waits for them. An event
/// without a consumer is delivered at once.
#[derive(Debug, Default)]
pub struct InProcess {
    subscriptions: Mutex<Vec<Subscription>>,
}

impl InProcess {
    /// A bus without subscriptions.
    pub fn new() -> Self {
        Self::default()
    }

    fn interested(&self, event: &Event) -> Vec<Subscription> {
        let subscriptions = self.subscriptions.lock().unwrap_or_else(PoisonError::into_inner);
        subscriptions.iter().filter(|each| each.names.contains(&event.name.as_str())).cloned().collect()
    }
}

#[async_trait]
impl Bus for InProcess {
    async fn publish(&self, ctx: &Context, event: &Event) -> Result<(), Failure> {
        for subscription in self.interested(event) {
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
        if subscriptions.iter().any(|each| each.consumer == subscription.consumer) {
            let words = format!("the consumer {} is subscribed already", subscription.consumer);
            return Err(Failure::new(Kind::Conflict, words));
        }
        subscriptions.push(subscription);
        Ok(())
    }
}
