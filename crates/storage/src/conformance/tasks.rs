//! Work of many at once, as the tasks of a process do it.

use std::future::{Future, poll_fn};
use std::task::Poll;

use futures_util::future::join_all;
use staffa_context::{Context, Group};

use super::{Broken, Outcome, Test};

/// Runs this many tasks at once, each with its number, and gives what they give, or what is broken.
pub(super) async fn at_once<T, F, Fut>(test: &Test<'_>, tasks: usize, task: F) -> Outcome<Vec<T>>
where
    T: Send + 'static,
    F: Fn(Context, usize) -> Fut,
    Fut: Future<Output = Outcome<T>> + Send + 'static,
{
    let group = Group::<Broken>::new(test.ctx, "conformance");
    let mut started = Vec::with_capacity(tasks);
    for number in 0..tasks {
        let work = task(group.context().clone(), number);
        started.push(group.spawn("case", |_| work).await.map_err(ended)?);
    }
    let outputs = join_all(started).await;
    group.wait().await.map_err(|error| Broken(format!("{error:?}")))?;
    outputs.into_iter().collect::<Result<Vec<T>, _>>().map_err(ended)
}

fn ended(cause: impl std::fmt::Debug) -> Broken {
    Broken(format!("a task did not end: {cause:?}"))
}

/// Lets others have a turn.
pub(super) async fn turn() {
    let mut waited = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut waited, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
