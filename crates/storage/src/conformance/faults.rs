//! What goes wrong outside of a store, for adapters whose server is elsewhere.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use staffa_context::Context;

use crate::{Result, Store};

/// The line between an adapter and its server, on which things can be made to go wrong. It is one line for all places.
#[async_trait]
pub trait Faults: Send + Sync {
    /// Cuts every connection now, and refuses new ones.
    async fn cut(&self);

    /// Holds every byte back from now on, in both directions; connections stay, and new ones are accepted.
    async fn stall(&self);

    /// Lets so many more of the server's answers come back, over all connections; the next request still reaches the
    /// server, and instead of its answer everything is cut, as by [`Faults::cut`].
    async fn cut_after(&self, answers: usize);

    /// Ends every fault: what was held back flows, new connections are served.
    async fn mend(&self);
}

/// A handle on which a statement can be made to run for as long as one likes.
#[async_trait]
pub trait Slow: Send + Sync {
    /// The handle, as a store.
    fn store(&self) -> Arc<dyn Store>;

    /// How many operations it has under way at once, at most: the size of its pool.
    fn pool_len(&self) -> usize;

    /// Runs a statement that takes so long on the server, as a port of one's own would, by the adapter's rules of
    /// deadlines and cancellation.
    async fn run(&self, ctx: &Context, lasting: Duration) -> Result<()>;
}
