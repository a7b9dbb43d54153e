//! Event streams being served: a bounded queue between the handler's events and a client that may be slow.
use std::convert::Infallible;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as Task, Poll};
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::response::Response;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body::Frame;
use staffa_context::{BoxFuture, Cancel, Cause, Context, Failure, Kind};
use tokio::sync::mpsc;

use crate::Policy;
use crate::admission::Place;
use crate::answer::Problem;
use crate::operation::{Frames, StreamOperation};
use crate::request::Input;
use crate::route::Shared;
use crate::running::Running;
use crate::{header, sse};

/// The last event that the client of a stream saw, as a value of the handler's context: go on after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastEventId(pub u64);

/// Tells nginx not to hold events back.
const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// Opens a stream. The budget covers the handler and its first event; of a resumed stream, the handler alone.
pub(crate) async fn open(
    operation: &Arc<dyn StreamOperation>,
    shared: &Shared,
    ctx: &Context,
    budget: Duration,
    (headers, input): (&HeaderMap, Input),
) -> Result<Response, Problem> {
    let (ctx, cancel) = ctx.with_timeout(shared.limits.stream_age).with_cancel();
    let last = last_event_id(headers)?;
    let handler_ctx = last.map_or_else(|| ctx.clone(), |last| ctx.with_value(last));
    let opening = ctx.with_timeout(budget);
    opening.check()?;
    let frames = Arc::clone(operation).open(handler_ctx, input);
    let first = async move {
        let opened = opening.run(first_event(frames, last.is_none())).await;
        opened.map_err(Failure::from)?
    };
    let (place, body_cancel) = (shared.streams.admit()?, cancel.clone());
    let mut running =
        Running::new(Box::pin(first), (ctx.clone(), cancel), Policy::Cancel, shared.limits.grace, None);
    let (first, frames) = running.result().await?;

    let (tx, rx) = mpsc::channel(shared.limits.stream_queue.max(1));
    let patience = shared.limits.stream_patience;
    let pump = Pump { frames, tx, ctx: ctx.clone(), patience, _place: place };
    // Not in a group: `Work` counts it, ends it and waits for it.
    ctx.instruments().spawner.spawn(Box::pin(pump.run(first)));
    Ok(response(Events::new(rx, ctx, body_cancel, shared.limits.heartbeat)))
}

/// Opens the handler's events, and waits for the first one if asked to.
async fn first_event(
    frames: BoxFuture<'static, Result<Frames, Failure>>,
    wait: bool,
) -> Result<(Option<Bytes>, Frames), Failure> {
    let mut frames = frames.await?;
    if !wait {
        return Ok((None, frames));
    }
    let first = poll_fn(|cx| frames.as_mut().poll_next(cx)).await.transpose()?;
    Ok((first, frames))
}

fn last_event_id(headers: &HeaderMap) -> Result<Option<LastEventId>, Failure> {
    let Some(value) = headers.get(header::LAST_EVENT_ID) else { return Ok(None) };
    match value.to_str().ok().and_then(|text| text.parse().ok()) {
        Some(id) => Ok(Some(LastEventId(id))),
        None => Err(Failure::new(
            Kind::Invalid,
            "the header `last-event-id` must be the id of an event of this stream",
        )),
    }
}

fn response(events: Events) -> Response {
    let mut response = Response::new(Body::new(events));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(header::EVENT_STREAM));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(ACCEL_BUFFERING, HeaderValue::from_static("no"));
    response
}

/// Moves a handler's events to a client's queue, so that a slow client is found out.
struct Pump {
    frames: Frames,
    tx: mpsc::Sender<Bytes>,
    ctx: Context,
    patience: Duration,
    _place: Place,
}

impl Pump {
    /// Runs until the stream ends or fails, or its context ends: the client goes, the stream is too old, the server stops.
    async fn run(mut self, first: Option<Bytes>) {
        let ctx = self.ctx.clone();
        // Told within the context, so that the record has its service and its trace.
        let moved = async {
            if let Err(failure) = self.move_all(first).await {
                tell(&failure);
            }
        };
        // A context that ended is the usual end of a stream.
        let _ = ctx.run(moved).await;
    }

    async fn move_all(&mut self, first: Option<Bytes>) -> Result<(), Failure> {
        if let Some(first) = first {
            self.queue(first).await?;
        }
        while let Some(frame) = self.next().await? {
            self.queue(frame).await?;
        }
        self.queue(sse::write_end()).await
    }

    /// The handler's next event.
    async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        let frames = &mut self.frames;
        // After a panic the stream is dropped and never polled again.
        poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| frames.as_mut().poll_next(cx))) {
            Ok(polled) => polled.map(Option::transpose),
            Err(_) => Poll::Ready(Err(Failure::new(Kind::Internal, "a handler's stream panicked"))),
        })
        .await
    }

    async fn queue(&mut self, frame: Bytes) -> Result<(), Failure> {
        match self.ctx.with_timeout(self.patience).run(self.tx.send(frame)).await {
            Ok(Ok(())) => Ok(()),
            _ if self.ctx.cause().is_some() => Err(Cause::ClientGone.into()),
            _ => Err(Failure::new(Kind::Exhausted, "its client takes events too slowly")),
        }
    }
}

fn tell(failure: &Failure) {
    match failure.kind {
        Kind::Internal => tracing::error!(error = %failure, "an event stream failed"),
        Kind::Cancelled => tracing::debug!(error = %failure, "an event stream was left"),
        _ => tracing::warn!(error = %failure, "an event stream was ended"),
    }
}

/// The body of a stream's response. Dropping it ends the stream's context.
struct Events {
    rx: mpsc::Receiver<Bytes>,
    ctx: Context,
    cancel: Cancel,
    heartbeat: Duration,
    timer: Option<BoxFuture<'static, ()>>,
}

impl Events {
    fn new(rx: mpsc::Receiver<Bytes>, ctx: Context, cancel: Cancel, heartbeat: Duration) -> Self {
        Self { rx, ctx, cancel, heartbeat, timer: None }
    }
}

impl HttpBody for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Task<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let this = &mut *self;
        if let Poll::Ready(frame) = this.rx.poll_recv(cx) {
            this.timer = None;
            return Poll::Ready(frame.map(|frame| Ok(Frame::data(frame))));
        }
        let timer = this.timer.get_or_insert_with(|| {
            let clock = this.ctx.clock();
            clock.sleep_until(clock.now() + this.heartbeat)
        });
        if timer.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        this.timer = None;
        Poll::Ready(Some(Ok(Frame::data(sse::HEARTBEAT))))
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        self.cancel.cancel(Cause::ClientGone);
    }
}
