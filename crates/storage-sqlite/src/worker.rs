//! What the store's threads have in common: work on a connection that can be stopped and never leaves a trace.

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;

use rusqlite::Connection;
use staffa_storage::{Error, Result};
use tokio::sync::watch;

use crate::call::Call;
use crate::error::told;

/// Instructions of SQLite's machine between two looks at whether the work is still wanted: some 10 µs.
const INSTRUCTIONS: i32 = 1_000;

/// Work for a thread, with its caller inside.
pub(crate) type Job = Box<dyn FnOnce(&mut Connection) + Send>;

/// What a thread holds as long as it has a connection. Fields drop in this order.
#[derive(Clone)]
pub(crate) struct Hold {
    /// The lock that keeps other owners away.
    pub(crate) _lock: Option<Arc<File>>,
    /// Tells whoever closes the store that it is gone.
    pub(crate) _alive: watch::Sender<()>,
}

/// Starts a thread of the store.
pub(crate) fn start(name: &str, work: impl FnOnce() + Send + 'static) -> Result<()> {
    thread::Builder::new()
        .name(name.into())
        .spawn(work)
        .map(|_| ())
        .map_err(|error| Error::Unavailable(format!("no thread could be started: {error}")))
}

/// Runs work for a call: not at all when nobody wants it any more, and no further than until then.
///
/// The handler knows this call alone, so the end of one can never stop the statement of another.
pub(crate) fn run<T>(
    connection: &mut Connection,
    call: &Arc<Call>,
    work: impl FnOnce(&mut Connection) -> Result<T>,
) -> Result<T> {
    call.check()?;
    let asked = Arc::clone(call);
    connection.progress_handler(INSTRUCTIONS, Some(move || asked.ended().is_some())).map_err(told)?;
    match work(connection) {
        // The statement knows that it was stopped; the call knows why.
        Err(Error::Ended(cause)) => Err(Error::Ended(call.ended().unwrap_or(cause))),
        result => result,
    }
}

/// Runs work, and brings the connection back to rest whatever the work did: no handler, no transaction.
pub(crate) fn at_rest(connection: &mut Connection, work: impl FnOnce(&mut Connection)) {
    if catch_unwind(AssertUnwindSafe(|| work(connection))).is_err() {
        tracing::error!("an operation of the store ended by a panic");
    }
    let handler = connection.progress_handler(0, None::<fn() -> bool>);
    let rollback = if connection.is_autocommit() { Ok(()) } else { connection.execute_batch("ROLLBACK") };
    if let Err(error) = handler.and(rollback) {
        tracing::error!(%error, "a connection of the store could not be brought to rest");
    }
}
