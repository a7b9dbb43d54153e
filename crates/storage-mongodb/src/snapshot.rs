//! Reads of several statements, which see one state: in a transaction that writes nothing.

use staffa_storage::{Error, Result};

use crate::call::Call;
use crate::shared::Shared;
use crate::transaction::{ATTEMPTS_MAX, HELD_UP_AT, Stop, Transaction, pause};

/// What is read in one snapshot, perhaps several times.
pub(crate) trait Look: Sync {
    /// What it gives.
    type Output: Send;

    /// Runs the statements.
    fn look(&self, tx: &mut Transaction<'_>) -> impl Future<Output = Result<Self::Output, Stop>> + Send;
}

/// Reads it, and again in a later snapshot when the server could not serve this one.
///
/// # Errors
///
/// Those of the read; [`Error::Unavailable`] when no snapshot could be served.
pub(crate) async fn read<L: Look>(store: &Shared, call: &Call, look: &L) -> Result<L::Output> {
    for attempt in 0..ATTEMPTS_MAX {
        let mut tx = Transaction::begin(store, call).await?;
        let seen = look.look(&mut tx).await;
        tx.abort().await;
        match seen {
            Ok(output) => return Ok(output),
            Err(Stop::Failed(error)) => return Err(error),
            // A change of the structure waits behind a transaction, and reads wait behind the change.
            Err(Stop::Again | Stop::Unmet) if attempt == HELD_UP_AT => store.presence.held_up(),
            Err(Stop::Again | Stop::Unmet) => {}
        }
        pause(call, attempt).await?;
    }
    Err(Error::Unavailable("others hold what is needed for the moment: try again".into()))
}
