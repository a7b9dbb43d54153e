use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Poll, Waker};

use futures_core::Stream;
use staffa_context::{Cause, Context};

use crate::channel::{Shared, Taken, Ticket, wake};

/// The receiving side of a channel. Clones take turns: each value goes to one of them.
///
/// It is a [`Stream`] too, for combinators that know no context; the stream ends when the channel is closed and
/// drained.
pub struct Receiver<T> {
    shared: Arc<Shared<T>>,
    /// The ticket of this receiver as a stream.
    ticket: Option<Ticket>,
}

/// Why [`Receiver::try_recv`] gave no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TryRecvError {
    /// Nothing is there now.
    Empty,
    /// The channel is closed and drained.
    Closed,
}

impl<T> Receiver<T> {
    pub(crate) fn new(shared: Arc<Shared<T>>) -> Self {
        Self { shared, ticket: None }
    }

    /// Receives the next value; `None` once the channel is closed and drained.
    ///
    /// Cancel-safe: a future that is dropped before it completes has taken nothing.
    ///
    /// # Errors
    /// The cause, when the context ended first; an ended context receives nothing.
    pub async fn recv(&self, ctx: &Context) -> Result<Option<T>, Cause> {
        ctx.check()?;
        let mut receive = Receiving { shared: &self.shared, ticket: None };
        let mut done = ctx.done();
        poll_fn(|cx| match poll_receive(receive.shared, &mut receive.ticket, cx.waker()) {
            Poll::Ready(value) => Poll::Ready(Ok(value)),
            Poll::Pending => Pin::new(&mut done).poll(cx).map(Err),
        })
        .await
    }

    /// Receives a value that is there now.
    ///
    /// # Errors
    /// [`TryRecvError::Empty`] or [`TryRecvError::Closed`].
    pub fn try_recv(&self) -> Result<T, TryRecvError> {
        let (taken, sender) = self.shared.lock().take();
        wake(sender);
        match taken {
            Taken::Value(value) => Ok(value),
            Taken::Nothing => Err(TryRecvError::Empty),
            Taken::Closed => Err(TryRecvError::Closed),
        }
    }

    /// Closes the channel: senders get their values back, and what is buffered can still be received.
    pub fn close(&self) {
        self.shared.close();
    }

    /// How many values are buffered now, for gauges.
    pub fn len(&self) -> usize {
        self.shared.lock().len()
    }

    /// Whether nothing is buffered now.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// One receive under way.
struct Receiving<'a, T> {
    shared: &'a Shared<T>,
    ticket: Option<Ticket>,
}

impl<T> Drop for Receiving<'_, T> {
    fn drop(&mut self) {
        stop(self.shared, &mut self.ticket);
    }
}

fn poll_receive<T>(shared: &Shared<T>, ticket: &mut Option<Ticket>, waker: &Waker) -> Poll<Option<T>> {
    let mut state = shared.lock();
    let (taken, sender) = state.take();
    let value = match taken {
        Taken::Value(value) => Some(value),
        Taken::Closed => None,
        Taken::Nothing => {
            let (waits, old) = state.wait_to_receive(*ticket, waker);
            *ticket = Some(waits);
            drop(state);
            drop(old);
            return Poll::Pending;
        }
    };
    // It has its value: whether or not it had been woken, it owes nobody a wake-up but the ones who wait for
    // what is still there.
    let stopped = ticket.take().map(|ticket| state.stop_receiving(ticket)).unwrap_or_default();
    drop(state);
    wake(sender);
    stopped.settle();
    Poll::Ready(value)
}

fn stop<T>(shared: &Shared<T>, ticket: &mut Option<Ticket>) {
    if let Some(ticket) = ticket.take() {
        let stopped = shared.lock().stop_receiving(ticket);
        stopped.settle();
    }
}

impl<T> Stream for Receiver<T> {
    type Item = T;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> Poll<Option<T>> {
        let this = &mut *self;
        poll_receive(&this.shared, &mut this.ticket, cx.waker())
    }
}

impl<T> Clone for Receiver<T> {
    fn clone(&self) -> Self {
        self.shared.lock().receivers += 1;
        Self { shared: Arc::clone(&self.shared), ticket: None }
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        stop(&self.shared, &mut self.ticket);
        let mut state = self.shared.lock();
        state.receivers -= 1;
        if state.receivers > 0 {
            return;
        }
        let (waiting, unreachable) = (state.close(), state.drain());
        drop(state);
        waiting.into_iter().for_each(Waker::wake);
        drop(unreachable);
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").field("len", &self.len()).finish_non_exhaustive()
    }
}

impl fmt::Display for TryRecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "nothing is there now",
            Self::Closed => "the channel is closed",
        })
    }
}

impl std::error::Error for TryRecvError {}
