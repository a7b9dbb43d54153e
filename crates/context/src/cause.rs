use std::borrow::Cow;
use std::fmt;

use crate::Kind;

/// Why a context ended. The first cause wins and never changes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause {
    /// The deadline passed.
    DeadlineExceeded,
    /// The client that waited for the answer went away.
    ClientGone,
    /// The process is stopping and its drain window is over.
    ShuttingDown,
    /// Another task of the same group failed.
    SiblingFailed,
    /// The caller's own words.
    Cancelled(Cow<'static, str>),
}

impl Cause {
    /// A cancellation in the caller's own words.
    pub fn cancelled(words: impl Into<Cow<'static, str>>) -> Self {
        Self::Cancelled(words.into())
    }

    /// A short fixed name for logs, spans and metrics: its set of values is bounded.
    pub fn label(&self) -> &'static str {
        match self {
            Self::DeadlineExceeded => "deadline_exceeded",
            Self::ClientGone => "client_gone",
            Self::ShuttingDown => "shutting_down",
            Self::SiblingFailed => "sibling_failed",
            Self::Cancelled(_) => "cancelled",
        }
    }

    /// What a caller can do about it: see [`Kind`].
    pub fn kind(&self) -> Kind {
        match self {
            Self::DeadlineExceeded => Kind::DeadlineExceeded,
            Self::ShuttingDown => Kind::Unavailable,
            Self::ClientGone | Self::SiblingFailed | Self::Cancelled(_) => Kind::Cancelled,
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DeadlineExceeded => f.write_str("the deadline passed"),
            Self::ClientGone => f.write_str("the client went away"),
            Self::ShuttingDown => f.write_str("the service is shutting down"),
            Self::SiblingFailed => f.write_str("another task of the group failed"),
            Self::Cancelled(words) => write!(f, "cancelled: {words}"),
        }
    }
}

impl std::error::Error for Cause {}
