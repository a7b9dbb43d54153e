//! One value from one task to another.
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

pub(crate) fn answer<T>() -> (Promise<T>, Answer<T>) {
    let slot = Arc::new(Slot(Mutex::new(State { value: None, promised: true, waker: None })));
    (Promise(Arc::clone(&slot)), Answer(slot))
}

/// The giving side. Dropping it without a value ends the wait with `None`.
pub(crate) struct Promise<T>(Arc<Slot<T>>);

/// The waiting side: the value, or `None` when it will never come.
pub(crate) struct Answer<T>(Arc<Slot<T>>);

struct Slot<T>(Mutex<State<T>>);

struct State<T> {
    value: Option<T>,
    promised: bool,
    waker: Option<Waker>,
}

impl<T> Slot<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Promise<T> {
    /// Gives the value; the drop that follows wakes whoever waits.
    pub(crate) fn keep(self, value: T) {
        self.0.lock().value = Some(value);
    }
}

impl<T> Drop for Promise<T> {
    fn drop(&mut self) {
        let waker = {
            let mut state = self.0.lock();
            state.promised = false;
            state.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl<T> Future for Answer<T> {
    type Output = Option<T>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let waker = cx.waker().clone();
        let mut state = self.0.lock();
        if !state.promised {
            return Poll::Ready(state.value.take());
        }
        let old = state.waker.replace(waker);
        // A waker may drop a whole task, so it is dropped with the lock free.
        drop(state);
        drop(old);
        Poll::Pending
    }
}
