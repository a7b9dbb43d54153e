use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use staffa_context::{Context, Failure};
use staffa_storage::Event;

/// Carries events from outboxes to consumers.
///
/// It MUST deliver each published event to each subscription of its name at least once, the events of one entity in
/// the order of their publishing, and MAY deliver any of them again.
#[async_trait]
pub trait Bus: Send + Sync + 'static {
    /// Hands an event over. `Ok` means that its delivery is certain, even through a crash of this process.
    ///
    /// # Errors
    /// Any: the caller keeps the event and publishes it again.
    async fn publish(&self, ctx: &Context, event: &Event) -> Result<(), Failure>;

    /// Lets a consumer hear of events. A durable consumer that was away hears of what it missed.
    ///
    /// # Errors
    /// `Conflict` when this process has a subscription of that consumer already.
    async fn subscribe(&self, ctx: &Context, subscription: Subscription) -> Result<(), Failure>;

    /// Hands no more events over, and waits for those in hand within the context. What they did not finish is handed over
    /// again. Closing again does nothing.
    ///
    /// # Errors
    /// When the context ended first; what was in hand is then dropped.
    async fn close(&self, ctx: &Context) -> Result<(), Failure>;
}

/// Reacts to events.
#[async_trait]
pub trait Consumer: Send + Sync + 'static {
    /// Takes the event's effect. It is called again after an error, a crash, or a doubtful delivery, so that the
    /// effect must be harmless twice: an [`crate::Inbox`] sees to that.
    async fn consume(&self, ctx: &Context, event: &Event) -> Result<(), Failure>;
}

/// Which events a consumer hears of.
#[derive(Clone)]
pub struct Subscription {
    /// The consumer's lasting name: its inbox records and durable position are under it.
    pub consumer: &'static str,
    /// The names of the events.
    pub names: &'static [&'static str],
    /// What reacts to them.
    pub handler: Arc<dyn Consumer>,
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription")
            .field("consumer", &self.consumer)
            .field("names", &self.names)
            .finish_non_exhaustive()
    }
}
