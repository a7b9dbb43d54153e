//! What consumers have put aside: a stream with a subject for each consumer and entity.
//!
//! The first message of a subject is dead, those behind it came after it and wait for it. A wish is a message on a subject
//! of its own, which says that the consumer is to take up what it put aside of that entity.

use std::collections::BTreeMap;

use async_nats::HeaderMap;
use async_nats::jetstream::Context as JetStream;
use async_nats::jetstream::message::StreamMessage;
use async_nats::jetstream::stream::{LastRawMessageErrorKind, Stream};
use futures_util::TryStreamExt;
use staffa_context::{Context, Failure, Kind};
use staffa_storage::Event;
use uuid::Uuid;

use crate::streams::{self, Names, away};
use crate::wire;

pub(crate) const FAILURE: &str = "Staffa-Failure";
pub(crate) const ATTEMPTS: &str = "Staffa-Attempts";
pub(crate) const CONSUMER: &str = "Staffa-Consumer";

/// How much of a failure's words is kept, in characters.
const WORDS_MAX: usize = 1_000;

/// The stream of what was put aside.
#[derive(Clone, Debug)]
pub(crate) struct Aside {
    jetstream: JetStream,
    stream: Stream,
    pub(crate) names: Names,
}

/// What is there of a consumer: its entities that are held, and those that are wished for, by their tokens.
#[derive(Clone, Debug, Default)]
pub(crate) struct Held {
    pub(crate) entities: Vec<String>,
    pub(crate) wishes: Vec<String>,
}

impl Aside {
    pub(crate) async fn open(ctx: &Context, jetstream: &JetStream, names: &Names) -> Result<Self, Failure> {
        let stream = streams::stream(ctx, jetstream, &names.dead()).await?;
        Ok(Self { jetstream: jetstream.clone(), stream, names: names.clone() })
    }

    /// Puts an event aside, the first of its entity with why it failed. Twice is the same as once, within the time in
    /// which the server drops what it had.
    pub(crate) async fn put(
        &self,
        consumer: &str,
        event: &Event,
        sequence: u64,
        why: Option<(&Failure, u32)>,
    ) -> Result<(), Failure> {
        let subject = self.names.aside(consumer, &wire::entity(event));
        let mut headers = wire::headers(&format!("{consumer}:{sequence}"), None);
        headers.insert(CONSUMER, consumer);
        if let Some((failure, attempts)) = why {
            headers.insert(FAILURE, &*words(failure));
            headers.insert(ATTEMPTS, &*attempts.to_string());
        }
        self.publish(subject, headers, wire::payload(event)?).await
    }

    /// Wishes that a consumer takes up what it put aside of an entity, without this event if it is the first.
    pub(crate) async fn wish(&self, consumer: &str, entity: &str, skip: Option<Uuid>) -> Result<(), Failure> {
        let payload = skip.map(|event| event.to_string()).unwrap_or_default();
        self.publish(self.names.wish(consumer, entity), HeaderMap::new(), payload.into()).await
    }

    /// The event that is to be skipped by the last wish for an entity.
    pub(crate) async fn skipped(&self, consumer: &str, entity: &str) -> Result<Option<Uuid>, Failure> {
        let wish = self.stream.raw_message_builder().last_by_subject(self.names.wish(consumer, entity));
        match wish.send().await {
            Ok(wish) => Ok(Uuid::try_parse_ascii(&wish.payload).ok()),
            Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => Ok(None),
            Err(error) => Err(away(&error)),
        }
    }

    pub(crate) async fn fulfil(&self, consumer: &str, entity: &str) -> Result<(), Failure> {
        let subject = self.names.wish(consumer, entity);
        self.stream.purge().filter(subject).await.map(drop).map_err(|error| away(&error))
    }

    /// The first message of an entity.
    pub(crate) async fn first(&self, consumer: &str, entity: &str) -> Result<Option<StreamMessage>, Failure> {
        self.next(&self.names.aside(consumer, entity), 1).await
    }

    /// The first message that this filter covers from a place on.
    pub(crate) async fn next(&self, filter: &str, from: u64) -> Result<Option<StreamMessage>, Failure> {
        match self.stream.raw_message_builder().sequence(from).next_by_subject(filter).send().await {
            Ok(message) => Ok(Some(message)),
            Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => Ok(None),
            Err(error) => Err(away(&error)),
        }
    }

    pub(crate) async fn delete(&self, sequence: u64) -> Result<(), Failure> {
        self.stream.delete_message(sequence).await.map(drop).map_err(|error| away(&error))
    }

    pub(crate) async fn held(&self, consumer: &str) -> Result<Held, Failure> {
        let entities = self.tokens(&self.names.aside(consumer, "*")).await?;
        // Nobody wishes for what is not held.
        let wishes = match entities.is_empty() {
            true => Vec::new(),
            false => self.tokens(&self.names.wish(consumer, "*")).await?,
        };
        Ok(Held { entities, wishes })
    }

    /// The last tokens of the subjects that this filter covers.
    async fn tokens(&self, filter: &str) -> Result<Vec<String>, Failure> {
        let subjects = self.stream.info_with_subjects(filter).await.map_err(|error| away(&error))?;
        let subjects: BTreeMap<String, usize> = subjects.try_collect().await.map_err(|error| away(&error))?;
        let last = |subject: String| subject.rsplit('.').next().unwrap_or_default().to_owned();
        Ok(subjects.into_keys().map(last).collect())
    }

    async fn publish(
        &self,
        subject: String,
        headers: HeaderMap,
        payload: bytes::Bytes,
    ) -> Result<(), Failure> {
        let sent = self.jetstream.publish_with_headers(subject, headers, payload).await;
        let acknowledged = sent.map_err(|error| away(&error))?.await;
        acknowledged.map(drop).map_err(|error| away(&error))
    }
}

/// The words of a failure as a header takes them.
fn words(failure: &Failure) -> String {
    let words = format!("{}: {failure}", failure.kind);
    words.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).take(WORDS_MAX).collect()
}

/// The kind of failure for a person who asks for what is not there.
pub(crate) fn not_dead(event: Uuid) -> Failure {
    Failure::new(Kind::NotFound, format!("no event {event} was put aside"))
}
