//! The use case is the handler.
use std::future::Future;
use std::pin::Pin;

use futures_core::Stream;
use staffa_context::Context;

/// An `async fn(&S, &Context, Q) -> Result<R, E>`, usually a method of the core: `Orders::place`.
///
/// It is implemented for every such function, and never by hand.
pub trait Handler<'a, S: ?Sized, Q>: Send + Sync {
    /// What the function gives: `Result<R, E>`.
    type Out;
    /// The running function.
    type Future: Future<Output = Self::Out> + Send + 'a;

    /// Calls it.
    fn call(&self, service: &'a S, ctx: &'a Context, request: Q) -> Self::Future;
}

impl<'a, S, Q, F, Fut> Handler<'a, S, Q> for F
where
    S: ?Sized + 'a,
    F: Fn(&'a S, &'a Context, Q) -> Fut + Send + Sync,
    Fut: Future + Send + 'a,
{
    type Out = Fut::Output;
    type Future = Fut;

    fn call(&self, service: &'a S, ctx: &'a Context, request: Q) -> Fut {
        self(service, ctx, request)
    }
}

/// What a handler of [`crate::Events`] gives: events with ids that grow.
///
/// The stream ends the connection when it ends, and is dropped when the client goes.
pub type EventSource<T> = Pin<Box<dyn Stream<Item = (u64, T)> + Send>>;
