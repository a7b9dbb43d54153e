//! One operation between its caller, whose future is `Send`, and the page's own task, which holds the browser's handles.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;

use futures_channel::oneshot;
use staffa_context::{Cause, Context};
use staffa_storage::{Error, Result};

/// What the work says of itself to the task that runs it.
#[derive(Default)]
pub(crate) struct Call {
    committing: Cell<bool>,
}

impl Call {
    /// The commit was asked for: whatever comes, the work goes on until its outcome is seen.
    pub(crate) fn past_return(&self) {
        self.committing.set(true);
    }
}

/// The task's side: runs the work to its end, or until `stop` comes or its sender is gone. Work that is dropped
/// takes its transaction back.
pub(crate) async fn until<T>(
    mut stop: oneshot::Receiver<()>,
    call: &Call,
    work: impl Future<Output = Result<T>>,
) -> Result<T> {
    let mut work = pin!(work);
    poll_fn(|cx| {
        // Waking for a stop that came before is harmless: it is looked at again only while nothing is committed.
        if !call.committing.get() && Pin::new(&mut stop).poll(cx).is_ready() {
            return Poll::Ready(Err(Error::Ended(Cause::cancelled("its caller left"))));
        }
        work.as_mut().poll(cx)
    })
    .await
}

/// The caller's side: the answer, or once the context ends what became of the work, which is then stopped.
pub(crate) async fn answer<T>(
    ctx: &Context,
    stop: oneshot::Sender<()>,
    mut answer: oneshot::Receiver<Result<T>>,
) -> Result<T> {
    let cause = match ctx.run(&mut answer).await {
        Ok(answered) => return answered.unwrap_or_else(|_| Err(gone())),
        Err(cause) => cause,
    };
    // The task may be through with it.
    let _ = stop.send(());
    match answer.await {
        Ok(Err(Error::Ended(_))) => Err(Error::Ended(cause)),
        Ok(outcome) => outcome,
        Err(_) => Err(gone()),
    }
}

/// The work was never begun: the store was closed before.
pub(crate) fn gone() -> Error {
    Error::Unavailable("the store is closed".into())
}
