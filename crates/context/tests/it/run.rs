use std::future::{pending, ready};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use staffa_context::{Cause, Context};

use crate::hand::{Dropped, Woken, paused, poll};

#[test]
fn an_output_that_is_there_wins_over_a_cause() {
    let (ctx, cancel) = Context::background().with_cancel();
    cancel.cancel(Cause::ClientGone);
    assert_eq!(poll(pin!(ctx.run(ready(7)))), Poll::Ready(Ok(7)));
    assert_eq!(poll(pin!(ctx.run(pending::<()>()))), Poll::Ready(Err(Cause::ClientGone)));
}

#[test]
fn the_future_is_dropped_when_the_context_ends_first() {
    let (ctx, cancel) = Context::background().with_cancel();
    let dropped = Dropped::default();
    let guard = dropped.guard();
    let mut run = pin!(ctx.run(async move {
        let _guard = guard;
        pending::<()>().await;
    }));
    let woken = Arc::<Woken>::default();
    assert!(woken.poll(run.as_mut()).is_pending());
    cancel.cancel(Cause::cancelled("the test is over"));
    assert_eq!((woken.times(), dropped.yet()), (1, false));
    assert_eq!(poll(run.as_mut()), Poll::Ready(Err(Cause::cancelled("the test is over"))));
    assert!(dropped.yet());
}

#[test]
fn a_future_that_moves_between_tasks_wakes_the_last_one() {
    let (root, clock) = paused();
    let ctx = root.with_timeout(Duration::from_secs(1));
    let mut done = pin!(ctx.done());
    let (first, last) = (Arc::<Woken>::default(), Arc::<Woken>::default());
    assert!(first.poll(done.as_mut()).is_pending());
    assert!(last.poll(done.as_mut()).is_pending());
    clock.advance(Duration::from_secs(1));
    assert_eq!((first.times(), last.times()), (0, 1));
}

#[test]
fn a_shielded_context_runs_on() {
    let (ctx, cancel) = Context::background().with_value("kept").with_cancel();
    let shielded = ctx.with_timeout(Duration::ZERO).shielded();
    cancel.cancel(Cause::ClientGone);
    assert_eq!((shielded.check(), shielded.deadline(), shielded.value()), (Ok(()), None, Some(&"kept")));
    assert_eq!(shielded.with_timeout(Duration::ZERO).check(), Err(Cause::DeadlineExceeded));
}
