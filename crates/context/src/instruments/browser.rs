#![expect(clippy::disallowed_methods, reason = "this is the spawner")]

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, Waker};

use uuid::{Builder, Uuid};

use crate::instruments::{Abort, BoxFuture};
use crate::{Clock, SystemClock};

/// Of version 7, without the counter that orders those of one millisecond, which a page would load.
pub(super) fn uuid() -> Uuid {
    let mut random = [0; 10];
    getrandom::fill(&mut random).expect("the browser has a source of randomness");
    let millis = SystemClock.wall().as_micros() / 1_000;
    Builder::from_unix_timestamp_millis(u64::try_from(millis).unwrap_or_default(), &random).into_uuid()
}

/// The task, shared with its abort handle. `None` once it ended or was aborted.
#[derive(Clone)]
struct Shared(Arc<Mutex<Task>>);

struct Task {
    future: Option<BoxFuture<'static, ()>>,
    aborted: bool,
    waker: Option<Waker>,
}

pub(super) fn spawn(task: BoxFuture<'static, ()>) -> Box<dyn Abort> {
    let shared = Shared(Arc::new(Mutex::new(Task { future: Some(task), aborted: false, waker: None })));
    wasm_bindgen_futures::spawn_local(shared.clone().drive());
    Box::new(shared)
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, Task> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn drive(self) -> impl Future<Output = ()> {
        std::future::poll_fn(move |cx| {
            let Some(mut future) = self.take_future(cx.waker()) else {
                return Poll::Ready(());
            };
            // The lock is free while the future runs: it may abort itself.
            let polled = future.as_mut().poll(cx);
            let mut task = self.lock();
            if polled.is_ready() || task.aborted {
                return Poll::Ready(());
            }
            task.future = Some(future);
            Poll::Pending
        })
    }

    fn take_future(&self, waker: &Waker) -> Option<BoxFuture<'static, ()>> {
        let mut task = self.lock();
        task.waker = Some(waker.clone());
        task.future.take()
    }
}

impl Abort for Shared {
    fn abort(&self) {
        let (future, waker) = {
            let mut task = self.lock();
            task.aborted = true;
            (task.future.take(), task.waker.take())
        };
        drop(future);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

pub(super) fn spawn_blocking(work: Box<dyn FnOnce() + Send>) {
    wasm_bindgen_futures::spawn_local(async move { work() });
}
