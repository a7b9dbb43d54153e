//! Futures polled by hand, and a clock that stands still.
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Poll, Wake, Waker};

use staffa_context::{Context, Instruments, ManualClock};

/// A root whose time moves when the test says so.
pub(crate) fn paused() -> (Context, ManualClock) {
    let clock = ManualClock::default();
    let instruments = Instruments { clock: Arc::new(clock.clone()), ..Instruments::default() };
    (Context::root(instruments), clock)
}

/// One look at a future that nobody wakes.
pub(crate) fn poll<F: Future + ?Sized>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut std::task::Context::from_waker(Waker::noop()))
}

/// Counts its wakes.
#[derive(Default)]
pub(crate) struct Woken(AtomicUsize);

impl Woken {
    pub(crate) fn times(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }

    pub(crate) fn poll<F: Future + ?Sized>(self: &Arc<Self>, future: Pin<&mut F>) -> Poll<F::Output> {
        future.poll(&mut std::task::Context::from_waker(&Waker::from(Arc::clone(self))))
    }
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Tells when it is dropped.
#[derive(Clone, Default)]
pub(crate) struct Dropped(Arc<AtomicBool>);

impl Dropped {
    pub(crate) fn guard(&self) -> impl Send + Sync + 'static {
        struct Guard(Arc<AtomicBool>);
        impl Drop for Guard {
            fn drop(&mut self) {
                self.0.store(true, Ordering::SeqCst);
            }
        }
        Guard(Arc::clone(&self.0))
    }

    pub(crate) fn yet(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}
