//! Timers by `setTimeout`, which pages and workers both have.
//!
//! A JavaScript handle is not `Send`, and a sleep must be. So the timers live with the one thread that made them, and
//! a sleep knows its timer by a number.
#![expect(clippy::disallowed_methods, reason = "this is the clock")]

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::task::{Poll, Waker};
use std::time::Duration;

use wasm_bindgen::JsValue;
use wasm_bindgen::closure::Closure;
use wasm_bindgen::prelude::wasm_bindgen;
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

pub(super) fn sleep_until(at: Instant) -> BoxFuture<'static, ()> {
    Box::pin(Sleep { at, timer: None })
}

#[wasm_bindgen]
extern "C" {
    // Numbers in a page and in a worker; only a page's and a worker's global object are ever `this`.
    #[wasm_bindgen(js_name = setTimeout)]
    fn set_timeout(callback: &Closure<dyn FnMut()>, millis: i32) -> JsValue;
    #[wasm_bindgen(js_name = clearTimeout)]
    fn clear_timeout(handle: &JsValue);
}

struct Sleep {
    at: Instant,
    timer: Option<u64>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> Poll<()> {
        let left = self.at.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Poll::Ready(());
        }
        let waits = self.timer.is_some_and(|timer| Timers::renew(timer, cx.waker()));
        if !waits {
            // The first look, a timer that fired a little early, or the end of a step: sleep on.
            self.timer = Some(Timers::start(left, cx.waker()));
        }
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(timer) = self.timer {
            Timers::stop(timer);
        }
    }
}

/// The timers of this thread that have not fired.
#[derive(Default)]
struct Timers {
    next: u64,
    /// A few at a time, each under its number.
    waiting: Vec<(u64, Timer)>,
}

struct Timer {
    waker: Waker,
    handle: JsValue,
    _callback: Closure<dyn FnMut()>,
}

thread_local! {
    static TIMERS: RefCell<Timers> = RefCell::default();
}

/// `setTimeout` counts in 32-bit milliseconds: a longer sleep is taken in steps.
const STEP_MS_MAX: u128 = i32::MAX as u128;

impl Timers {
    fn place(&self, timer: u64) -> Option<usize> {
        self.waiting.iter().position(|(other, _)| *other == timer)
    }

    fn take(&mut self, timer: u64) -> Option<Timer> {
        let at = self.place(timer)?;
        Some(self.waiting.swap_remove(at).1)
    }

    fn start(left: Duration, waker: &Waker) -> u64 {
        let millis = left.as_micros().div_ceil(1_000).min(STEP_MS_MAX);
        TIMERS.with_borrow_mut(|timers| {
            let timer = timers.next;
            timers.next += 1;
            let callback = Closure::once(move || Self::fire(timer));
            let handle = set_timeout(&callback, i32::try_from(millis).unwrap_or(i32::MAX));
            timers.waiting.push((timer, Timer { waker: waker.clone(), handle, _callback: callback }));
            timer
        })
    }

    /// Whether the timer has yet to fire; it then wakes `waker`.
    fn renew(timer: u64, waker: &Waker) -> bool {
        let waker = waker.clone();
        let old = TIMERS.with_borrow_mut(|timers| {
            let at = timers.place(timer)?;
            Some(std::mem::replace(&mut timers.waiting[at].1.waker, waker))
        });
        old.is_some()
    }

    fn fire(timer: u64) {
        let fired = TIMERS.with_borrow_mut(|timers| timers.take(timer));
        if let Some(fired) = fired {
            fired.waker.wake_by_ref();
        }
    }

    fn stop(timer: u64) {
        let stopped = TIMERS.with_borrow_mut(|timers| timers.take(timer));
        if let Some(stopped) = stopped {
            clear_timeout(&stopped.handle);
        }
    }
}
