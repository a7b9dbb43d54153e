use std::borrow::Cow;
use std::fmt;

use serde_json::{Value, json};
use staffa_context::{Cause, Fail, Failure, Kind};

/// What went wrong in a store, as what the caller can do about it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Error {
    /// The context ended, and nothing happened.
    Ended(Cause),
    /// Something that the unit read or writes has changed since: run the whole again (see `retry`).
    Conflict {
        /// The kind of the entity.
        kind: String,
        /// Its id.
        id: String,
    },
    /// Another entity has this unique key, or this id (index `id`).
    Duplicate {
        /// The kind of the entity.
        kind: String,
        /// The index.
        index: String,
    },
    /// The scope and key of the unit's kept record are taken: read what was kept.
    Kept,
    /// A value, key, cursor or unit that no store takes: its place and what is wrong with it.
    Invalid {
        /// The place: `order.lines[3].price`, `cursor`, `unit`.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The stored document has a newer shape than this binary knows: update the binary.
    NewerShape {
        /// The kind of the entity.
        kind: String,
        /// Its id.
        id: String,
        /// The stored shape.
        shape: u32,
    },
    /// The store is away, closed, full or locked for the moment, in words that say which; nothing happened.
    Unavailable(String),
    /// Writing is paused while the store is moved or looked after; nothing happened. Try again later.
    Frozen,
    /// The outcome of a commit was not seen: it happened whole or not at all. Retry only with an idempotency key.
    Unknown(String),
    /// The store cannot be used like this: a wrong URL, a schema that does not fit, damaged data.
    Unusable(String),
}

impl Error {
    /// A value that no store takes.
    pub fn invalid(path: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Invalid { path: path.into(), reason: reason.into() }
    }

    /// The same error; an invalid value gets this path.
    pub(crate) fn at(self, path: String) -> Self {
        match self {
            Self::Invalid { reason, .. } => Self::Invalid { path, reason },
            other => other,
        }
    }

    /// What tells a conflict that `retry` may run again from other failures of the same kind.
    fn conflict_details() -> Value {
        json!({ "conflict": "changed" })
    }

    /// Whether these are the details of such a conflict.
    pub(crate) fn is_conflict_details(details: &Value) -> bool {
        let Value::Object(fields) = details else { return false };
        fields.len() == 1 && fields.get("conflict").and_then(Value::as_str) == Some("changed")
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ended(cause) => write!(f, "{cause}"),
            Self::Conflict { kind, id } => write!(f, "{kind} {id} was changed by somebody else"),
            Self::Duplicate { kind, index } => write!(f, "another {kind} has the same {index}"),
            Self::Kept => f.write_str("the key was used before"),
            Self::Invalid { path, reason } => write!(f, "{path}: {reason}"),
            Self::NewerShape { kind, id, shape } => {
                write!(f, "{kind} {id} has shape {shape}, which is newer than this binary")
            }
            Self::Unavailable(reason) => write!(f, "the store is unavailable: {reason}"),
            Self::Frozen => f.write_str("the store is frozen: its writers are paused"),
            Self::Unknown(reason) => write!(f, "the outcome of the commit is unknown: {reason}"),
            Self::Unusable(reason) => write!(f, "the store cannot be used: {reason}"),
        }
    }
}

impl std::error::Error for Error {}

impl Fail for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Ended(cause) => cause.kind(),
            Self::Conflict { .. } | Self::Duplicate { .. } | Self::Kept => Kind::Conflict,
            Self::Invalid { .. } => Kind::Invalid,
            Self::NewerShape { .. } | Self::Unusable(_) => Kind::Internal,
            Self::Unavailable(_) | Self::Frozen => Kind::Unavailable,
            Self::Unknown(_) => Kind::UnknownOutcome,
        }
    }

    fn words(&self) -> Cow<'static, str> {
        match self {
            Self::Unavailable(_) => "the data cannot be reached for the moment; try again shortly".into(),
            Self::Frozen => "changes are paused for maintenance; try again in a while".into(),
            Self::Unknown(_) => {
                "it is not known whether this took effect; look, or repeat it with the same idempotency key"
                    .into()
            }
            Self::NewerShape { .. } | Self::Unusable(_) => "the service has a fault; it was logged".into(),
            told => told.to_string().into(),
        }
    }

    /// `{"path": …, "reason": …}` for an invalid value; a mark for a conflict.
    fn details(&self) -> Value {
        match self {
            Self::Invalid { path, reason } => json!({ "path": path, "reason": reason }),
            Self::Conflict { .. } => Self::conflict_details(),
            _ => Value::Null,
        }
    }
}

impl From<Cause> for Error {
    fn from(cause: Cause) -> Self {
        Self::Ended(cause)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::of(&error)
    }
}
