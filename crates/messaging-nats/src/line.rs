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
    /// Whether a step is under way.
    pub(crate) busy: bool,
    /// Whether that is with its first event, and not with what was put aside.
    has_first: bool,
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
        self.waiting.insert(place.max(usize::from(self.has_first)), delivery);
    }

    /// This step is under way.
    pub(crate) fn begin(&mut self, next: Next) {
        self.busy = true;
        self.has_first = matches!(next, Next::PutAside | Next::Handle);
    }

    /// No step is under way any more.
    pub(crate) fn end(&mut self) {
        (self.busy, self.has_first) = (false, false);
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

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

    use async_nats::jetstream;
    use staffa_context::Context;

    use super::*;

    /// A client that has no server, and a place in the stream for each delivery.
    struct Server(jetstream::Context);

    impl Server {
        async fn away() -> Self {
            let waiting = async_nats::ConnectOptions::new().retry_on_initial_connect();
            Self(jetstream::new(waiting.connect("nats://127.0.0.1:9").await.unwrap()))
        }

        fn deliver(&self, line: &mut Line, sequence: u64) {
            let ctx = Context::background();
            let event = Event {
                id: ctx.uuid(),
                name: "stepped".into(),
                kind: "order".into(),
                entity: "a".into(),
                version: 1,
                n: 0,
                at: ctx.wall(),
                trace: None,
                payload: serde_json::Value::Null,
            };
            let message = async_nats::Message {
                subject: "events".into(),
                reply: None,
                payload: bytes::Bytes::new(),
                headers: None,
                status: None,
                description: None,
                length: 0,
            };
            let message = Arc::new(Message { message, context: self.0.clone() });
            line.put(Delivery { sequence, event, trace: None, message, is_done: false });
        }
    }

    fn order(line: &Line) -> Vec<u64> {
        line.waiting.iter().map(|delivery| delivery.sequence).collect()
    }

    #[tokio::test]
    async fn what_comes_again_is_before_what_is_younger() {
        let (server, mut line) = (Server::away().await, Line::default());
        for sequence in [5, 4, 7, 4, 6] {
            server.deliver(&mut line, sequence);
        }
        assert_eq!(order(&line), [4, 5, 6, 7]);
    }

    #[tokio::test]
    async fn what_is_handled_stays_first() {
        let (server, mut line) = (Server::away().await, Line::default());
        server.deliver(&mut line, 5);
        let next = line.next(Context::background().clock().now());
        assert_eq!(next, Next::Handle);
        line.begin(next);
        server.deliver(&mut line, 4);
        assert_eq!(order(&line), [5, 4]);
    }

    #[tokio::test]
    async fn what_comes_again_is_first_also_while_what_was_put_aside_is_taken_up() {
        let (server, mut line) = (Server::away().await, Line { held: true, wished: true, ..Line::default() });
        server.deliver(&mut line, 5);
        let next = line.next(Context::background().clock().now());
        assert_eq!(next, Next::TakeUp);
        line.begin(next);
        server.deliver(&mut line, 4);
        assert_eq!(order(&line), [4, 5]);
    }
}
