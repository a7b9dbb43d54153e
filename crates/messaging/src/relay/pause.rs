use std::sync::atomic::{AtomicBool, Ordering};

use staffa_storage::Error;

/// Whether the relay's store is frozen, as far as its own writes know. It is logged when that changes, and not at each try.
#[derive(Debug, Default)]
pub(super) struct Pause(AtomicBool);

impl Pause {
    /// Whether a write failed since the store is frozen.
    pub(super) fn is_why(&self, error: &Error) -> bool {
        match error {
            Error::Frozen => {
                if !self.0.swap(true, Ordering::Relaxed) {
                    tracing::info!("the store is frozen; the relay notes nothing until it is thawed");
                }
                true
            }
            // A tenure that runs out meanwhile is no news.
            Error::Ended(_) => self.is_on(),
            _ => false,
        }
    }

    /// Whether the last write that ended failed so.
    pub(super) fn is_on(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// A write succeeded.
    pub(super) fn end(&self) {
        if self.is_on() && self.0.swap(false, Ordering::Relaxed) {
            tracing::info!("the store is thawed; the relay goes on");
        }
    }
}
