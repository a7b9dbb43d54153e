use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use staffa_context::{Context, Failure, IdempotencyKey};
use staffa_storage::{Event, Store};

use crate::Consumer;

/// Makes a consumer's effects happen once.
///
/// An event that the store remembers is not handed on. The handler's context carries the event's
/// [`IdempotencyKey`] (scope: the consumer, key: the event's id), so the unit that the handler commits keeps the
/// record with the effect, and a unit that forgot it is refused. Records live as long as kept answers do.
pub struct Inbox {
    consumer: &'static str,
    store: Arc<dyn Store>,
    handler: Arc<dyn Consumer>,
}

impl Inbox {
    /// An inbox of `consumer` in the store where `handler` commits its effects.
    pub fn new(consumer: &'static str, store: Arc<dyn Store>, handler: Arc<dyn Consumer>) -> Self {
        Self { consumer, store, handler }
    }

    async fn remembers(&self, ctx: &Context, event: &Event) -> Result<bool, Failure> {
        Ok(self.store.kept(ctx, self.consumer, &event.id.to_string()).await?.is_some())
    }
}

#[async_trait]
impl Consumer for Inbox {
    async fn consume(&self, ctx: &Context, event: &Event) -> Result<(), Failure> {
        if self.remembers(ctx, event).await? {
            return Ok(());
        }
        // An event never changes, so that its id says what a digest would.
        let key =
            IdempotencyKey { scope: self.consumer.to_owned(), key: event.id.to_string(), digest: [0; 32] };
        let Err(failure) = self.handler.consume(&ctx.with_value(key), event).await else {
            return Ok(());
        };
        // A second delivery of the same event may have been faster, or the commit that looked lost was not.
        match self.remembers(ctx, event).await {
            Ok(true) => Ok(()),
            // Why it failed says more than why that could not be looked up.
            Ok(false) | Err(_) => Err(failure),
        }
    }
}

impl fmt::Debug for Inbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbox").field("consumer", &self.consumer).finish_non_exhaustive()
    }
}
