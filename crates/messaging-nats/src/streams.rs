//! The two streams of a bus: its events, and what consumers have put aside.

use std::error::Error as _;

use async_nats::jetstream::context::{GetStreamError, GetStreamErrorKind, PublishError};
use async_nats::jetstream::stream::{Config, DiscardPolicy, RetentionPolicy, StorageType, Stream};
use async_nats::jetstream::{Context as JetStream, ErrorCode};
use staffa_context::{Context, Failure, Kind};

use crate::{Options, wire};

/// What the descriptions of our streams begin with.
const MARK: &str = "Staffa: ";

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
        description: Some(format!("{MARK}events of services")),
        subjects: vec![format!("{}.events.>", names.0)],
        max_age: options.max_age,
        max_bytes: options.max_bytes.and_then(|bytes| i64::try_from(bytes).ok()).unwrap_or(-1),
        duplicate_window: options.dedup.min(options.max_age),
        ..common.clone()
    };
    let dead = Config {
        name: names.dead(),
        description: Some(format!("{MARK}events that consumers have put aside")),
        subjects: vec![format!("{}.dead.>", names.0), format!("{}.wish.>", names.0)],
        ..common
    };
    // Both before either is made.
    check_owner(ctx, jetstream, &events.name).await?;
    check_owner(ctx, jetstream, &dead.name).await?;
    for config in [events, dead] {
        let name = config.name.clone();
        ctx.run(jetstream.create_or_update_stream(config)).await?.map_err(|error| {
            let words = format!("the stream {name} of the bus cannot be made or does not fit");
            Failure::new(Kind::Unavailable, words.clone()).with_log(format!("{words}: {error}"))
        })?;
    }
    stream(ctx, jetstream, &names.dead()).await
}

/// Refuses a stream of this name that somebody else made: it is not touched.
async fn check_owner(ctx: &Context, jetstream: &JetStream, name: &str) -> Result<(), Failure> {
    let theirs = match ctx.run(jetstream.get_stream(name)).await? {
        Ok(found) => !found.cached_info().config.description.as_deref().is_some_and(is_mark),
        Err(error) if is_missing(&error) => false,
        Err(error) => return Err(away(&error)),
    };
    if theirs {
        let words = format!(
            "the NATS server has a stream {name} of somebody else: give the bus another prefix, as the path of its URL; \
             nothing was changed"
        );
        return Err(Failure::new(Kind::Invalid, words));
    }
    Ok(())
}

fn is_missing(error: &GetStreamError) -> bool {
    matches!(error.kind(), GetStreamErrorKind::JetStream(error) if error.error_code() == ErrorCode::STREAM_NOT_FOUND)
}

fn is_mark(description: &str) -> bool {
    description.starts_with(MARK)
}

/// Whether the server did not keep an event for want of room.
pub(crate) fn is_full(error: &PublishError) -> bool {
    let told = error.source().and_then(|source| source.downcast_ref::<async_nats::jetstream::Error>());
    told.is_some_and(|told| {
        matches!(told.error_code(), ErrorCode::STREAM_STORE_FAILED | ErrorCode::INSUFFICIENT_RESOURCES)
    })
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
