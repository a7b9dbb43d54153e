use std::future::pending;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use staffa_context::{Cause, Context, Group, GroupError, Refused, TaskGone, TraceContext};
use tokio::sync::oneshot;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};

use crate::hand::{Dropped, poll};

fn group(name: &'static str) -> Group<Cause> {
    Group::new(&Context::background(), name)
}

/// Ends with its context.
async fn until_the_end(ctx: Context) -> Result<(), Cause> {
    Err(ctx.done().await)
}

#[test]
fn what_a_group_returns_moves_between_threads() {
    fn moves<T: Send>(value: T) -> T {
        value
    }
    let group = moves(group("moved"));
    drop(moves(group.spawn("task", until_the_end)));
    drop(moves(group.wait()));
    drop(moves(Context::background().blocking(|_| ())));
}

#[tokio::test]
async fn tasks_run_and_answer() {
    let group = group("sums");
    let mut tasks = Vec::new();
    for number in 1..=100 {
        tasks.push(group.spawn("add", move |_| async move { Ok(number) }).await.unwrap());
    }
    let mut sum = 0;
    for task in tasks {
        sum += task.await.unwrap();
    }
    assert_eq!((sum, group.wait().await), (5_050, Ok(())));
}

#[tokio::test]
async fn the_first_error_wins_and_cancels_the_siblings() {
    let group = group("orders");
    let (heard, hears) = oneshot::channel();
    let sibling = group.spawn("sibling", |ctx| async move {
        // Whoever waits for it may be gone.
        let _ = heard.send(ctx.done().await);
        Err::<(), _>(Cause::cancelled("too late to be the first"))
    });
    let sibling = sibling.await.unwrap();
    let ctx = group.context().clone();
    group.spawn("failing", |_| async { Err::<(), _>(Cause::cancelled("no stock")) }).await.unwrap();
    let error = Cause::cancelled("no stock");
    assert_eq!(group.wait().await, Err(GroupError::Failed { task: "failing", error }));
    assert_eq!(hears.await, Ok(Cause::SiblingFailed));
    assert_eq!(sibling.await, Err(TaskGone { task: "sibling" }));
    assert_eq!(ctx.cause(), Some(Cause::SiblingFailed));
}

#[tokio::test]
async fn a_panic_comes_back_as_an_error_and_cancels_the_siblings() {
    let group = group("orders");
    group.spawn("sibling", until_the_end).await.unwrap();
    let number = 7;
    let panicking = group.spawn("panicking", move |_| async move {
        tokio::task::yield_now().await;
        assert_ne!(number, 7, "seven");
        Ok(())
    });
    panicking.await.unwrap();
    let Err(GroupError::Panicked { task, message }) = group.wait().await else {
        panic!("a panic is an error")
    };
    assert_eq!(task, "panicking");
    assert!(message.contains("seven"), "{message}");
}

#[tokio::test]
async fn a_panic_before_the_first_await_and_in_a_destructor_come_back_too() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("dropped");
        }
    }
    let early = group("early");
    early.spawn("early", |_| -> std::future::Ready<Result<(), Cause>> { panic!("early") }).await.unwrap();
    let message = "early".to_owned();
    assert_eq!(early.wait().await, Err(GroupError::Panicked { task: "early", message }));
    let late = group("late");
    late.spawn("late", |_| async {
        let _bomb = Bomb;
        Ok(())
    })
    .await
    .unwrap();
    let message = "dropped".to_owned();
    assert_eq!(late.wait().await, Err(GroupError::Panicked { task: "late", message }));
}

#[tokio::test]
async fn no_more_tasks_run_than_the_limit_and_the_next_waits_for_a_place() {
    let group = group("few").limit(2);
    let (first_ends, first_end) = oneshot::channel::<()>();
    group.spawn("first", |_| async { first_end.await.map_err(|_| Cause::ClientGone) }).await.unwrap();
    group.spawn("second", until_the_end).await.unwrap();
    assert_eq!(group.try_spawn("third", until_the_end).unwrap_err(), Refused::Full);
    let mut third = Box::pin(group.spawn("third", until_the_end));
    assert!(poll(third.as_mut()).is_pending());
    first_ends.send(()).unwrap();
    third.await.unwrap();
    assert_eq!(group.running(), 2);
    group.cancel(Cause::ShuttingDown);
    assert!(matches!(group.wait().await, Err(GroupError::Failed { error: Cause::ShuttingDown, .. })));
}

