use std::sync::Arc;
use std::time::Duration;

use staffa_context::{Cause, Context};
use staffa_storage::{Error, Store};

/// How often it sweeps, and how many records of each sort a batch removes.
const EVERY: Duration = Duration::from_secs(3_600);
const BATCH: usize = 1_000;

/// Removes what was kept for longer than `keep`, in bounded batches, at once and then every hour, until the
/// context ends.
pub(crate) async fn sweep(ctx: &Context, store: &Arc<dyn Store>, keep: Duration) -> Cause {
    loop {
        if let Err(error) = sweep_once(ctx, store, keep).await
            && ctx.cause().is_none()
        {
            tracing::warn!(%error, "old records could not be swept; trying again in an hour");
        }
        if let Err(cause) = ctx.sleep(EVERY).await {
            return cause;
        }
    }
}

async fn sweep_once(ctx: &Context, store: &Arc<dyn Store>, keep: Duration) -> Result<(), Error> {
    let before = ctx.wall().minus(keep);
    while store.sweep(ctx, before, BATCH).await? > 0 {
        ctx.check()?;
    }
    Ok(())
}
