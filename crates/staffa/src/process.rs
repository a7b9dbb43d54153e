//! The life of a process: start, readiness, stop.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use serde_json::{Map, Value};
use staffa_context::{Cancel, Cause, Context, Failure, Group, GroupError};
use staffa_storage::Store;
use staffa_transport::{Limits, Routes, ServerContext, Work};

use crate::answers::StoredAnswers;
use crate::health::{Health, Phase};
use crate::listener::{self, Listener};
use crate::peers::Peers;
use crate::recorder::Recorder;
use crate::service::Inner;
use crate::settings::{Common, Settings, Stop};
use crate::{Error, Outcome, Result, Service, admin, sweep};

/// What is to be started.
pub(crate) struct Plan {
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
    pub(crate) common: Common,
    pub(crate) services: Vec<(&'static str, Compose)>,
}

pub(crate) type Compose = Box<dyn FnOnce(Seed) -> Pin<Box<dyn Future<Output = Result<Composed>>>>>;

/// What a service is made from.
pub(crate) struct Seed {
    name: &'static str,
    common: Common,
    context: Context,
    peers: Peers,
    recorder: Recorder,
    #[cfg(feature = "messaging")]
    bus: Arc<dyn staffa_messaging::Bus>,
}

impl Seed {
    pub(crate) fn service<S: Settings>(self, settings: S) -> Service<S> {
        let inner = Inner {
            name: self.name,
            jobs: Group::new(&self.context, "jobs"),
            context: self.context,
            routes: Routes::new(),
            stores: Mutex::default(),
            #[cfg(feature = "messaging")]
            messages: crate::messages::Messages::new(self.bus),
            peers: self.peers,
            recorder: self.recorder,
        };
        Service { settings, common: self.common, inner }
    }
}

/// A process whose services are ready.
pub(crate) struct Process {
    pub(crate) http: Listener,
    pub(crate) admin: Listener,
    clock: Context,
    stop: Stop,
    health: Arc<Health>,
    services: Vec<Composed>,
    trouble: Context,
    ending: Ending,
}

impl Process {
    /// Reaches the stores, binds the ports, starts the jobs, and says that it is ready.
    ///
    /// Dropping the future, or the process, cancels what was started.
    pub(crate) async fn start(plan: Plan, recorder: Recorder) -> Result<Self> {
        let Plan { name, version, common, services } = plan;
        let hosted: Vec<String> = services.iter().map(|(name, _)| (*name).to_owned()).collect();
        let mut ending = Ending::new(Peers::new(&hosted, common.services.clone()));
        let context = ending.root(&recorder, name);

        let health = Arc::new(Health::starting());
        let bound = listener::bind(common.admin.bind, "admin.bind", "--admin-port", admin::limits()).await?;
        let operators = admin::router(&context, &health, &recorder, &common.log.level);
        let admin = Listener::start(&context, bound, operators, Work::default())?;

        let serving = async {
            let mut services = compose(&context, services, &common, &recorder, &mut ending).await?;
            services.iter().for_each(|service| service.watched_by(&health));
            let limits = common.http.limits(&common.stop);
            let bound = listener::bind(common.http.bind, "http.bind", "--port", limits.clone()).await?;
            let work = Work::default();
            let document = describe(name, version, &services);
            let router = router(&context, &document, &mut services, &limits, &work)?;
            let trouble = start_jobs(&context, *common.store.keep, &mut services).await?;
            Ok((Listener::start(&context, bound, router, work)?, services, trouble))
        };
        let (http, services, trouble) = match serving.await {
            Ok(serving) => serving,
            Err(error) => {
                // Operators who ask in this moment are answered, and nobody is cut off.
                admin.stop(&context.shielded()).await;
                return Err(error);
            }
        };

        health.enter(Phase::Ready);
        let (here, admin_here) = (format!("http://{}", http.address), format!("http://{}", admin.address));
        tracing::info!(http = here, admin = admin_here, services = hosted.join(","), "ready");
        let clock = context.shielded();
        Ok(Self { http, admin, clock, stop: common.stop, health, services, trouble, ending })
    }

    /// The stores of a service.
    pub(crate) fn stores(&self, service: &str) -> Vec<Arc<dyn Store>> {
        self.services.iter().filter(|it| it.0.name == service).flat_map(Composed::stores).collect()
    }

    /// Completes when a background job has failed.
    pub(crate) async fn trouble(&self) {
        self.trouble.done().await;
    }

