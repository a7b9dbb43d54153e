use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, Waker};
use std::time::Duration;

use web_time::Instant;

use crate::Timestamp;
use crate::instruments::BoxFuture;

/// Tells and waits for time. Tests pause it; simulation drives it.
pub trait Clock: Send + Sync + 'static {
    /// Monotonic time, for deadlines.
    fn now(&self) -> Instant;

    /// Wall-clock time, for records. It may jump.
    fn wall(&self) -> Timestamp;

    /// Completes once [`Clock::now`] has reached `at`. Dropping it leaves no timer behind.
    fn sleep_until(&self, at: Instant) -> BoxFuture<'static, ()>;
}

/// The machine's clock: tokio's timers on a server, `setTimeout` in the browser's pages and workers.
///
/// On a server it sleeps inside a tokio runtime with its time enabled only, and panics elsewhere; telling the time
/// works everywhere. It follows a test that pauses tokio's time, but for [`Clock::wall`].
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Instant {
        system::now()
    }

    fn wall(&self) -> Timestamp {
        system::wall()
    }

    fn sleep_until(&self, at: Instant) -> BoxFuture<'static, ()> {
        system::sleep_until(at)
    }
}

#[cfg(not(target_arch = "wasm32"))]
#[path = "clock/native.rs"]
mod system;
#[cfg(target_arch = "wasm32")]
#[path = "clock/browser.rs"]
mod system;

/// A clock that stands still until it is told to move.
///
/// Clones share the time. It starts at the epoch of [`Timestamp`] unless [`ManualClock::at`] says otherwise.
#[derive(Clone, Debug)]
pub struct ManualClock(Arc<Mutex<Manual>>);

#[derive(Debug)]
struct Manual {
    now: Instant,
    wall: Timestamp,
    sleepers: slab::Slab<(Instant, Waker)>,
}

impl ManualClock {
    /// A clock that stands at this wall-clock time.
    pub fn at(wall: Timestamp) -> Self {
        Self(Arc::new(Mutex::new(Manual { now: system::now(), wall, sleepers: slab::Slab::new() })))
    }

    /// Moves both times on and wakes whoever slept until then. The wall-clock time stops at [`Timestamp::MAX`].
    pub fn advance(&self, by: Duration) {
        let due: Vec<Waker> = {
            let mut manual = self.lock();
            manual.now += by;
            manual.wall = manual.wall.plus(by);
            let now = manual.now;
            manual
                .sleepers
                .iter()
                .filter(|(_, (at, _))| *at <= now)
                .map(|(_, (_, waker))| waker.clone())
                .collect()
        };
        due.into_iter().for_each(Waker::wake);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Manual> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for ManualClock {
    fn default() -> Self {
        Self::at(Timestamp::default())
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Instant {
        self.lock().now
    }

    fn wall(&self) -> Timestamp {
        self.lock().wall
    }

    fn sleep_until(&self, at: Instant) -> BoxFuture<'static, ()> {
        Box::pin(ManualSleep { clock: self.clone(), at, key: None })
    }
}

struct ManualSleep {
    clock: ManualClock,
    at: Instant,
    key: Option<usize>,
}

impl Future for ManualSleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> Poll<()> {
        let this = &mut *self;
        // A waker may drop a task that sleeps by this clock, so the old one outlives the lock.
        let mut waker = cx.waker().clone();
        let mut manual = this.clock.lock();
        if manual.now >= this.at {
            return Poll::Ready(());
        }
        match this.key {
            Some(key) => std::mem::swap(&mut manual.sleepers[key].1, &mut waker),
            None => this.key = Some(manual.sleepers.insert((this.at, waker))),
        }
        Poll::Pending
    }
}

impl Drop for ManualSleep {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            let sleeper = self.clock.lock().sleepers.try_remove(key);
            drop(sleeper);
        }
    }
}
