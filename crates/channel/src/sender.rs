use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Poll, Waker};

use staffa_context::{Cause, Context};

use crate::channel::{Shared, Ticket, wake};

/// The sending side of a channel. Clones send into the same channel, which closes when the last one is dropped.
pub struct Sender<T>(Arc<Shared<T>>);

/// A value that was not sent, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SendError<T> {
    /// The value, given back.
    pub value: T,
    /// Why it was not sent.
    pub reason: Reason,
}

/// Why a value was not sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The channel is closed: nobody will receive from it.
    Closed,
    /// There is no room now; only [`Sender::try_send`] says so.
    Full,
    /// The context ended first.
    Ended(Cause),
}

impl<T> Sender<T> {
    pub(crate) fn new(shared: Arc<Shared<T>>) -> Self {
        Self(shared)
    }

    /// Sends a value, waiting for room or, on a rendezvous channel, for the receiver that takes it.
    ///
    /// Cancel-safe: when the future is dropped, the value goes with it unless a receiver already took it.
    ///
    /// # Errors
    /// [`Reason::Closed`], or [`Reason::Ended`] when the context ended before the value was taken; an ended
    /// context sends nothing. The error gives the value back.
    pub async fn send(&self, ctx: &Context, value: T) -> Result<(), SendError<T>> {
        if let Some(cause) = ctx.cause() {
            return Err(SendError { value, reason: Reason::Ended(cause) });
        }
        let mut send = Sending { shared: &self.0, step: Step::First(value) };
        let mut done = ctx.done();
        poll_fn(|cx| match send.poll(cx.waker()) {
            Poll::Ready(sent) => Poll::Ready(sent),
            Poll::Pending => Pin::new(&mut done).poll(cx).map(|cause| send.give_back(Reason::Ended(cause))),
        })
        .await
    }

    /// Sends a value if there is room now or, on a rendezvous channel, a receiver that waits.
    ///
    /// Should such a receiver go away before it looks, the value is the next one that any receiver takes.
    ///
    /// # Errors
    /// [`Reason::Full`] or [`Reason::Closed`], with the value.
    pub fn try_send(&self, value: T) -> Result<(), SendError<T>> {
        let put = {
            let mut state = self.0.lock();
            if state.closed {
                return Err(SendError { value, reason: Reason::Closed });
            }
            state.put_now(value)
        };
        match put {
            Ok(receiver) => wake(receiver),
            Err(value) => return Err(SendError { value, reason: Reason::Full }),
        }
        Ok(())
    }

    /// Closes the channel for all senders. What is buffered can still be received.
    pub fn close(&self) {
        self.0.close();
    }

    /// Whether a send would give its value back as [`Reason::Closed`].
    pub fn is_closed(&self) -> bool {
        self.0.lock().closed
    }

    /// How many values are buffered now, for gauges.
    pub fn len(&self) -> usize {
        self.0.lock().len()
    }

    /// Whether nothing is buffered now.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// One send under way.
struct Sending<'a, T> {
    shared: &'a Shared<T>,
    step: Step<T>,
}

enum Step<T> {
    /// Not yet seen by the channel.
    First(T),
    /// Among the waiting sends, or taken from there.
    Waiting(Ticket),
    Over,
}

impl<T> Sending<'_, T> {
    fn poll(&mut self, waker: &Waker) -> Poll<Result<(), SendError<T>>> {
        match std::mem::replace(&mut self.step, Step::Over) {
            Step::First(value) => self.start(value, waker),
            Step::Waiting(ticket) => self.look(ticket, waker),
            Step::Over => Poll::Pending,
        }
    }

    fn start(&mut self, value: T, waker: &Waker) -> Poll<Result<(), SendError<T>>> {
        let mut state = self.shared.lock();
        if state.closed {
            return Poll::Ready(Err(SendError { value, reason: Reason::Closed }));
        }
        let (polled, receiver) = match state.put(value) {
            Ok(receiver) => (Poll::Ready(Ok(())), receiver),
            Err(value) => {
                let (ticket, receiver) = state.wait_to_send(value, waker.clone());
                self.step = Step::Waiting(ticket);
                (Poll::Pending, receiver)
            }
        };
        drop(state);
        wake(receiver);
        polled
    }

    fn look(&mut self, ticket: Ticket, waker: &Waker) -> Poll<Result<(), SendError<T>>> {
        let mut state = self.shared.lock();
        if state.closed {
            drop(state);
            return Poll::Ready(self.take_back(ticket, Reason::Closed));
        }
        let Some((_, waiting)) = state.waiting_send(ticket) else {
            return Poll::Ready(Ok(()));
        };
        let old = (!waiting.will_wake(waker)).then(|| std::mem::replace(waiting, waker.clone()));
        drop(state);
        drop(old);
        self.step = Step::Waiting(ticket);
        Poll::Pending
    }

    /// Ends a send that waited: with the value, or as sent when a receiver was faster.
    fn take_back(&mut self, ticket: Ticket, reason: Reason) -> Result<(), SendError<T>> {
        let back = self.shared.lock().take_back(ticket);
        back.map_or(Ok(()), |(value, _)| Err(SendError { value, reason }))
    }

    /// Ends the send: with the value, or as sent when a receiver was faster.
    fn give_back(&mut self, reason: Reason) -> Result<(), SendError<T>> {
        match std::mem::replace(&mut self.step, Step::Over) {
            Step::First(value) => Err(SendError { value, reason }),
            Step::Waiting(ticket) => self.take_back(ticket, reason),
            Step::Over => Ok(()),
        }
    }
}

impl<T> Drop for Sending<'_, T> {
    fn drop(&mut self) {
        if let Step::Waiting(ticket) = self.step {
            // Dropped once the lock is free: the value's own `Drop` may use the channel, and the waker's, too.
            let back = self.shared.lock().take_back(ticket);
            drop(back);
        }
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        self.0.lock().senders += 1;
        Self(Arc::clone(&self.0))
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        let last = {
            let mut state = self.0.lock();
            state.senders -= 1;
            state.senders == 0
        };
        if last {
            self.0.close();
        }
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("len", &self.len()).field("closed", &self.is_closed()).finish()
    }
}

impl<T> fmt::Display for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.reason {
            Reason::Closed => f.write_str("the channel is closed"),
            Reason::Full => f.write_str("the channel has no room now"),
            Reason::Ended(cause) => cause.fmt(f),
        }
    }
}

impl<T: fmt::Debug> std::error::Error for SendError<T> {}
