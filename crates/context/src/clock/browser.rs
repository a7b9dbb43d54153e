//! Timers by `setTimeout`, which pages and workers both have. A JavaScript handle is not `Send`, so a timer is a
//! task of the page's one thread that wakes the sleeper through shared state.
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, Waker};

use js_sys::{Function, Promise, Reflect};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_time::{Instant, SystemTime, UNIX_EPOCH};

use crate::Timestamp;
use crate::instruments::BoxFuture;

pub(super) fn now() -> Instant {
    Instant::now()
}

pub(super) fn wall() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::default().plus(since_epoch)
}

/// `setTimeout` counts in 32-bit milliseconds: a longer sleep is taken in steps.
const STEP_MS_MAX: u128 = i32::MAX as u128;

pub(super) fn sleep_until(at: Instant) -> BoxFuture<'static, ()> {
    Box::pin(Sleep { at, waker: None })
}

struct Sleep {
    at: Instant,
    waker: Option<Arc<Mutex<Option<Waker>>>>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> Poll<()> {
        let left = self.at.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Poll::Ready(());
        }
        if let Some(waker) = &self.waker {
            let mut waker = waker.lock().unwrap_or_else(PoisonError::into_inner);
            // An empty slot is a timer that fired a little early, or the end of a step: sleep again.
            if waker.is_some() {
                *waker = Some(cx.waker().clone());
                return Poll::Pending;
            }
        }
        let waker = Arc::new(Mutex::new(Some(cx.waker().clone())));
        let millis = left.as_micros().div_ceil(1_000).min(STEP_MS_MAX) as i32;
        wake_after(millis, Arc::downgrade(&waker));
        self.waker = Some(waker);
        Poll::Pending
    }
}

fn wake_after(millis: i32, sleeper: std::sync::Weak<Mutex<Option<Waker>>>) {
    wasm_bindgen_futures::spawn_local(async move {
        // `setTimeout` is a global function of every browser context, so the promise cannot be rejected.
        let _ = JsFuture::from(timeout(millis)).await;
        let waker =
            sleeper.upgrade().and_then(|waker| waker.lock().unwrap_or_else(PoisonError::into_inner).take());
        if let Some(waker) = waker {
            waker.wake();
        }
    });
}

fn timeout(millis: i32) -> Promise {
    Promise::new(&mut |resolve, _reject| {
        let global = js_sys::global();
        let set = Reflect::get(&global, &JsValue::from_str("setTimeout")).ok();
        if let Some(set) = set.and_then(|set| set.dyn_into::<Function>().ok()) {
            let _ = set.call2(&global, &resolve, &JsValue::from(millis));
        }
    })
}
