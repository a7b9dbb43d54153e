//! Why an order was not placed or changed.
use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use staffa_context::{Fail, Failure, Kind};
use staffa_storage::Error;
use uuid::Uuid;

use crate::order::{REFERENCE, State, WrongState};
use crate::quote::{Quote, QuoteError};
use crate::told;

/// Why an order was not placed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum PlaceError {
    /// The server comes to another quote than the caller was given, or that one is too old.
    #[error("the quote has changed or is older than 15 minutes; look at the new one and order again")]
    Stale {
        /// The new one.
        quote: Box<Quote>,
    },
    /// The caller has no right to agreed prices.
    #[error("agreed prices need a right that was not shown; order at list prices, or with the right token")]
    Forbidden,
    /// Another order has the reference.
    #[error("there is an order with the reference `{reference}` already")]
    ReferenceTaken {
        /// The reference.
        reference: String,
    },
    /// The basket has no quote.
    #[error(transparent)]
    #[serde(skip)]
    Quote(QuoteError),
    /// Something else went wrong.
    #[error(transparent)]
    #[serde(skip)]
    Failed(Failure),
}

impl PlaceError {
    pub(super) fn of(error: Error, reference: Option<String>) -> Self {
        match (error, reference) {
            (Error::Duplicate { index, .. }, Some(reference)) if index == REFERENCE.name() => {
                Self::ReferenceTaken { reference }
            }
            (error, _) => Self::Failed(error.into()),
        }
    }
}

impl Fail for PlaceError {
    fn kind(&self) -> Kind {
        match self {
            Self::Stale { .. } => Kind::Stale,
            Self::Forbidden => Kind::Forbidden,
            Self::ReferenceTaken { .. } => Kind::Conflict,
            Self::Quote(error) => error.kind(),
            Self::Failed(failure) => failure.kind,
        }
    }

    fn words(&self) -> Cow<'static, str> {
        match self {
            Self::Quote(error) => error.words(),
            Self::Failed(failure) => failure.words.clone(),
            told => told.to_string().into(),
        }
    }

    fn details(&self) -> Value {
        match self {
            Self::Quote(error) => error.details(),
            Self::Failed(failure) => failure.details.clone(),
            other => told::details(other),
        }
    }
}

impl From<Failure> for PlaceError {
    fn from(failure: Failure) -> Self {
        if let Some(told) = told::error(&failure.details) {
            return told;
        }
        match QuoteError::from(failure) {
            QuoteError::Failed(failure) => Self::Failed(failure),
            error => Self::Quote(error),
        }
    }
}

impl From<QuoteError> for PlaceError {
    fn from(error: QuoteError) -> Self {
        match error {
            QuoteError::Failed(failure) => Self::Failed(failure),
            error => Self::Quote(error),
        }
    }
}

/// Why an order was not found or changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum OrderError {
    /// There is no such order.
    #[error("there is no order {id}")]
    Unknown {
        /// Its id.
        id: Uuid,
    },
    /// Its state does not allow the step.
    #[error("an order that is {} cannot become {}", .from.name(), .to.name())]
    WrongState {
        /// The state that it is in.
        from: State,
        /// The state that was asked for.
        to: State,
    },
    /// Something else went wrong.
    #[error(transparent)]
    #[serde(skip)]
    Failed(Failure),
}

impl Fail for OrderError {
    fn kind(&self) -> Kind {
        match self {
            Self::Unknown { .. } => Kind::NotFound,
            Self::WrongState { .. } => Kind::Conflict,
            Self::Failed(failure) => failure.kind,
        }
    }

    fn words(&self) -> Cow<'static, str> {
        match self {
            Self::Failed(failure) => failure.words.clone(),
            told => told.to_string().into(),
        }
    }

    fn details(&self) -> Value {
        match self {
            Self::Failed(failure) => failure.details.clone(),
            other => told::details(other),
        }
    }
}

impl From<Failure> for OrderError {
    fn from(failure: Failure) -> Self {
        told::error(&failure.details).unwrap_or(Self::Failed(failure))
    }
}

impl From<Error> for OrderError {
    fn from(error: Error) -> Self {
        Self::Failed(error.into())
    }
}

impl From<WrongState> for OrderError {
    fn from(WrongState { from, to }: WrongState) -> Self {
        Self::WrongState { from, to }
    }
}
