//! A service of a test: the real one, on free ports, with what it tells recorded.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use staffa_context::{Context, Failure};
use staffa_storage::Store;
use staffa_telemetry::Capture;
use staffa_transport::{Client, Endpoint, EventStream, Events};

use crate::process::Process;
use crate::recorder::Recorder;
use crate::settings::{Flags, Settings};
use crate::{Host, Outcome, Result, Service};

/// How long one call of a test may take.
const CALL: Duration = Duration::from_secs(30);

/// Composes and starts one service with these settings of its own, as `main` would: on free ports, with the store
/// `memory:`, without a drain window, and with no file or environment read.
///
/// # Panics
/// When it does not start.
pub async fn start<S, C>(compose: C, settings: S) -> Running
where
    S: Settings,
    C: AsyncFnOnce(&Context, &mut Service<S>) -> Result<()> + 'static,
{
    start_on("memory:", compose, settings).await
}

/// The same on any store URL.
///
/// # Panics
/// When it does not start.
pub async fn start_on<S, C>(store: &str, compose: C, settings: S) -> Running
where
    S: Settings,
    C: AsyncFnOnce(&Context, &mut Service<S>) -> Result<()> + 'static,
{
    let flags = Flags { store: Some(store.to_owned()), ..Flags::default() };
    running(Host::new("test").service_with("test", compose, settings), flags).await
}

/// Starts a process of several services. Its settings are the defaults and these flags: their `set` reaches the
/// services' own sections.
///
/// # Panics
/// When it does not start.
pub async fn start_host(host: Host, flags: Flags) -> Running {
    running(host, flags).await
}

/// The same, for what is to be refused.
///
/// # Errors
/// Why it does not start.
pub async fn try_start_host(host: Host, flags: Flags) -> Result<Running> {
    let capture = staffa_telemetry::capture();
    let mut all =
        ["http.bind=127.0.0.1:0", "admin.bind=127.0.0.1:0", "stop.window=0s"].map(str::to_owned).to_vec();
    all.extend(flags.set);
    let store = flags.store.or_else(|| Some("memory:".to_owned()));
    let flags = Flags { set: all, store, ..flags };
    let (plan, _) = host.plan(flags.config.as_deref(), &flags, std::iter::empty())?;
    let process = Process::start(plan, Recorder::Captured(capture.clone())).await?;
    let client = Client::http(&format!("http://{}", process.http.address))?;
    Ok(Running { process, client, capture })
}

#[expect(clippy::panic, reason = "a service that does not start is a failed test")]
async fn running(host: Host, flags: Flags) -> Running {
    match try_start_host(host, flags).await {
        Ok(running) => running,
        Err(error) => panic!("the service does not start: {error}"),
    }
}

/// A running process of a test. Dropping it cancels everything that is in hand; [`Running::stop`] stops it in order.
pub struct Running {
    process: Process,
    client: Client,
    capture: Capture,
}

impl Running {
    /// Calls an endpoint over HTTP, within 30 s.
    ///
    /// # Errors
    /// The endpoint's own.
    pub async fn call<Q, R, E>(&self, endpoint: Endpoint<Q, R, E>, request: Q) -> Result<R, E>
    where
        Q: Serialize,
        R: DeserializeOwned,
        E: From<Failure>,
    {
        self.client.call(&self.context(), endpoint, request).await
    }

    /// Opens a stream of events over HTTP.
    ///
    /// # Errors
    /// The endpoint's own.
    pub async fn events<Q, T, E>(&self, events: Events<Q, T, E>, request: Q) -> Result<EventStream<T, E>, E>
    where
        Q: Serialize,
        T: DeserializeOwned,
        E: From<Failure>,
    {
        self.client.events(&self.context(), events, request).await
    }

    /// A context of the test's own, for 30 s; what is called under it is one trace with what it causes.
    pub fn context(&self) -> Context {
        self.capture.context().with_timeout(CALL)
    }

    /// A client of the process over HTTP.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Where the services listen, as `http://127.0.0.1:PORT`.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.process.http.address)
    }

    /// Where health and metrics are, as `http://127.0.0.1:PORT`.
    pub fn admin_url(&self) -> String {
        format!("http://{}", self.process.admin.address)
    }

    /// The stores that a service opened, in that order. [`start`] names its service `test`.
    pub fn stores(&self, service: &str) -> Vec<Arc<dyn Store>> {
        self.process.stores(service)
    }

    /// The spans, metrics and logs so far. Logs are those of the thread that started it: use a current-thread
    /// runtime, which is what `#[tokio::test]` makes, to have them all.
    pub fn capture(&self) -> &Capture {
        &self.capture
    }

    /// Stops it in order.
    ///
    /// # Panics
    /// When something was still in hand after the drain bound, or a job had failed.
    pub async fn stop(self) {
        let outcome = self.try_stop().await;
        assert_eq!(outcome, Outcome::Stopped, "the service did not stop cleanly");
    }

    /// Stops it in order, and says how that went.
    pub async fn try_stop(self) -> Outcome {
        self.process.stop().await
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running").field("base_url", &self.base_url()).finish_non_exhaustive()
    }
}
