//! One connection: HTTP/1.1 or HTTP/2, its limits, and its end.
use std::convert::Infallible;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use staffa_context::Context;
use tokio::net::TcpStream;
use tower::Service as _;

use crate::Limits;

/// The smallest read buffer that hyper takes.
const BUFFER_MIN: usize = 8_192;

/// The header fields that hyper takes at most when it is told nothing.
const HEADERS_MAX: usize = 100;

/// What all connections of a server share.
#[derive(Clone)]
pub(crate) struct Connections {
    router: axum::Router,
    builder: Arc<auto::Builder<TokioExecutor>>,
    header_read: Duration,
    /// Ends when the connections shall close once they are idle.
    closing: Context,
}

impl Connections {
    pub(crate) fn new(router: axum::Router, limits: &Limits, closing: Context) -> Self {
        let mut builder = auto::Builder::new(TokioExecutor::new());
        // Twice the limits: what is a little beyond them gets a problem, and not a bare status.
        let header_max = limits.header_max.saturating_mul(2).max(BUFFER_MIN);
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(limits.header_read)
            .max_buf_size(header_max);
        // hyper takes 100 unless it is told a number, and is faster untold.
        if limits.headers_max >= HEADERS_MAX {
            builder.http1().max_headers(limits.headers_max.saturating_mul(2));
        }
        builder
            .http2()
            .timer(TokioTimer::new())
            .max_concurrent_streams(limits.http2_streams)
            .max_header_list_size(u32::try_from(header_max).unwrap_or(u32::MAX))
            .keep_alive_interval(Duration::from_secs(20))
            .keep_alive_timeout(limits.header_read);
        Self { router, builder: Arc::new(builder), header_read: limits.header_read, closing }
    }

    /// Serves one connection to its end, which is the client's, an error's, or comes once `closing` has ended.
    pub(crate) async fn serve(self, stream: TcpStream) {
        // A socket that is already broken says so at its first read.
        let _ = stream.set_nodelay(true);
        let started = Arc::new(AtomicBool::new(false));
        let (router, seen) = (self.router, Arc::clone(&started));
        let service = service_fn(move |request: http::Request<Incoming>| {
            seen.store(true, Ordering::Relaxed);
            let answer = router.clone().call(request.map(Body::new));
            async move { Ok::<Response, Infallible>(answer.await.unwrap_or_else(|never| match never {})) }
        });
        let connection = self.builder.serve_connection(TokioIo::new(stream), service);
        let mut connection = pin!(connection);
        // A child, so that connections do not meet at one lock.
        let (closing, _) = self.closing.with_cancel();
        let mut closing = pin!(closing.done());
        let clock = self.closing.clock();
        // Until the protocol is known, hyper's own time limit does not run.
        let mut first = clock.sleep_until(clock.now() + self.header_read);
        let (mut is_closing, mut is_first) = (false, true);
        poll_fn(|cx| {
            if !is_closing && closing.as_mut().poll(cx).is_ready() {
                is_closing = true;
                connection.as_mut().graceful_shutdown();
            }
            is_first = is_first && !started.load(Ordering::Relaxed);
            if is_first && first.as_mut().poll(cx).is_ready() {
                return Poll::Ready(());
            }
            // A panic of a mounted router costs its own connection, and nobody else's.
            match catch_unwind(AssertUnwindSafe(|| connection.as_mut().poll(cx))) {
                Ok(polled) => polled.map(noted),
                Err(_) => {
                    tracing::error!("a connection was closed: its service panicked");
                    Poll::Ready(())
                }
            }
        })
        .await;
    }
}

fn noted(result: Result<(), Box<dyn std::error::Error + Send + Sync>>) {
    if let Err(error) = result {
        tracing::debug!(error, "a connection ended early");
    }
}
