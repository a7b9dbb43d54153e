use std::borrow::Cow;
use std::error::Error;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Cause;

/// What a caller can do about an error. Every edge maps it: an HTTP status, a gRPC code, a log level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Kind {
    /// The request is wrong: change it.
    Invalid,
    /// Nobody is logged in: log in.
    Unauthenticated,
    /// The caller may not do this: ask for the right.
    Forbidden,
    /// There is no such thing.
    NotFound,
    /// The state does not allow it, or somebody else was faster: read again, decide again.
    Conflict,
    /// The request rests on something that has changed since: take the new one from the details.
    Stale,
    /// The request is larger than the limit: send less.
    TooLarge,
    /// A quota or rate is used up: come back later.
    Exhausted,
    /// The context ended for another reason than its deadline.
    Cancelled,
    /// The deadline passed: there is no budget left to retry with.
    DeadlineExceeded,
    /// A dependency is away for the moment: retry with backoff.
    Unavailable,
    /// It may have happened or not: retry only with an idempotency key.
    UnknownOutcome,
    /// This build or adapter cannot do it.
    Unsupported,
    /// A bug of ours.
    Internal,
}

impl Kind {
    /// The name in problem types, logs and metrics.
    pub fn label(self) -> &'static str {
        match self {
            Self::Invalid => "invalid",
            Self::Unauthenticated => "unauthenticated",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not_found",
            Self::Conflict => "conflict",
            Self::Stale => "stale",
            Self::TooLarge => "too_large",
            Self::Exhausted => "exhausted",
            Self::Cancelled => "cancelled",
            Self::DeadlineExceeded => "deadline_exceeded",
            Self::Unavailable => "unavailable",
            Self::UnknownOutcome => "unknown_outcome",
            Self::Unsupported => "unsupported",
            Self::Internal => "internal",
        }
    }

    /// Whether the same call may succeed later without any change. An idempotent caller may retry it.
    pub fn is_temporary(self) -> bool {
        matches!(self, Self::Exhausted | Self::Unavailable)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}

/// An error of the core, as the edge needs to know it.
///
/// `Display` is the log's message; [`Fail::words`] is the client's. A typed client turns a [`Failure`] back into
/// the endpoint's error, so such an error also implements `From<Failure>`.
pub trait Fail: Error + Send + Sync + 'static {
    /// What the caller can do.
    fn kind(&self) -> Kind;

    /// The client's message: one sentence that says what to do. It MUST NOT hold secrets or internals.
    fn words(&self) -> Cow<'static, str>;

    /// Details as data, for the client to rebuild the error from; `Null` when there are none.
    fn details(&self) -> Value {
        Value::Null
    }
}

/// An error as data: what crosses the wire, and what any [`Fail`] can be turned into and back from.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    /// What the caller can do.
    pub kind: Kind,
    /// The client's message.
    pub words: Cow<'static, str>,
    /// Details as data; `Null` when there are none.
    pub details: Value,
    /// What the log says beside the client's words. It never crosses the wire.
    pub log: Option<String>,
}

impl Failure {
    /// A failure with the client's words and nothing else.
    pub fn new(kind: Kind, words: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, words: words.into(), details: Value::Null, log: None }
    }

    /// The same with details as data.
    #[must_use]
    pub fn with_details(mut self, details: Value) -> Self {
        self.details = details;
        self
    }

    /// The same with words for the log only.
    #[must_use]
    pub fn with_log(mut self, log: impl Into<String>) -> Self {
        self.log = Some(log.into());
        self
    }

    /// Any failing thing as data.
    pub fn of(error: &dyn Fail) -> Self {
        Self {
            kind: error.kind(),
            words: error.words(),
            details: error.details(),
            log: Some(error.to_string()),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.log.as_deref().unwrap_or(&self.words))
    }
}

impl Error for Failure {}

impl Fail for Failure {
    fn kind(&self) -> Kind {
        self.kind
    }

    fn words(&self) -> Cow<'static, str> {
        self.words.clone()
    }

    fn details(&self) -> Value {
        self.details.clone()
    }
}

impl From<Cause> for Failure {
    fn from(cause: Cause) -> Self {
        Self::new(cause.kind(), cause.words())
    }
}

impl Fail for Cause {
    fn kind(&self) -> Kind {
        Cause::kind(self)
    }

    fn words(&self) -> Cow<'static, str> {
        match self {
            Self::DeadlineExceeded => "the deadline passed; allow more time or ask for less".into(),
            told => told.to_string().into(),
        }
    }
}
