//! The header fields of this crate's own conventions.
#[cfg(not(target_arch = "wasm32"))]
use http::HeaderName;

/// Names as a client writes them.
pub(crate) mod name {
    pub(crate) const ACCEPT: &str = "accept";
    pub(crate) const CONTENT_TYPE: &str = "content-type";
    /// What is left of the caller's budget, in milliseconds.
    pub(crate) const TIMEOUT: &str = "staffa-timeout-ms";
    /// The same for Envoy on the way out: it takes it as its own timeout.
    pub(crate) const ENVOY_TIMEOUT: &str = "x-envoy-upstream-rq-timeout-ms";
    /// The place of the caller in its trace: W3C Trace Context.
    pub(crate) const TRACEPARENT: &str = "traceparent";
    /// Makes a repeated write one write.
    pub(crate) const IDEMPOTENCY_KEY: &str = "idempotency-key";
    /// The last event that a client of a stream saw.
    pub(crate) const LAST_EVENT_ID: &str = "last-event-id";
    /// When the server wants to be asked again at the earliest.
    pub(crate) const RETRY_AFTER: &str = "retry-after";
}

/// What Envoy leaves to the upstream.
#[cfg(not(target_arch = "wasm32"))]
pub(crate) const ENVOY_EXPECTED: &str = "x-envoy-expected-rq-timeout-ms";
/// Names one request in answers and logs.
#[cfg(not(target_arch = "wasm32"))]
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static(REQUEST_ID_NAME);
/// The same as text.
#[cfg(not(target_arch = "wasm32"))]
pub(crate) const REQUEST_ID_NAME: &str = "x-request-id";
/// [`name::IDEMPOTENCY_KEY`].
#[cfg(not(target_arch = "wasm32"))]
pub(crate) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static(name::IDEMPOTENCY_KEY);
/// Says that an answer was kept from an earlier request.
#[cfg(not(target_arch = "wasm32"))]
pub(crate) const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// [`name::LAST_EVENT_ID`].
#[cfg(not(target_arch = "wasm32"))]
pub(crate) const LAST_EVENT_ID: HeaderName = HeaderName::from_static(name::LAST_EVENT_ID);

/// The media type of problem details.
#[cfg(not(target_arch = "wasm32"))]
pub(crate) const PROBLEM_JSON: &str = "application/problem+json";
/// The media type of requests and responses.
pub(crate) const JSON: &str = "application/json";
/// The media type of server-sent events.
pub(crate) const EVENT_STREAM: &str = "text/event-stream";
