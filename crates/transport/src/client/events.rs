//! An event stream as its client sees it: it comes back by itself.
use std::fmt;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context as Task, Poll};

use futures_core::Stream;
use serde::de::DeserializeOwned;
use staffa_context::{BoxFuture, Cause, Context, Failure, Kind};

use super::attempt::Refusal;
use super::carrier::{Chunks, Headers, Outgoing};
use super::decode::decode;
use super::{Client, retry};
use crate::endpoint::Shape;
use crate::sse::{self, Parser};
use crate::{Method, header};

/// Events with their ids, as they come. Cancel-safe.
///
/// It ends when the server's stream does, or after an error. A lost connection is opened again, after the last event
/// that came. Dropping it closes the connection.
pub struct EventStream<T, E> {
    raw: Raw,
    types: PhantomData<fn() -> (T, E)>,
}

impl<T, E> EventStream<T, E> {
    pub(super) async fn open(
        client: &Client,
        ctx: &Context,
        shape: Shape,
        target: String,
    ) -> Result<Self, Failure> {
        let source = Source { client: client.clone(), life: ctx.shielded(), shape, target };
        let opening = ctx.with_timeout(shape.timeout.unwrap_or(client.limits.timeout));
        let chunks = client.retrying(&opening, &shape, || source.open(opening.clone(), None)).await?;
        let caller = ctx.clone();
        let raw = Raw {
            ended: Some(Box::pin(async move { caller.done().await })),
            silence: source.silence(),
            source,
            state: State::Reading(chunks),
            parser: Parser::default(),
            last: None,
            tried: 0,
        };
        Ok(Self { raw, types: PhantomData })
    }
}

impl<T: DeserializeOwned, E: From<Failure>> EventStream<T, E> {
    /// The next event. Cancel-safe.
    pub async fn next(&mut self) -> Option<Result<(u64, T), E>> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }
}

impl<T: DeserializeOwned, E: From<Failure>> Stream for EventStream<T, E> {
    type Item = Result<(u64, T), E>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Task<'_>) -> Poll<Option<Self::Item>> {
        let polled = self.raw.poll_next(cx);
        polled.map(|event| {
            let typed = event?.and_then(|(id, data)| match decode(data.as_bytes()) {
                Ok(data) => Ok((id, data)),
                Err(error) => {
                    self.raw.state = State::Over;
                    Err(Failure::new(
                        Kind::Internal,
                        "the service sent something else than its endpoint says",
                    )
                    .with_log(format!("an event is not as declared: {error}")))
                }
            });
            Some(typed.map_err(E::from))
        })
    }
}

impl<T, E> fmt::Debug for EventStream<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventStream").field("last", &self.raw.last).finish_non_exhaustive()
    }
}

/// How a stream is opened, and opened again.
#[derive(Clone)]
struct Source {
    client: Client,
    /// The context without its end: the deadline covers the first event only.
    life: Context,
    shape: Shape,
    target: String,
}

impl Source {
    fn outgoing(&self, last: Option<u64>) -> Outgoing {
        let mut headers = Headers::default();
        headers.add(header::name::ACCEPT, header::EVENT_STREAM);
        if let Some(last) = last {
            headers.add(header::name::LAST_EVENT_ID, last.to_string());
        }
        Outgoing { method: Method::Get, target: self.target.clone(), headers, body: None }
    }

    /// Boxed, so that a page links one of it.
    fn open(&self, ctx: Context, last: Option<u64>) -> BoxFuture<'static, Result<Chunks, Refusal>> {
        let source = self.clone();
        Box::pin(async move { source.client.open_once(&ctx, &source.shape, source.outgoing(last)).await })
    }

    fn reopen(&self, last: Option<u64>, tried: u32) -> BoxFuture<'static, Result<Chunks, Refusal>> {
        let source = self.clone();
        Box::pin(async move {
            let limits = &source.client.limits;
            source.life.sleep(retry::pause(&source.life, limits, tried)).await?;
            let ctx = source.life.with_timeout(source.shape.timeout.unwrap_or(limits.timeout));
            source.open(ctx, last).await
        })
    }

    fn silence(&self) -> BoxFuture<'static, ()> {
        let clock = self.life.clock();
        clock.sleep_until(clock.now() + self.client.limits.silence_max)
    }
}

