//! The two streams of a bus: its events, and what consumers have put aside.

use async_nats::jetstream::Context as JetStream;
use async_nats::jetstream::stream::{Config, DiscardPolicy, RetentionPolicy, StorageType, Stream};
use staffa_context::{Context, Failure, Kind};

use crate::{Options, wire};

/// The names of a bus's streams and subjects.
#[derive(Clone, Debug)]
pub(crate) struct Names(pub(crate) String);

impl Names {
    pub(crate) fn events(&self) -> String {
        self.0.clone()
    }

    pub(crate) fn dead(&self) -> String {
        format!("{}_dead", self.0)
    }

    /// The subject of an event.
    pub(crate) fn event(&self, name: &str, partition: u8) -> String {
        format!("{}.events.{}.{partition}", self.0, wire::token(name))
    }

    /// The subjects of all events of this name.
    pub(crate) fn all_of(&self, name: &str) -> String {
        format!("{}.events.{}.*", self.0, wire::token(name))
    }

    /// What a consumer has put aside of an entity, by its token: the dead event first, then what came after it.
    pub(crate) fn aside(&self, consumer: &str, entity: &str) -> String {
        format!("{}.dead.{}.{entity}", self.0, wire::token(consumer))
    }

    /// The wish of a person that a consumer takes up again what it put aside of an entity.
    pub(crate) fn wish(&self, consumer: &str, entity: &str) -> String {
        format!("{}.wish.{}.{entity}", self.0, wire::token(consumer))
    }
}

/// Makes the streams, or brings them to these options.
pub(crate) async fn ensure(
    ctx: &Context,
    jetstream: &JetStream,
    names: &Names,
    options: &Options,
) -> Result<Stream, Failure> {
    let common = Config {
        retention: RetentionPolicy::Limits,
        storage: StorageType::File,
        // What is full refuses more, and loses nothing.
        discard: DiscardPolicy::New,
        num_replicas: options.replicas,
        allow_direct: true,
        ..Config::default()
    };
    let events = Config {
        name: names.events(),
        description: Some("Staffa: events of services".to_owned()),
        subjects: vec![format!("{}.events.>", names.0)],
        max_age: options.max_age,
        max_bytes: options.max_bytes.and_then(|bytes| i64::try_from(bytes).ok()).unwrap_or(-1),
        duplicate_window: options.dedup.min(options.max_age),
        ..common.clone()
    };
    let dead = Config {
        name: names.dead(),
        description: Some("Staffa: events that consumers have put aside".to_owned()),
        subjects: vec![format!("{}.dead.>", names.0), format!("{}.wish.>", names.0)],
        ..common
    };
    for config in [events, dead] {
        let name = config.name.clone();
        ctx.run(jetstream.create_or_update_stream(config)).await?.map_err(|error| {
            let words = format!("the stream {name} of the bus cannot be made or does not fit");
            Failure::new(Kind::Unavailable, words.clone()).with_log(format!("{words}: {error}"))
        })?;
    }
    stream(ctx, jetstream, &names.dead()).await
}

pub(crate) async fn stream(ctx: &Context, jetstream: &JetStream, name: &str) -> Result<Stream, Failure> {
    ctx.run(jetstream.get_stream(name)).await?.map_err(|error| away(&error))
}

/// A failure of the server or of the way to it.
pub(crate) fn away(error: &(dyn std::error::Error + 'static)) -> Failure {
    let mut told = error.to_string();
    let mut source = error.source();
    while let Some(below) = source {
        told = format!("{told}: {below}");
        source = below.source();
    }
    Failure::new(Kind::Unavailable, "the bus cannot be reached for the moment; try again shortly")
        .with_log(told)
}
