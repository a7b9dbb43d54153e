use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use staffa_context::{Cause, Clock, Context, SystemClock};

use crate::hand::{Woken, paused, poll};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_deadline_comes_when_the_clock_says_so() {
    let (root, clock) = paused();
    let ctx = root.with_timeout(SECOND);
    let (mut done, woken) = (pin!(ctx.done()), Arc::<Woken>::default());
    assert!(woken.poll(done.as_mut()).is_pending());
    clock.advance(SECOND - Duration::from_nanos(1));
    assert_eq!((ctx.check(), woken.times()), (Ok(()), 0));
    clock.advance(Duration::from_nanos(1));
    assert_eq!((ctx.check(), woken.times()), (Err(Cause::DeadlineExceeded), 1));
    assert_eq!(poll(done), Poll::Ready(Cause::DeadlineExceeded));
    assert_eq!(ctx.remaining(), Some(Duration::ZERO));
    assert_eq!(root.check(), Ok(()));
}

#[test]
fn a_cancellation_after_the_deadline_changes_no_cause() {
    let (root, clock) = paused();
    let (parent, cancel) = root.with_cancel();
    let ctx = parent.with_timeout(SECOND);
    clock.advance(SECOND);
    cancel.cancel(Cause::ClientGone);
    assert_eq!(ctx.cause(), Some(Cause::DeadlineExceeded));
    assert_eq!(parent.cause(), Some(Cause::ClientGone));
}

#[test]
fn a_deadline_after_the_cancellation_changes_no_cause() {
    let (root, clock) = paused();
    let (parent, cancel) = root.with_cancel();
    let ctx = parent.with_timeout(SECOND);
    cancel.cancel(Cause::ClientGone);
    clock.advance(2 * SECOND);
    assert_eq!(ctx.cause(), Some(Cause::ClientGone));
}

#[test]
fn the_earlier_deadline_holds() {
    let (root, _clock) = paused();
    let now = root.clock().now();
    let ctx = root.with_timeout(SECOND);
    assert_eq!(ctx.with_timeout(2 * SECOND).deadline(), Some(now + SECOND));
    assert_eq!(ctx.with_timeout(SECOND / 2).remaining(), Some(SECOND / 2));
    assert_eq!(ctx.with_deadline(now).check(), Err(Cause::DeadlineExceeded));
}

#[test]
fn a_timeout_beyond_what_the_clock_can_count_never_comes() {
    let (root, _clock) = paused();
    assert_eq!(root.with_timeout(Duration::MAX).deadline(), None);
    let ctx = root.with_timeout(SECOND);
    assert_eq!(ctx.with_timeout(Duration::MAX).remaining(), Some(SECOND));
}

#[test]
fn a_sleep_ends_with_its_time_or_with_the_context() {
    let (root, clock) = paused();
    let ctx = root.with_timeout(2 * SECOND);
    let (mut short, mut long) = (pin!(ctx.sleep(SECOND)), pin!(ctx.sleep(3 * SECOND)));
    assert!(poll(short.as_mut()).is_pending());
    assert!(poll(long.as_mut()).is_pending());
    clock.advance(SECOND);
    assert_eq!(poll(short), Poll::Ready(Ok(())));
    assert!(poll(long.as_mut()).is_pending());
    clock.advance(SECOND);
    assert_eq!(poll(long), Poll::Ready(Err(Cause::DeadlineExceeded)));
}

#[test]
fn a_sleep_that_ends_at_the_deadline_has_slept() {
    let (root, clock) = paused();
    let ctx = root.with_timeout(SECOND);
    let mut sleep = pin!(ctx.sleep(SECOND));
    assert!(poll(sleep.as_mut()).is_pending());
    clock.advance(SECOND);
    assert_eq!(poll(sleep), Poll::Ready(Ok(())));
}

#[test]
fn an_endless_sleep_ends_with_the_context() {
    let (root, clock) = paused();
    let ctx = root.with_timeout(SECOND);
    let mut sleep = pin!(ctx.sleep(Duration::MAX));
    assert!(poll(sleep.as_mut()).is_pending());
    clock.advance(SECOND);
    assert_eq!(poll(sleep), Poll::Ready(Err(Cause::DeadlineExceeded)));
}

#[test]
fn a_paused_clock_moves_both_times_and_forgets_dropped_sleepers() {
    let (root, clock) = paused();
    let (now, wall) = (clock.now(), clock.wall());
    let (mut dropped, woken) = (clock.sleep_until(now + SECOND), Arc::<Woken>::default());
    assert!(woken.poll(dropped.as_mut()).is_pending());
    drop(dropped);
    clock.advance(SECOND);
    assert_eq!((woken.times(), clock.now() - now, root.wall().since(wall)), (0, SECOND, SECOND));
}

#[tokio::test(start_paused = true)]
async fn the_systems_clock_follows_tokios_paused_time() {
    let ctx = Context::background().with_timeout(Duration::from_secs(3_600));
    let start = SystemClock.now();
    assert_eq!(ctx.sleep(Duration::from_secs(60)).await, Ok(()));
    assert_eq!(SystemClock.now() - start, Duration::from_secs(60));
    assert_eq!(ctx.done().await, Cause::DeadlineExceeded);
    assert_eq!(SystemClock.now() - start, Duration::from_secs(3_600));
}
