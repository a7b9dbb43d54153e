use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use staffa_context::{BlockingPool, Cause, Context, Instruments, TraceContext};

use crate::hand::poll;

fn pool_of(places: usize) -> Context {
    Context::root(Instruments { blocking: BlockingPool::new(places), ..Instruments::default() })
}

#[tokio::test]
async fn work_runs_elsewhere_with_the_values_and_the_trace_of_its_context() {
    let trace = TraceContext { trace_id: 1, span_id: 2, sampled: true };
    let ctx = Context::background().with_value(7_u8).with_trace(Some(trace));
    let here = std::thread::current().id();
    let work =
        |ctx: &Context| (ctx.value::<u8>().copied(), TraceContext::current(), std::thread::current().id());
    let (value, current, there) = ctx.blocking(work).await.unwrap();
    assert_eq!((value, current), (Some(7), Some(trace)));
    assert_ne!(here, there);
}

#[tokio::test]
async fn no_more_works_run_than_there_are_places() {
    let ctx = pool_of(2);
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let works: Vec<_> = (0..50)
        .map(|_| {
            let (ctx, now, most) = (ctx.clone(), Arc::clone(&now), Arc::clone(&most));
            tokio::spawn(async move {
                ctx.blocking(move |_| {
                    most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    std::thread::yield_now();
                    now.fetch_sub(1, Ordering::SeqCst);
                })
                .await
            })
        })
        .collect();
    for work in works {
        work.await.unwrap().unwrap();
    }
    assert_eq!((now.load(Ordering::SeqCst), most.load(Ordering::SeqCst) <= 2), (0, true));
}

#[tokio::test]
async fn the_cause_comes_at_once_and_the_work_keeps_its_place_until_it_returns() {
    let (ctx, cancel) = pool_of(1).with_cancel();
    let (release, released) = mpsc::channel::<()>();
    let (started, starts) = tokio::sync::oneshot::channel();
    let stubborn = ctx.blocking(move |_| {
        let _ = started.send(());
        released.recv()
    });
    let mut stubborn = Box::pin(stubborn);
    assert!(poll(stubborn.as_mut()).is_pending());
    starts.await.unwrap();
    cancel.cancel(Cause::ClientGone);
    assert_eq!(stubborn.await, Err(Cause::ClientGone));
    let shielded = ctx.shielded();
    let mut next = Box::pin(shielded.blocking(|_| 7));
    assert!(poll(next.as_mut()).is_pending());
    release.send(()).unwrap();
    assert_eq!(next.await, Ok(7));
}

#[tokio::test]
async fn work_that_nobody_waits_for_is_told_and_gives_its_place_back() {
    let ctx = pool_of(1);
    let (tells, told) = tokio::sync::oneshot::channel();
    let mut dropped = Box::pin(ctx.blocking(move |ctx| {
        let cause = std::iter::repeat_with(|| ctx.check()).find_map(Result::err);
        let _ = tells.send(cause);
    }));
    assert!(poll(dropped.as_mut()).is_pending());
    drop(dropped);
    assert_eq!(told.await, Ok(Some(Cause::cancelled("nobody waits for the work"))));
    assert_eq!(ctx.blocking(|_| 7).await, Ok(7));
}

#[tokio::test(start_paused = true)]
async fn a_wait_for_a_place_ends_with_the_budget() {
    let ctx = pool_of(1);
    let (release, released) = mpsc::channel::<()>();
    let mut holder = Box::pin(ctx.blocking(move |_| released.recv()));
    assert!(poll(holder.as_mut()).is_pending());
    let hurried = ctx.with_timeout(Duration::ZERO);
    assert_eq!(hurried.blocking(|_| ()).await, Err(Cause::DeadlineExceeded));
    release.send(()).unwrap();
    holder.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_panic_of_the_work_goes_on_in_the_caller_and_gives_the_place_back() {
    let ctx = pool_of(1);
    let caller = ctx.clone();
    let panicked = tokio::spawn(async move { caller.blocking(|_| -> () { panic!("in the work") }).await });
    assert!(panicked.await.unwrap_err().is_panic());
    assert_eq!(ctx.blocking(|_| 7).await, Ok(7));
}

#[tokio::test]
async fn an_ended_context_runs_no_work() {
    let ctx = Context::background().with_timeout(Duration::ZERO);
    let ran = Arc::new(AtomicUsize::new(0));
    let runs = Arc::clone(&ran);
    assert_eq!(
        ctx.blocking(move |_| runs.fetch_add(1, Ordering::SeqCst)).await,
        Err(Cause::DeadlineExceeded)
    );
    assert_eq!(ran.load(Ordering::SeqCst), 0);
}
