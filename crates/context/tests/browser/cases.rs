//! The cases of both browser tests.
use std::cell::Cell;
use std::future::pending;
use std::rc::Rc;
use std::time::Duration;

use staffa_context::{Cause, Context, Group, GroupError, Instant, TaskGone};
use wasm_bindgen_test::wasm_bindgen_test;

const SHORT: Duration = Duration::from_millis(20);
const LONG: Duration = Duration::from_secs(3_600);

#[wasm_bindgen_test]
async fn a_sleep_takes_its_time() {
    let ctx = Context::background();
    let start = Instant::now();
    assert_eq!(ctx.sleep(SHORT).await, Ok(()));
    assert!(start.elapsed() >= SHORT);
}

#[wasm_bindgen_test]
async fn a_sleep_of_months_is_no_sleep_of_zero() {
    let ctx = Context::background().with_timeout(SHORT);
    assert_eq!(ctx.sleep(LONG * 24 * 365).await, Err(Cause::DeadlineExceeded));
}

#[wasm_bindgen_test]
async fn a_deadline_ends_what_waits() {
    let ctx = Context::background().with_timeout(SHORT);
    let child = ctx.with_timeout(LONG);
    assert_eq!(child.run(pending::<()>()).await, Err(Cause::DeadlineExceeded));
    assert_eq!((ctx.check(), ctx.remaining()), (Err(Cause::DeadlineExceeded), Some(Duration::ZERO)));
}

#[wasm_bindgen_test]
async fn a_cancellation_wakes_a_task_that_sleeps() {
    let (ctx, cancel) = Context::background().with_cancel();
    let heard = Rc::new(Cell::new(None));
    let hears = Rc::clone(&heard);
    let sleeper = ctx.clone();
    wasm_bindgen_futures::spawn_local(async move {
        hears.set(Some(sleeper.sleep(LONG).await));
    });
    let root = Context::background();
    root.sleep(SHORT).await.unwrap();
    cancel.cancel(Cause::ClientGone);
    root.sleep(SHORT).await.unwrap();
    assert_eq!(heard.take(), Some(Err(Cause::ClientGone)));
}

#[wasm_bindgen_test]
async fn a_dropped_sleep_is_forgotten_and_others_go_on() {
    let ctx = Context::background();
    let hurried = ctx.with_timeout(SHORT);
    let mut sleeps = Vec::new();
    for _ in 0..1_000 {
        sleeps.push(Box::pin(ctx.sleep(LONG)));
    }
    for sleep in &mut sleeps {
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(sleep.as_mut().poll(&mut cx).is_pending());
    }
    drop(sleeps);
    assert_eq!(hurried.sleep(LONG).await, Err(Cause::DeadlineExceeded));
}

#[wasm_bindgen_test]
async fn tasks_of_a_group_run_and_answer() {
    let group: Group<Cause> = Group::new(&Context::background(), "sums").limit(2);
    let mut tasks = Vec::new();
    for number in 1..=10_u64 {
        let task = group.spawn("add", move |ctx| async move {
            ctx.sleep(Duration::from_millis(number % 3)).await?;
            Ok(number)
        });
        tasks.push(task.await.unwrap());
    }
    let mut sum = 0;
    for task in tasks {
        sum += task.await.unwrap();
    }
    assert_eq!((sum, group.wait().await), (55, Ok(())));
}

#[wasm_bindgen_test]
async fn the_first_error_of_a_group_ends_the_siblings_sleep() {
    let group: Group<Cause> = Group::new(&Context::background(), "orders");
    let sibling = group.spawn("sibling", |ctx| async move { Ok(ctx.sleep(LONG).await) }).await.unwrap();
    let failing = group.spawn("failing", |_| async { Err::<(), _>(Cause::cancelled("no stock")) });
    failing.await.unwrap();
    assert_eq!(sibling.await, Ok(Err(Cause::SiblingFailed)));
    let error = Cause::cancelled("no stock");
    assert_eq!(group.wait().await, Err(GroupError::Failed { task: "failing", error }));
}

#[wasm_bindgen_test]
async fn a_dropped_group_drops_its_tasks() {
    let group: Group<Cause> = Group::new(&Context::background(), "dropped");
    let task = group.spawn("stuck", |_| pending::<Result<(), Cause>>()).await.unwrap();
    Context::background().sleep(SHORT).await.unwrap();
    drop(group);
    assert_eq!(task.await, Err(TaskGone { task: "stuck" }));
}

#[wasm_bindgen_test]
async fn blocking_work_runs_at_the_next_turn() {
    let ctx = Context::background().with_value(7_u8);
    assert_eq!(ctx.blocking(|ctx| ctx.value::<u8>().copied()).await, Ok(Some(7)));
    let ended = ctx.with_timeout(Duration::ZERO);
    assert_eq!(ended.blocking(|_| 7).await, Err(Cause::DeadlineExceeded));
}

#[wasm_bindgen_test]
async fn identifiers_and_wall_time_come_from_the_browser() {
    let ctx = Context::background();
    assert_ne!(ctx.uuid(), ctx.uuid());
    let ids = &ctx.instruments().ids;
    assert_ne!(ids.random(), ids.random());
    assert!(ctx.wall().to_string().as_str() > "2026-01-01T00:00:00.000000Z");
}
