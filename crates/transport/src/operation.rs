//! Handlers without their types, so that the rest of a server is compiled once.
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as Task, Poll};

use bytes::Bytes;
use futures_core::Stream;
use serde::Serialize;
use serde::de::DeserializeOwned;
use staffa_context::{BoxFuture, Context, Fail, Failure, Kind};

use crate::Handler;
use crate::answer::Reply;
use crate::idempotency::{Keyed, digest};
use crate::request::Input;
use crate::sse;

/// A handler of an endpoint.
pub(crate) trait Operation: Send + Sync {
    fn start(
        self: Arc<Self>,
        ctx: Context,
        input: Input,
        keyed: Option<Keyed>,
    ) -> BoxFuture<'static, Result<Reply, Failure>>;
}

/// Events on the wire.
pub(crate) type Frames = Pin<Box<dyn Stream<Item = Result<Bytes, Failure>> + Send>>;

/// A handler of an event stream.
pub(crate) trait StreamOperation: Send + Sync {
    fn open(self: Arc<Self>, ctx: Context, input: Input) -> BoxFuture<'static, Result<Frames, Failure>>;
}

/// A service's method that answers `Q`.
pub(crate) struct Method<S: ?Sized, Q, R, E, H> {
    service: Arc<S>,
    handler: H,
    types: PhantomData<fn(Q) -> (R, E)>,
}

impl<S: ?Sized, Q, R, E, H> Method<S, Q, R, E, H> {
    pub(crate) fn new(service: &Arc<S>, handler: H) -> Self {
        Self { service: Arc::clone(service), handler, types: PhantomData }
    }
}

impl<S, Q, R, E, H> Method<S, Q, R, E, H>
where
    S: Send + Sync + ?Sized + 'static,
    Q: Serialize + DeserializeOwned + Send + 'static,
    R: Serialize + Send + 'static,
    E: Fail,
    H: for<'a> Handler<'a, S, Q, Out = Result<R, E>> + 'static,
{
    async fn call(&self, ctx: &Context, request: Q) -> Result<Reply, Failure> {
        match self.handler.call(&self.service, ctx, request).await {
            Ok(response) => Reply::of(&response),
            Err(error) => Err(Failure::of(&error)),
        }
    }

    async fn call_keyed(&self, ctx: &Context, request: Q, keyed: Keyed) -> Result<Reply, Failure> {
        let digest = digest(&request)?;
        if let Some(reply) = keyed.kept(ctx, digest).await? {
            return Ok(reply);
        }
        let result = self.call(&ctx.with_value(keyed.value(digest)), request).await;
        match result {
            // The same request may have come in twice at once, and the other one was faster.
            Err(failure) if failure.kind == Kind::Conflict => keyed.kept(ctx, digest).await?.ok_or(failure),
            result => result,
        }
    }
}

impl<S, Q, R, E, H> Operation for Method<S, Q, R, E, H>
where
    S: Send + Sync + ?Sized + 'static,
    Q: Serialize + DeserializeOwned + Send + 'static,
    R: Serialize + Send + 'static,
    E: Fail,
    H: for<'a> Handler<'a, S, Q, Out = Result<R, E>> + 'static,
{
    fn start(
        self: Arc<Self>,
        ctx: Context,
        input: Input,
        keyed: Option<Keyed>,
    ) -> BoxFuture<'static, Result<Reply, Failure>> {
        Box::pin(async move {
            let request = input.read()?;
            match keyed {
                None => self.call(&ctx, request).await,
                // Boxed, so that the future of a call without a key has no room for it.
                Some(keyed) => Box::pin(self.call_keyed(&ctx, request, keyed)).await,
            }
        })
    }
}

impl<S, Q, St, T, E, H> StreamOperation for Method<S, Q, (St, T), E, H>
where
    S: Send + Sync + ?Sized + 'static,
    Q: DeserializeOwned + Send + 'static,
    T: Serialize + Send + 'static,
    E: Fail,
    St: Stream<Item = (u64, T)> + Send + 'static,
    H: for<'a> Handler<'a, S, Q, Out = Result<St, E>> + 'static,
{
    fn open(self: Arc<Self>, ctx: Context, input: Input) -> BoxFuture<'static, Result<Frames, Failure>> {
        Box::pin(async move {
            let request = input.read()?;
            match self.handler.call(&self.service, &ctx, request).await {
                Ok(events) => Ok(Box::pin(Framed(Some(Box::pin(events)))) as Frames),
                Err(error) => Err(Failure::of(&error)),
            }
        })
    }
}

/// A handler's events as they go over the wire; `None` once they have ended.
struct Framed<St>(Option<Pin<Box<St>>>);

impl<T: Serialize, St: Stream<Item = (u64, T)>> Stream for Framed<St> {
    type Item = Result<Bytes, Failure>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Task<'_>) -> Poll<Option<Self::Item>> {
        let Some(events) = &mut self.0 else { return Poll::Ready(None) };
        let polled = events.as_mut().poll_next(cx);
        if matches!(polled, Poll::Ready(None)) {
            self.0 = None;
        }
        polled.map(|event| event.map(|(id, data)| sse::write(id, &data)))
    }
}
