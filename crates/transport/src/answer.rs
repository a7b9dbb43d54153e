//! Answers of the server: a response of an endpoint, or a problem.
use std::borrow::Cow;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, StatusCode};
use serde_json::Value;
use staffa_context::{Cause, Failure, Kind};

use crate::header;
use crate::problem::{self, Details, TYPE_PREFIX};

/// When a client that was turned away comes back, in seconds.
const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("1");

/// What is wrong, as HTTP says it.
#[derive(Debug)]
pub(crate) struct Problem {
    pub(crate) status: u16,
    pub(crate) label: &'static str,
    pub(crate) title: &'static str,
    pub(crate) failure: Box<Failure>,
}

impl Problem {
    /// A problem that HTTP has a status of its own for.
    pub(crate) fn new(
        status: u16,
        label: &'static str,
        title: &'static str,
        words: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { status, label, title, failure: Box::new(Failure::new(Kind::Invalid, words)) }
    }

    pub(crate) fn method_not_allowed() -> Self {
        let words = "this address does not take this method; the header `allow` names those that it takes";
        Self::new(405, "method_not_allowed", "The address does not take this method", words)
    }

    pub(crate) fn into_response(self, request_id: Option<&HeaderValue>, trace_id: Option<u128>) -> Response {
        let details = Details {
            kind: format!("{TYPE_PREFIX}{}", self.label).into(),
            title: self.title.into(),
            status: self.status,
            detail: self.failure.words,
            details: self.failure.details,
            request_id: request_id.and_then(|id| id.to_str().ok()).map(Cow::Borrowed),
            trace_id: trace_id.map(|id| format!("{id:032x}")),
        };
        // Text, numbers and a JSON value always have a JSON text.
        let body = serde_json::to_vec(&details).unwrap_or_default();
        let mut response = Response::new(Body::from(body));
        *response.status_mut() =
            StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(header::PROBLEM_JSON));
        if self.status == 503 {
            headers.insert(RETRY_AFTER, RETRY_AFTER_SECONDS);
        }
        response
    }
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        let kind = failure.kind;
        Self {
            status: problem::status(kind),
            label: kind.label(),
            title: problem::title(kind),
            failure: Box::new(failure),
        }
    }
}

impl From<Cause> for Problem {
    fn from(cause: Cause) -> Self {
        Failure::from(cause).into()
    }
}

/// The response of an endpoint.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) body: Bytes,
    /// Whether it was kept from an earlier request.
    pub(crate) replayed: bool,
}

impl Reply {
    pub(crate) fn of(response: &impl serde::Serialize) -> Result<Self, Failure> {
        match serde_json::to_vec(response) {
            Ok(body) => Ok(Self { body: body.into(), replayed: false }),
            Err(error) => Err(Failure::new(Kind::Internal, "the service cannot write its answer")
                .with_log(format!("a response has no JSON text: {error}"))),
        }
    }

    pub(crate) fn replayed(answer: &Value) -> Self {
        Self { body: answer.to_string().into(), replayed: true }
    }

    pub(crate) fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.body));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(header::JSON));
        if self.replayed {
            headers.insert(header::REPLAYED, HeaderValue::from_static("true"));
        }
        response
    }
}
