//! Typed calls of endpoints, over HTTP, in the same process, or from a browser.
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use staffa_context::{Context, Failure, Kind};

use crate::endpoint::Shape;
use crate::request::{Encoded, encode};
use crate::{Endpoint, Events, header};

mod attempt;
#[cfg(target_arch = "wasm32")]
mod browser;
mod carrier;
mod decode;
mod events;
#[cfg(not(target_arch = "wasm32"))]
mod http1;
#[cfg(not(target_arch = "wasm32"))]
mod in_process;
mod limits;
mod retry;

use carrier::{Carrier, Headers, Outgoing};
use decode::decode;
pub use events::EventStream;
#[cfg(not(target_arch = "wasm32"))]
pub use in_process::InProcess;
pub use limits::CallLimits;
use retry::Budget;

/// Calls endpoints. Clones share connections and the retry budget.
///
/// Every call has a deadline: the context's, the endpoint's or [`CallLimits::timeout`], whichever comes first. What is
/// left of it travels with the request. When the context ends, or the call's future is dropped, the request is dropped
/// too and the server sees its client go. A write that was cut off so may have happened.
///
/// GET and endpoints with an idempotency key are tried again when the failure is temporary
/// ([`staffa_context::Kind::is_temporary`]), keyed ones also when the outcome is unknown: after a pause with jitter, at
/// most [`CallLimits::attempts`] times, only if the pause fits into the remaining time, and only while retries are at
/// most a tenth of the client's calls. A passed deadline is never retried.
#[derive(Clone)]
pub struct Client {
    carrier: Arc<dyn Carrier>,
    limits: CallLimits,
    budget: Arc<Budget>,
}

/// The idempotency key of the next call of a keyed endpoint, as a value of the context. Without one, each call makes
/// its own, and its retries share that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallKey(pub String);

impl Client {
    /// Calls over HTTP/1.1 at this base, `http://host:port`, with an optional path in front of every endpoint's.
    ///
    /// # Errors
    /// [`Kind::Invalid`] when `base` is not such an address.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn http(base: &str) -> Result<Self, Failure> {
        Self::http_with(base, CallLimits::default())
    }

    /// The same with other limits.
    ///
    /// # Errors
    /// [`Kind::Invalid`] when `base` is not such an address.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn http_with(base: &str, limits: CallLimits) -> Result<Self, Failure> {
        let carrier = http1::Http::new(base, &limits)?;
        Ok(Self::new(Arc::new(carrier), limits))
    }

    /// Calls a router of this process: it skips the socket and nothing else.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn in_process(router: axum::Router) -> Self {
        let process = InProcess::default();
        process.bind(router);
        Self::in_process_later(&process)
    }

    /// Calls a router of this process that is bound later: until then calls fail as unavailable.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn in_process_later(process: &InProcess) -> Self {
        Self::new(Arc::new(process.clone()), CallLimits::default())
    }

    /// Calls by the browser's `fetch`, from a page or a worker. An empty base is the page's own origin.
    #[cfg(target_arch = "wasm32")]
    pub fn browser(base: &str) -> Self {
        Self::new(Arc::new(browser::Fetch::new(base)), CallLimits::default())
    }

    /// The same connections with other limits for calls; those of connections stay.
    #[must_use]
    pub fn with_limits(mut self, limits: CallLimits) -> Self {
        self.limits = limits;
        self
    }

    fn new(carrier: Arc<dyn Carrier>, limits: CallLimits) -> Self {
        Self { carrier, limits, budget: Arc::default() }
    }

    /// Calls `endpoint`. Dropping the future drops the request: the server sees its client go.
    ///
    /// # Errors
    /// The server's own error with its details; or, turned into one: [`Kind::Unavailable`] when the server is not
    /// reached, [`Kind::UnknownOutcome`] when a write was cut off after it had been sent, the context's cause when
    /// it ends, [`Kind::TooLarge`] for a response beyond [`CallLimits::response_max`].
    pub async fn call<Q, R, E>(&self, ctx: &Context, endpoint: Endpoint<Q, R, E>, request: Q) -> Result<R, E>
    where
        Q: Serialize,
        R: DeserializeOwned,
        E: From<Failure>,
    {
        let shape = endpoint.shape();
        let encoded = encode(&shape, &request)?;
        let body = self.call_encoded(ctx, &shape, encoded).await?;
        Ok(decode(&body).map_err(|error| not_as_declared(&shape, &error))?)
    }

    /// Opens `events`. It goes on by itself after a lost connection, from the last event that it saw.
    ///
    /// The context's deadline covers the first event; its cancellation ends the stream at any time, as long as the
    /// deadline has not passed before. Dropping the stream always ends it.
    ///
    /// # Errors
    /// As for [`Client::call`].
    pub async fn events<Q, T, E>(
        &self,
        ctx: &Context,
        events: Events<Q, T, E>,
        request: Q,
    ) -> Result<EventStream<T, E>, E>
    where
        Q: Serialize,
        T: DeserializeOwned,
        E: From<Failure>,
    {
        let shape = events.shape();
        let encoded = encode(&shape, &request)?;
        Ok(EventStream::open(self, ctx, shape, encoded.target).await?)
    }

    async fn call_encoded(&self, ctx: &Context, shape: &Shape, encoded: Encoded) -> Result<Bytes, Failure> {
        let ctx = ctx.with_timeout(shape.timeout.unwrap_or(self.limits.timeout));
        let outgoing = outgoing(&ctx, shape, encoded)?;
        self.retrying(&ctx, shape, || self.call_once(&ctx, shape, outgoing.clone())).await
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("peer", &self.carrier.peer()).finish_non_exhaustive()
    }
}

/// A call without what changes from one try to the next.
fn outgoing(ctx: &Context, shape: &Shape, encoded: Encoded) -> Result<Outgoing, Failure> {
    let mut headers = Headers::default();
    headers.add(header::name::ACCEPT, header::JSON);
    if encoded.body.is_some() {
        headers.add(header::name::CONTENT_TYPE, header::JSON);
    }
    if shape.keyed {
        let key = ctx.value().map_or_else(|| ctx.uuid().to_string(), |CallKey(key)| key.clone());
        if !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            let words = "an idempotency key has visible ASCII characters only";
            return Err(Failure::new(Kind::Invalid, words));
        }
        headers.add(header::name::IDEMPOTENCY_KEY, key);
    }
    let body = encoded.body.map(Bytes::from);
    Ok(Outgoing { method: shape.method, target: encoded.target, headers, body })
}

fn not_as_declared(shape: &Shape, error: &dyn fmt::Display) -> Failure {
    Failure::new(Kind::Internal, "the service answered something else than its endpoint says").with_log(
        format!("the response of {} {} is not as declared: {error}", shape.method.as_str(), shape.path),
    )
}
