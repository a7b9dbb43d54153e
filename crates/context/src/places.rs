//! A bounded number of places, taken and given back, first come, first served.
//!
//! Invariants:
//! 1. A place is free, held by a [`Place`], or handed to a ticket that has not looked yet; their sum never changes.
//! 2. While somebody queues, no place is free: a place that comes back is handed to the first in the queue.
//! 3. A ticket leaves the queue by being handed a place or by being dropped. So one that is missing was handed one.
//! 4. No waker is called or dropped while the lock is held.
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests;

#[derive(Clone, Debug)]
pub(crate) struct Places(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    free: usize,
    next_ticket: u64,
    queue: BTreeMap<u64, Waker>,
}

/// One place. Dropping it gives it back.
#[derive(Debug)]
pub(crate) struct Place(Places);

impl Places {
    pub(crate) fn new(count: usize) -> Self {
        Self(Arc::new(Mutex::new(State { free: count, next_ticket: 0, queue: BTreeMap::new() })))
    }

    /// Waits for a place. Cancel-safe: a place handed to a future that is dropped goes to the next.
    pub(crate) fn take(&self) -> Take<'_> {
        Take { places: self, ticket: None }
    }

    pub(crate) fn try_take(&self) -> Option<Place> {
        let mut state = self.lock();
        state.free = state.free.checked_sub(1)?;
        Some(Place(self.clone()))
    }

    fn give_back(&self) {
        let mut state = self.lock();
        let Some((_, first)) = state.queue.pop_first() else {
            state.free += 1;
            return;
        };
        drop(state);
        first.wake();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.give_back();
    }
}

pub(crate) struct Take<'a> {
    places: &'a Places,
    ticket: Option<u64>,
}

impl Future for Take<'_> {
    type Output = Place;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Place> {
        let mut waker = cx.waker().clone();
        let mut state = self.places.lock();
        let Some(ticket) = self.ticket else {
            if let Some(left) = state.free.checked_sub(1) {
                state.free = left;
                return Poll::Ready(Place(self.places.clone()));
            }
            let ticket = state.next_ticket;
            state.next_ticket += 1;
            state.queue.insert(ticket, waker);
            drop(state);
            self.ticket = Some(ticket);
            return Poll::Pending;
        };
        if let Some(queued) = state.queue.get_mut(&ticket) {
            std::mem::swap(queued, &mut waker);
            return Poll::Pending;
        }
        drop(state);
        self.ticket = None;
        Poll::Ready(Place(self.places.clone()))
    }
}

impl Drop for Take<'_> {
    fn drop(&mut self) {
        let Some(ticket) = self.ticket else { return };
        let queued = self.places.lock().queue.remove(&ticket);
        if queued.is_none() {
            self.places.give_back();
        }
    }
}
