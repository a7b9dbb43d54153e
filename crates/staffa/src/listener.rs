//! A port: bound, served, stopped.

use std::net::SocketAddr;

use axum::Router;
use staffa_context::{Cancel, Cause, Context, Failure, Group};
use staffa_transport::{Limits, Server, Work};

use crate::{Error, Outcome, Result};

/// Binds an address that this setting gives, and this flag.
pub(crate) async fn bind(address: SocketAddr, setting: &str, flag: &str, limits: Limits) -> Result<Server> {
    let bound = Server::bind(address, limits).await;
    bound.map_err(|failure| {
        Error::new(format!("{setting}: {failure}, with {flag} PORT, or end what holds it"))
    })
}

/// A listener that is being served. Dropping it closes its connections at once.
pub(crate) struct Listener {
    pub(crate) address: SocketAddr,
    work: Work,
    server: Group<Failure>,
    stop: Cancel,
}

impl Listener {
    /// Serves `router` on a bound address; `work` is what it has in hand.
    pub(crate) fn start(ctx: &Context, bound: Server, router: Router, work: Work) -> Result<Self> {
        let address = bound.local_addr()?;
        let (stopping, stop) = ctx.shielded().with_cancel();
        let server = Group::new(&ctx.shielded(), "listener");
        let in_hand = work.clone();
        server.try_spawn("serve", |ctx| async move {
            let stop = async move {
                stopping.done().await;
            };
            bound.serve(&ctx, router, &in_hand, stop).await;
            Ok(())
        })?;
        Ok(Self { address, work, server, stop })
    }

    /// Accepts no more, and waits until what is in hand has ended: by itself within the bound `drain`, or cancelled.
    pub(crate) async fn stop(self, drain: &Context) -> Outcome {
        self.stop.cancel(Cause::ShuttingDown);
        let drained = drain.run(self.work.idle()).await.is_ok();
        if let Err(error) = self.server.wait().await {
            tracing::error!(%error, "the listener failed");
        }
        if drained { Outcome::Stopped } else { Outcome::DrainExceeded }
    }
}
