//! Runs a command of the shop that comes to an end by itself.
use std::future::Future;

use staffa::{Cause, Context};

/// Runs `work` on a runtime of its own, under a context that Ctrl-C cancels.
pub(crate) fn block_on<T, F>(work: impl FnOnce(Context) -> F) -> staffa::Result<T>
where
    F: Future<Output = staffa::Result<T>>,
{
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let (ctx, cancel) = Context::background().with_cancel();
        let work = work(ctx);
        let mut work = std::pin::pin!(work);
        tokio::select! {
            done = &mut work => done,
            _ = tokio::signal::ctrl_c() => {
                cancel.cancel(Cause::cancelled("interrupted"));
                work.await
            }
        }
    })
}
