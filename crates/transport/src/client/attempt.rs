//! One try of a call.
use std::future::poll_fn;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use staffa_context::{Cause, Context, Failure, Kind, Metric, MetricKind, SpanKind};

use super::Client;
use super::carrier::{Broken, Chunks, Headers, Incoming, Outgoing};
use crate::endpoint::Shape;
use crate::{Method, header, problem};

const DURATION: Metric = Metric {
    name: "http_client_request_duration_seconds",
    help: "Time of one try of an outgoing call, by method, route and result (`ok` or the kind of failure).",
    kind: MetricKind::Histogram,
};

/// The largest problem that is read, in bytes.
const PROBLEM_MAX: usize = 256 << 10;

/// Why one try failed.
pub(super) struct Refusal {
    pub(super) failure: Failure,
    /// When the server wants to be asked again at the earliest.
    pub(super) retry_after: Duration,
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        Self { failure, retry_after: Duration::ZERO }
    }
}

impl From<Cause> for Refusal {
    fn from(cause: Cause) -> Self {
        Failure::from(cause).into()
    }
}

impl Client {
    /// Sends a call once, and takes its whole response.
    pub(super) async fn call_once(
        &self,
        ctx: &Context,
        shape: &Shape,
        outgoing: Outgoing,
    ) -> Result<Bytes, Refusal> {
        self.observed(ctx, shape, async |ctx| {
            let incoming = self.exchange(ctx, shape, outgoing).await?;
            let body = collect(incoming.chunks, self.limits.response_max).await;
            Ok(body.map_err(|error| match error {
                Unread::Broken(broken) => lost(shape, broken),
                Unread::TooLarge => {
                    Failure::new(Kind::TooLarge, "the response is larger than this client takes")
                }
            })?)
        })
        .await
    }

    /// Opens a stream once.
    pub(super) async fn open_once(
        &self,
        ctx: &Context,
        shape: &Shape,
        outgoing: Outgoing,
    ) -> Result<Chunks, Refusal> {
        self.observed(ctx, shape, async |ctx| Ok(self.exchange(ctx, shape, outgoing).await?.chunks)).await
    }

    /// Runs a try within its context, with a span and a duration of its own.
    async fn observed<T>(
        &self,
        ctx: &Context,
        shape: &Shape,
        attempt: impl AsyncFnOnce(&Context) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        ctx.check()?;
        let mut span = ctx.span_of(SpanKind::Client, format!("{} {}", shape.method.as_str(), shape.path));
        let started = span.clock().now();
        let span_ctx = span.clone();
        let result = match span_ctx.run(attempt(&span_ctx)).await {
            Ok(result) => result,
            Err(cause) => Err(cause.into()),
        };
        let label = match &result {
            Ok(_) => "ok",
            Err(refusal) => refusal.failure.kind.label(),
        };
        if let Err(refusal) = &result {
            span.fail(&refusal.failure);
        }
        let labels = [("method", shape.method.as_str()), ("route", shape.path), ("result", label)];
        let seconds = span.clock().now().saturating_duration_since(started).as_secs_f64();
        span.series(&DURATION, &labels).observe(seconds, span.trace());
        result
    }

    /// Sends a request and looks at the head of its response; one that is no success becomes a refusal.
    async fn exchange(
        &self,
        ctx: &Context,
        shape: &Shape,
        mut outgoing: Outgoing,
    ) -> Result<Incoming, Refusal> {
        add_context(ctx, &mut outgoing.headers);
        let incoming = self.carrier.send(outgoing).await.map_err(|broken| lost(shape, broken))?;
        if (200..300).contains(&incoming.status) {
            return Ok(incoming);
        }
        let retry_after = incoming.retry_after.unwrap_or_default();
        let body = collect(incoming.chunks, PROBLEM_MAX).await.unwrap_or_default();
        Err(Refusal { failure: problem::failure_of(incoming.status, &body), retry_after })
    }
}

fn add_context(ctx: &Context, headers: &mut Headers) {
    if let Some(remaining) = ctx.remaining() {
        // Rounded down, so that no hop grows the budget; the last part of a millisecond is no passed deadline yet.
        let millis = u64::try_from(remaining.as_millis().max(1)).unwrap_or(u64::MAX).to_string();
        headers.add(header::name::ENVOY_TIMEOUT, millis.clone());
        headers.add(header::name::TIMEOUT, millis);
    }
    if let Some(trace) = ctx.trace() {
        headers.add(header::name::TRACEPARENT, trace.traceparent());
    }
}

/// What a broken exchange means to the caller: a read can be tried again, a write that was sent has an unknown outcome.
fn lost(shape: &Shape, broken: Broken) -> Failure {
    if broken.sent && shape.method != Method::Get {
        let words = "the connection broke before the answer came; it may have happened or not";
        return Failure::new(Kind::UnknownOutcome, words).with_log(broken.reason);
    }
    Failure::new(Kind::Unavailable, "the service cannot be reached for the moment").with_log(broken.reason)
}

/// Why a body was not taken whole.
enum Unread {
    Broken(Broken),
    TooLarge,
}

async fn collect(mut chunks: Chunks, bytes_max: usize) -> Result<Bytes, Unread> {
    let mut whole = BytesMut::new();
    while let Some(chunk) = poll_fn(|cx| chunks.as_mut().poll_next(cx)).await {
        let chunk = chunk.map_err(Unread::Broken)?;
        if whole.len() + chunk.len() > bytes_max {
            return Err(Unread::TooLarge);
        }
        // One chunk is most often the whole.
        if whole.is_empty() { whole = chunk.into() } else { whole.extend_from_slice(&chunk) }
    }
    Ok(whole.freeze())
}
