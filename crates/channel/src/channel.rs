//! The state that senders and receivers share.
//!
//! Invariants:
//! 1. All state is behind one lock, and no waker is called or dropped while it is held, and no value dropped.
//! 2. A value is in exactly one place: with its sender, among the waiting sends, in the buffer, or received.
//! 3. A waiting send is among the waiting sends until a receiver takes its value or the send takes it back; a
//!    send whose ticket is gone was taken.
//! 4. The buffer holds more than the capacity only by values that `try_send` left for receivers that wait.
//! 5. A receiver that was woken has left the waiting ones. Until it looks or is dropped it is answerable for one
//!    wake-up: on looking in vain it waits again in its old place, on being dropped it wakes the next.
//! 6. Waiting receivers are asleep only when there is nothing to take, or a woken one is about to.
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use crate::{Receiver, Sender};

/// A channel that buffers up to `capacity` values; with 0 every send waits for its receiver.
///
/// Values arrive in the order in which their sends first waited or found room. Waiting peers are served first
/// come, first served.
pub fn bounded<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    let shared = Arc::new(Shared(Mutex::new(State {
        capacity,
        buffer: VecDeque::new(),
        sends: BTreeMap::new(),
        receives: BTreeMap::new(),
        next_ticket: 0,
        senders: 1,
        receivers: 1,
        closed: false,
    })));
    (Sender::new(Arc::clone(&shared)), Receiver::new(shared))
}

pub(crate) struct Shared<T>(Mutex<State<T>>);

pub(crate) struct State<T> {
    capacity: usize,
    buffer: VecDeque<T>,
    sends: BTreeMap<Ticket, (T, Waker)>,
    receives: BTreeMap<Ticket, Waker>,
    next_ticket: Ticket,
    pub(crate) senders: usize,
    pub(crate) receivers: usize,
    pub(crate) closed: bool,
}

/// A place in the order of waiting. 2^64 of them last for centuries.
pub(crate) type Ticket = u64;

/// What a receiver finds.
pub(crate) enum Taken<T> {
    Value(T),
    Nothing,
    Closed,
}

/// What is left to do with wakers once the lock is free.
#[derive(Default)]
pub(crate) struct Stopped {
    wake: Option<Waker>,
    forget: Option<Waker>,
}

impl Stopped {
    pub(crate) fn settle(self) {
        wake(self.wake);
        drop(self.forget);
    }
}

pub(crate) fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}

impl<T> Shared<T> {
    pub(crate) fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Closes the channel and wakes everybody who waits. Waiting sends find it closed and take their values back.
    pub(crate) fn close(&self) {
        let wakers = self.lock().close();
        wakers.into_iter().for_each(Waker::wake);
    }
}

impl<T> State<T> {
    /// Takes the next value and the waker of the sender that it makes room for or came from.
    pub(crate) fn take(&mut self) -> (Taken<T>, Option<Waker>) {
        if let Some(value) = self.buffer.pop_front() {
            return (Taken::Value(value), self.refill());
        }
        if self.closed {
            return (Taken::Closed, None);
        }
        match self.sends.pop_first() {
            Some((_, (value, waker))) => (Taken::Value(value), Some(waker)),
            None => (Taken::Nothing, None),
        }
    }

    /// Moves the first waiting send into the room that a receive made.
    fn refill(&mut self) -> Option<Waker> {
        if self.closed || self.buffer.len() >= self.capacity {
            return None;
        }
        let (_, (value, waker)) = self.sends.pop_first()?;
        self.buffer.push_back(value);
        Some(waker)
    }

    /// Puts `value` into the buffer and gives the receiver to wake, or gives it back when it has to wait.
    pub(crate) fn put(&mut self, value: T) -> Result<Option<Waker>, T> {
        if self.buffer.len() < self.capacity && self.sends.is_empty() {
            self.buffer.push_back(value);
            return Ok(self.wake_receiver());
        }
        Err(value)
    }

    /// The same, but a receiver that waits is room, too.
    pub(crate) fn put_now(&mut self, value: T) -> Result<Option<Waker>, T> {
        let value = match self.put(value) {
            Ok(waker) => return Ok(waker),
            Err(value) => value,
        };
        if self.capacity == 0 && self.sends.is_empty() && !self.receives.is_empty() {
            self.buffer.push_back(value);
            return Ok(self.wake_receiver());
        }
        Err(value)
    }

    /// Lets a send wait, and gives the receiver to wake.
    pub(crate) fn wait_to_send(&mut self, value: T, waker: Waker) -> (Ticket, Option<Waker>) {
        let ticket = self.ticket();
        self.sends.insert(ticket, (value, waker));
        (ticket, self.wake_receiver())
    }

    /// The waiting send, unless a receiver took it.
    pub(crate) fn waiting_send(&mut self, ticket: Ticket) -> Option<&mut (T, Waker)> {
        self.sends.get_mut(&ticket)
    }

    /// Takes a waiting send back, unless a receiver took it.
    pub(crate) fn take_back(&mut self, ticket: Ticket) -> Option<(T, Waker)> {
        self.sends.remove(&ticket)
    }

    /// Lets a receive wait, in its old place when it has one; gives its waker of before.
    pub(crate) fn wait_to_receive(
        &mut self,
        ticket: Option<Ticket>,
        waker: &Waker,
    ) -> (Ticket, Option<Waker>) {
        let ticket = ticket.unwrap_or_else(|| self.ticket());
        (ticket, self.receives.insert(ticket, waker.clone()))
    }

    /// Forgets a receive. When it had been woken already, the next one is woken in its stead.
    pub(crate) fn stop_receiving(&mut self, ticket: Ticket) -> Stopped {
        if let Some(waker) = self.receives.remove(&ticket) {
            return Stopped { wake: None, forget: Some(waker) };
        }
        let something = !self.buffer.is_empty() || !self.sends.is_empty();
        Stopped { wake: something.then(|| self.wake_receiver()).flatten(), forget: None }
    }

    /// How many values are buffered.
    pub(crate) fn len(&self) -> usize {
        self.buffer.len()
    }

    /// Closes the channel and gives everybody who waits, to be woken.
    pub(crate) fn close(&mut self) -> Vec<Waker> {
        self.closed = true;
        let senders = self.sends.values().map(|(_, waker)| waker.clone());
        let receivers = std::mem::take(&mut self.receives).into_values();
        senders.chain(receivers).collect()
    }

    /// Drops what no receiver will take.
    pub(crate) fn drain(&mut self) -> VecDeque<T> {
        std::mem::take(&mut self.buffer)
    }

    fn wake_receiver(&mut self) -> Option<Waker> {
        self.receives.pop_first().map(|(_, waker)| waker)
    }

    fn ticket(&mut self) -> Ticket {
        self.next_ticket += 1;
        self.next_ticket
    }
}
