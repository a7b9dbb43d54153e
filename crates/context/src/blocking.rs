use std::num::NonZero;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::thread::available_parallelism;

use crate::answer::answer;
use crate::places::Places;
use crate::{Cancel, Cause, Context, TraceContext};

/// How much blocking work of a process runs at once; the rest waits in line. Clones share the places.
///
/// The default is twice the processors, at least 4.
#[derive(Clone, Debug)]
pub struct BlockingPool(Places);

impl BlockingPool {
    /// A pool of this many places, at least one.
    pub fn new(places: usize) -> Self {
        Self(Places::new(places.max(1)))
    }
}

impl Default for BlockingPool {
    fn default() -> Self {
        let processors = available_parallelism().map_or(1, NonZero::get);
        Self::new((processors * 2).max(4))
    }
}

impl Context {
    /// Runs `work` where it may block or compute for long: see [`BlockingPool`] for how much runs at once.
    ///
    /// It waits for a place within the budget. When the context ends, the cause comes back at once, and `work`,
    /// which keeps its place until it returns, is expected to notice by [`Context::check`]. Dropping the future
    /// ends the context that `work` got. In the browser `work` runs on the one thread at its next turn.
    ///
    /// # Errors
    ///
    /// The cause when this context ended first, [`Cause::ShuttingDown`] when the runtime stopped before `work` ran.
    ///
    /// # Panics
    ///
    /// A panic of `work` goes on in the caller. In the browser it ends the instance.
    pub async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Context) -> T + Send + 'static,
    ) -> Result<T, Cause> {
        let place = self.run(self.instruments().blocking.0.take()).await?;
        self.check()?;
        let (ctx, cancel) = self.with_cancel();
        let _stop = CancelOnDrop(cancel);
        let (promise, answer) = answer();
        self.instruments().spawner.spawn_blocking(Box::new(move || {
            let outcome = TraceContext::enter(&ctx, || catch_unwind(AssertUnwindSafe(|| work(&ctx))));
            drop(place);
            promise.keep(outcome);
        }));
        match self.run(answer).await? {
            Some(Ok(output)) => Ok(output),
            Some(Err(panic)) => resume_unwind(panic),
            None => Err(Cause::ShuttingDown),
        }
    }
}

/// Tells work that nobody waits for that it can stop.
struct CancelOnDrop(Cancel);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel(Cause::cancelled("nobody waits for the work"));
    }
}
