//! Structured tasks.
//!
//! Invariants:
//! 1. A task is in `running` from before it is started until its future is gone, however it ended.
//! 2. The first error is kept, and then ends the group's context; a later one is logged and not kept.
//! 3. No lock is held while a task is started, aborted, dropped or woken.
use std::collections::BTreeMap;
use std::fmt;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::time::Duration;

use crate::answer::{Promise, answer};
use crate::places::{Place, Places};
use crate::{Abort, BoxFuture, Cancel, Cause, Context, TraceContext};

mod error;
mod task;

pub use error::{GroupError, Refused};
pub use task::{Task, TaskGone};

/// Tasks that live and die together. Service and library code starts tasks in no other way.
///
/// The tasks share a context of the group's own, which ends when its parent does, when a task fails or panics
/// ([`Cause::SiblingFailed`]), when [`Group::cancel`] is called and when the group is gone. A task notices by the
/// context that it is given. [`Group::wait`] waits for all and gives the first error; that a task failed after it is
/// logged with the task's name, at level debug, since what a sibling ends with is often no more than its context's
/// cause, and a panic at level warn. Dropping a group with running tasks aborts them and reports each by name in a
/// warning.
///
/// In the browser a panic is not caught: it ends the instance.
///
/// ```
/// use staffa_context::{Cause, Context, Group, GroupError};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), GroupError<Cause>> {
/// let group = Group::new(&Context::background(), "sums");
/// let sum = group.spawn("small", |_ctx| async { Ok(1 + 2) }).await.map_err(GroupError::Ended)?;
/// assert_eq!(sum.await, Ok(3));
/// group.wait().await
/// # }
/// ```
pub struct Group<E> {
    shared: Arc<Shared<E>>,
    places: Places,
    cancel: Cancel,
}

struct Shared<E> {
    name: &'static str,
    ctx: Context,
    state: Mutex<State<E>>,
}

struct State<E> {
    next_key: u64,
    running: BTreeMap<u64, Running>,
    first_error: Option<GroupError<E>>,
    waiting: Option<Waker>,
}

struct Running {
    name: &'static str,
    /// `None` until the spawner has returned it, and once it was used.
    abort: Option<Box<dyn Abort>>,
}

impl<E: Send + 'static> Group<E> {
    /// How many tasks run at once unless [`Group::limit`] says otherwise.
    pub const TASKS_MAX: usize = 1_024;

    /// How long [`Group::wait`] lets tasks finish once the context has ended, before it aborts them.
    pub const GRACE: Duration = Duration::from_secs(10);

    /// A group without tasks, under this context. The name is for logs.
    pub fn new(ctx: &Context, name: &'static str) -> Self {
        let (ctx, cancel) = ctx.with_cancel();
        let state = State { next_key: 0, running: BTreeMap::new(), first_error: None, waiting: None };
        let shared = Arc::new(Shared { name, ctx, state: Mutex::new(state) });
        Self { shared, places: Places::new(Self::TASKS_MAX), cancel }
    }

    /// The same group with at most this many tasks at once, at least one. Set it before the first task.
    #[must_use]
    pub fn limit(mut self, tasks_max: usize) -> Self {
        self.places = Places::new(tasks_max.max(1));
        self
    }

    /// The context of the group's tasks.
    pub fn context(&self) -> &Context {
        &self.shared.ctx
    }

    /// How many tasks run now.
    pub fn running(&self) -> usize {
        self.shared.lock().running.len()
    }

    /// Starts a task once there is a place for it. Cancel-safe: a dropped call has started nothing.
    ///
    /// # Errors
    ///
    /// The cause when the group's context has ended.
    pub async fn spawn<T, F, Fut>(&self, name: &'static str, task: F) -> Result<Task<T>, Cause>
    where
        F: FnOnce(Context) -> Fut + Send + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
        T: Send + 'static,
    {
        let ctx = &self.shared.ctx;
        ctx.check()?;
        let place = ctx.run(self.places.take()).await?;
        ctx.check()?;
        Ok(self.start(place, name, task))
    }

    /// Starts a task if there is a place for it now.
    ///
    /// # Errors
    ///
    /// [`Refused`] when there is none, or when the group's context has ended.
    pub fn try_spawn<T, F, Fut>(&self, name: &'static str, task: F) -> Result<Task<T>, Refused>
    where
        F: FnOnce(Context) -> Fut + Send + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
        T: Send + 'static,
    {
        self.shared.ctx.check().map_err(Refused::Ended)?;
        let place = self.places.try_take().ok_or(Refused::Full)?;
        Ok(self.start(place, name, task))
    }

    /// Ends the group's context; tasks notice by theirs.
    pub fn cancel(&self, cause: Cause) {
        self.cancel.cancel(cause);
    }

    /// Waits until every task has ended, then ends the group's context.
    ///
    /// When the context ends, tasks that are still there after [`Group::GRACE`] are aborted and reported as a leak.
    /// Dropping the future drops the group.
    ///
    /// # Errors
    ///
    /// The first error of a task, or its panic. [`GroupError::Ended`] when no task failed but one was aborted. Tasks
    /// that ended well after the context did are no error.
    pub async fn wait(self) -> Result<(), GroupError<E>> {
        let ctx = self.context().clone();
        if let Err(cause) = ctx.run(self.shared.all_ended()).await {
            let grace = ctx.shielded().with_timeout(Self::GRACE);
            if grace.run(self.shared.all_ended()).await.is_err() {
                self.shared.fail(GroupError::Ended(cause));
                self.shared.abort_leaked();
            }
        }
        let first_error = self.shared.lock().first_error.take();
        first_error.map_or(Ok(()), Err)
    }

    fn start<T, F, Fut>(&self, place: Place, name: &'static str, task: F) -> Task<T>
    where
        F: FnOnce(Context) -> Fut + Send + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
        T: Send + 'static,
    {
        let (promise, answer) = answer();
        let member = Member::join(&self.shared, place, name);
        let key = member.key;
        let ctx = self.shared.ctx.clone();
        let task = Some(Box::pin(async move { task(ctx).await }) as BoxFuture<'static, Result<T, E>>);
        let driven = Driven { task, promise: Some(promise), member };
        let abort = self.shared.ctx.instruments().spawner.spawn(Box::pin(driven));
        // The task may have ended already.
        if let Some(running) = self.shared.lock().running.get_mut(&key) {
            running.abort = Some(abort);
        }
        Task::new(name, answer)
    }
}

impl<E> Drop for Group<E> {
    fn drop(&mut self) {
        self.cancel.cancel(Cause::cancelled("its group is over"));
        self.shared.abort_leaked();
    }
}

impl<E> fmt::Debug for Group<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Group")
            .field("name", &self.shared.name)
            .field("running", &self.shared.lock().running.len())
            .finish_non_exhaustive()
    }
}

impl<E> Shared<E> {
    fn lock(&self) -> MutexGuard<'_, State<E>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn all_ended(&self) {
        poll_fn(|cx| {
            let mut state = self.lock();
            if state.running.is_empty() {
                return Poll::Ready(());
            }
            let old = state.waiting.replace(cx.waker().clone());
            drop(state);
            drop(old);
            Poll::Pending
        })
        .await;
    }

    /// Keeps the first error, and tells the siblings.
    fn fail(&self, error: GroupError<E>) {
        let mut state = self.lock();
        let later = if state.first_error.is_none() { state.first_error.replace(error) } else { Some(error) };
        drop(state);
        match &later {
            Some(GroupError::Failed { task, .. }) => {
                tracing::debug!(group = self.name, task, "a task failed after its group did");
            }
            Some(GroupError::Panicked { task, message }) => {
                tracing::warn!(
                    group = self.name,
                    task,
                    panic = message,
                    "a task panicked after its group failed"
                );
            }
            Some(GroupError::Ended(_)) | None => {}
        }
        drop(later);
        self.ctx.end(&Cause::SiblingFailed);
    }

    fn abort_leaked(&self) {
        let (names, aborts): (Vec<_>, Vec<_>) = {
            let mut state = self.lock();
            let left = state.running.values_mut();
            left.filter_map(|task| Some((task.name, task.abort.take()?))).unzip()
        };
        if names.is_empty() {
            return;
        }
        tracing::warn!(
            group = self.name,
            tasks = names.join(", "),
            "tasks outlived their group and are aborted"
        );
        aborts.into_iter().for_each(|task| task.abort());
    }
}

