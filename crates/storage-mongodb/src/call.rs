//! One operation between the caller and the task that works: the driver's futures must not be dropped half-way.
//!
//! Invariants:
//! 1. A call is open, then left by its caller or held by its task, whichever comes first.
//! 2. What a caller left is never committed; what a task holds is answered by the commit's outcome, or is
//!    unknown to a caller that could not wait for it.
//! 3. A task ends its session before it ends.

use std::sync::Arc;

use staffa_context::{Cause, Context};
use staffa_storage::{Claim, Error, Result};
use tokio::sync::{Notify, oneshot};

/// Whether an operation is still wanted. It is asked from both sides.
pub(crate) struct Call {
    claim: Claim,
    left: Notify,
}

impl Call {
    pub(crate) fn new(ctx: Context) -> Arc<Self> {
        Arc::new(Self { claim: Claim::new(ctx), left: Notify::new() })
    }

    /// Runs this work in a task of its own, to its end, and waits for it as the caller.
    pub(crate) async fn run<T, F>(self: &Arc<Self>, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let task = async move {
            // A caller that left does not listen.
            let _ = reply.send(work.await);
        };
        // It is not stopped from outside: it ends soon after its call is left.
        drop(self.context().instruments().spawner.spawn(Box::pin(task)));
        self.answer(answer).await
    }

    /// The context of the operation.
    pub(crate) fn context(&self) -> &Context {
        self.claim.context()
    }

    /// Ends when the work is no longer wanted.
    pub(crate) async fn gone(&self) {
        tokio::select! {
            _ = self.context().done() => {}
            () = self.left.notified() => {}
        }
    }

    /// Why the work must stop; `None` while it is wanted, and from the beginning of its commit on.
    pub(crate) fn ended(&self) -> Option<Cause> {
        self.claim.ended()
    }

    /// `Err` with the cause once the work must stop.
    pub(crate) fn check(&self) -> Result<()> {
        self.claim.check()
    }

    /// Says that the commit begins; `false` when the work is no longer wanted.
    pub(crate) fn hold(&self) -> bool {
        self.claim.hold()
    }

    /// Says that the commit that was to begin does not.
    pub(crate) fn unhold(&self) {
        self.claim.unhold();
    }

    fn leave(&self) -> bool {
        let left = self.claim.leave();
        self.left.notify_one();
        left
    }

    /// Waits for the answer as the caller. Dropping it, or the end of the context, leaves the call.
    async fn answer<T>(&self, mut reply: oneshot::Receiver<Result<T>>) -> Result<T> {
        let _leaves = Leaves(self);
        match self.context().run(&mut reply).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(self.broken()),
            Err(cause) if self.leave() => Err(Error::Ended(cause)),
            Err(cause) => reply
                .try_recv()
                .unwrap_or_else(|_| Err(Error::Unknown(format!("{cause} while the server committed")))),
        }
    }

    /// A panic in the work took the answer with it.
    fn broken(&self) -> Error {
        let words = "the operation failed by a panic, which was logged";
        if self.claim.is_held() { Error::Unknown(words.into()) } else { Error::Unusable(words.into()) }
    }
}

struct Leaves<'a>(&'a Call);

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
