use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use staffa_context::{Instruments, Meter as _, Metric, MetricKind};
use tokio::runtime::Handle;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{EnvFilter, Registry, reload};

use crate::logs::LogLayer;
use crate::logs::stderr::Stderr;
use crate::metrics::process::Process;
use crate::metrics::runtime::Runtimes;
use crate::metrics::text::{shared, written};
use crate::metrics::{Meter, Metrics};
use crate::otlp::Exporter;
use crate::recent::Recent;
use crate::span::Ended;
use crate::tracer::{Ends, Service, Tracer};
use crate::{Error, FinishedSpan, MetricsFormat, Options};

const BUILD_INFO: Metric =
    Metric { name: "build_info", help: "1, with the version that runs", kind: MetricKind::Gauge };
const LOGS_DROPPED: Metric = Metric {
    name: "telemetry_log_records_dropped",
    help: "Log records for which the queue had no place",
    kind: MetricKind::Counter,
};

/// How long dropping the telemetry waits for the last log records.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// The telemetry of a process: made once, in `main`. Clones are the same.
///
/// Dropping the last one writes the log records that wait. Spans are only sent by [`Telemetry::shutdown`].
#[derive(Clone, Debug)]
pub struct Telemetry(Arc<Installed>);

struct Installed {
    options: Options,
    metrics: Arc<Metrics>,
    process: Arc<Process>,
    runtimes: Arc<Runtimes>,
    spans: Arc<Spans>,
    services: Mutex<HashMap<String, Instruments>>,
    logs: Option<Logs>,
}

struct Logs {
    filter: reload::Handle<EnvFilter, Registry>,
    stderr: Arc<Stderr>,
}

impl Telemetry {
    /// Installs logs for the process, and makes its tracer and meter.
    ///
    /// Within a tokio runtime it reports that runtime's metrics; see [`Telemetry::watch_runtime`].
    ///
    /// # Errors
    /// [`Error::AlreadyInstalled`] the second time; the others when an option is wrong. Nothing is installed then.
    pub fn install(options: Options) -> Result<Self, Error> {
        let filter = filter(&options.level)?;
        let mut installed = Installed::new(options)?;
        installed.logs = Some(installed.install_logs(filter)?);
        Ok(Self(Arc::new(installed)))
    }

    /// A tracer and a meter for a process that has its own log subscriber.
    ///
    /// # Errors
    /// Those of [`Telemetry::install`] that are not about logs.
    pub fn without_logs(options: Options) -> Result<Self, Error> {
        Ok(Self(Arc::new(Installed::new(options)?)))
    }

    /// The instruments of one of the services that this process hosts: its spans have this `service.name`, its
    /// metrics the label `service`. Clock, identifiers and tasks are the machine's.
    ///
    /// Services come from a bounded set: each is kept until the end.
    pub fn instruments(&self, service: &str) -> Instruments {
        let mut services = self.0.services.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(instruments) = services.get(service) {
            return instruments.clone();
        }
        let instruments = self.0.instruments(service);
        services.insert(service.to_owned(), instruments.clone());
        instruments
    }

    /// The metrics of all hosted services, as OpenMetrics.
    pub fn metrics(&self) -> String {
        self.metrics_text(MetricsFormat::OpenMetrics)
    }

    /// The metrics of all hosted services, as a scraper asked for them.
    pub fn metrics_text(&self, format: MetricsFormat) -> String {
        let Installed { metrics, process, runtimes, .. } = &*self.0;
        written(vec![shared(metrics), shared(process), shared(runtimes)], format)
    }

    /// Reports the metrics of a tokio runtime under this name, in the place of one of the same name.
    ///
    /// The runtime in which `install` was called is reported as `main`.
    pub fn watch_runtime(&self, name: &str, runtime: Handle) {
        self.0.runtimes.watch(name, runtime);
    }

    /// The spans of a sampled trace that ended here, in the order of their starts; none when the trace is unknown
    /// or no longer kept.
    ///
    /// Kept are the [`Options::recent_traces`] traces seen last, and of each the [`Options::recent_spans`] spans
    /// that ended first, the last of which gives way to the one that ended last.
    pub fn recent(&self, trace_id: u128) -> Vec<FinishedSpan> {
        self.0.spans.recent.of(trace_id)
    }

