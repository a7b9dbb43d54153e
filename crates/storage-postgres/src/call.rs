//! One operation between its caller and its session.
//!
//! Invariants:
//! 1. A call is open, then left by its caller or held by its commit, whichever comes first.
//! 2. What a caller left is never committed; what is held is answered by the commit's outcome, or is unknown to a caller
//!    that could not wait for it.
//! 3. Work that its caller left runs on in a task until its session is idle again: its statement is cancelled, and a
//!    session that does not end it is closed.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{Either, select};
use staffa_context::{BoxFuture, Cause, Context};
use staffa_storage::{Claim, Error, Result};

use crate::session::Stop;

/// How long work whose caller was dropped may go on before its statement is cancelled: most ends by itself, and its
/// connection stays.
const GRACE: Duration = Duration::from_millis(10);
/// How long a caller whose context ended during a commit waits to see the outcome.
const OUTCOME_WAIT: Duration = Duration::from_millis(250);
/// How long a cancelled statement has to end before its connection is closed.
const STOP_WAIT: Duration = Duration::from_secs(5);

/// Whether an operation is still wanted. It is asked from both sides.
pub(crate) struct Call(Claim);

impl Call {
    pub(crate) fn new(ctx: Context) -> Arc<Self> {
        Arc::new(Self(Claim::new(ctx)))
    }

    pub(crate) fn context(&self) -> &Context {
        self.0.context()
    }

    /// `Err` with the cause once the work must stop; never from the beginning of its commit on.
    pub(crate) fn check(&self) -> Result<()> {
        self.0.check()
    }

    /// Says that the commit begins; an error when the work is no longer wanted.
    pub(crate) fn hold(&self) -> Result<()> {
        if self.0.hold() { Ok(()) } else { self.check() }
    }

    /// Says that the commit that was to begin does not.
    pub(crate) fn unhold(&self) {
        self.0.unhold();
    }

    /// The error of a statement that was stopped, as its caller knows it.
    fn told(&self, error: Error) -> Error {
        match (error, self.context().cause()) {
            (Error::Ended(_), Some(cause)) => Error::Ended(cause),
            (Error::Ended(_), None) => Error::Unavailable(
                "the server stopped the statement: its statement_timeout, or an administrator".into(),
            ),
            (error, _) => error,
        }
    }
}

/// Work on a session, as its caller waits for it. Dropping it leaves the work.
pub(crate) struct Work<T: Send + 'static> {
    future: Option<BoxFuture<'static, Result<T>>>,
    call: Arc<Call>,
    stop: Arc<Stop>,
}

impl<T: Send + 'static> Work<T> {
    pub(crate) fn new(call: Arc<Call>, stop: Arc<Stop>, future: BoxFuture<'static, Result<T>>) -> Self {
        Self { future: Some(future), call, stop }
    }

    /// The answer, or the cause when the context ends first and nothing happened.
    pub(crate) async fn answer(mut self) -> Result<T> {
        let Some(future) = self.future.as_mut() else { return Err(Error::Unknown("answered twice".into())) };
        let call = Arc::clone(&self.call);
        match call.context().run(Pin::new(future)).await {
            Ok(result) => {
                self.future = None;
                result.map_err(|error| call.told(error))
            }
            Err(cause) if self.call.0.leave() => {
                if let Some(future) = self.future.take() {
                    recover(&self.call, &self.stop, future, Duration::ZERO);
                }
                Err(Error::Ended(cause))
            }
            Err(cause) => self.outcome(cause).await,
        }
    }

    /// What became of a commit that was on its way when the context ended: it is cancelled, and its outcome awaited.
    async fn outcome(mut self, cause: Cause) -> Result<T> {
        let unknown = || Err(Error::Unknown(format!("{cause} while the server was committing")));
        let Some(future) = self.future.as_mut() else { return unknown() };
        let waiting = self.call.context().shielded().with_timeout(OUTCOME_WAIT);
        let stop = Arc::clone(&self.stop);
        let stopped = std::pin::pin!(async {
            stop.send().await;
            std::future::pending::<()>().await;
        });
        let seen = match waiting.run(select(future, stopped)).await {
            Ok(Either::Left((result, _))) => Some(result),
            Ok(Either::Right(_)) | Err(_) => None,
        };
        let Some(result) = seen else { return unknown() };
        self.future = None;
        result.map_err(|error| self.call.told(error))
    }
}

impl<T: Send + 'static> Drop for Work<T> {
    fn drop(&mut self) {
        self.call.0.leave();
        if let Some(future) = self.future.take() {
            recover(&self.call, &self.stop, future, GRACE);
        }
    }
}

/// Runs work that nobody waits for to its end, cancelling its statement after `grace`.
fn recover<T: Send + 'static>(
    call: &Arc<Call>,
    stop: &Arc<Stop>,
    mut future: BoxFuture<'static, Result<T>>,
    grace: Duration,
) {
    if tokio::runtime::Handle::try_current().is_err() {
        // Without a runtime nothing goes on; dropping the session closes its connection.
        return;
    }
    let (ctx, stop) = (call.context().shielded(), Arc::clone(stop));
    let spawner = Arc::clone(&ctx.instruments().spawner);
    // It ends by its own bounds, and its session is counted until then.
    let _task = spawner.spawn(Box::pin(async move {
        if !grace.is_zero() && ctx.with_timeout(grace).run(future.as_mut()).await.is_ok() {
            return;
        }
        let bound = ctx.with_timeout(STOP_WAIT);
        let stopping = async {
            stop.send().await;
            std::future::pending::<()>().await;
        };
        // Past the bound the work is dropped, and its connection with it.
        let _over = bound.run(select(future, std::pin::pin!(stopping))).await;
    }));
}
