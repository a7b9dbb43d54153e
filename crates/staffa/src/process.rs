//! The life of a process: start, readiness, stop.

use std::net::SocketAddr;
use std::sync::Arc;

use std::future::Future;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use serde_json::Value;
use staffa_context::{Cancel, Cause, Context, Failure, Group, GroupError};
use staffa_storage::Store;
use staffa_transport::{Client, Limits, Routes, Server, ServerContext, Work};

use crate::answers::StoredAnswers;
use crate::health::{Health, Phase};
use crate::peers::Peers;
use crate::recorder::Recorder;
use crate::service::Inner;
use crate::settings::{Common, Settings};
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
    bus: Arc<staffa_messaging::InProcess>,
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

/// A service that was composed.
pub(crate) struct Composed(Inner);

impl Composed {
    pub(crate) fn of<S>(service: Service<S>) -> Self {
        Self(service.inner)
    }

    fn stores(&self) -> Vec<Arc<dyn Store>> {
        self.0.stores.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A process whose services are ready.
pub(crate) struct Process {
    pub(crate) address: SocketAddr,
    pub(crate) admin_address: SocketAddr,
    common: Common,
    context: Context,
    cancels: Vec<Cancel>,
    health: Arc<Health>,
    services: Vec<Composed>,
    peers: Peers,
    http: Serving,
    admin: Serving,
    trouble: Context,
    work: Work,
}

impl Process {
    /// Reaches the stores, binds the ports, starts the jobs, and says that it is ready.
    pub(crate) async fn start(plan: Plan, recorder: Recorder) -> Result<Self> {
        let Plan { name, version, common, services } = plan;
        let (context, cancel) = Context::root(recorder.instruments(name)).with_cancel();
        let mut cancels = vec![cancel];
        let limits = common.http.limits(&common.stop);

        let health = Arc::new(Health::starting());
        let operators = admin::router(&context, &health, &recorder, &common.log.level);
        let bound = bind(common.admin.bind, "admin.bind", "--admin-port", admin::limits()).await?;
        let admin_address = bound.local_addr()?;
        let admin = Serving::start(&context, bound, operators, Work::default())?;

        let hosted: Vec<String> = services.iter().map(|(name, _)| (*name).to_owned()).collect();
        let peers = Peers::new(&hosted, common.services.clone());
        #[cfg(feature = "messaging")]
        let bus = Arc::new(staffa_messaging::InProcess::new());
        let mut composed = Vec::new();
        for (name, compose) in services {
            let (context, cancel) = Context::root(recorder.instruments(name)).with_cancel();
            cancels.push(cancel);
            let seed = Seed {
                name,
                common: common.clone(),
                context,
                peers: peers.clone(),
                recorder: recorder.clone(),
                #[cfg(feature = "messaging")]
                bus: Arc::clone(&bus),
            };
            let service = compose(seed).await?;
            watch_stores(&health, &service);
            composed.push(service);
        }

        let bound = bind(common.http.bind, "http.bind", "--port", limits.clone()).await?;
        let address = bound.local_addr()?;
        let work = Work::default();
        let router = routers(name, version, &mut composed, &limits, &work, &peers)?;
        let trouble = jobs(&context, &common, &mut composed).await?;
        let http = Serving::start(&context, bound, router, work.clone())?;
        health.enter(Phase::Ready);
        tracing::info!(http = %address, admin = %admin_address, services = hosted.join(","), "ready");
        Ok(Self {
            address,
            admin_address,
            common,
            context,
            cancels,
            health,
            services: composed,
            peers,
            http,
            admin,
            trouble,
            work,
        })
    }

    /// A client of this process's own listener.
    pub(crate) fn client(&self) -> Result<Client> {
        Client::http(&format!("http://{}", self.address)).map_err(Error::from)
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
        let Common { stop, .. } = &self.common;
        self.health.enter(Phase::Stopping);
        let clock = self.context.shielded();
        // Nothing ends this context.
        let _ = clock.sleep(*stop.window).await;

        let drain = clock.with_timeout(*stop.drain);
        let mut outcome = self.http.stop(&drain, &self.work).await;
        let grace = clock.with_timeout(drain.remaining().unwrap_or_default().max(*stop.grace));
        let mut stores = Vec::new();
        for service in self.services {
            stores.extend(service.stores());
            outcome = outcome.max(end_jobs(&grace, service.0.jobs).await);
        }
        self.peers.close();
        self.cancels.iter().for_each(|cancel| cancel.cancel(Cause::ShuttingDown));
        close(&clock.with_timeout(*stop.grace), stores).await;
        self.admin.stop(&clock.with_timeout(Duration::from_millis(100)), &Work::default()).await;
        tracing::info!(?outcome, "stopped");
        outcome
    }
}

/// A listener that is being served.
struct Serving {
    server: Group<Failure>,
    cancel: Cancel,
}

impl Serving {
    fn start(ctx: &Context, bound: Server, router: Router, work: Work) -> Result<Self> {
        let (stopping, cancel) = ctx.shielded().with_cancel();
        let server = Group::new(&ctx.shielded(), "server");
        server.try_spawn("serve", |ctx| async move {
            let stop = async move {
                stopping.done().await;
            };
            bound.serve(&ctx, router, &work, stop).await;
            Ok(())
        })?;
        Ok(Self { server, cancel })
    }

    /// Accepts no more, and waits until what is in hand has ended or was cancelled.
    async fn stop(self, drain: &Context, work: &Work) -> Outcome {
        self.cancel.cancel(Cause::ShuttingDown);
        let drained = drain.run(work.idle()).await.is_ok();
        if let Err(error) = self.server.wait().await {
            tracing::error!(%error, "the listener failed");
        }
        if drained { Outcome::Stopped } else { Outcome::DrainExceeded }
    }
}

async fn bind(address: SocketAddr, setting: &str, flag: &str, limits: Limits) -> Result<Server> {
    Server::bind(address, limits).await.map_err(|failure| {
        Error::new(format!("{setting}: {failure}, with {flag} PORT, or end what holds it"))
    })
}

fn watch_stores(health: &Health, service: &Composed) {
    for (i, store) in service.stores().into_iter().enumerate() {
        let name = service.0.name;
        let check = if i == 0 { format!("{name} store") } else { format!("{name} store {}", i + 1) };
        health.watch(check, store);
    }
}

/// The router of the listener: every service's endpoints, each under the service's own context.
fn routers(
    name: &str,
    version: &str,
    services: &mut [Composed],
    limits: &Limits,
    work: &Work,
    peers: &Peers,
) -> Result<Router> {
    let version = if version.is_empty() { "unversioned" } else { version };
    let document = staffa_transport::openapi(name, version, services.iter().map(|it| &it.0.routes));
    refuse_overlaps(services)?;
    let mut routers = vec![staffa_transport::openapi_route(&document)];
    for service in services {
        let stores = service.stores();
        let server = ServerContext {
            context: service.0.context.clone(),
            limits: limits.clone(),
            answers: Some(Arc::new(StoredAnswers(stores))),
            work: work.clone(),
        };
        let router = std::mem::take(&mut service.0.routes).into_router(&server);
        peers.open(service.0.name, staffa_transport::join([router.clone()]));
        routers.push(router);
    }
    Ok(staffa_transport::join(routers))
}

/// Two services of one process cannot answer the same endpoint.
fn refuse_overlaps(services: &[Composed]) -> Result<()> {
    let mut taken: Vec<(String, &str)> = Vec::new();
    for service in services {
        let document = service.0.routes.openapi("", "");
        for (path, methods) in document["paths"].as_object().into_iter().flatten() {
            for method in methods.as_object().into_iter().flat_map(serde_json::Map::<String, Value>::keys) {
                let endpoint = format!("{} {path}", method.to_uppercase());
                if let Some((_, other)) =
                    taken.iter().find(|(it, other)| *it == endpoint && *other != service.0.name)
                {
                    return Err(Error::new(format!("{other} and {} both answer {endpoint}", service.0.name)));
                }
                taken.push((endpoint, service.0.name));
            }
        }
    }
    Ok(())
}

/// Starts each service's own jobs; the context that is given ends when one of all jobs fails.
async fn jobs(ctx: &Context, common: &Common, services: &mut [Composed]) -> Result<Context> {
    let (trouble, cancel) = ctx.shielded().with_cancel();
    for service in services {
        if let Err(failure) = service.start_jobs(*common.store.keep, cancel.clone()).await {
            return Err(service.failed_early(failure).await.context(service.0.name));
        }
    }
    Ok(trouble)
}

impl Composed {
    async fn start_jobs(&mut self, keep: Duration, trouble: Cancel) -> Result<(), Failure> {
        for store in self.stores() {
            let sweep = move |ctx| async move { ended(sweep::sweep(&ctx, &store, keep).await) };
            self.0.jobs.spawn("sweep", sweep).await?;
        }
        #[cfg(feature = "messaging")]
        self.0.start_messages().await?;
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

/// A job of the process's own ends with its context, and that is no failure.
#[expect(clippy::unnecessary_wraps, reason = "it is what a job gives")]
pub(crate) fn ended(_: Cause) -> Result<(), Failure> {
    Ok(())
}

async fn end_jobs(bound: &Context, jobs: Group<Failure>) -> Outcome {
    jobs.cancel(Cause::ShuttingDown);
    match bound.run(jobs.wait()).await {
        Ok(Ok(())) => Outcome::Stopped,
        Ok(Err(GroupError::Ended(_))) | Err(_) => Outcome::DrainExceeded,
        Ok(Err(error)) => {
            tracing::error!(%error, "a background job failed");
            Outcome::JobFailed
        }
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
