//! The carrier over HTTP/1.1: a pool of connections, bounded.
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as Task, Poll};

use bytes::Bytes;
use futures_core::Stream;
use http::{Request, Uri};
use http_body::Body as _;
use http_body_util::Full;
use hyper::body::Incoming as Body;
use hyper_util::client::legacy::Client as Pool;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use staffa_context::{BoxFuture, Failure, Kind};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::CallLimits;
use super::carrier::{Broken, Carrier, Incoming, Outgoing, retry_after};

/// Calls one base address.
pub(super) struct Http {
    pool: Pool<HttpConnector, Full<Bytes>>,
    /// `http://host:port/prefix`, without a slash at its end.
    base: Arc<str>,
    places: Arc<Semaphore>,
}

impl Http {
    pub(super) fn new(base: &str, limits: &CallLimits) -> Result<Self, Failure> {
        let uri: Uri = base.parse().map_err(|_| not_a_base(base))?;
        if uri.scheme_str() != Some("http") || uri.authority().is_none() || uri.query().is_some() {
            return Err(not_a_base(base));
        }
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(limits.connect_timeout));
        connector.set_nodelay(true);
        let pool = Pool::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(limits.idle_timeout)
            .pool_max_idle_per_host(limits.concurrency)
            .build(connector);
        let places = Arc::new(Semaphore::new(limits.concurrency.clamp(1, Semaphore::MAX_PERMITS)));
        Ok(Self { pool, base: base.trim_end_matches('/').into(), places })
    }
}

fn not_a_base(base: &str) -> Failure {
    Failure::new(
        Kind::Invalid,
        format!("`{base}` is not the address of a service: write it as http://host:port"),
    )
}

impl Carrier for Http {
    fn send(&self, outgoing: Outgoing) -> BoxFuture<'static, Result<Incoming, Broken>> {
        let (pool, base, places) = (self.pool.clone(), Arc::clone(&self.base), Arc::clone(&self.places));
        Box::pin(async move {
            let place = places.acquire_owned().await.map_err(|error| Broken::unsent(error.to_string()))?;
            let request = request(&base, outgoing).map_err(|error| Broken::unsent(error.to_string()))?;
            let response = pool.request(request).await.map_err(|error| broken(&base, &error))?;
            let (head, body) = response.into_parts();
            let chunks = Box::pin(Chunks { body, _place: place });
            Ok(Incoming { status: head.status.as_u16(), retry_after: retry_after(&head.headers), chunks })
        })
    }

    fn peer(&self) -> &str {
        &self.base
    }
}

fn request(base: &str, outgoing: Outgoing) -> Result<Request<Full<Bytes>>, http::Error> {
    let mut request = Request::builder()
        .method(outgoing.method.as_str())
        .uri(format!("{base}{}", outgoing.target))
        .body(Full::new(outgoing.body.unwrap_or_default()))?;
    *request.headers_mut() = outgoing.headers.into_map()?;
    Ok(request)
}

fn broken(base: &str, error: &hyper_util::client::legacy::Error) -> Broken {
    let reason = format!("{base}: {}", chain(error));
    if error.is_connect() { Broken::unsent(reason) } else { Broken::sent(reason) }
}

/// An error with its sources, which hyper keeps apart.
fn chain(error: &dyn std::error::Error) -> String {
    let sources = std::iter::successors(error.source(), |error| error.source());
    sources.fold(error.to_string(), |words, source| format!("{words}: {source}"))
}

/// The body of a response; its place is free again at its end.
struct Chunks {
    body: Body,
    _place: OwnedSemaphorePermit,
}

impl Stream for Chunks {
    type Item = Result<Bytes, Broken>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Task<'_>) -> Poll<Option<Self::Item>> {
        loop {
            let polled = Pin::new(&mut self.body).poll_frame(cx);
            match polled {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(Broken::sent(chain(&error))))),
                // Trailers are nothing to us.
                Poll::Ready(Some(Ok(frame))) => {
                    if let Ok(data) = frame.into_data() {
                        return Poll::Ready(Some(Ok(data)));
                    }
                }
            }
        }
    }
}
