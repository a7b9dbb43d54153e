//! Metrics: families made on demand, bounded, on the metric types of `prometheus-client`.
use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, DefaultHasher, Hash, Hasher, RandomState};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeLabel, EncodeLabelSet, EncodeMetric, LabelSetEncoder, MetricEncoder,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::exemplar::HistogramWithExemplars;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Unit;
use staffa_context::{Metric, MetricKind, Record, Series, TraceContext};

pub(crate) mod process;
pub(crate) mod runtime;
pub(crate) mod text;

/// Bounds of histograms in seconds: from what one process answers itself to what a person no longer waits for.
const SECONDS: [f64; 16] = [
    0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];
/// Bounds of histograms in bytes: powers of four from 64 B to 64 MiB.
const BYTES: [f64; 11] = [
    64.0,
    256.0,
    1_024.0,
    4_096.0,
    16_384.0,
    65_536.0,
    262_144.0,
    1_048_576.0,
    4_194_304.0,
    16_777_216.0,
    67_108_864.0,
];
/// Bounds of histograms of anything else, such as numbers of items.
const PLAIN: [f64; 13] =
    [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1_000.0, 2_000.0, 5_000.0, 10_000.0];

const OVERFLOW: Metric = Metric {
    name: "telemetry_series_overflow",
    help: "Look-ups of a series for which a metric had no place",
    kind: MetricKind::Counter,
};

/// All metrics of a process.
#[derive(Debug)]
pub(crate) struct Metrics {
    series_max: usize,
    hasher: RandomState,
    families: RwLock<BTreeMap<&'static str, Family>>,
}

/// One metric and its series, which are found by the hash of their labels.
#[derive(Debug)]
struct Family {
    metric: Metric,
    series: HashMap<u64, Vec<Labelled>>,
    series_count: usize,
}

#[derive(Clone, Debug)]
struct Labelled {
    labels: Labels,
    value: Value,
    series: Series,
}

/// What came of the wish for a series.
enum Made {
    Series(Series),
    /// The name is taken by a metric of another kind.
    Clash,
    /// The metric has as many series as it may.
    Full,
}

impl Metrics {
    pub(crate) fn new(series_max: usize) -> Self {
        Self { series_max, hasher: RandomState::new(), families: RwLock::default() }
    }

