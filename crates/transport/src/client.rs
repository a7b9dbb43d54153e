//! Typed calls of endpoints, over HTTP, in the same process, or from a browser.
use std::fmt;
use std::pin::Pin;
use std::task::Poll;

use futures_core::Stream;
use serde::Serialize;
use serde::de::DeserializeOwned;
use staffa_context::{Context, Failure};

use crate::{Endpoint, Events};

/// Calls endpoints. Clones share connections and the retry budget.
#[derive(Clone, Debug)]
pub struct Client {}

/// The idempotency key of the next call of a keyed endpoint, as a value of the context. Without one, each call makes its own,
/// and its retries share that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallKey(pub String);

impl Client {
    /// Calls over HTTP/1.1 at this base, `http://host:port`, with an optional path in front of every endpoint's.
    ///
    /// # Errors
    /// [`staffa_context::Kind::Invalid`] when `base` is not such an address.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn http(base: &str) -> Result<Self, Failure> {
        let _ = base;
        Ok(Self {})
    }

    /// Calls a router of this process: it skips the socket and nothing else.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn in_process(router: axum::Router) -> Self {
        let _ = router;
        Self {}
    }

    /// Calls by the browser's `fetch`, from a page or a worker. An empty base is the page's own origin.
    #[cfg(target_arch = "wasm32")]
    pub fn browser(base: &str) -> Self {
        let _ = base;
        Self {}
    }

    /// Calls `endpoint`.
    pub async fn call<Q, R, E>(&self, ctx: &Context, endpoint: Endpoint<Q, R, E>, request: Q) -> Result<R, E>
    where
        Q: Serialize,
        R: DeserializeOwned,
        E: From<Failure>,
    {
        let _ = (ctx, endpoint, request);
        Err(Failure::new(staffa_context::Kind::Unsupported, "not yet").into())
    }

    /// Opens `events`; it goes on by itself after a lost connection, from the last event that it saw.
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
        let _ = (ctx, events, request);
        Err(Failure::new(staffa_context::Kind::Unsupported, "not yet").into())
    }
}

/// Events with their ids, as they come. It ends when the server's stream does, or after an error. Dropping it closes the connection.
pub struct EventStream<T, E> {
    inner: Pin<Box<dyn Stream<Item = Result<(u64, T), E>> + Send>>,
}

impl<T, E> EventStream<T, E> {
    /// The next event. Cancel-safe.
    pub async fn next(&mut self) -> Option<Result<(u64, T), E>> {
        std::future::poll_fn(|cx| self.inner.as_mut().poll_next(cx)).await
    }
}

impl<T, E> Stream for EventStream<T, E> {
    type Item = Result<(u64, T), E>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> Poll<Option<Self::Item>> {
        self.inner.as_mut().poll_next(cx)
    }
}

impl<T, E> fmt::Debug for EventStream<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventStream").finish_non_exhaustive()
    }
}
