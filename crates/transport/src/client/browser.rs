//! The carrier in a browser: `fetch`, from a page or a worker.
//!
//! JavaScript's handles are not `Send`, so a local task holds them and hands the answer over channels. The task ends, and
//! aborts its `fetch`, when the receiving side is dropped.
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context as Task, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_channel::{mpsc, oneshot};
use futures_core::Stream;
use js_sys::{Function, Promise, Reflect, Uint8Array};
use staffa_context::BoxFuture;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{
    AbortController, AbortSignal, Headers, ReadableStreamDefaultReader, Request, RequestInit, Response,
};

use super::carrier::{Broken, Carrier, Chunks, Incoming, Outgoing, seconds};
use crate::header::name;

/// Parts of a body that wait for their reader; more are not asked for meanwhile.
const CHUNKS_WAITING: usize = 8;

/// Calls one origin by `fetch`.
pub(super) struct Fetch {
    /// In front of every target; empty for the page's own origin.
    base: Arc<str>,
}

impl Fetch {
    pub(super) fn new(base: &str) -> Self {
        Self { base: base.trim_end_matches('/').into() }
    }
}

impl Carrier for Fetch {
    fn send(&self, outgoing: Outgoing) -> BoxFuture<'static, Result<Incoming, Broken>> {
        let url = format!("{}{}", self.base, outgoing.target);
        Box::pin(async move {
            let (guard, gone) = oneshot::channel();
            let (head, came) = oneshot::channel();
            let (tx, rx) = mpsc::channel(CHUNKS_WAITING);
            #[expect(
                clippy::disallowed_methods,
                reason = "a group's tasks are `Send`; this one holds JavaScript's handles"
            )]
            spawn_local(run(url, outgoing, head, tx, gone));
            let (status, retry_after) =
                came.await.map_err(|_| Broken::sent("the request's task is gone"))??;
            let chunks: Chunks = Box::pin(Guarded { rx, _guard: guard });
            Ok(Incoming { status, retry_after, chunks })
        })
    }

    fn peer(&self) -> &str {
        &self.base
    }
}

/// A body; dropping it aborts the `fetch` behind it.
struct Guarded {
    rx: mpsc::Receiver<Result<Bytes, Broken>>,
    _guard: oneshot::Sender<()>,
}

impl Stream for Guarded {
    type Item = Result<Bytes, Broken>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Task<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut self.rx).poll_next(cx)
    }
}

type Head = Result<(u16, Option<Duration>), Broken>;
type Parts = mpsc::Sender<Result<Bytes, Broken>>;

/// Runs one `fetch` to its end, or until nobody waits for it.
async fn run(
    url: String,
    outgoing: Outgoing,
    head: oneshot::Sender<Head>,
    parts: Parts,
    mut gone: oneshot::Receiver<()>,
) {
    let controller = AbortController::new().ok();
    let signal = controller.as_ref().map(AbortController::signal);
    let mut exchange = pin!(exchange(&url, outgoing, signal, head, parts));
    let is_gone = poll_fn(|cx| match exchange.as_mut().poll(cx) {
        Poll::Ready(()) => Poll::Ready(false),
        // It never receives: it ends when its sender is dropped.
        Poll::Pending => Pin::new(&mut gone).poll(cx).map(|_| true),
    });
    if is_gone.await
        && let Some(controller) = controller
    {
        controller.abort();
    }
}

async fn exchange(
    url: &str,
    outgoing: Outgoing,
    signal: Option<AbortSignal>,
    head: oneshot::Sender<Head>,
    mut parts: Parts,
) {
    let response = match fetch(url, outgoing, signal).await {
        Ok(response) => response,
        // A `fetch` that fails does not tell whether the request was sent.
        Err(error) => return drop(head.send(Err(Broken::sent(words(&error))))),
    };
    if head.send(Ok((response.status(), retry_after(&response)))).is_err() {
        return;
    }
    let Some(body) = response.body() else { return };
    let reader: ReadableStreamDefaultReader = body.get_reader().unchecked_into();
    loop {
        if poll_fn(|cx| parts.poll_ready(cx)).await.is_err() {
            return;
        }
        let part = match read(&reader).await {
            Ok(None) => return,
            Ok(Some(bytes)) => Ok(bytes),
            Err(error) => Err(Broken::sent(words(&error))),
        };
        let is_last = part.is_err();
        if parts.try_send(part).is_err() || is_last {
            return;
        }
    }
}

async fn fetch(url: &str, outgoing: Outgoing, signal: Option<AbortSignal>) -> Result<Response, JsValue> {
    let init = RequestInit::new();
    init.set_method(outgoing.method.as_str());
    init.set_signal(signal.as_ref());
    let headers = Headers::new()?;
    for (name, value) in &outgoing.headers.0 {
        headers.set(name, value)?;
    }
    init.set_headers(&headers);
    if let Some(body) = &outgoing.body {
        init.set_body(&Uint8Array::from(body.as_ref()));
    }
    let request = Request::new_with_str_and_init(url, &init)?;
    // Pages and workers both have it as a global function.
    let global = js_sys::global();
    let fetch: Function = Reflect::get(&global, &JsValue::from_str("fetch"))?.dyn_into()?;
    let promise: Promise = fetch.call1(&global, &request)?.dyn_into()?;
    JsFuture::from(promise).await?.dyn_into()
}

/// The next part of a body; `None` at its end.
async fn read(reader: &ReadableStreamDefaultReader) -> Result<Option<Bytes>, JsValue> {
    let part = JsFuture::from(reader.read()).await?;
    if Reflect::get(&part, &JsValue::from_str("done"))?.is_truthy() {
        return Ok(None);
    }
    let bytes: Uint8Array = Reflect::get(&part, &JsValue::from_str("value"))?.dyn_into()?;
    Ok(Some(bytes.to_vec().into()))
}

/// The only header that a client reads.
fn retry_after(response: &Response) -> Option<Duration> {
    seconds(&response.headers().get(name::RETRY_AFTER).ok()??)
}

fn words(error: &JsValue) -> String {
    let message = error.dyn_ref::<js_sys::Error>().map(js_sys::Error::message);
    message.map_or_else(|| "the browser does not say why".to_owned(), String::from)
}