#[tokio::test]
async fn an_ended_group_starts_nothing() {
    let group = group("over");
    group.cancel(Cause::ShuttingDown);
    assert_eq!(group.spawn("late", until_the_end).await.unwrap_err(), Cause::ShuttingDown);
    assert_eq!(group.try_spawn("late", until_the_end).unwrap_err(), Refused::Ended(Cause::ShuttingDown));
    assert_eq!(group.wait().await, Ok(()));
}

#[tokio::test]
async fn a_spawn_that_waits_for_a_place_ends_with_the_group() {
    let group = group("few").limit(1);
    group.spawn("only", until_the_end).await.unwrap();
    let mut waiting = Box::pin(group.spawn("next", until_the_end));
    assert!(poll(waiting.as_mut()).is_pending());
    group.cancel(Cause::ClientGone);
    assert!(matches!(waiting.await, Err(Cause::ClientGone)));
}

#[tokio::test]
async fn a_task_inherits_deadline_cancellation_and_trace() {
    let trace = TraceContext { trace_id: 1, span_id: 2, sampled: true };
    let (parent, cancel) =
        Context::background().with_timeout(Duration::from_secs(60)).with_trace(Some(trace)).with_cancel();
    let group: Group<Cause> = Group::new(&parent, "heirs");
    let (asks, asked) = oneshot::channel();
    let task = group.spawn("heir", |ctx| async move {
        asks.send(()).map_err(|()| Cause::ClientGone)?;
        tokio::task::yield_now().await;
        Ok((ctx.deadline(), ctx.trace(), TraceContext::current(), ctx.done().await))
    });
    let task = task.await.unwrap();
    asked.await.unwrap();
    cancel.cancel(Cause::ShuttingDown);
    let expect = (parent.deadline(), Some(trace), Some(trace), Cause::ShuttingDown);
    assert_eq!((task.await, group.wait().await), (Ok(expect), Ok(())));
}

#[tokio::test]
async fn dropping_a_task_does_not_stop_it() {
    let group = group("detached");
    let (ends, end) = oneshot::channel();
    drop(group.spawn("quiet", |_| async move { ends.send(7).map_err(|_| Cause::ClientGone) }).await.unwrap());
    assert_eq!((end.await, group.wait().await), (Ok(7), Ok(())));
}

#[tokio::test]
async fn a_task_may_start_tasks_of_its_own_group() {
    let group = Arc::new(group("nested"));
    let (ends, end) = oneshot::channel();
    let inner = Arc::downgrade(&group);
    group
        .spawn("outer", |_| async move {
            let group = inner.upgrade().ok_or(Cause::ClientGone)?;
            group.spawn("inner", |_| async move { ends.send(1).map_err(|_| Cause::ClientGone) }).await?;
            Ok(())
        })
        .await
        .unwrap();
    assert_eq!(end.await, Ok(1));
}

#[tokio::test]
async fn dropping_a_group_ends_its_context_and_drops_its_tasks() {
    let group = group("dropped");
    let (dropped, ctx) = (Dropped::default(), group.context().clone());
    let guard = dropped.guard();
    let task = group.spawn("stuck", |_| async move {
        let _guard = guard;
        pending::<Result<(), Cause>>().await
    });
    let task = task.await.unwrap();
    tokio::task::yield_now().await;
    drop(group);
    assert_eq!(ctx.cause(), Some(Cause::cancelled("its group is over")));
    assert_eq!(task.await, Err(TaskGone { task: "stuck" }));
    assert!(dropped.yet());
}

#[tokio::test]
async fn dropping_the_wait_drops_the_group() {
    let group = group("dropped");
    let task = group.spawn("stuck", |_| pending::<Result<(), Cause>>()).await.unwrap();
    let mut wait = Box::pin(group.wait());
    assert!(poll(wait.as_mut()).is_pending());
    drop(wait);
    assert_eq!(task.await, Err(TaskGone { task: "stuck" }));
}

