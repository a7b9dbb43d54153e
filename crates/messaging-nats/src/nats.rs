use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use async_nats::Client;
use async_nats::connection::State;
use async_nats::jetstream::Context as JetStream;
use async_nats::jetstream::context::PublishErrorKind;
use async_trait::async_trait;
use staffa_context::{Context, Failure, Group, Kind};
use staffa_messaging::{Bus, Subscription};
use staffa_storage::Event;
use tokio::sync::watch;

use crate::aside::Aside;
use crate::connect::{self, is_prefix};
use crate::consumer::{Consuming, Seat};
use crate::streams::{self, Names, away, ensure};
use crate::{DeadDeliveries, Options, wire};

/// The bus of services in any processes, over a NATS server with JetStream.
///
/// Cheap to share. When the server goes away, publishing is `Unavailable` at once, and everything goes on when it is back.
pub struct Nats {
    client: Client,
    jetstream: JetStream,
    aside: Aside,
    names: Names,
    options: Options,
    consumers: Mutex<BTreeSet<&'static str>>,
    /// `None` once the bus is closed.
    group: tokio::sync::Mutex<Option<Group<Failure>>>,
    closing: watch::Sender<bool>,
}

impl Nats {
    /// Reaches the server and makes the streams of the bus, or brings them to these options.
    ///
    /// `url` is `nats://host:4222`, or `tls://…`, with `user:password@` or a token before the host, several hosts
    /// separated by commas, and [`Options::prefix`] as its path.
    ///
    /// # Errors
    /// In words that say what to do: `Invalid` for a URL or option, `Unauthenticated` for a wrong password, `Unsupported`
    /// for a server without JetStream or one older than 2.11, `Unavailable` for one that does not answer.
    pub async fn open(ctx: &Context, url: &str, options: Options) -> Result<Arc<Self>, Failure> {
        let (servers, path) = connect::read(url)?;
        let prefix = path.unwrap_or_else(|| options.prefix.clone());
        if !is_prefix(&prefix) || options.lease.as_millis() < 1_000 {
            let words =
                "the bus takes a prefix of 1 to 40 of a-z, A-Z, 0-9, _ and -, and a lease of 1 s or more";
            return Err(Failure::new(Kind::Invalid, words));
        }
        let (client, jetstream) = connect::connect(ctx, servers, options.connect_wait).await?;
        let names = Names(prefix);
        ensure(ctx, &jetstream, &names, &options).await?;
        let aside = Aside::open(ctx, &jetstream, &names).await?;
        // What ends the opening does not end the consumers.
        let group = tokio::sync::Mutex::new(Some(Group::new(&ctx.shielded(), "bus")));
        let (closing, _) = watch::channel(false);
        let consumers = Mutex::default();
        Ok(Arc::new(Self { client, jetstream, aside, names, options, consumers, group, closing }))
    }

    /// What consumers have put aside.
    pub fn dead(&self) -> DeadDeliveries {
        DeadDeliveries(self.aside.clone())
    }

    /// Removes everything that the bus keeps, for tests.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn remove(&self, ctx: &Context) -> Result<(), Failure> {
        for name in [self.names.events(), self.names.dead()] {
            ctx.run(self.jetstream.delete_stream(name)).await?.map_err(|error| away(&error))?;
        }
        Ok(())
    }

    fn check_open(&self) -> Result<(), Failure> {
        if *self.closing.borrow() {
            return Err(Failure::new(Kind::Unavailable, "the bus is closed"));
        }
        Ok(())
    }

    fn take(&self, consumer: &'static str) -> Result<(), Failure> {
        if self.consumers.lock().unwrap_or_else(PoisonError::into_inner).insert(consumer) {
            return Ok(());
        }
        let words = format!("the consumer {consumer} is subscribed already");
        Err(Failure::new(Kind::Conflict, words))
    }

    async fn send(&self, ctx: &Context, event: &Event) -> Result<(), Failure> {
        let subject = self.names.event(&event.name, event.partition());
        let headers = wire::headers(&event.id.to_string(), ctx.trace());
        let sent = self.jetstream.publish_with_headers(subject, headers, wire::payload(event)?).await;
        let stored = match sent {
            Ok(acknowledged) => acknowledged.await,
            Err(error) => Err(error),
        };
        stored.map(drop).map_err(|error| match error.kind() {
            PublishErrorKind::MaxPayloadExceeded => {
                let max = self.client.server_info().max_payload;
                let words =
                    format!("the event is larger than the {max} bytes that the bus takes (`max_payload`)");
                Failure::new(Kind::TooLarge, words)
            }
            _ if streams::is_full(&error) => {
                let words = "the bus is full: give its stream (`max_bytes`) or its server's disk more room; events wait where they are told";
                Failure::new(Kind::Unavailable, words).with_log(format!("{words}: {error:?}"))
            }
            _ => away(&error),
        })
    }
}

#[async_trait]
impl Bus for Nats {
    async fn publish(&self, ctx: &Context, event: &Event) -> Result<(), Failure> {
        ctx.check()?;
        self.check_open()?;
        // What is published now would wait in this process, and come whenever the server does.
        if self.client.connection_state() != State::Connected {
            return Err(Failure::new(
                Kind::Unavailable,
                "the bus cannot be reached for the moment; try again shortly",
            ));
        }
        ctx.run(self.send(ctx, event)).await?
    }

    async fn subscribe(&self, ctx: &Context, subscription: Subscription) -> Result<(), Failure> {
        ctx.check()?;
        self.check_open()?;
        self.take(subscription.consumer)?;
        let seat = Seat {
            jetstream: self.jetstream.clone(),
            aside: self.aside.clone(),
            names: self.names.clone(),
            options: self.options.clone(),
            subscription,
            turn: tokio::sync::Mutex::default(),
        };
        let consuming = Consuming::new(ctx, seat, self.closing.subscribe());
        // Made now, so that what is published from now on waits for it.
        consuming.attach().await?;
        let group = self.group.lock().await;
        let Some(group) = group.as_ref() else { return self.check_open() };
        group.spawn("consume", move |_| async move { consuming.run().await }).await?;
        Ok(())
    }

    async fn close(&self, ctx: &Context) -> Result<(), Failure> {
        self.closing.send_replace(true);
        let Some(group) = self.group.lock().await.take() else { return Ok(()) };
        // Each task ends by itself; those that have not by then are aborted.
        let _ = ctx.run(group.wait()).await?;
        ctx.run(self.client.flush()).await?.map_err(|error| away(&error))
    }
}

impl fmt::Debug for Nats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Nats").field("names", &self.names).finish_non_exhaustive()
    }
}
