//! The requests in hand of a process.
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use staffa_context::{Cancel, Cause, Context};
use tokio::sync::Notify;

/// Counts the requests in hand of a process, and ends them: what a server waits for when it stops. Clones share it.
#[derive(Clone, Default)]
pub struct Work(Arc<Shared>);

#[derive(Default)]
struct Shared {
    count: AtomicUsize,
    idle: Notify,
    roots: Mutex<Roots>,
    ended: OnceLock<Cause>,
}

#[derive(Default)]
struct Roots {
    requests: Vec<Cancel>,
    streams: Vec<Cancel>,
}

impl Work {
    /// How many requests are in hand, those included whose client has gone.
    pub fn count(&self) -> usize {
        self.0.count.load(Ordering::Acquire)
    }

    /// Ends the context of every request in hand, and of those that come.
    pub fn cancel(&self, cause: &Cause) {
        let roots = self.roots();
        // The first cause wins, as in a context.
        let _ = self.0.ended.set(cause.clone());
        roots.requests.iter().chain(&roots.streams).for_each(|root| root.cancel(cause.clone()));
    }

    /// Ends event streams, and no other request: their clients come back elsewhere by `Last-Event-ID`.
    pub fn end_streams(&self, cause: &Cause) {
        self.roots().streams.iter().for_each(|root| root.cancel(cause.clone()));
    }

    /// Completes when no request is in hand. Cancel-safe.
    pub async fn idle(&self) {
        loop {
            let idle = self.0.idle.notified();
            if self.count() == 0 {
                return;
            }
            idle.await;
        }
    }

    /// The context under which a service's requests run, so that [`Work::cancel`] reaches them.
    pub(crate) fn root(&self, ctx: &Context) -> Context {
        self.keep(ctx, |roots| &mut roots.requests)
    }

    /// The same for event streams.
    pub(crate) fn stream_root(&self, ctx: &Context) -> Context {
        self.keep(ctx, |roots| &mut roots.streams)
    }

    fn keep(&self, ctx: &Context, kept: impl FnOnce(&mut Roots) -> &mut Vec<Cancel>) -> Context {
        let (ctx, cancel) = ctx.with_cancel();
        let mut roots = self.roots();
        if let Some(cause) = self.0.ended.get() {
            cancel.cancel(cause.clone());
        }
        kept(&mut roots).push(cancel);
        ctx
    }

    /// Counts one request until the guard is dropped.
    pub(crate) fn enter(&self) -> InHand {
        self.0.count.fetch_add(1, Ordering::AcqRel);
        InHand(Arc::clone(&self.0))
    }

    fn roots(&self) -> MutexGuard<'_, Roots> {
        self.0.roots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Work").field("count", &self.count()).finish_non_exhaustive()
    }
}

/// One request in hand.
pub(crate) struct InHand(Arc<Shared>);

impl Drop for InHand {
    fn drop(&mut self) {
        if self.0.count.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.idle.notify_waiters();
        }
    }
}
