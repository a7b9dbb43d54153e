use std::any::Any;
use std::borrow::Cow;
use std::error::Error;
use std::fmt;

use serde_json::Value;

use crate::{Cause, Fail, Kind};

/// Why a group's tasks did not all end well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupError<E> {
    /// This task failed first.
    Failed {
        /// The task's name.
        task: &'static str,
        /// Its error.
        error: E,
    },
    /// This task panicked first.
    Panicked {
        /// The task's name.
        task: &'static str,
        /// The panic's message.
        message: String,
    },
    /// No task failed, but the group's context ended and a task was aborted or never started.
    Ended(Cause),
}

impl<E> GroupError<E> {
    pub(crate) fn panicked(task: &'static str, panic: &(dyn Any + Send)) -> Self {
        let message = match (panic.downcast_ref::<&'static str>(), panic.downcast_ref::<String>()) {
            (Some(message), _) => (*message).to_owned(),
            (None, Some(message)) => message.clone(),
            (None, None) => "a panic without a message".to_owned(),
        };
        Self::Panicked { task, message }
    }
}

impl<E: fmt::Display> fmt::Display for GroupError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed { task, error } => write!(f, "task {task:?}: {error}"),
            Self::Panicked { task, message } => write!(f, "task {task:?} panicked: {message}"),
            Self::Ended(cause) => write!(f, "the group ended: {cause}"),
        }
    }
}

impl<E: Error + 'static> Error for GroupError<E> {}

impl<E: Fail> Fail for GroupError<E> {
    fn kind(&self) -> Kind {
        match self {
            Self::Failed { error, .. } => error.kind(),
            Self::Panicked { .. } => Kind::Internal,
            Self::Ended(cause) => cause.kind(),
        }
    }

    fn words(&self) -> Cow<'static, str> {
        match self {
            Self::Failed { error, .. } => error.words(),
            Self::Panicked { .. } => "something went wrong on our side".into(),
            Self::Ended(cause) => cause.words(),
        }
    }

    fn details(&self) -> Value {
        match self {
            Self::Failed { error, .. } => error.details(),
            Self::Panicked { .. } | Self::Ended(_) => Value::Null,
        }
    }
}

impl<E> From<Cause> for GroupError<E> {
    fn from(cause: Cause) -> Self {
        Self::Ended(cause)
    }
}

/// Why a group does not start a task now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// As many tasks run as the group's limit allows.
    Full,
    /// The group's context has ended.
    Ended(Cause),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => f.write_str("the group runs as many tasks as it may"),
            Self::Ended(cause) => write!(f, "the group ended: {cause}"),
        }
    }
}

impl Error for Refused {}
