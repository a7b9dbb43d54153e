//! What the channels promise.
#![expect(clippy::unwrap_used, reason = "a failed expectation is a failed test")]
#![expect(
    clippy::disallowed_methods,
    reason = "a test stands outside of the service, and drives the runtime itself"
)]

mod cancellation;
mod closing;
mod passing;
mod stages;
mod timers;

use std::future::Future;
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll, Waker};

/// Polls once, by hand, with a waker that nobody listens to.
fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut TaskContext::from_waker(Waker::noop()))
}