/// A task as it runs. The order of the fields is the order in which they go: the future before its membership.
struct Driven<T, E> {
    task: Option<BoxFuture<'static, Result<T, E>>>,
    promise: Option<Promise<T>>,
    member: Member<E>,
}

impl<T, E> Future for Driven<T, E> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> Poll<()> {
        let Self { task, promise, member } = &mut *self;
        let Poll::Ready(outcome) = TraceContext::enter(&member.shared.ctx, || poll_caught(task, cx)) else {
            return Poll::Pending;
        };
        member.ended = true;
        match (outcome, promise.take()) {
            (Ok(Ok(value)), Some(promise)) => promise.keep(value),
            (Ok(Ok(_)), None) => {}
            (Ok(Err(error)), _) => member.shared.fail(GroupError::Failed { task: member.name, error }),
            (Err(panic), _) => member.shared.fail(GroupError::panicked(member.name, &*panic)),
        }
        Poll::Ready(())
    }
}

/// Polls the task, and drops it once it is ready, with the panics of both caught.
fn poll_caught<T>(
    task: &mut Option<BoxFuture<'static, T>>,
    cx: &mut std::task::Context<'_>,
) -> Poll<std::thread::Result<T>> {
    let polled = catch_unwind(AssertUnwindSafe(|| {
        let Some(future) = task else { return Poll::Pending };
        let polled = future.as_mut().poll(cx);
        if polled.is_ready() {
            *task = None;
        }
        polled
    }));
    match polled {
        Ok(polled) => polled.map(Ok),
        Err(panic) => Poll::Ready(Err(panic)),
    }
}

/// A task's membership in its group, which ends when this is dropped.
struct Member<E> {
    shared: Arc<Shared<E>>,
    key: u64,
    name: &'static str,
    ended: bool,
    _place: Place,
}

impl<E> Member<E> {
    fn join(shared: &Arc<Shared<E>>, place: Place, name: &'static str) -> Self {
        let mut state = shared.lock();
        let key = state.next_key;
        state.next_key += 1;
        state.running.insert(key, Running { name, abort: None });
        Self { shared: Arc::clone(shared), key, name, ended: false, _place: place }
    }
}

impl<E> Drop for Member<E> {
    fn drop(&mut self) {
        if !self.ended {
            let cause = self.shared.ctx.cause();
            let cause = cause.unwrap_or_else(|| Cause::cancelled("the runtime dropped the task"));
            self.shared.fail(GroupError::Ended(cause));
        }
        let (gone, waiting) = {
            let mut state = self.shared.lock();
            let gone = state.running.remove(&self.key);
            let waiting = if state.running.is_empty() { state.waiting.take() } else { None };
            (gone, waiting)
        };
        drop(gone);
        if let Some(waiting) = waiting {
            waiting.wake();
        }
    }
}