    /// Changes which log records are written, from now on. Without logs of its own it changes nothing.
    ///
    /// # Errors
    /// [`Error::Level`] when these are no directives; the level stays as it was.
    pub fn set_level(&self, level: &str) -> Result<(), Error> {
        let filter = filter(level)?;
        let Some(logs) = &self.0.logs else { return Ok(()) };
        logs.filter
            .reload(filter)
            .map_err(|error| Error::Level { level: level.to_owned(), reason: error.to_string() })
    }

    /// Sends the spans and writes the log records that wait, within `timeout`, and stops the exporter. It blocks
    /// the calling thread, and needs no runtime.
    ///
    /// It returns whether everything was delivered. Spans that end later are dropped and counted.
    #[expect(clippy::disallowed_methods, reason = "it ends after every context")]
    pub fn shutdown(&self, timeout: Duration) -> bool {
        let by = Instant::now() + timeout;
        let spans = self.0.spans.exporter.as_ref().is_none_or(|exporter| exporter.stop(timeout));
        let logs = self
            .0
            .logs
            .as_ref()
            .is_none_or(|logs| logs.stderr.flush(by.saturating_duration_since(Instant::now())));
        spans && logs
    }
}

impl Installed {
    fn new(options: Options) -> Result<Self, Error> {
        if !(0.0..=1.0).contains(&options.sample_ratio) {
            return Err(Error::SampleRatio(options.sample_ratio));
        }
        let metrics = Arc::new(Metrics::new(options.series_max));
        let meter = Meter::new(&metrics, &options.service);
        let exporter = match &options.otlp {
            Some(endpoint) => Some(Exporter::start(endpoint, options.export_queue_len_max, &meter)?),
            None => None,
        };
        let recent = Recent::new(options.recent_traces, options.recent_spans);
        let runtimes = Runtimes::default();
        if let Ok(runtime) = Handle::try_current() {
            runtimes.watch("main", runtime);
        }
        let build: &[_] = &[("version", options.version.as_str())];
        meter.series(&BUILD_INFO, if options.version.is_empty() { &[] } else { build }).set(1);
        Ok(Self {
            options,
            metrics,
            process: Arc::new(Process::new()),
            runtimes: Arc::new(runtimes),
            spans: Arc::new(Spans { recent, exporter }),
            services: Mutex::default(),
            logs: None,
        })
    }

    fn install_logs(&self, filter: EnvFilter) -> Result<Logs, Error> {
        let Options { service, log, log_queue_len_max, .. } = &self.options;
        let dropped = Meter::new(&self.metrics, service).series(&LOGS_DROPPED, &[]);
        let stderr = Arc::new(Stderr::start(*log, *log_queue_len_max, dropped)?);
        let (filter, handle) = reload::Layer::new(filter);
        let layer = LogLayer { service: service.as_str().into(), records: Arc::clone(&stderr) as _ };
        // The filter stands beside the layer, not on it: reloading a layer's own filter panics.
        tracing::subscriber::set_global_default(Registry::default().with(filter).with(layer))
            .map_err(|_| Error::AlreadyInstalled)?;
        Ok(Logs { filter: handle, stderr })
    }

    fn instruments(&self, service: &str) -> Instruments {
        let service = Service::new(service, &self.options.version);
        let name = service.name;
        let meter = Meter::new(&self.metrics, name);
        let tracer = Tracer::new(service, self.options.sample_ratio, Arc::clone(&self.spans) as _);
        Instruments {
            service: name,
            tracer: Some(Arc::new(tracer)),
            meter: Some(Arc::new(meter)),
            ..Instruments::default()
        }
    }
}

impl Drop for Installed {
    fn drop(&mut self) {
        if let Some(logs) = &self.logs {
            logs.stderr.flush(LAST_WORDS);
        }
    }
}

impl fmt::Debug for Installed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Installed").field("options", &self.options).finish_non_exhaustive()
    }
}

/// Where spans go when they end.
struct Spans {
    recent: Recent,
    exporter: Option<Exporter>,
}

impl Ends for Spans {
    fn end(&self, span: Arc<Ended>) {
        self.recent.push(&span);
        if let Some(exporter) = &self.exporter {
            exporter.push(span);
        }
    }
}

fn filter(level: &str) -> Result<EnvFilter, Error> {
    EnvFilter::builder()
        .parse(level)
        .map_err(|error| Error::Level { level: level.to_owned(), reason: error.to_string() })
}
