//! The way from tasks to the store's threads.
//!
//! Invariants:
//! 1. A permit of `places` is taken for every job in the queue, and given back when a thread takes the job.
//! 2. Nothing is put into a closed queue: `closed` is read and set under the lock.
//! 3. A thread looks for a job before it sleeps, and a job that is put in wakes a thread that sleeps. Waking costs a
//!    system call, so nobody is woken when nobody sleeps.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use staffa_context::{Context, Series};
use staffa_storage::{Error, Result};
use tokio::sync::{Semaphore, TryAcquireError};

/// A bounded queue: tasks wait for a place without blocking, threads block for a job.
pub(crate) struct Queue<T> {
    places: Semaphore,
    waiting: Mutex<Waiting<T>>,
    filled: Condvar,
    length: Series,
}

struct Waiting<T> {
    jobs: VecDeque<T>,
    /// Threads that sleep and were not woken.
    idle: usize,
    /// Threads that were woken and have not noticed: who wakes without one was not meant.
    woken: usize,
    closed: bool,
}

impl<T> Queue<T> {
    pub(crate) fn new(length_max: usize, length: Series) -> Self {
        Self {
            places: Semaphore::new(length_max.clamp(1, Semaphore::MAX_PERMITS)),
            waiting: Mutex::new(Waiting { jobs: VecDeque::new(), idle: 0, woken: 0, closed: false }),
            filled: Condvar::new(),
            length,
        }
    }

    /// Puts a job in; waits for a place within the context. Cancel-safe: a job is put in or dropped.
    pub(crate) async fn push(&self, ctx: &Context, job: T) -> Result<()> {
        let place = match self.places.try_acquire() {
            Err(TryAcquireError::NoPermits) => ctx.run(self.places.acquire()).await?.map_err(|_| closed())?,
            place => place.map_err(|_| closed())?,
        };
        let mut waiting = self.lock();
        if waiting.closed {
            return Err(closed());
        }
        place.forget();
        waiting.jobs.push_back(job);
        self.length.set(waiting.jobs.len() as i64);
        let sleeps = waiting.idle > 0;
        if sleeps {
            waiting.idle -= 1;
            waiting.woken += 1;
        }
        drop(waiting);
        if sleeps {
            self.filled.notify_one();
        }
        Ok(())
    }

    /// The next job; blocks the thread for it. `None` once the queue is closed and empty.
    pub(crate) fn pop(&self) -> Option<T> {
        let mut waiting = self.lock();
        loop {
            if let Some(job) = self.take(&mut waiting) {
                return Some(job);
            }
            if waiting.closed {
                return None;
            }
            waiting = self.sleep(waiting);
        }
    }

    /// Blocks the thread until it is woken or the queue is closed.
    fn sleep<'a>(&self, mut waiting: MutexGuard<'a, Waiting<T>>) -> MutexGuard<'a, Waiting<T>> {
        waiting.idle += 1;
        while waiting.woken == 0 && !waiting.closed {
            waiting = self.filled.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
        waiting.woken = waiting.woken.saturating_sub(1);
        waiting
    }

    /// The next job if there is one and `wanted` says so; never blocks.
    pub(crate) fn pop_if(&self, wanted: impl FnOnce(&T) -> bool) -> Option<T> {
        let mut waiting = self.lock();
        if !waiting.jobs.front().is_some_and(wanted) {
            return None;
        }
        self.take(&mut waiting)
    }

    /// Lets nothing more in; what is in it is still taken.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.places.close();
        self.filled.notify_all();
    }

    fn take(&self, waiting: &mut Waiting<T>) -> Option<T> {
        let job = waiting.jobs.pop_front()?;
        self.length.set(waiting.jobs.len() as i64);
        self.places.add_permits(1);
        Some(job)
    }

    fn lock(&self) -> MutexGuard<'_, Waiting<T>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn closed() -> Error {
    Error::Unavailable("the store is closed".into())
}
