//! One operation between the task that asks and the thread that works.
//!
//! Invariants:
//! 1. A call is open, then left by its caller or held by the writer, whichever comes first.
//! 2. What a caller left is never committed; what the writer holds is answered by the commit's outcome, or is
//!    unknown to a caller that could not wait for it.

use std::sync::Arc;

use staffa_context::{Cause, Context, Instant};
use staffa_storage::{Claim, Error, Result};
use tokio::sync::oneshot;

/// Whether an operation is still wanted. It is asked from both sides.
pub(crate) struct Call(Claim);

impl Call {
    pub(crate) fn new(ctx: Context) -> Arc<Self> {
        Arc::new(Self(Claim::new(ctx)))
    }

    /// What the caller's clock says.
    pub(crate) fn now(&self) -> Instant {
        self.0.context().clock().now()
    }

    /// Why the work must stop; `None` while it is wanted, and from the beginning of its commit on.
    pub(crate) fn ended(&self) -> Option<Cause> {
        self.0.ended()
    }

    /// `Err` with the cause once the work must stop.
    pub(crate) fn check(&self) -> Result<()> {
        self.0.check()
    }

    /// Says that the commit begins; `false` when the work is no longer wanted.
    pub(crate) fn hold(&self) -> bool {
        self.0.hold()
    }

    /// Says that the commit that was to begin does not.
    pub(crate) fn unhold(&self) {
        self.0.unhold();
    }

    /// Waits for the answer as the caller. Dropping it, or the end of the context, leaves the call.
    pub(crate) async fn answer<T>(&self, mut reply: oneshot::Receiver<Result<T>>) -> Result<T> {
        let _leaves = Leaves(&self.0);
        match self.0.context().run(&mut reply).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(self.broken()),
            Err(cause) if self.0.leave() => Err(Error::Ended(cause)),
            Err(cause) => reply
                .try_recv()
                .unwrap_or_else(|_| Err(Error::Unknown(format!("{cause} while the disk was writing")))),
        }
    }

    /// A panic in the work took the answer with it.
    fn broken(&self) -> Error {
        let words = "the operation failed by a panic, which was logged";
        if self.0.is_held() { Error::Unknown(words.into()) } else { Error::Unusable(words.into()) }
    }
}

struct Leaves<'a>(&'a Claim);

impl Drop for Leaves<'_> {
    fn drop(&mut self) {
        self.0.leave();
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

    use std::future::Future;

    use super::*;

    #[tokio::test]
    async fn a_caller_that_leaves_before_the_commit_is_told_that_nothing_happened() {
        let (ctx, cancel) = Context::background().with_cancel();
        let call = Call::new(ctx);
        let (_reply, answer) = oneshot::channel::<Result<()>>();
        cancel.cancel(Cause::ClientGone);
        assert_eq!(call.answer(answer).await, Err(Error::Ended(Cause::ClientGone)));
        assert!(!call.hold());
        assert_eq!(call.ended(), Some(Cause::ClientGone));
    }

    #[tokio::test]
    async fn a_caller_whose_context_ends_during_the_commit_is_told_that_it_is_unknown() {
        let (ctx, cancel) = Context::background().with_cancel();
        let call = Call::new(ctx);
        let (_reply, answer) = oneshot::channel::<Result<()>>();
        assert!(call.hold());
        cancel.cancel(Cause::DeadlineExceeded);
        assert_eq!(call.ended(), None, "nothing stops a commit that has begun");
        assert!(matches!(call.answer(answer).await, Err(Error::Unknown(_))));
    }

    #[tokio::test]
    async fn an_outcome_that_is_there_wins_over_the_end_of_the_context() {
        let (ctx, cancel) = Context::background().with_cancel();
        let call = Call::new(ctx);
        let (reply, answer) = oneshot::channel();
        assert!(call.hold());
        reply.send(Ok(1)).unwrap();
        cancel.cancel(Cause::DeadlineExceeded);
        assert_eq!(call.answer(answer).await, Ok(1));
    }

    #[test]
    fn a_call_ends_when_its_caller_is_dropped() {
        let call = Call::new(Context::background());
        let (_reply, answer) = oneshot::channel::<Result<()>>();
        let mut waiting = Box::pin(call.answer(answer));
        let waker = std::task::Waker::noop();
        assert!(waiting.as_mut().poll(&mut std::task::Context::from_waker(waker)).is_pending());
        assert_eq!(call.ended(), None);
        drop(waiting);
        assert!(call.ended().is_some());
    }
}
