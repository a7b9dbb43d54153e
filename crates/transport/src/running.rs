//! A handler at work, and what becomes of it when its client goes.
use std::any::Any;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::task::{Context as Task, Poll};
use std::time::Duration;

use staffa_context::{BoxFuture, Cancel, Cause, Context, Failure, Kind};

use crate::Policy;
use crate::admission::Place;

/// A handler's future with its context.
///
/// It runs inside the request's own task, which costs nothing. Dropped before its end (the client went, or the
/// deadline passed and the answer is on its way), it moves to a task of its own: there a reader sees its context end and
/// has the grace to leave in order, and a writer runs to its end.
pub(crate) struct Running<T: Send + 'static> {
    future: Option<BoxFuture<'static, Result<T, Failure>>>,
    ctx: Context,
    cancel: Cancel,
    policy: Policy,
    grace: Duration,
    place: Option<Place>,
}

impl<T: Send + 'static> Running<T> {
    /// `cancel` ends `ctx`, which is the context of `future`; `place` is given back when the work is over.
    pub(crate) fn new(
        future: BoxFuture<'static, Result<T, Failure>>,
        (ctx, cancel): (Context, Cancel),
        policy: Policy,
        grace: Duration,
        place: Option<Place>,
    ) -> Self {
        Self { future: Some(future), ctx, cancel, policy, grace, place }
    }

    /// The handler's result, or the cause when its context ends first. What is left then leaves when this is dropped.
    pub(crate) async fn result(&mut self) -> Result<T, Failure> {
        let ctx = self.ctx.clone();
        let mut done = ctx.done();
        poll_fn(|cx| match self.poll_work(cx) {
            Poll::Ready(result) => Poll::Ready(result),
            Poll::Pending => Pin::new(&mut done).poll(cx).map(|cause| Err(cause.into())),
        })
        .await
    }

    fn poll_work(&mut self, cx: &mut Task<'_>) -> Poll<Result<T, Failure>> {
        let Some(future) = self.future.as_mut() else { return Poll::Pending };
        let polled = caught(&self.ctx, future, cx);
        if polled.is_ready() {
            self.future = None;
        }
        polled
    }
}

impl<T: Send + 'static> Drop for Running<T> {
    fn drop(&mut self) {
        let Some(future) = self.future.take() else { return };
        if self.policy == Policy::Cancel {
            self.cancel.cancel(Cause::ClientGone);
        }
        // A runtime that is itself being torn down starts nothing more.
        if tokio::runtime::Handle::try_current().is_ok() {
            let (ctx, place) = (self.ctx.clone(), self.place.take());
            let rest = leave(future, ctx.clone(), self.grace, place);
            // Not in a group: `Work` counts it, ends it and waits for it.
            ctx.instruments().spawner.spawn(Box::pin(rest));
        }
    }
}

/// Runs `future` to its end, or drops it when `grace` has passed since its context ended.
async fn leave<T: Send + 'static>(
    mut future: BoxFuture<'static, Result<T, Failure>>,
    ctx: Context,
    grace: Duration,
    place: Option<Place>,
) {
    let mut over = pin!(async {
        ctx.done().await;
        // The context of the sleep must not be the one that has ended.
        let _ = ctx.shielded().sleep(grace).await;
    });
    let result = poll_fn(|cx| match caught(&ctx, &mut future, cx) {
        Poll::Ready(result) => Poll::Ready(Some(result)),
        Poll::Pending => over.as_mut().poll(cx).map(|()| None),
    })
    .await;
    ctx.in_trace(|| match result {
        Some(Err(failure)) if failure.kind == Kind::Internal => {
            tracing::error!(error = %failure, "a handler failed after its client had gone");
        }
        Some(_) => {}
        None => tracing::warn!(?grace, "a handler was dropped: it went on after its context had ended"),
    });
    drop(place);
}

/// Polls within the trace; a panic becomes an internal failure.
fn caught<T>(
    ctx: &Context,
    future: &mut BoxFuture<'static, Result<T, Failure>>,
    cx: &mut Task<'_>,
) -> Poll<Result<T, Failure>> {
    // The future is dropped after a panic and never polled again, so nobody sees a broken invariant of its own.
    match catch_unwind(AssertUnwindSafe(|| ctx.in_trace(|| future.as_mut().poll(cx)))) {
        Ok(polled) => polled,
        Err(panic) => Poll::Ready(Err(panicked(panic.as_ref()))),
    }
}

fn panicked(panic: &(dyn Any + Send)) -> Failure {
    let message = panic
        .downcast_ref::<&'static str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    Failure::new(Kind::Internal, "the service has a bug; it has been noted")
        .with_log(format!("a handler panicked: {message}"))
}
