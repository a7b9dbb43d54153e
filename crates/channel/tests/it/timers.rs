use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use staffa_channel::{after, tick};
use staffa_context::{Clock, Context, Instruments, ManualClock};

use crate::poll;

const SECOND: Duration = Duration::from_secs(1);

fn paused() -> (Context, ManualClock) {
    let clock = ManualClock::default();
    (Context::root(Instruments { clock: Arc::new(clock.clone()), ..Instruments::default() }), clock)
}

#[test]
fn after_gives_one_value_when_its_time_comes() {
    let (ctx, clock) = paused();
    let mut timer = after(&ctx, SECOND);
    assert_eq!(poll(pin!(timer.recv(&ctx))), Poll::Pending);
    clock.advance(SECOND);
    assert_eq!(poll(pin!(timer.recv(&ctx))), Poll::Ready(Ok(Some(clock.now()))));
    assert_eq!(poll(pin!(timer.recv(&ctx))), Poll::Ready(Ok(None)));
}

#[test]
fn a_ticker_keeps_its_rhythm_and_leaves_out_what_nobody_received() {
    let (ctx, clock) = paused();
    let mut ticker = tick(&ctx, SECOND);
    assert_eq!(poll(pin!(ticker.recv(&ctx))), Poll::Pending);
    clock.advance(SECOND);
    assert_eq!(poll(pin!(ticker.recv(&ctx))), Poll::Ready(Ok(clock.now())));
    clock.advance(Duration::from_millis(3_500));
    assert_eq!(poll(pin!(ticker.recv(&ctx))), Poll::Ready(Ok(clock.now())));
    assert_eq!(poll(pin!(ticker.recv(&ctx))), Poll::Pending);
    clock.advance(Duration::from_millis(500));
    assert_eq!(poll(pin!(ticker.recv(&ctx))), Poll::Ready(Ok(clock.now())));
}

#[test]
fn a_timer_ends_with_its_context() {
    let (ctx, clock) = paused();
    let brief = ctx.with_timeout(SECOND);
    let mut timer = after(&ctx, 2 * SECOND);
    clock.advance(SECOND);
    assert_eq!(poll(pin!(timer.recv(&brief))), Poll::Ready(Err(staffa_context::Cause::DeadlineExceeded)));
    clock.advance(SECOND);
    assert_eq!(poll(pin!(timer.recv(&ctx))), Poll::Ready(Ok(Some(clock.now()))));
}

#[test]
fn a_tick_beyond_what_the_clock_can_count_never_comes() {
    let (ctx, clock) = paused();
    let mut ticker = tick(&ctx, Duration::MAX);
    assert_eq!(poll(pin!(ticker.recv(&ctx))), Poll::Pending);
    let brief = ctx.with_timeout(SECOND);
    clock.advance(SECOND);
    assert_eq!(poll(pin!(ticker.recv(&brief))), Poll::Ready(Err(staffa_context::Cause::DeadlineExceeded)));
}