    /// Stops in order: readiness says no, the drain window passes, nothing new is accepted, what is in hand is
    /// drained, jobs end, stores are closed, and liveness says yes until the end.
    pub(crate) async fn stop(self) -> Outcome {
        let Self { http, admin, clock, stop, health, services, trouble: _, ending } = self;
        health.enter(Phase::Stopping);
        // Nothing ends this context, so the sleep passes whole.
        let _ = clock.sleep(*stop.window).await;

        let drain = clock.with_timeout(*stop.drain);
        let mut outcome = http.stop(&drain).await;
        let bound = clock.with_timeout(drain.remaining().unwrap_or_default().max(*stop.grace));
        services.iter().for_each(|service| service.0.jobs.cancel(Cause::ShuttingDown));
        #[cfg(feature = "messaging")]
        close_bus(&bound, &services).await;
        let mut stores = Vec::new();
        for service in services {
            stores.extend(service.stores());
            outcome = outcome.max(end_jobs(&bound, service.0.jobs).await);
        }
        drop(ending);
        close(&clock.with_timeout(*stop.grace), stores).await;
        admin.stop(&clock).await;
        tracing::info!(?outcome, "stopped");
        outcome
    }
}

/// Ends every context of a process when it is dropped, and lets go of the routers, which hold clients of each other.
struct Ending {
    cancels: Vec<Cancel>,
    peers: Peers,
}

impl Ending {
    fn new(peers: Peers) -> Self {
        Self { cancels: Vec::new(), peers }
    }

