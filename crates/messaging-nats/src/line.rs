//! The events of one entity that a consumer has in hand, in their order.

use std::collections::VecDeque;
use std::sync::Arc;

use async_nats::jetstream::Message;
use staffa_context::{Instant, TraceContext};
use staffa_storage::Event;

/// An event as the server handed it over.
#[derive(Clone, Debug)]
pub(crate) struct Delivery {
    /// Its place in the stream.
    pub(crate) sequence: u64,
    pub(crate) event: Event,
    pub(crate) trace: Option<TraceContext>,
    pub(crate) message: Arc<Message>,
    /// Whether it took effect, and only its acknowledgement is missing.
    pub(crate) is_done: bool,
}

/// One entity's line.
#[derive(Debug, Default)]
pub(crate) struct Line {
    pub(crate) waiting: VecDeque<Delivery>,
    /// Whether a step with its first event is under way.
    pub(crate) busy: bool,
    /// How often its first event has failed, and how often in a way that counts.
    pub(crate) failures: u32,
    pub(crate) attempts: u32,
    /// It is not tried before this.
    pub(crate) until: Option<Instant>,
    /// Why it is to be put aside.
    pub(crate) dying: Option<staffa_context::Failure>,
    /// Whether something of the entity was put aside.
    pub(crate) held: bool,
    /// Whether that is to be taken up again.
    pub(crate) wished: bool,
}

/// What is to be done next with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    Nothing,
    /// Take up what was put aside.
    TakeUp,
    /// Put its first event aside.
    PutAside,
    /// Handle its first event.
    Handle,
}

impl Line {
    /// Lines a delivery up. One that is there already only gets its new message, by which it is acknowledged.
    pub(crate) fn put(&mut self, delivery: Delivery) {
        if let Some(known) = self.waiting.iter_mut().find(|known| known.sequence == delivery.sequence) {
            known.message = delivery.message;
            return;
        }
        let place = self.waiting.partition_point(|known| known.sequence < delivery.sequence);
        // What is under way stays first.
        self.waiting.insert(place.max(usize::from(self.busy && !self.waiting.is_empty())), delivery);
    }

    pub(crate) fn next(&self, now: Instant) -> Next {
        if self.busy || self.until.is_some_and(|until| now < until) {
            Next::Nothing
        } else if self.held && self.wished {
            Next::TakeUp
        } else if self.waiting.is_empty() {
            Next::Nothing
        } else if self.held || self.dying.is_some() {
            Next::PutAside
        } else {
            Next::Handle
        }
    }

    /// What was first is settled.
    pub(crate) fn settle(&mut self) {
        self.failures = 0;
        self.attempts = 0;
        self.until = None;
        self.dying = None;
    }

    pub(crate) fn is_over(&self) -> bool {
        self.waiting.is_empty() && !self.busy && !self.held
    }
}
