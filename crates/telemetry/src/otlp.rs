//! Sends finished spans to an OTLP receiver, as protobuf over HTTP.
//!
//! It runs on a thread with a runtime of its own: an exporter that shares the process's runtime delivers nothing
//! when that one has a single worker and the worker waits for the exporter.
#![expect(
    clippy::disallowed_methods,
    reason = "the exporter has a runtime of its own and outlives every context"
)]

use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::trace::v1::ResourceSpans;
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_proto::transform::trace::tonic::group_spans_by_resource_and_scope;
use opentelemetry_sdk::trace::SpanData;
use prost::Message;
use staffa_context::{Meter as _, Metric, MetricKind, Series};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, timeout, timeout_at};

use crate::Error;
use crate::metrics::Meter;
use crate::redact::{REDACTED, is_secret};
use crate::span::Ended;
use crate::tracer::Service;

pub(crate) mod post;

use post::{Endpoint, Failed, Post};

/// How many spans a request carries at most.
const BATCH_LEN_MAX: usize = 512;
/// How long a span waits for others to share its request.
const BATCH_DELAY: Duration = Duration::from_secs(1);
/// How often a request is tried; between two tries it waits 0.5 s, 1 s, 2 s, …, or as long as the receiver asks.
const ATTEMPTS_MAX: u32 = 5;
/// How long one try may take.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);

const EXPORTED: Metric = Metric {
    name: "telemetry_spans_exported",
    help: "Spans that an OTLP receiver accepted",
    kind: MetricKind::Counter,
};
const DROPPED: Metric = Metric {
    name: "telemetry_spans_dropped",
    help: "Spans that were not exported, by reason",
    kind: MetricKind::Counter,
};

/// The near end of the exporter.
#[derive(Debug)]
pub(crate) struct Exporter {
    queue: mpsc::Sender<Arc<Ended>>,
    stop: watch::Sender<Option<Stop>>,
    queue_full: Series,
    stopped: Series,
}

/// The order to send what is queued, and where to say whether all of it was delivered.
type Stop = SyncSender<bool>;

impl Exporter {
    pub(crate) fn start(endpoint: &str, queue_len_max: usize, meter: &Meter) -> Result<Self, Error> {
        let post = Post::new(Endpoint::parse(endpoint)?);
        let (queue, spans) = mpsc::channel(queue_len_max.max(1));
        let (stop, stops) = watch::channel(None);
        let dropped = |reason| meter.series(&DROPPED, &[("reason", reason)]);
        let worker = Worker {
            spans,
            stop: stops,
            post,
            exported: meter.series(&EXPORTED, &[]),
            rejected: dropped("rejected"),
            undelivered: dropped("undelivered"),
            failing: false,
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
        std::thread::Builder::new()
            .name("staffa-otlp".to_owned())
            .spawn(move || runtime.block_on(worker.run()))?;
        Ok(Self { queue, stop, queue_full: dropped("queue_full"), stopped: dropped("stopped") })
    }

    /// Queues a span; one for which there is no place is dropped and counted.
    pub(crate) fn push(&self, span: Arc<Ended>) {
        match self.queue.try_send(span) {
            Ok(()) => {}
            Err(mpsc::error::TrySendError::Full(_)) => self.queue_full.add(1),
            Err(mpsc::error::TrySendError::Closed(_)) => self.stopped.add(1),
        }
    }

    /// Sends what is queued and stops; whether all of it was delivered within `timeout`. Later calls say yes.
    pub(crate) fn stop(&self, timeout: Duration) -> bool {
        let (done, delivered) = sync_channel(1);
        if self.stop.send(Some(done)).is_err() {
            return true;
        }
        // No word in time is a no.
        delivered.recv_timeout(timeout).unwrap_or(false)
    }
}

/// The far end.
struct Worker {
    spans: mpsc::Receiver<Arc<Ended>>,
    stop: watch::Receiver<Option<Stop>>,
    post: Post,
    exported: Series,
    rejected: Series,
    undelivered: Series,
    failing: bool,
}

impl Worker {
    async fn run(mut self) {
        let mut batch = Vec::new();
        loop {
            tokio::select! {
                biased;
                _ = self.stop.changed() => break,
                open = fill(&mut self.spans, &mut batch) => {
                    if !open && batch.is_empty() {
                        return;
                    }
                }
            }
            self.send(std::mem::take(&mut batch)).await;
            if self.stopping() {
                break;
            }
        }
        let delivered = self.drain(batch).await;
        let stop = self.stop.borrow().clone();
        if let Some(done) = stop {
            // Nobody listens any longer when the stop's time is over.
            let _ = done.try_send(delivered);
        }
    }

