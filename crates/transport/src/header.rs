//! The header fields of this crate's own conventions.
use http::HeaderName;

/// What is left of the caller's budget, in milliseconds.
pub(crate) const TIMEOUT: HeaderName = HeaderName::from_static("staffa-timeout-ms");
/// The same for Envoy on the way out: it takes it as its own timeout.
pub(crate) const ENVOY_TIMEOUT: HeaderName = HeaderName::from_static("x-envoy-upstream-rq-timeout-ms");
/// What Envoy leaves to the upstream.
#[cfg(not(target_arch = "wasm32"))]
pub(crate) const ENVOY_EXPECTED: HeaderName = HeaderName::from_static("x-envoy-expected-rq-timeout-ms");
/// The place of the caller in its trace: W3C Trace Context.
pub(crate) const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// Names one request in answers and logs.
#[cfg(not(target_arch = "wasm32"))]
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Makes a repeated write one write.
pub(crate) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Says that an answer was kept from an earlier request.
#[cfg(not(target_arch = "wasm32"))]
pub(crate) const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// The last event that a client of a stream saw.
pub(crate) const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// The media type of problem details.
#[cfg(not(target_arch = "wasm32"))]
pub(crate) const PROBLEM_JSON: &str = "application/problem+json";
/// The media type of requests and responses.
pub(crate) const JSON: &str = "application/json";
/// The media type of server-sent events.
pub(crate) const EVENT_STREAM: &str = "text/event-stream";