#[tokio::test(start_paused = true)]
async fn a_task_that_ignores_the_end_is_aborted_after_the_grace_and_reported_once() {
    let reports = Reports::default();
    let _subscribed = tracing::subscriber::set_default(reports.clone());
    let group = group("stopping");
    group.spawn("deaf", |_| pending::<Result<(), Cause>>()).await.unwrap();
    group
        .spawn("good", |ctx| async move {
            ctx.done().await;
            Ok(())
        })
        .await
        .unwrap();
    group.cancel(Cause::ShuttingDown);
    let start = tokio::time::Instant::now();
    assert_eq!(group.wait().await, Err(GroupError::Ended(Cause::ShuttingDown)));
    assert_eq!(start.elapsed().as_secs(), Group::<Cause>::GRACE.as_secs());
    assert_eq!(reports.lines(), ["group=stopping tasks=deaf"]);
}

#[tokio::test]
async fn a_leak_is_reported_with_the_names_of_the_tasks() {
    let reports = Reports::default();
    let _subscribed = tracing::subscriber::set_default(reports.clone());
    let done = group("done");
    done.spawn("short", |_| async { Ok(()) }).await.unwrap();
    done.wait().await.unwrap();
    let leaky = group("leaky");
    leaky.spawn("first", |_| pending::<Result<(), Cause>>()).await.unwrap();
    leaky.spawn("second", |_| pending::<Result<(), Cause>>()).await.unwrap();
    drop(leaky);
    assert_eq!(reports.lines(), ["group=leaky tasks=first, second"]);
}

#[tokio::test]
async fn what_fails_after_the_first_is_logged_with_its_name() {
    let reports = Reports::default();
    let _subscribed = tracing::subscriber::set_default(reports.clone());
    let group = group("orders");
    let late = |panics: bool| {
        move |ctx: Context| async move {
            ctx.done().await;
            assert!(!panics, "out of order");
            Err::<(), _>(Cause::cancelled("too late to be the first"))
        }
    };
    group.spawn("late", late(false)).await.unwrap();
    group.spawn("broken", late(true)).await.unwrap();
    group.spawn("failing", |_| async { Err::<(), _>(Cause::ClientGone) }).await.unwrap();
    assert_eq!(group.wait().await, Err(GroupError::Failed { task: "failing", error: Cause::ClientGone }));
    assert_eq!(reports.lines(), ["group=orders task=late", "group=orders task=broken panic=out of order"]);
}

#[test]
fn a_runtime_that_stops_takes_the_tasks_with_it() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let group = group("stranded");
    let task = runtime.block_on(group.spawn("task", |_| pending::<Result<(), Cause>>())).unwrap();
    drop(runtime);
    assert_eq!(poll(std::pin::pin!(task)), Poll::Ready(Err(TaskGone { task: "task" })));
    let Poll::Ready(Err(GroupError::Ended(_))) = poll(std::pin::pin!(group.wait())) else {
        panic!("the task did not end well");
    };
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_tasks_on_many_threads_all_end() {
    for round in 0..50 {
        let group = group("many").limit(16);
        for number in 0..200 {
            let spawned = group.spawn("one", move |ctx| async move {
                tokio::task::yield_now().await;
                if number == 150 && round % 2 == 0 { Err(Cause::ClientGone) } else { ctx.check() }
            });
            if spawned.await.is_err() {
                break;
            }
        }
        let failed = group.wait().await.is_err();
        assert_eq!(failed, round % 2 == 0);
    }
}

/// Keeps the fields of what is logged.
#[derive(Clone, Default)]
struct Reports(Arc<Mutex<Vec<String>>>);

impl Reports {
    fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

impl tracing::Subscriber for Reports {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        *metadata.level() <= tracing::Level::DEBUG
    }
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, event: &tracing::Event<'_>) {
        let mut line = Line(Vec::new());
        event.record(&mut line);
        self.0.lock().unwrap().push(line.0.join(" "));
    }
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

struct Line(Vec<String>);

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.push(format!("{field}={value}"));
    }
    fn record_debug(&mut self, _: &Field, _: &dyn std::fmt::Debug) {}
}
