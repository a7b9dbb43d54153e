//! The tree of cancellation.
//!
//! Invariants:
//! 1. A scope's cause is set once, and never while its lock is free to register: a child or waker that is
//!    registered under the lock is reached by the cancellation that comes after it.
//! 2. A scope owns its parent and is known to it by a weak reference; dropping it removes that reference.
//! 3. No lock is held while another scope's lock is taken, or a waker is called or dropped.
//! 4. A scope's deadline is never later than its parent's.
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::task::Waker;

use slab::Slab;
use web_time::Instant;

use crate::Cause;

#[derive(Debug)]
pub(crate) struct Scope {
    parent: Option<Arc<Scope>>,
    place: usize,
    pub(crate) deadline: Option<Instant>,
    cause: OnceLock<Cause>,
    links: Mutex<Links>,
}

#[derive(Debug, Default)]
struct Links {
    children: Slab<Weak<Scope>>,
    waiting: Slab<Waker>,
}

/// The place of a scope that its parent does not know, since it was born ended.
const NO_PLACE: usize = usize::MAX;

impl Scope {
    pub(crate) fn root() -> Arc<Self> {
        Arc::new(Self {
            parent: None,
            place: NO_PLACE,
            deadline: None,
            cause: OnceLock::new(),
            links: Mutex::default(),
        })
    }

    pub(crate) fn child(parent: &Arc<Self>, deadline: Option<Instant>) -> Arc<Self> {
        let deadline = match (parent.deadline, deadline) {
            (Some(parent), Some(own)) => Some(parent.min(own)),
            (parent, own) => parent.or(own),
        };
        let mut links = parent.links();
        let cause = OnceLock::new();
        if let Some(ended) = parent.cause.get() {
            // The cell is new, so this is its first value.
            let _ = cause.set(ended.clone());
        }
        let ended = cause.get().is_some();
        Arc::new_cyclic(|child| Self {
            place: if ended { NO_PLACE } else { links.children.insert(child.clone()) },
            parent: Some(Arc::clone(parent)),
            deadline,
            cause,
            links: Mutex::default(),
        })
    }

    /// Why this scope ended, as far as anybody noticed: the passing of a deadline is noticed by a look.
    pub(crate) fn noticed(&self) -> Option<&Cause> {
        self.cause.get()
    }

    /// Ends this scope and its descendants, but those whose own deadline came before `now`.
    pub(crate) fn end(self: &Arc<Self>, cause: &Cause, now: Instant) {
        let mut left = vec![Arc::clone(self)];
        let mut wakers = Vec::new();
        while let Some(scope) = left.pop() {
            let expired = scope.deadline.is_some_and(|deadline| deadline <= now);
            let cause = if expired { Cause::DeadlineExceeded } else { cause.clone() };
            let mut links = scope.links();
            if scope.cause.set(cause).is_ok() {
                left.extend(links.children.drain().filter_map(|child| child.upgrade()));
                wakers.extend(links.waiting.drain());
            }
        }
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Registers or renews a waker; `false` when the scope has ended, as far as anybody noticed.
    pub(crate) fn wait(&self, key: &mut Option<usize>, waker: &Waker) -> bool {
        let mut waker = waker.clone();
        let mut links = self.links();
        if self.cause.get().is_some() {
            // The end took all wakers, this one too.
            *key = None;
            return false;
        }
        match *key {
            Some(key) => std::mem::swap(&mut links.waiting[key], &mut waker),
            None => *key = Some(links.waiting.insert(waker)),
        }
        true
    }

    pub(crate) fn stop_waiting(&self, key: usize) {
        let waker = self.links().waiting.try_remove(key);
        drop(waker);
    }

    fn links(&self) -> MutexGuard<'_, Links> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Scope {
    fn drop(&mut self) {
        let mut place = self.place;
        let mut parent = self.parent.take();
        // A loop, since a chain of scopes that own each other would drop by recursion.
        while let Some(scope) = parent {
            if place != NO_PLACE {
                scope.links().children.try_remove(place);
            }
            let Some(mut last) = Arc::into_inner(scope) else { return };
            place = std::mem::replace(&mut last.place, NO_PLACE);
            parent = last.parent.take();
        }
    }
}
