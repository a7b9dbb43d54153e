//! The tree of cancellation. Deadlines are no part of it: a context compares its own with the time of an end.
//!
//! Invariants:
//! 1. A scope's end is set once, under its lock. What is registered under the lock before it is reached by it, and
//!    nothing is registered after it.
//! 2. A scope owns its parent and is known to it by a weak reference; dropping it removes that reference.
//! 3. No lock is held while another scope's lock is taken, or a waker is called or dropped.
//! 4. A scope does not end before a time at which somebody saw it open, nor before the end that it inherits.
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::Waker;

use slab::Slab;
use web_time::Instant;

use crate::Cause;

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests;

#[derive(Debug)]
pub(crate) struct Scope {
    parent: Option<Arc<Scope>>,
    place: usize,
    /// Whether `links` has an end: for a look without the lock.
    ended: AtomicBool,
    links: Mutex<Links>,
}

/// Why and when a scope ended.
#[derive(Clone, Debug)]
pub(crate) struct End {
    cause: Cause,
    at: Instant,
}

#[derive(Debug, Default)]
struct Links {
    end: Option<End>,
    children: Slab<Weak<Scope>>,
    waiting: Slab<Waker>,
    seen_open: Option<Instant>,
}

type Children = slab::IntoIter<Weak<Scope>>;

/// The place of a scope that its parent does not know: a root, or one that was born ended.
const NO_PLACE: usize = usize::MAX;

impl End {
    /// What this end is for a context with a deadline: no more than one that came after it.
    pub(crate) fn cause(&self, deadline: Option<Instant>) -> Cause {
        match deadline {
            Some(deadline) if deadline <= self.at => Cause::DeadlineExceeded,
            _ => self.cause.clone(),
        }
    }
}

impl Scope {
    pub(crate) fn root() -> Arc<Self> {
        let (ended, links) = (AtomicBool::new(false), Mutex::default());
        Arc::new(Self { parent: None, place: NO_PLACE, ended, links })
    }

    pub(crate) fn child(parent: &Arc<Self>) -> Arc<Self> {
        let mut siblings = parent.links();
        if siblings.end.is_some() {
            let links = Links { end: siblings.end.clone(), ..Links::default() };
            return Arc::new(Self::under(parent, NO_PLACE, links));
        }
        let entry = siblings.children.vacant_entry();
        let child = Arc::new(Self::under(parent, entry.key(), Links::default()));
        entry.insert(Arc::downgrade(&child));
        child
    }

    fn under(parent: &Arc<Self>, place: usize, links: Links) -> Self {
        let ended = AtomicBool::new(links.end.is_some());
        Self { parent: Some(Arc::clone(parent)), place, ended, links: Mutex::new(links) }
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    pub(crate) fn end(&self) -> Option<End> {
        if self.has_ended() { self.links().end.clone() } else { None }
    }

    /// The end, or `None` and the promise that it will not come before `now`.
    pub(crate) fn end_by(&self, now: Instant) -> Option<End> {
        let mut links = self.links();
        if links.end.is_none() {
            links.seen_open = links.seen_open.max(Some(now));
        }
        links.end.clone()
    }

    /// Ends this scope and its descendants, but those that have ended.
    pub(crate) fn cancel(&self, cause: &Cause, now: Instant) {
        let mut wakers = Vec::new();
        // From the top of the tree down to where the walk is: those of whose children some are left.
        let mut path = Vec::from_iter(self.close(cause, now, &mut wakers));
        while let Some((children, at)) = path.last_mut() {
            let Some((_, child)) = children.next() else {
                path.pop();
                continue;
            };
            let below = child.upgrade().and_then(|child| child.close(cause, *at, &mut wakers));
            path.extend(below);
        }
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Ends this scope alone: its children, if it was open and has some, and when it ended.
    fn close(&self, cause: &Cause, now: Instant, wakers: &mut Vec<Waker>) -> Option<(Children, Instant)> {
        let mut links = self.links();
        if links.end.is_some() {
            return None;
        }
        let at = links.seen_open.map_or(now, |seen| seen.max(now));
        links.end = Some(End { cause: cause.clone(), at });
        self.ended.store(true, Ordering::Release);
        wakers.extend(links.waiting.drain());
        let children = std::mem::take(&mut links.children);
        (!children.is_empty()).then(|| (children.into_iter(), at))
    }

    /// Registers or renews a waker; `false` when the scope has ended.
    pub(crate) fn wait(&self, key: &mut Option<usize>, waker: &Waker) -> bool {
        let mut waker = waker.clone();
        let mut links = self.links();
        if links.end.is_some() {
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
