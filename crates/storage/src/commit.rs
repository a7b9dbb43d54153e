use serde::{Deserialize, Serialize};
use serde_json::Value;
use staffa_context::Timestamp;
use uuid::Uuid;

use crate::Part;

/// What a unit commits: all of it or nothing.
#[derive(Clone, Debug, Default)]
pub struct Commit {
    /// What was read and not written, in the order of (kind, id).
    pub guards: Vec<Guard>,
    /// What is written, in the order of (kind, id), each at most once.
    pub writes: Vec<Write>,
    /// Events for the outbox, in the order of emission.
    pub events: Vec<Event>,
    /// An answer or inbox record to keep.
    pub kept: Option<Kept>,
}

/// A read that must still hold at commit.
#[derive(Clone, Debug)]
pub struct Guard {
    /// The kind of the entity.
    pub kind: &'static str,
    /// Its id.
    pub id: Part,
    /// What must hold.
    pub expect: Expect,
}

/// What a commit expects to find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// Nothing, ever: an insert that did not look first. Else [`crate::Error::Duplicate`] of the index `id`.
    New,
    /// Nothing now, and `last` as the version of the latest entity that had the id and was deleted (0: never one).
    /// Else [`crate::Error::Conflict`].
    Absent {
        /// The last version that was deleted.
        last: i64,
    },
    /// The entity in this version. Else [`crate::Error::Conflict`].
    Version(i64),
}

/// One entity's change.
#[derive(Clone, Debug)]
pub struct Write {
    /// The kind of the entity.
    pub kind: &'static str,
    /// Its id.
    pub id: Part,
    /// What must hold.
    pub expect: Expect,
    /// The version that it gets, greater than any before it. A deletion has one too, and the adapter keeps it.
    pub version: i64,
    /// The new document with the key of each index of the schema, or `None` to delete.
    pub put: Option<(Value, Vec<Vec<Part>>)>,
}

/// What an event says: the payload of [`crate::Unit::emit`].
pub trait Happened: Serialize {
    /// The name of the event: `order_placed`. Consumers subscribe to it.
    const NAME: &'static str;
}

/// An event in the outbox.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Its identity: a consumer's inbox remembers it.
    pub id: Uuid,
    /// What happened: `order_placed`.
    pub name: String,
    /// The kind of the entity that it is about.
    pub kind: String,
    /// The id of that entity, as its canonical text.
    pub entity: String,
    /// The version of that entity that the same unit wrote.
    pub version: i64,
    /// Its place among the events of that version, from 0.
    pub n: u32,
    /// When it was emitted.
    pub at: Timestamp,
    /// The `traceparent` of the operation that emitted it.
    pub trace: Option<String>,
    /// What it says.
    pub payload: Value,
}

/// A kept answer (scope: the endpoint, key: the idempotency key) or an inbox record (scope: the consumer,
/// key: the event's id). A commit whose scope and key are kept already is [`crate::Error::Kept`].
#[derive(Clone, Debug, PartialEq)]
pub struct Kept {
    /// Whose key it is.
    pub scope: String,
    /// The key.
    pub key: String,
    /// SHA-256 of the canonical request.
    pub digest: [u8; 32],
    /// The answer; `Null` for an inbox record.
    pub answer: Value,
    /// When it was kept.
    pub at: Timestamp,
}
