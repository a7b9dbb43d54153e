//! Makes the keys of new indexes in a task of the store's own, beside those who read and write; and again when a read meets more rows
//! without them than it works out by itself, which an older build wrote since.

use std::sync::Arc;
use std::time::Duration;

use staffa_context::{Cancel, Cause, Context};
use staffa_storage::{Error, Result};
use tokio::sync::watch;

use crate::backfill;
use crate::call::Call;
use crate::shared::Shared;

/// How long it rests after an error that may pass.
const REST: Duration = Duration::from_secs(1);
/// How long it rests after rows that cannot have their keys.
const BROKEN_REST: Duration = Duration::from_secs(5);

/// How far it is.
#[derive(Clone, Debug, PartialEq)]
enum Building {
    /// Rows lack keys.
    Going,
    /// All rows have their keys.
    Whole,
    /// They cannot have them.
    Broken(Error),
}

/// The task, as its store sees it. Dropping it ends the task soon.
pub(crate) struct Builder {
    cancel: Cancel,
    state: watch::Receiver<Building>,
}

impl Builder {
    /// Starts it, whatever becomes of the context.
    pub(crate) fn start(ctx: &Context, store: &Arc<Shared>) -> Self {
        let (own, cancel) = ctx.shielded().with_cancel();
        let (tell, state) = watch::channel(Building::Going);
        let (store, spawner) = (Arc::clone(store), Arc::clone(&ctx.instruments().spawner));
        let call = Call::new(own);
        let task = async move {
            // It ends with its context, and the sender with it.
            let _ = keep_building(&store, &call, &tell).await;
        };
        drop(spawner.spawn(Box::pin(task)));
        Self { cancel, state }
    }

    /// Waits until all rows have their keys, a time at most.
    ///
    /// # Errors
    ///
    /// Why rows cannot have their keys.
    pub(crate) async fn wait(&self, ctx: &Context, at_most: Duration) -> Result<()> {
        let mut state = self.state.clone();
        let ended = state.wait_for(|state| *state != Building::Going);
        match ctx.with_timeout(at_most).run(ended).await {
            Ok(Ok(state)) => match &*state {
                Building::Broken(error) => Err(error.clone()),
                _ => Ok(()),
            },
            // It goes on.
            _ => Ok(ctx.check()?),
        }
    }

    /// Whether all indexes are whole.
    pub(crate) fn check(&self) -> Result<()> {
        match &*self.state.borrow() {
            Building::Whole => Ok(()),
            Building::Going => Err(Error::Unavailable("new indexes are being built".into())),
            Building::Broken(error) => {
                Err(Error::Unavailable(format!("a new index cannot be built: {error}")))
            }
        }
    }

    /// Ends the task, and waits until it has ended.
    pub(crate) async fn stop(&self, ctx: &Context) -> Result<()> {
        self.cancel.cancel(Cause::cancelled("the store is closed"));
        let mut state = self.state.clone();
        // The sender goes with the task.
        while ctx.run(state.changed()).await?.is_ok() {}
        Ok(())
    }
}

impl Drop for Builder {
    fn drop(&mut self) {
        self.cancel.cancel(Cause::cancelled("the store is dropped"));
    }
}

async fn keep_building(store: &Shared, call: &Call, tell: &watch::Sender<Building>) -> Result<()> {
    loop {
        let built = build(store, call).await;
        call.check()?;
        let Err(error) = built else {
            tell.send_replace(Building::Whole);
            call.context().run(store.registry.stale.notified()).await?;
            tell.send_replace(Building::Going);
            continue;
        };
        // Until a person has changed one of the rows it is the same each time, and told once.
        let broken = Building::Broken(error.clone());
        let is_new = tell.send_if_modified(|state| {
            let is_new = *state != broken;
            *state = broken;
            is_new
        });
        if is_new {
            tracing::error!(%error, "a new index cannot be built");
        }
        call.context().sleep(BROKEN_REST).await?;
    }
}

async fn build(store: &Shared, call: &Call) -> Result<()> {
    for table in store.tables.iter() {
        loop {
            match backfill::all(store, call, table).await {
                Ok(()) => break,
                // The server may end a statement by its time, too.
                Err(error @ (Error::Unavailable(_) | Error::Ended(_))) => {
                    call.check()?;
                    store.presence.held_up();
                    tracing::warn!(
                        kind = table.kind,
                        %error,
                        "the building of new indexes rests for a moment"
                    );
                    call.context().sleep(REST).await?;
                }
                Err(error) => return Err(error),
            }
        }
    }
    Ok(())
}
