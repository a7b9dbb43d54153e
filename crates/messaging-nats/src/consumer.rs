//! One consumer in one process: it attaches to the server, and again when that came to nothing.

use std::sync::Arc;

use async_nats::jetstream::Context as JetStream;
use async_nats::jetstream::consumer::pull::Config;
use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, PriorityPolicy, PullConsumer};
use staffa_context::{Context, Failure, Kind};
use staffa_messaging::Subscription;
use tokio::sync::watch;

use crate::Options;
use crate::aside::Aside;
use crate::serving::{Ended, Serving};
use crate::streams::{Names, away};
use crate::wire;

/// The priority group of every consumer: the server pins one of its processes.
pub(crate) const GROUP: &str = "one";

/// What a consumer has to work with.
pub(crate) struct Seat {
    pub(crate) jetstream: JetStream,
    pub(crate) aside: Aside,
    pub(crate) names: Names,
    pub(crate) options: Options,
    pub(crate) subscription: Subscription,
    /// Whose turn it is among the events of the consumer.
    pub(crate) turn: tokio::sync::Mutex<()>,
}

/// A consumer that is to run.
pub(crate) struct Consuming {
    ctx: Context,
    seat: Arc<Seat>,
    closing: watch::Receiver<bool>,
}

impl Consuming {
    pub(crate) fn new(ctx: &Context, seat: Seat, closing: watch::Receiver<bool>) -> Self {
        Self { ctx: ctx.clone(), seat: Arc::new(seat), closing }
    }

    /// The consumer at the server, made if it is not there.
    pub(crate) async fn attach(&self) -> Result<Option<PullConsumer>, Failure> {
        let Seat { jetstream, names, options, subscription, .. } = &*self.seat;
        if subscription.names.is_empty() {
            return Ok(None);
        }
        let config = Config {
            durable_name: Some(wire::token(subscription.consumer)),
            filter_subjects: subscription.names.iter().map(|name| names.all_of(name)).collect(),
            deliver_policy: DeliverPolicy::All,
            ack_policy: AckPolicy::Explicit,
            ack_wait: options.lease,
            max_ack_pending: i64::try_from(options.in_hand_max.max(1)).unwrap_or(i64::MAX),
            max_deliver: -1,
            priority_policy: PriorityPolicy::PinnedClient,
            priority_groups: vec![GROUP.to_owned()],
            priority_timeout: options.lease,
            ..Config::default()
        };
        let consumer = self.ctx.run(jetstream.create_consumer_on_stream(config, names.events())).await?;
        consumer.map(Some).map_err(|error| {
            let words = format!("the consumer {} cannot be made at the bus", subscription.consumer);
            Failure::new(Kind::Unavailable, words.clone()).with_log(format!("{words}: {error}"))
        })
    }

    /// Consumes until the bus closes or the context ends.
    pub(crate) async fn run(mut self) -> Result<(), Failure> {
        let mut failures = 0;
        while !*self.closing.borrow() && self.ctx.cause().is_none() {
            match self.serve().await {
                Ok(Ended::Over) => return Ok(()),
                Ok(Ended::Lost) => failures = 0,
                Err(failure) => {
                    failures += 1;
                    tracing::warn!(%failure, consumer = self.seat.subscription.consumer, "consuming; trying again");
                }
            }
            let pause = self.seat.options.pause(failures).min(self.seat.options.lease);
            let closing = self.closing.changed();
            // Whichever comes first; the next round sees which.
            let _ = self.ctx.with_timeout(pause).run(closing).await;
        }
        Ok(())
    }

    async fn serve(&mut self) -> Result<Ended, Failure> {
        let Some(consumer) = self.attach().await? else { return Ok(Ended::Over) };
        let options = &self.seat.options;
        let pulling = consumer
            .stream()
            .max_messages_per_batch(options.in_hand_max.max(1))
            .group(GROUP)
            // Well below the time after which the server pins another process.
            .expires(options.lease / 2)
            .heartbeat(options.lease / 5);
        let messages = self.ctx.run(pulling.messages()).await?.map_err(|error| away(&error))?;
        Serving::new(&self.ctx, &self.seat, consumer).run(messages, &mut self.closing).await
    }
}
