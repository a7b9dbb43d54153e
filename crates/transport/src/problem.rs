//! Problem details (RFC 9457): a failure as it crosses the wire, and back.
#[cfg(not(target_arch = "wasm32"))]
use std::borrow::Cow;

#[cfg(not(target_arch = "wasm32"))]
use serde::Serialize;
use serde_json::Value;
use staffa_context::{Failure, Kind, parse, read};

/// The prefix of every problem type; the kind's label follows.
pub(crate) const TYPE_PREFIX: &str = "urn:staffa:problem:";

/// The body of `application/problem+json`.
#[cfg(not(target_arch = "wasm32"))]
#[derive(Debug, Serialize)]
pub(crate) struct Details<'a> {
    #[serde(rename = "type")]
    pub(crate) kind: Cow<'a, str>,
    pub(crate) title: Cow<'a, str>,
    pub(crate) status: u16,
    pub(crate) detail: Cow<'a, str>,
    #[serde(skip_serializing_if = "Value::is_null")]
    pub(crate) details: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) request_id: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) trace_id: Option<String>,
}

/// The HTTP status of a failure.
#[cfg(not(target_arch = "wasm32"))]
pub(crate) fn status(kind: Kind) -> u16 {
    match kind {
        Kind::Invalid => 400,
        Kind::Unauthenticated => 401,
        Kind::Forbidden => 403,
        Kind::NotFound => 404,
        Kind::Conflict | Kind::Stale => 409,
        Kind::TooLarge => 413,
        Kind::Exhausted => 429,
        Kind::Cancelled => 499,
        Kind::Unsupported => 501,
        Kind::Unavailable => 503,
        Kind::DeadlineExceeded => 504,
        // `Kind` may grow; what this edge does not know is a bug of ours.
        _ => 500,
    }
}

/// The title of a problem type.
#[cfg(not(target_arch = "wasm32"))]
pub(crate) fn title(kind: Kind) -> &'static str {
    match kind {
        Kind::Invalid => "The request is wrong",
        Kind::Unauthenticated => "Nobody is logged in",
        Kind::Forbidden => "This is not allowed",
        Kind::NotFound => "There is no such thing",
        Kind::Conflict => "The state does not allow it",
        Kind::Stale => "The request rests on something that has changed",
        Kind::TooLarge => "The request is too large",
        Kind::Exhausted => "The quota is used up",
        Kind::Cancelled => "The request was cancelled",
        Kind::DeadlineExceeded => "The deadline passed",
        Kind::Unavailable => "The service is not available for the moment",
        Kind::UnknownOutcome => "It may have happened or not",
        Kind::Unsupported => "This is not supported",
        _ => "The service has a bug",
    }
}

/// The failure that an answer of this status and body tells.
///
/// An answer that is no problem of ours, such as a proxy's, is judged by its status.
pub(crate) fn failure_of(status: u16, body: &[u8]) -> Failure {
    let told = parse(body).ok().and_then(|value| match value {
        Value::Object(problem) => Some(problem),
        _ => None,
    });
    let Some(problem) = told else {
        return Failure::new(kind_of_status(status), format!("the service answered {status}"));
    };
    let text = |name: &str| problem.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let kind = text("type").and_then(|kind| kind.strip_prefix(TYPE_PREFIX)).and_then(kind_of_label);
    let words = text("detail").or_else(|| text("title")).map(str::to_owned);
    let words = words.unwrap_or_else(|| format!("the service answered {status}"));
    let log = text("request_id").map(|id| format!("{words} (request {id})"));
    let failure = Failure::new(kind.unwrap_or_else(|| kind_of_status(status)), words);
    let failure = failure.with_details(problem.get("details").cloned().unwrap_or_default());
    match log {
        Some(log) => failure.with_log(log),
        None => failure,
    }
}

fn kind_of_label(label: &str) -> Option<Kind> {
    read(&Value::String(label.to_owned())).ok()
}

fn kind_of_status(status: u16) -> Kind {
    match status {
        401 => Kind::Unauthenticated,
        403 => Kind::Forbidden,
        404 | 410 => Kind::NotFound,
        405 | 501 => Kind::Unsupported,
        409 | 412 => Kind::Conflict,
        413 | 431 => Kind::TooLarge,
        429 => Kind::Exhausted,
        499 => Kind::Cancelled,
        502 | 503 => Kind::Unavailable,
        504 => Kind::DeadlineExceeded,
        400..=499 => Kind::Invalid,
        _ => Kind::Internal,
    }
}
