//! The connections of a store.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use deadpool_postgres::{
    Manager, ManagerConfig, Object, PoolError, RecyclingMethod, Runtime, TimeoutType, Timeouts,
};
use staffa_context::{Context, Series};
use staffa_storage::{Error, Result};
use tokio::sync::Notify;
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::error::{may_pass, told_of_connecting};
use crate::options::Options;
use crate::session::Session;
use crate::url::Target;
use crate::watch::{QUEUE_LENGTH, SYSTEM};

/// How long a connection may take to be made: to reach the server, agree on TLS and log in.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long to wait before a server that was not there is tried again.
const CONNECT_PAUSE: Duration = Duration::from_millis(100);

/// Connections that operations take one by one.
pub(crate) struct Pool {
    pool: deadpool_postgres::Pool,
    tls: MakeRustlsConnect,
    direct: bool,
    cache: usize,
    place_wait: Duration,
    crew: Arc<Crew>,
    waiting: Series,
}

impl Pool {
    /// A pool that has no connection yet, and whose sessions prepare no statements.
    pub(crate) fn new(ctx: &Context, target: &Target, options: &Options) -> Result<Self> {
        let tls = MakeRustlsConnect::new(target.tls.clone());
        let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager = Manager::from_config(target.config.clone(), tls.clone(), recycling);
        let pool = deadpool_postgres::Pool::builder(manager)
            .max_size(options.connections_max.max(2))
            .timeouts(Timeouts {
                wait: Some(options.place_wait),
                create: Some(CONNECT_TIMEOUT),
                ..Timeouts::default()
            })
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(|error| Error::Unusable(error.to_string()))?;
        let waiting = ctx.series(&QUEUE_LENGTH, &[("system", SYSTEM), ("queue", "connection")]);
        let place_wait = options.place_wait;
        Ok(Self { pool, tls, direct: false, cache: 0, place_wait, crew: Arc::default(), waiting })
    }

    /// The same pool, known to reach the server itself: its sessions keep so many statements prepared.
    pub(crate) fn direct(self, cache: usize) -> Self {
        Self { direct: true, cache, ..self }
    }

    /// Whether a session is one of the server's, and no pooler is in between.
    pub(crate) fn is_direct(&self) -> bool {
        self.direct
    }

    /// A connection, waited for within the context and [`Options::place_wait`].
    pub(crate) async fn session(&self, ctx: &Context) -> Result<Session> {
        let waits = Waits::new(&self.waiting);
        let object = ctx.run(self.pool.get()).await?.map_err(|error| self.told(&error))?;
        drop(waits);
        Ok(self.of(object))
    }

    /// The same from a server that may be starting: tried again for so long.
    pub(crate) async fn first_session(&self, ctx: &Context, wait: Duration) -> Result<Session> {
        let waiting = ctx.with_timeout(wait);
        loop {
            let error = match ctx.run(self.pool.get()).await? {
                Ok(object) => return Ok(self.of(object)),
                Err(error) => error,
            };
            let passing = matches!(&error, PoolError::Backend(error) if may_pass(error));
            if !passing || waiting.sleep(CONNECT_PAUSE).await.is_err() {
                ctx.check()?;
                return Err(self.told(&error));
            }
        }
    }

    fn of(&self, object: Object) -> Session {
        Session::new(object, self.tls.clone(), self.cache, Arc::clone(&self.crew))
    }

    fn told(&self, error: &PoolError) -> Error {
        match error {
            PoolError::Closed => Error::Unavailable("the store is closed".into()),
            PoolError::Backend(error) => told_of_connecting(error),
            PoolError::Timeout(TimeoutType::Wait) => Error::Unavailable(format!(
                "none of the {} connections (`connections_max`) came free within {:?} (`place_wait`): give the store \
                 more, or find what holds them",
                self.pool.status().max_size,
                self.place_wait,
            )),
            other => Error::Unavailable(format!("the server cannot be reached: {other}")),
        }
    }

    /// Ends what is idle, and waits for what is not.
    pub(crate) async fn close(&self, ctx: &Context) -> Result<()> {
        self.pool.close();
        ctx.run(self.crew.all_back()).await?;
        Ok(())
    }

    /// Connections that it has now.
    pub(crate) fn size(&self) -> usize {
        self.pool.status().size
    }
}

/// One that waits for a connection, as the gauge counts it.
struct Waits<'a>(&'a Series);

impl<'a> Waits<'a> {
    fn new(waiting: &'a Series) -> Self {
        waiting.add(1);
        Self(waiting)
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.add(-1);
    }
}

/// Counts the sessions that are out.
#[derive(Default)]
pub(crate) struct Crew {
    out: AtomicUsize,
    back: Notify,
}

impl Crew {
    pub(crate) fn leave(&self) {
        self.out.fetch_add(1, Ordering::AcqRel);
    }

    pub(crate) fn come_back(&self) {
        if self.out.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.back.notify_waiters();
        }
    }

    async fn all_back(&self) {
        loop {
            let back = self.back.notified();
            if self.out.load(Ordering::Acquire) == 0 {
                return;
            }
            back.await;
        }
    }
}
