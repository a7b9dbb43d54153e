use async_nats::jetstream::message::StreamMessage;
use staffa_context::{Context, Failure, Kind};
use staffa_storage::Event;
use uuid::Uuid;

use crate::aside::{ATTEMPTS, Aside, CONSUMER, FAILURE, not_dead};
use crate::wire;

/// An event that a consumer put aside, since its effect failed too often, or since it waits behind such a one. It holds back
/// its own entity at that consumer until somebody re-drives or skips it: see [`DeadDeliveries`].
#[derive(Clone, Debug, PartialEq)]
pub struct DeadDelivery {
    /// The consumer.
    pub consumer: String,
    /// The event.
    pub event: Event,
    /// Why it failed last. `None`: it came after one that had failed; once that is gone it may have failed itself, and the
    /// log says why.
    pub failure: Option<String>,
    /// How often it failed before it was put aside.
    pub attempts: u32,
    /// Its place, after which [`DeadDeliveries::list`] goes on.
    pub place: u64,
}

/// The events that consumers of a bus have put aside, for a person to look at and decide. What was decided is done by the
/// process that has the consumer, within seconds once it runs.
#[derive(Clone, Debug)]
pub struct DeadDeliveries(pub(crate) Aside);

impl DeadDeliveries {
    /// Those after a place (0: the first ones), at most `limit`, those of one consumer if it is named. Cancel-safe.
    ///
    /// # Errors
    /// `Unavailable`, and the causes of a context that ended.
    pub async fn list(
        &self,
        ctx: &Context,
        consumer: Option<&str>,
        after: u64,
        limit: usize,
    ) -> Result<Vec<DeadDelivery>, Failure> {
        let filter = match consumer {
            Some(consumer) => self.0.names.aside(consumer, "*"),
            None => format!("{}.dead.>", self.0.names.0),
        };
        let (mut found, mut after) = (Vec::new(), after);
        while found.len() < limit
            && let Some(message) = ctx.run(self.0.next(&filter, after + 1)).await??
        {
            after = message.sequence;
            found.extend(read(&message));
        }
        Ok(found)
    }

    /// Lets the consumer try the first event of this one's entity again, and then what waits behind it.
    ///
    /// # Errors
    /// `NotFound` when it is not put aside; `Unavailable`.
    pub async fn redrive(&self, ctx: &Context, consumer: &str, event: Uuid) -> Result<(), Failure> {
        let dead = self.find(ctx, consumer, event).await?;
        ctx.run(self.0.wish(consumer, &wire::entity(&dead.event), None)).await?
    }

    /// Gives the event up: it never takes effect at the consumer, and what waits behind it goes on.
    ///
    /// # Errors
    /// `NotFound` when it is not put aside; `Conflict` when it waits behind another one; `Unavailable`.
    pub async fn skip(&self, ctx: &Context, consumer: &str, event: Uuid) -> Result<(), Failure> {
        let dead = self.find(ctx, consumer, event).await?;
        let entity = wire::entity(&dead.event);
        let first = ctx.run(self.0.first(consumer, &entity)).await??;
        if first.is_some_and(|first| first.sequence < dead.place) {
            let words = format!("the event {event} waits behind another one: decide about that first");
            return Err(Failure::new(Kind::Conflict, words));
        }
        ctx.run(self.0.wish(consumer, &entity, Some(event))).await?
    }

    async fn find(&self, ctx: &Context, consumer: &str, event: Uuid) -> Result<DeadDelivery, Failure> {
        let mut after = 0;
        loop {
            let page = self.list(ctx, Some(consumer), after, 100).await?;
            let Some(last) = page.last() else { return Err(not_dead(event)) };
            after = last.place;
            if let Some(dead) = page.into_iter().find(|dead| dead.event.id == event) {
                return Ok(dead);
            }
        }
    }
}

/// What a message says; `None` for one of somebody else's.
fn read(message: &StreamMessage) -> Option<DeadDelivery> {
    let header = |name| wire::header(Some(&message.headers), name);
    Some(DeadDelivery {
        consumer: header(CONSUMER)?.to_owned(),
        event: serde_json::from_slice(&message.payload).ok()?,
        failure: header(FAILURE).map(str::to_owned),
        attempts: header(ATTEMPTS).and_then(|count| count.parse().ok()).unwrap_or(0),
        place: message.sequence,
    })
}
