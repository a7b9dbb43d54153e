//! The way from tasks to the store's threads.
//!
//! Invariants:
//! 1. A permit of `places` is taken for every job in the queue, and given back when a thread takes the job.
//! 2. Nothing is put into a closed queue: `closed` is read and set under the lock.
//! 3. While a job waits and a thread sleeps, one thread is on its way: it was woken and has not noticed. It takes a
//!    job, and wakes the next thread if jobs are left. Waking costs a system call and often a thread switch, so a
//!    burst of jobs wakes no more threads than find one.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use staffa_context::{Context, Series};
use staffa_storage::{Error, Result};
use tokio::sync::{Semaphore, SemaphorePermit, TryAcquireError};

/// A bounded queue: tasks wait for a place without blocking, threads block for a job.
pub(crate) struct Queue<T> {
    places: Semaphore,
    place_wait: Duration,
    waiting: Mutex<Waiting<T>>,
    filled: Condvar,
    length: Series,
}

struct Waiting<T> {
    jobs: VecDeque<T>,
    /// Threads that sleep and were not woken.
    idle: usize,
    /// Whether a thread was woken and has not noticed.
    waking: bool,
    closed: bool,
}

impl<T> Queue<T> {
    pub(crate) fn new(length_max: usize, place_wait: Duration, length: Series) -> Self {
        Self {
            places: Semaphore::new(length_max.clamp(1, Semaphore::MAX_PERMITS)),
            place_wait,
            waiting: Mutex::new(Waiting { jobs: VecDeque::new(), idle: 0, waking: false, closed: false }),
            filled: Condvar::new(),
            length,
        }
    }

    /// Puts a job in; waits for a place within the context and the wait of [`Queue::new`]. Cancel-safe: a job is put in or
    /// dropped.
    pub(crate) async fn push(&self, ctx: &Context, job: T) -> Result<()> {
        let place = match self.places.try_acquire() {
            Err(TryAcquireError::NoPermits) => self.place(ctx).await?,
            place => place.map_err(|_| closed())?,
        };
        let mut waiting = self.lock();
        if waiting.closed {
            return Err(closed());
        }
        place.forget();
        waiting.jobs.push_back(job);
        self.length.set(waiting.jobs.len() as i64);
        self.wake(waiting);
        Ok(())
    }

    async fn place(&self, ctx: &Context) -> Result<SemaphorePermit<'_>> {
        let waiting = ctx.with_timeout(self.place_wait);
        match waiting.run(self.places.acquire()).await {
            Ok(place) => place.map_err(|_| closed()),
            Err(_) => {
                ctx.check()?;
                Err(Error::Unavailable(format!(
                    "the queue of the store's threads stayed full for {:?} (`place_wait`): try again, or ask less of it at once",
                    self.place_wait
                )))
            }
        }
    }

    /// The next job; blocks the thread for it. `None` once the queue is closed and empty.
    pub(crate) fn pop(&self) -> Option<T> {
        let mut waiting = self.lock();
        loop {
            if let Some(job) = self.take(&mut waiting) {
                self.wake(waiting);
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
        while !waiting.waking && !waiting.closed {
            waiting = self.filled.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
        waiting.waking = false;
        waiting
    }

    /// Wakes a thread if there is a job for it and none is on its way.
    fn wake(&self, mut waiting: MutexGuard<'_, Waiting<T>>) {
        if waiting.jobs.is_empty() || waiting.idle == 0 || waiting.waking {
            return;
        }
        waiting.idle -= 1;
        waiting.waking = true;
        drop(waiting);
        self.filled.notify_one();
    }

    /// The next job if there is one and `wanted` says so; never blocks.
    pub(crate) fn pop_if(&self, wanted: impl FnOnce(&T) -> bool) -> Option<T> {
        let mut waiting = self.lock();
        if !waiting.jobs.front().is_some_and(wanted) {
            return None;
        }
        self.take(&mut waiting)
    }

    /// The next job if there is one; never blocks.
    pub(crate) fn try_pop(&self) -> Option<T> {
        self.pop_if(|_| true)
    }

    /// Whether nothing more comes in.
    pub(crate) fn is_closed(&self) -> bool {
        self.lock().closed
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
