//! The HTTP server.
use std::convert::Infallible;
use std::fmt;
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use staffa_context::{Cause, Context, Failure, Group, Kind};
use tokio::net::{TcpListener, TcpStream};

use crate::connection::Connections;
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

impl fmt::Debug for ServerContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerContext")
            .field("limits", &self.limits)
            .field("answers", &self.answers.is_some())
            .field("work", &self.work)
            .finish_non_exhaustive()
    }
}

/// The pause before the next try when the system has no more sockets to give.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A bound listener for HTTP/1.1 and HTTP/2 without TLS.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    limits: Limits,
}

impl Server {
    /// Binds `address`; port 0 takes a free one.
    ///
    /// # Errors
    /// [`Kind::Unavailable`] when the address is in use or not this machine's.
    pub async fn bind(address: SocketAddr, limits: Limits) -> Result<Self, Failure> {
        let listener = TcpListener::bind(address).await.map_err(|error| {
            let words = format!("the address {address} cannot be bound: {error}; choose another one");
            Failure::new(Kind::Unavailable, words)
        })?;
        Ok(Self { listener, limits })
    }

    /// The address that is bound.
    ///
    /// # Errors
    /// Whatever the system says of the socket.
    pub fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves `router` until `stop` completes, then stops: accepts no more, ends event streams, lets requests in hand end within
    /// [`Limits::drain`], ends the rest with [`Cause::ShuttingDown`] and gives them [`Limits::grace`], and closes.
    ///
    /// `work` is the one that the router's [`ServerContext`]s share. The end of `ctx` stops it too. Dropping the future closes all
    /// connections at once.
    pub async fn serve(
        self,
        ctx: &Context,
        router: axum::Router,
        work: &Work,
        stop: impl Future<Output = ()>,
    ) {
        // The tasks' own context outlives `ctx`: a stop lets them finish.
        let group = Group::<Infallible>::new(&ctx.shielded(), "connections").limit(self.limits.connections);
        let (closing, close) = ctx.shielded().with_cancel();
        let connections = Connections::new(router, &self.limits, closing);
        accept_until(self.listener, &group, &connections, ctx, stop).await;
        close.cancel(Cause::ShuttingDown);
        drain(ctx, group, work, &self.limits).await;
    }
}

/// Takes connections until `stop` completes or `ctx` ends; the listener is closed then.
async fn accept_until(
    listener: TcpListener,
    group: &Group<Infallible>,
    connections: &Connections,
    ctx: &Context,
    stop: impl Future<Output = ()>,
) {
    let mut accepting = pin!(accept(&listener, group, connections));
    let mut stop = pin!(stop);
    let mut ended = pin!(ctx.done());
    poll_fn(|cx| {
        let over = stop.as_mut().poll(cx).is_ready() || ended.as_mut().poll(cx).is_ready();
        if over { Poll::Ready(()) } else { accepting.as_mut().poll(cx) }
    })
    .await;
}

/// Takes connections for ever.
async fn accept(listener: &TcpListener, group: &Group<Infallible>, connections: &Connections) {
    loop {
        let stream = next(listener, group.context()).await;
        let connections = connections.clone();
        let task = move |_ctx| async move {
            connections.serve(stream).await;
            Ok(())
        };
        // The group's context ends only with the group.
        if group.spawn("connection", task).await.is_err() {
            return;
        }
    }
}

async fn next(listener: &TcpListener, ctx: &Context) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return stream,
            Err(error) => {
                tracing::warn!(%error, "no connection could be accepted");
                let _ = ctx.sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Waits for what is in hand, within bounds.
async fn drain(ctx: &Context, group: Group<Infallible>, work: &Work, limits: &Limits) {
    work.end_streams(&Cause::ShuttingDown);
    let ctx = ctx.shielded();
    let mut over = pin!(async {
        // A panic of a connection's task is caught in the task, so there is no error.
        let _ = group.wait().await;
        work.idle().await;
    });
    if ctx.with_timeout(limits.drain).run(over.as_mut()).await.is_ok() {
        return;
    }
    tracing::warn!(requests = work.count(), "requests are cut off: the drain time is over");
    work.cancel(&Cause::ShuttingDown);
    // The handlers have their grace, and then their answers travel.
    if ctx.with_timeout(limits.grace + ACCEPT_PAUSE).run(over.as_mut()).await.is_err() {
        tracing::warn!(
            requests = work.count(),
            "requests are dropped: they went on after their context had ended"
        );
    }
}
