//! The carrier inside one process: the router itself, without a socket.
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context as Task, Poll};

use axum::body::{Body, HttpBody as _};
use bytes::Bytes;
use futures_core::Stream;
use http::Request;
use staffa_context::BoxFuture;
use tower::Service as _;

use super::carrier::{Broken, Carrier, Incoming, Outgoing, retry_after};

/// A router of this process, which may be bound after the clients that call it are made. Clones share it.
#[derive(Clone, Default)]
pub struct InProcess(Arc<OnceLock<axum::Router>>);

impl InProcess {
    /// Binds the router; the first one stays.
    pub fn bind(&self, router: axum::Router) {
        let _ = self.0.set(router);
    }
}

impl fmt::Debug for InProcess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InProcess").field("bound", &self.0.get().is_some()).finish()
    }
}

impl Carrier for InProcess {
    fn send(&self, outgoing: Outgoing) -> BoxFuture<'static, Result<Incoming, Broken>> {
        let router = self.0.get().cloned();
        Box::pin(async move {
            let mut router = router.ok_or_else(|| Broken::unsent("the service is not started yet"))?;
            let request = request(outgoing).map_err(|error| Broken::unsent(error.to_string()))?;
            let response = router.call(request).await.unwrap_or_else(|never| match never {});
            let (head, body) = response.into_parts();
            Ok(Incoming {
                status: head.status.as_u16(),
                retry_after: retry_after(&head.headers),
                chunks: Box::pin(Chunks(body)),
            })
        })
    }

    fn peer(&self) -> &str {
        "this process"
    }
}

fn request(outgoing: Outgoing) -> Result<Request<Body>, http::Error> {
    let body = outgoing.body.map_or_else(Body::empty, Body::from);
    let mut request = Request::builder().method(outgoing.method.as_str()).uri(outgoing.target).body(body)?;
    *request.headers_mut() = outgoing.headers.into_map()?;
    Ok(request)
}

struct Chunks(Body);

impl Stream for Chunks {
    type Item = Result<Bytes, Broken>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Task<'_>) -> Poll<Option<Self::Item>> {
        loop {
            match Pin::new(&mut self.0).poll_frame(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Ready(Some(Err(error))) => {
                    return Poll::Ready(Some(Err(Broken::sent(error.to_string()))));
                }
                Poll::Ready(Some(Ok(frame))) => {
                    if let Ok(data) = frame.into_data() {
                        return Poll::Ready(Some(Ok(data)));
                    }
                }
            }
        }
    }
}