    fn series(&self, service: &Hashed, metric: &Metric, labels: &[(&'static str, &str)]) -> Series {
        let sorted = sorted(labels);
        let labels = sorted.as_deref().unwrap_or(labels);
        let hash = service.with(labels);
        if let Some(series) =
            self.read().get(metric.name).and_then(|family| family.find(hash, &service.name, labels))
        {
            return series;
        }
        match self.make(hash, metric, Labels::new(&service.name, labels)) {
            Made::Series(series) => series,
            Made::Clash => {
                tracing::warn!(metric = metric.name, "a metric of this name and another kind exists");
                Series::default()
            }
            Made::Full => self.overflow(service, metric),
        }
    }

    fn make(&self, hash: u64, metric: &Metric, labels: Labels) -> Made {
        let mut families = self.write();
        let family = families.entry(metric.name).or_insert_with(|| Family::new(metric));
        if family.metric.kind != metric.kind {
            return Made::Clash;
        }
        let known = family.find(hash, &labels.service, &labels.borrowed()).is_some();
        if known || family.series_count < self.series_max {
            Made::Series(family.find_or_insert(hash, labels))
        } else {
            Made::Full
        }
    }

    /// The series that stands in for those that have no place; one for each service.
    fn overflow(&self, service: &Hashed, metric: &Metric) -> Series {
        if metric.name != OVERFLOW.name {
            self.series(service, &OVERFLOW, &[("metric", metric.name)]).add(1);
        }
        let labels: &[_] = &[("overflow", "true")];
        let hash = service.with(labels);
        let mut families = self.write();
        let family = families.entry(metric.name).or_insert_with(|| Family::new(metric));
        family.find_or_insert(hash, Labels::new(&service.name, labels))
    }

    /// The value of a counter or gauge, or the number of a histogram's observations, over all services.
    pub(crate) fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<i64> {
        let families = self.read();
        let matching = families.get(name)?.all().filter(|labelled| labelled.labels.has(labels));
        matching.map(|labelled| labelled.value.whole()).reduce(|sum, value| sum + value)
    }

    fn read(&self) -> RwLockReadGuard<'_, BTreeMap<&'static str, Family>> {
        self.families.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, BTreeMap<&'static str, Family>> {
        self.families.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Collector for Metrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> std::fmt::Result {
        self.read().values().try_for_each(|family| family.encode(&mut encoder))
    }
}

impl Family {
    fn new(metric: &Metric) -> Self {
        Self { metric: *metric, series: HashMap::new(), series_count: 0 }
    }

    fn find(&self, hash: u64, service: &str, labels: &[(&str, &str)]) -> Option<Series> {
        let same = self.series.get(&hash)?.iter().find(|known| known.labels.are(service, labels))?;
        Some(same.series.clone())
    }

    fn find_or_insert(&mut self, hash: u64, labels: Labels) -> Series {
        if let Some(series) = self.find(hash, &labels.service, &labels.borrowed()) {
            return series;
        }
        let value = Value::new(&self.metric);
        let series = Series::new(Arc::new(value.clone()));
        self.series.entry(hash).or_default().push(Labelled { labels, value, series: series.clone() });
        self.series_count += 1;
        series
    }

    fn all(&self) -> impl Iterator<Item = &Labelled> {
        self.series.values().flatten()
    }

    fn encode(&self, encoder: &mut DescriptorEncoder<'_>) -> std::fmt::Result {
        let (name, unit) = exposed(&self.metric);
        let help = self.metric.help.replace('\\', "\\\\").replace('\n', "\\n");
        let kind = match self.metric.kind {
            MetricKind::Counter => MetricType::Counter,
            MetricKind::Gauge => MetricType::Gauge,
            MetricKind::Histogram => MetricType::Histogram,
        };
        let mut encoder = encoder.encode_descriptor(&name, &help, unit.as_ref(), kind)?;
        let mut sorted: Vec<&Labelled> = self.all().collect();
        sorted.sort_by(|left, right| left.labels.cmp(&right.labels));
        sorted
            .into_iter()
            .try_for_each(|labelled| labelled.value.encode(encoder.encode_family(&labelled.labels)?))
    }
}

/// The name and unit as the exposition takes them: it adds the unit, and `_total`, by itself.
fn exposed(metric: &Metric) -> (String, Option<Unit>) {
    let name = metric.name.replace(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_', "_");
    let name = match metric.kind {
        MetricKind::Counter => name.strip_suffix("_total").unwrap_or(&name),
        MetricKind::Gauge | MetricKind::Histogram => &name,
    };
    if let Some(name) = name.strip_suffix("_seconds") {
        (name.to_owned(), Some(Unit::Seconds))
    } else if let Some(name) = name.strip_suffix("_bytes") {
        (name.to_owned(), Some(Unit::Bytes))
    } else {
        (name.to_owned(), None)
    }
}

/// The labels of a series, its service apart; sorted by name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Labels {
    service: Arc<str>,
    others: Vec<(&'static str, String)>,
}

impl Labels {
    fn new(service: &Arc<str>, labels: &[(&'static str, &str)]) -> Self {
        let others = labels.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        Self { service: Arc::clone(service), others }
    }

    fn borrowed(&self) -> Vec<(&str, &str)> {
        self.others.iter().map(|(name, value)| (*name, value.as_str())).collect()
    }

    fn are(&self, service: &str, labels: &[(&str, &str)]) -> bool {
        let others = self.others.iter().map(|(name, value)| (*name, value.as_str()));
        *self.service == *service && others.eq(labels.iter().copied())
    }

    fn has(&self, labels: &[(&str, &str)]) -> bool {
        let service = ("service", &*self.service);
        let all = || self.others.iter().map(|(name, value)| (*name, value.as_str())).chain([service]);
        labels.iter().all(|wanted| all().any(|label| label == *wanted))
    }
}

impl EncodeLabelSet for Labels {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> std::fmt::Result {
        if !self.service.is_empty() {
            ("service", &*self.service).encode(encoder.encode_label())?;
        }
        self.others
            .iter()
            .try_for_each(|(name, value)| (*name, value.as_str()).encode(encoder.encode_label()))
    }
}

/// A copy in the order of the names, without what the service says; `None` when they are so already.
fn sorted<'a>(labels: &[(&'static str, &'a str)]) -> Option<Vec<(&'static str, &'a str)>> {
    let in_order = labels.windows(2).all(|pair| pair[0].0 < pair[1].0);
    if in_order && labels.iter().all(|(name, _)| *name != "service") {
        return None;
    }
    let mut sorted: Vec<_> = labels.iter().copied().filter(|(name, _)| *name != "service").collect();
    sorted.sort_by_key(|(name, _)| *name);
    sorted.dedup_by_key(|(name, _)| *name);
    Some(sorted)
}

/// The label of an exemplar.
#[derive(Clone, Copy, Debug)]
struct TraceId(u128);

impl EncodeLabelSet for TraceId {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> std::fmt::Result {
        ("trace_id", format!("{:032x}", self.0)).encode(encoder.encode_label())
    }
}

/// What a series holds.
#[derive(Clone, Debug)]
enum Value {
    Counter(Counter<u64, AtomicU64>),
    Gauge(Gauge),
    Histogram(Observations),
}

#[derive(Clone, Debug)]
struct Observations {
    histogram: HistogramWithExemplars<TraceId>,
    count: Counter,
}

impl Value {
    fn new(metric: &Metric) -> Self {
        match metric.kind {
            MetricKind::Counter => Self::Counter(Counter::default()),
            MetricKind::Gauge => Self::Gauge(Gauge::default()),
            MetricKind::Histogram => Self::Histogram(Observations {
                histogram: HistogramWithExemplars::new(buckets(metric.name).iter().copied()),
                count: Counter::default(),
            }),
        }
    }

    fn whole(&self) -> i64 {
        match self {
            Self::Counter(counter) => i64::try_from(counter.get()).unwrap_or(i64::MAX),
            Self::Gauge(gauge) => gauge.get(),
            Self::Histogram(observations) => i64::try_from(observations.count.get()).unwrap_or(i64::MAX),
        }
    }

    fn encode(&self, encoder: MetricEncoder<'_>) -> std::fmt::Result {
        match self {
            Self::Counter(counter) => counter.encode(encoder),
            Self::Gauge(gauge) => gauge.encode(encoder),
            Self::Histogram(observations) => observations.histogram.encode(encoder),
        }
    }
}

fn buckets(name: &str) -> &'static [f64] {
    if name.ends_with("_seconds") {
        &SECONDS
    } else if name.ends_with("_bytes") {
        &BYTES
    } else {
        &PLAIN
    }
}

impl Record for Value {
    fn add(&self, delta: i64) {
        match self {
            // A counter only grows.
            Self::Counter(counter) => drop(counter.inc_by(u64::try_from(delta).unwrap_or(0))),
            Self::Gauge(gauge) => drop(gauge.inc_by(delta)),
            Self::Histogram(_) => {}
        }
    }

    fn set(&self, value: i64) {
        if let Self::Gauge(gauge) = self {
            gauge.set(value);
        }
    }

    fn observe(&self, value: f64, trace: Option<TraceContext>) {
        // One that is not a number would take the sum with it.
        if let Self::Histogram(Observations { histogram, count }) = self
            && value.is_finite()
        {
            let exemplar = trace.filter(|trace| trace.sampled).map(|trace| TraceId(trace.trace_id));
            #[expect(clippy::disallowed_methods, reason = "an exemplar is in the exporter's time")]
            let at = exemplar.is_some().then(std::time::SystemTime::now);
            histogram.observe(value, exemplar, at);
            count.inc();
        }
    }
}

/// The meter of one service: all of its series carry the label `service`.
#[derive(Clone, Debug)]
pub(crate) struct Meter {
    metrics: Arc<Metrics>,
    service: Hashed,
}

/// A service whose name has gone through the hasher, as the start of the hash of its series.
#[derive(Clone, Debug)]
struct Hashed {
    name: Arc<str>,
    hashed: DefaultHasher,
}

impl Hashed {
    fn with(&self, labels: &[(&str, &str)]) -> u64 {
        let mut hasher = self.hashed.clone();
        labels.hash(&mut hasher);
        hasher.finish()
    }
}

impl Meter {
    pub(crate) fn new(metrics: &Arc<Metrics>, service: &str) -> Self {
        let mut hashed = metrics.hasher.build_hasher();
        service.hash(&mut hashed);
        Self { metrics: Arc::clone(metrics), service: Hashed { name: service.into(), hashed } }
    }
}

impl staffa_context::Meter for Meter {
    fn series(&self, metric: &Metric, labels: &[(&'static str, &str)]) -> Series {
        self.metrics.series(&self.service, metric, labels)
    }
}