    async fn drain(&mut self, mut batch: Vec<Arc<Ended>>) -> bool {
        self.spans.close();
        let mut delivered = !self.failing;
        while let Ok(span) = self.spans.try_recv() {
            batch.push(span);
            if batch.len() == BATCH_LEN_MAX {
                delivered &= self.send(std::mem::take(&mut batch)).await;
            }
        }
        if !batch.is_empty() {
            delivered &= self.send(batch).await;
        }
        delivered
    }

    fn stopping(&self) -> bool {
        self.stop.borrow().is_some()
    }

    /// Delivers a batch, with several tries unless the process stops; counts it as exported or dropped.
    async fn send(&mut self, batch: Vec<Arc<Ended>>) -> bool {
        let spans = i64::try_from(batch.len()).unwrap_or(i64::MAX);
        let request = Bytes::from(request(batch).encode_to_vec());
        match self.deliver(&request).await {
            Ok(response) => {
                let rejected = response.partial_success.map_or(0, |partial| partial.rejected_spans);
                // A receiver may say anything.
                let rejected = rejected.clamp(0, spans);
                self.rejected.add(rejected);
                self.exported.add(spans - rejected);
                self.recovered();
                rejected == 0
            }
            Err(failed) => {
                let series = if failed.temporary { &self.undelivered } else { &self.rejected };
                series.add(spans);
                self.failed(&failed, spans);
                false
            }
        }
    }

    async fn deliver(&mut self, request: &Bytes) -> Result<ExportTraceServiceResponse, Failed> {
        let mut attempt = 0;
        loop {
            let answer = timeout(ATTEMPT_TIMEOUT, self.post.post(request.clone())).await;
            let failed = match answer {
                Ok(Ok(response)) => return Ok(response),
                Ok(Err(failed)) => failed,
                Err(_) => {
                    self.post.disconnect();
                    Failed::temporary("no answer in time")
                }
            };
            attempt += 1;
            if !failed.temporary || attempt == ATTEMPTS_MAX || self.stopping() {
                return Err(failed);
            }
            let wait = failed.retry_after.unwrap_or(Duration::from_millis(250) * 2_u32.pow(attempt));
            // A stop cuts the wait short: one more try, then it is over.
            let _ = timeout(wait, self.stop.changed()).await;
        }
    }

    fn failed(&mut self, failed: &Failed, spans: i64) {
        if !self.failing {
            tracing::warn!(endpoint = %self.post.endpoint(), reason = %failed.reason, spans, "spans are not exported");
        }
        self.failing = true;
    }

    fn recovered(&mut self) {
        if self.failing {
            tracing::info!(endpoint = %self.post.endpoint(), "spans are exported again");
        }
        self.failing = false;
    }
}

/// Adds spans to the batch until it is full or has waited long enough; `false` when no more come. Cancel-safe.
async fn fill(spans: &mut mpsc::Receiver<Arc<Ended>>, batch: &mut Vec<Arc<Ended>>) -> bool {
    let Some(first) = spans.recv().await else { return false };
    batch.push(first);
    let by = Instant::now() + BATCH_DELAY;
    while batch.len() < BATCH_LEN_MAX {
        match timeout_at(by, spans.recv()).await {
            Ok(Some(span)) => batch.push(span),
            Ok(None) => return false,
            Err(_) => break,
        }
    }
    true
}

fn request(batch: Vec<Arc<Ended>>) -> ExportTraceServiceRequest {
    let mut services: Vec<(Service, Vec<SpanData>)> = Vec::new();
    for ended in batch {
        let Ended { service, data } = Arc::unwrap_or_clone(ended);
        let data = cleaned(data);
        match services.iter_mut().find(|(known, _)| Arc::ptr_eq(&known.resource, &service.resource)) {
            Some((_, spans)) => spans.push(data),
            None => services.push((service, vec![data])),
        }
    }
    let resource_spans: Vec<ResourceSpans> = services
        .into_iter()
        .flat_map(|(service, spans)| {
            group_spans_by_resource_and_scope(spans, &ResourceAttributesWithSchema::from(&*service.resource))
        })
        .collect();
    ExportTraceServiceRequest { resource_spans }
}

/// Redacts secrets, and keeps the last value of an attribute that was set several times.
fn cleaned(mut span: SpanData) -> SpanData {
    let mut attributes: Vec<opentelemetry::KeyValue> = Vec::with_capacity(span.attributes.len());
    for mut attribute in std::mem::take(&mut span.attributes) {
        if is_secret(attribute.key.as_str()) {
            attribute.value = REDACTED.into();
        }
        match attributes.iter_mut().find(|known| known.key == attribute.key) {
            Some(known) => known.value = attribute.value,
            None => attributes.push(attribute),
        }
    }
    span.attributes = attributes;
    span
}
