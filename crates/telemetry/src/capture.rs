use std::cell::Cell;
use std::cmp::Reverse;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use staffa_context::{Context, Instruments};
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::Registry;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;

use crate::logs::{LogLayer, LogRecord, Records};
use crate::metrics::text::{shared, written};
use crate::metrics::{Meter, Metrics};
use crate::span::Ended;
use crate::tracer::{Ends, Service, Tracer};
use crate::{FinishedSpan, MetricsFormat};

/// Starts to record the spans, logs and metrics of a test.
///
/// Nothing of it is global: spans and metrics are those of contexts made with its instruments, and all are sampled;
/// logs are those of this thread from `DEBUG` up, as long as a clone of it lives and until the thread starts
/// another. So a test on a current-thread runtime captures the logs of all of its tasks, whatever other tests do
/// meanwhile.
///
/// ```
/// let capture = staffa_telemetry::capture();
/// let ctx = capture.context();
/// {
///     let mut span = ctx.span("reserve");
///     span.set("units", 3);
///     tracing::info!(units = 3, "reserved");
/// }
/// assert_eq!(capture.span("reserve").attributes["units"], 3.into());
/// assert_eq!(capture.log("reserved").fields["units"], 3);
/// ```
pub fn capture() -> Capture {
    let captured = Arc::new(Captured::default());
    let records = Arc::new(ToCaptured(Arc::downgrade(&captured)));
    let layer = LogLayer { service: "test".into(), records };
    // An earlier guard is dropped first, since it puts back what was there before it.
    LOGS.take();
    let subscriber = Registry::default().with(LevelFilter::DEBUG).with(layer);
    let guard = tracing::subscriber::set_default(subscriber);
    LOGS.set(Some((Arc::downgrade(&captured), guard)));
    Capture { captured, metrics: Arc::new(Metrics::new(usize::MAX)) }
}

thread_local! {
    /// Whose records this thread's logs are.
    static LOGS: Cell<Option<(Weak<Captured>, DefaultGuard)>> = const { Cell::new(None) };
}

/// What a test's code told; clones are the same. Recording is not bounded: it is for tests.
#[derive(Clone)]
pub struct Capture {
    captured: Arc<Captured>,
    metrics: Arc<Metrics>,
}

#[derive(Debug, Default)]
struct Captured {
    spans: Mutex<Vec<Arc<Ended>>>,
    logs: Mutex<Vec<LogRecord>>,
}

impl Drop for Captured {
    fn drop(&mut self) {
        // On another thread, or at its end, there is nothing to put back.
        let logs = LOGS.try_with(Cell::take).ok().flatten();
        if let Some((captured, guard)) = logs
            && captured.strong_count() > 0
        {
            LOGS.set(Some((captured, guard)));
        }
    }
}

/// The records of a capture that may be gone.
struct ToCaptured(Weak<Captured>);

impl Records for ToCaptured {
    fn record(&self, record: LogRecord) {
        if let Some(captured) = self.0.upgrade() {
            lock(&captured.logs).push(record);
        }
    }
}

impl Capture {
    /// Instruments of the service `test` that record here. Replace their clock or ids as the test needs.
    pub fn instruments(&self) -> Instruments {
        self.instruments_of("test")
    }

    /// Instruments of this service that record here.
    pub fn instruments_of(&self, service: &str) -> Instruments {
        let service = Service::new(service, "");
        let name = service.name;
        let meter = Meter::new(&self.metrics, name);
        let tracer = Tracer::new(service, 1.0, Arc::clone(&self.captured) as _);
        Instruments {
            service: name,
            tracer: Some(Arc::new(tracer)),
            meter: Some(Arc::new(meter)),
            ..Instruments::default()
        }
    }

    /// A root context with the instruments of the service `test`.
    pub fn context(&self) -> Context {
        Context::root(self.instruments())
    }

    /// The spans that ended so far, in the order of their ends.
    pub fn spans(&self) -> Vec<FinishedSpan> {
        lock(&self.captured.spans).iter().map(|span| FinishedSpan::from(&**span)).collect()
    }

    /// The spans of one trace that ended so far, in the order of their starts: as
    /// [`Telemetry::recent`](crate::Telemetry::recent) tells them.
    pub fn recent(&self, trace_id: u128) -> Vec<FinishedSpan> {
        let mut spans = self.spans();
        spans.retain(|span| span.trace_id == trace_id);
        spans.sort_by_key(|span| (span.start, Reverse(span.duration)));
        spans
    }

    /// The one span of this name.
    ///
    /// # Panics
    /// When none or several of this name ended; it says which spans there are.
    #[track_caller]
    pub fn span(&self, name: &str) -> FinishedSpan {
        let spans = self.spans();
        let mut named = spans.iter().filter(|span| span.name == name);
        match (named.next(), named.next()) {
            (Some(span), None) => span.clone(),
            _ => {
                panic!("not one span {name:?}: {:?}", spans.iter().map(|span| &span.name).collect::<Vec<_>>())
            }
        }
    }

    /// The log records so far.
    pub fn logs(&self) -> Vec<LogRecord> {
        lock(&self.captured.logs).clone()
    }

    /// The one log record with this message.
    ///
    /// # Panics
    /// When none or several say this; it says what there is.
    #[track_caller]
    pub fn log(&self, message: &str) -> LogRecord {
        let logs = self.logs();
        let mut saying = logs.iter().filter(|record| record.message == message);
        match (saying.next(), saying.next()) {
            (Some(record), None) => record.clone(),
            _ => panic!(
                "not one log {message:?}: {:?}",
                logs.iter().map(|log| &log.message).collect::<Vec<_>>()
            ),
        }
    }

    /// The value of a counter or gauge, or the number of a histogram's observations: the sum over all series that
    /// have these labels, `service` among them; `None` when there is none.
    pub fn metric(&self, name: &str, labels: &[(&str, &str)]) -> Option<i64> {
        self.metrics.value(name, labels)
    }

    /// All metrics, as OpenMetrics.
    pub fn metrics(&self) -> String {
        self.metrics_text(MetricsFormat::OpenMetrics)
    }

    /// All metrics, as a scraper asked for them.
    pub fn metrics_text(&self, format: MetricsFormat) -> String {
        written(vec![shared(&self.metrics)], format)
    }
}

impl Ends for Captured {
    fn end(&self, span: Arc<Ended>) {
        lock(&self.spans).push(span);
    }
}

impl fmt::Debug for Capture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Capture").field("captured", &self.captured).finish_non_exhaustive()
    }
}

fn lock<T>(recorded: &Mutex<T>) -> MutexGuard<'_, T> {
    recorded.lock().unwrap_or_else(PoisonError::into_inner)
}
