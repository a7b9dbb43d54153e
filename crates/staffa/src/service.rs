use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use futures_core::Stream;
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use staffa_context::{Context, Fail, Failure, Group};
use staffa_storage::{Schema, Store};
use staffa_transport::{Client, Endpoint, Events, Handler, Routes};

use crate::peers::Peers;
use crate::recorder::{Recent, Recorder};
use crate::settings::Common;
use crate::{Adapter, Result, store};

/// A service while it is composed: its settings, what it is made of, and what it answers.
///
/// The composition root gets it, joins adapters to the core, and says which use case answers which endpoint.
pub struct Service<S> {
    /// The service's own section of the settings.
    pub settings: S,
    /// The sections that every process has.
    pub common: Common,
    pub(crate) inner: Inner,
}

/// What composing fills.
pub(crate) struct Inner {
    pub(crate) name: &'static str,
    pub(crate) context: Context,
    pub(crate) routes: Routes,
    pub(crate) stores: Mutex<Vec<Arc<dyn Store>>>,
    pub(crate) jobs: Group<Failure>,
    #[cfg(feature = "messaging")]
    pub(crate) messages: crate::messages::Messages,
    pub(crate) peers: Peers,
    pub(crate) recorder: Recorder,
}

impl<S> Service<S> {
    /// The name: of its settings' section, its store, and in logs, traces and metrics.
    pub fn name(&self) -> &'static str {
        self.inner.name
    }

    /// Opens a store of this service's own, and reaches it.
    ///
    /// [`store`](crate::store) says what URLs there are. Readiness asks it, its outbox is relayed, what it keeps for a time
    /// is swept, and it is closed when the process stops.
    ///
    /// # Errors
    /// In words that say what to do: an unknown scheme, a folder that cannot be written, a file that another
    /// process holds, data that a newer binary wrote.
    pub async fn store(&self, ctx: &Context, url: &str, schemas: Vec<Schema>) -> Result<Arc<dyn Store>> {
        Ok(self.adapter(ctx, url, schemas).await?.0)
    }

    /// The same, with the store as its own adapter beside it, for a port of one's own.
    ///
    /// # Errors
    /// Those of [`Service::store`].
    pub async fn adapter(
        &self,
        ctx: &Context,
        url: &str,
        schemas: Vec<Schema>,
    ) -> Result<(Arc<dyn Store>, Adapter)> {
        let adapter = store::open(ctx, url, self.name(), &self.common.store, schemas).await?;
        let store = adapter.store();
        #[cfg(feature = "messaging")]
        let store = self.inner.messages.relayed(store, adapter.is_alone());
        self.inner.stores.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&store));
        Ok((store, adapter))
    }

    /// A client of another service, by its name or its URL. A service that this process hosts is called without a
    /// socket, any other at the address that the settings give in `[services]`.
    ///
    /// # Errors
    /// When the service is neither hosted here nor in the settings.
    pub fn client(&self, service: &str) -> Result<Client> {
        self.inner.peers.client(service)
    }

    /// Whether this process hosts the service of this name.
    pub fn hosts(&self, service: &str) -> bool {
        self.inner.peers.hosts(service)
    }

    /// Answers an endpoint with a method of the core: `service.handle(PLACE, &orders, Orders::place)`.
    pub fn handle<C, Q, R, E, H>(&mut self, endpoint: Endpoint<Q, R, E>, core: &Arc<C>, method: H)
    where
        C: Send + Sync + ?Sized + 'static,
        Q: Serialize + DeserializeOwned + JsonSchema + Send + 'static,
        R: Serialize + JsonSchema + Send + 'static,
        E: Fail,
        H: for<'a> Handler<'a, C, Q, Out = Result<R, E>> + 'static,
    {
        self.route(|routes| routes.handle(endpoint, core, method));
    }

    /// Answers an endpoint of server-sent events with a method of the core that gives a stream.
    pub fn events<C, Q, T, E, St, H>(&mut self, events: Events<Q, T, E>, core: &Arc<C>, method: H)
    where
        C: Send + Sync + ?Sized + 'static,
        Q: Serialize + DeserializeOwned + JsonSchema + Send + 'static,
        T: Serialize + JsonSchema + Send + 'static,
        E: Fail,
        St: Stream<Item = (u64, T)> + Send + 'static,
        H: for<'a> Handler<'a, C, Q, Out = Result<St, E>> + 'static,
    {
        self.route(|routes| routes.events(events, core, method));
    }

    /// Serves an axum router of one's own beside the endpoints, as it is.
    pub fn mount(&mut self, router: axum::Router) {
        self.route(|routes| routes.mount(router));
    }

    /// Background jobs. Their context ends with [`staffa_context::Cause::ShuttingDown`] once the requests in hand have
    /// been drained; they then have what is left of the drain bound, and at least `stop.grace`, to come to their end.
    /// A job that fails or panics stops the process, with [`crate::Outcome::JobFailed`]; to give back the cause of
    /// its end as it comes is no failure.
    pub fn jobs(&self) -> &Group<Failure> {
        &self.inner.jobs
    }

    /// The spans of recent traces of this process.
    pub fn recent(&self) -> Recent {
        Recent(self.inner.recorder.clone())
    }

    fn route(&mut self, add: impl FnOnce(Routes) -> Routes) {
        self.inner.routes = add(std::mem::take(&mut self.inner.routes));
    }
}

impl<S: fmt::Debug> fmt::Debug for Service<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service")
            .field("name", &self.inner.name)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
