use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use staffa_storage::{Error, Result};

/// Whether an outbox has room for more events: what a store's wrapper asks before a unit that emits.
///
/// The relay measures at each of its beats, so that the outbox may grow beyond its limit by what is committed between
/// two of them. Before the first one there is room. Clones ask the same relay.
#[derive(Clone, Debug, Default)]
pub struct Room(Arc<AtomicUsize>);

impl Room {
    /// Refuses while the outbox is full.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub fn check(&self) -> Result<()> {
        match self.0.load(Ordering::Relaxed) {
            0 => Ok(()),
            limit => Err(Error::Unavailable(format!(
                "{limit} events or more wait in the outbox; it takes no more until some are sent"
            ))),
        }
    }

    /// Logs when that changes.
    pub(super) fn set_full(&self, full: bool, limit: usize) {
        let before = self.0.swap(if full { limit.max(1) } else { 0 }, Ordering::Relaxed);
        match (before > 0, full) {
            (false, true) => tracing::error!(limit, "the outbox is full: units that emit events are refused"),
            (true, false) => tracing::info!("the outbox has room again"),
            _ => {}
        }
    }
}