enum State {
    Reading(Chunks),
    Opening(BoxFuture<'static, Result<Chunks, Refusal>>),
    Over,
}

/// The stream without its types.
struct Raw {
    source: Source,
    state: State,
    parser: Parser,
    last: Option<u64>,
    /// Openings in a row that brought nothing.
    tried: u32,
    /// The end of the caller's context; `None` once it no longer matters.
    ended: Option<BoxFuture<'static, Cause>>,
    silence: BoxFuture<'static, ()>,
}

impl Raw {
    fn poll_next(&mut self, cx: &mut Task<'_>) -> Poll<Option<Result<(u64, String), Failure>>> {
        if let Some(cause) = self.poll_ended(cx) {
            return self.over(Some(cause.into()));
        }
        loop {
            match &mut self.state {
                State::Over => return Poll::Ready(None),
                State::Opening(opening) => match opening.as_mut().poll(cx) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Ok(chunks)) => self.read(chunks),
                    Poll::Ready(Err(refusal)) => {
                        if !self.may_reopen(refusal.failure.kind) {
                            return self.over(Some(refusal.failure));
                        }
                        self.reopen();
                    }
                },
                State::Reading(chunks) => {
                    match self.parser.next() {
                        Err(failure) => return self.over(Some(failure)),
                        Ok(Some(event)) if event.name == sse::END => return self.over(None),
                        Ok(Some(event)) if event.name.is_empty() => {
                            let id = event.id.or(self.last).unwrap_or_default();
                            self.last = Some(id);
                            return Poll::Ready(Some(Ok((id, event.data))));
                        }
                        // Of a name that this version does not know.
                        Ok(Some(_)) => continue,
                        Ok(None) => {}
                    }
                    match chunks.as_mut().poll_next(cx) {
                        Poll::Ready(Some(Ok(chunk))) => {
                            self.parser.push(&chunk);
                            (self.silence, self.tried) = (self.source.silence(), 0);
                        }
                        Poll::Ready(_) if !self.may_reopen(Kind::Unavailable) => {
                            return self.over(Some(gone()));
                        }
                        Poll::Ready(_) => self.reopen(),
                        Poll::Pending if self.silence.as_mut().poll(cx).is_ready() => self.reopen(),
                        Poll::Pending => return Poll::Pending,
                    }
                }
            }
        }
    }

    /// The cause that ends the stream: any before the first event, any but the deadline after it.
    fn poll_ended(&mut self, cx: &mut Task<'_>) -> Option<Cause> {
        let Poll::Ready(cause) = self.ended.as_mut()?.as_mut().poll(cx) else { return None };
        self.ended = None;
        (cause != Cause::DeadlineExceeded || self.last.is_none()).then_some(cause)
    }

    fn may_reopen(&self, kind: Kind) -> bool {
        (kind.is_temporary() || kind == Kind::DeadlineExceeded)
            && self.tried < self.source.client.limits.reopen_attempts
    }

    fn read(&mut self, chunks: Chunks) {
        (self.parser, self.silence) = (Parser::default(), self.source.silence());
        self.state = State::Reading(chunks);
    }

    fn reopen(&mut self) {
        self.tried += 1;
        self.state = State::Opening(self.source.reopen(self.last, self.tried));
    }

    fn over(&mut self, failure: Option<Failure>) -> Poll<Option<Result<(u64, String), Failure>>> {
        self.state = State::Over;
        Poll::Ready(failure.map(Err))
    }
}

fn gone() -> Failure {
    Failure::new(Kind::Unavailable, "the service ends the stream each time before anything comes")
}