    /// A context with the instruments of a service, which ends with this.
    fn root(&mut self, recorder: &Recorder, service: &str) -> Context {
        let (context, cancel) = Context::root(recorder.instruments(service)).with_cancel();
        self.cancels.push(cancel);
        context
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.peers.close();
        self.cancels.iter().for_each(|cancel| cancel.cancel(Cause::ShuttingDown));
    }
}

/// Composes the services in their order.
#[cfg_attr(not(feature = "messaging"), expect(unused_variables, reason = "only a bus is waited for"))]
async fn compose(
    ctx: &Context,
    services: Vec<(&'static str, Compose)>,
    common: &Common,
    recorder: &Recorder,
    ending: &mut Ending,
) -> Result<Vec<Composed>> {
    #[cfg(feature = "messaging")]
    let bus = crate::bus::open(ctx, &common.bus).await?;
    let mut composed = Vec::new();
    for (name, compose) in services {
        let seed = Seed {
            name,
            common: common.clone(),
            context: ending.root(recorder, name),
            peers: ending.peers.clone(),
            recorder: recorder.clone(),
            #[cfg(feature = "messaging")]
            bus: Arc::clone(&bus),
        };
        composed.push(compose(seed).await?);
    }
    Ok(composed)
}

/// A service that was composed.
pub(crate) struct Composed(Inner);

impl Composed {
    pub(crate) fn of<S>(service: Service<S>) -> Self {
        Self(service.inner)
    }

    fn stores(&self) -> Vec<Arc<dyn Store>> {
        self.0.stores.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn watched_by(&self, health: &Health) {
        for (i, store) in self.stores().into_iter().enumerate() {
            let name = self.0.name;
            let check = if i == 0 { format!("{name} store") } else { format!("{name} store {}", i + 1) };
            health.watch(check, store);
        }
    }

    /// Its endpoints under its own context, open to its peers from now on.
    fn router(&mut self, limits: &Limits, work: &Work) -> Router {
        let server = ServerContext {
            context: self.0.context.clone(),
            limits: limits.clone(),
            answers: Some(Arc::new(StoredAnswers(self.stores()))),
            work: work.clone(),
        };
        let router = std::mem::take(&mut self.0.routes).into_router(&server);
        self.0.peers.open(self.0.name, staffa_transport::join(&server.context, [router.clone()]));
        router
    }

    async fn start_jobs(&mut self, keep: Duration, trouble: Cancel) -> Result<(), Failure> {
        for store in self.stores() {
            let sweep = move |ctx| async move { ended(sweep::sweep(&ctx, &store, keep).await) };
            self.0.jobs.spawn("sweep", sweep).await?;
        }
        #[cfg(feature = "messaging")]
        self.0.relay().await?;
        let jobs = self.0.jobs.context().clone();
        let watch = move |_| async move {
            trouble.cancel(jobs.done().await);
            Ok(())
        };
        self.0.jobs.spawn("watch", watch).await?;
        Ok(())
    }

    /// Why no more jobs could be started: one that the composition started has failed, or else `failure`.
    async fn failed_early(&mut self, failure: Failure) -> Error {
        let jobs = std::mem::replace(&mut self.0.jobs, Group::new(&self.0.context, "jobs"));
        match jobs.wait().await {
            Ok(()) | Err(GroupError::Ended(_)) => failure.into(),
            Err(error) => Error::job_failed(error.to_string()),
        }
    }
}

/// The document that describes every service's endpoints.
fn describe(name: &str, version: &str, services: &[Composed]) -> Value {
    let version = if version.is_empty() { "unversioned" } else { version };
    staffa_transport::openapi(name, version, services.iter().map(|it| &it.0.routes))
}

/// The router of the listener: every service's endpoints, and the document that describes them.
fn router(
    ctx: &Context,
    document: &Value,
    services: &mut [Composed],
    limits: &Limits,
    work: &Work,
) -> Result<Router> {
    refuse_overlaps(services)?;
    let mut routers = vec![staffa_transport::openapi_route(document)];
    routers.extend(services.iter_mut().map(|service| service.router(limits, work)));
    Ok(staffa_transport::join(ctx, routers))
}

/// Two services of one process cannot answer the same endpoint.
fn refuse_overlaps(services: &[Composed]) -> Result<()> {
    let mut taken: Vec<(String, &str)> = Vec::new();
    for service in services {
        let name = service.0.name;
        for endpoint in endpoints(&service.0.routes) {
            if let Some((_, other)) = taken.iter().find(|(it, other)| *it == endpoint && *other != name) {
                return Err(Error::new(format!("{other} and {name} both answer {endpoint}")));
            }
            taken.push((endpoint, name));
        }
    }
    Ok(())
}

/// Each as `GET /products/{code}`.
fn endpoints(routes: &Routes) -> Vec<String> {
    let document = routes.openapi("", "");
    let paths = document["paths"].as_object().into_iter().flatten();
    paths
        .flat_map(|(path, methods)| {
            let methods = methods.as_object().into_iter().flat_map(Map::<String, Value>::keys);
            methods.map(move |method| format!("{} {path}", method.to_uppercase()))
        })
        .collect()
}

/// Starts each service's own jobs; the context that is given ends when one of all jobs fails.
async fn start_jobs(ctx: &Context, keep: Duration, services: &mut [Composed]) -> Result<Context> {
    let (trouble, cancel) = ctx.shielded().with_cancel();
    // All listen before the first tells: an event that nobody hears of is delivered.
    #[cfg(feature = "messaging")]
    for service in services.iter_mut() {
        service.0.subscribe().await.map_err(|failure| Error::from(failure).context(service.0.name))?;
    }
    for service in services {
        if let Err(failure) = service.start_jobs(keep, cancel.clone()).await {
            return Err(service.failed_early(failure).await.context(service.0.name));
        }
    }
    Ok(trouble)
}

/// A job of the process's own ends with its context, and that is no failure.
#[expect(clippy::unnecessary_wraps, reason = "it is what a job gives")]
pub(crate) fn ended(_: Cause) -> Result<(), Failure> {
    Ok(())
}

/// Waits for jobs whose context has ended. One that gives back the cause of its end has not failed.
async fn end_jobs(bound: &Context, jobs: Group<Failure>) -> Outcome {
    let stopped = jobs.context().cause() == Some(Cause::ShuttingDown);
    match bound.run(jobs.wait()).await {
        Ok(Ok(())) => Outcome::Stopped,
        Ok(Err(GroupError::Failed { error, .. })) if stopped && is_shutdown(&error) => Outcome::Stopped,
        Ok(Err(GroupError::Ended(_))) | Err(_) => Outcome::DrainExceeded,
        Ok(Err(error)) => {
            tracing::error!(%error, "a background job failed");
            Outcome::JobFailed
        }
    }
}

fn is_shutdown(failure: &Failure) -> bool {
    let shutdown = Failure::from(Cause::ShuttingDown);
    (failure.kind, &failure.words) == (shutdown.kind, &shutdown.words)
}

/// Lets what consumers have in hand come to its end. All services of a process have one bus.
#[cfg(feature = "messaging")]
async fn close_bus(ctx: &Context, services: &[Composed]) {
    let Some(service) = services.first() else { return };
    if let Err(failure) = service.0.messages.bus.close(ctx).await {
        tracing::warn!(%failure, "the bus did not close in time");
    }
}

async fn close(ctx: &Context, stores: Vec<Arc<dyn Store>>) {
    for store in stores {
        match ctx.run(store.close(ctx)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "a store did not close"),
            Err(cause) => tracing::warn!(%cause, "a store did not close in time"),
        }
    }
}
