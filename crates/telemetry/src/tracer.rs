use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use opentelemetry::trace::{
    Span as _, SpanBuilder, SpanContext, Status, TraceContextExt, TraceFlags, TraceState, Tracer as _,
    TracerProvider,
};
use opentelemetry::{KeyValue, SpanId, StringValue, TraceId, Value};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::resource::{ResourceDetector, TelemetryResourceDetector};
use opentelemetry_sdk::trace::{Sampler, SdkTracer, SdkTracerProvider, SpanData, SpanProcessor};
use staffa_context::{Recording, SpanKind, SpanStart, SpanValue, TraceContext};

use crate::random::{self, RandomIds};
use crate::span::Ended;

/// How long the text of an attribute, or the reason of a failure, is at most, in bytes. The rest is cut off.
const TEXT_LEN_MAX: usize = 4_096;

/// A service of the process, as the resource of its spans names it.
#[derive(Clone, Debug)]
pub(crate) struct Service {
    pub(crate) name: &'static str,
    pub(crate) resource: Arc<Resource>,
}

impl Service {
    /// A process has a bounded number of services, so the name of each stays for good.
    pub(crate) fn new(name: &str, version: &str) -> Self {
        let name: &'static str = Box::leak(name.to_owned().into_boxed_str());
        let mut resource = Resource::builder_empty()
            .with_detector(Box::new(TelemetryResourceDetector) as Box<dyn ResourceDetector>)
            .with_service_name(name)
            .with_attribute(KeyValue::new("process.pid", i64::from(std::process::id())));
        if !version.is_empty() {
            resource = resource.with_attribute(KeyValue::new("service.version", version.to_owned()));
        }
        Self { name, resource: Arc::new(resource.build()) }
    }
}

/// Takes the spans that ended. It is called where a span is dropped, so it must not block.
pub(crate) trait Ends: Send + Sync + 'static {
    fn end(&self, span: Arc<Ended>);
}

/// The tracer of one service, on the OpenTelemetry SDK.
///
/// A span with a parent is sampled when its parent is; a ratio of the others are. An unsampled span gets ids and
/// nothing else.
pub(crate) struct Tracer {
    sdk: SdkTracer,
    sample_ratio: f64,
}

impl Tracer {
    pub(crate) fn new(service: Service, sample_ratio: f64, ends: Arc<dyn Ends>) -> Self {
        let provider = SdkTracerProvider::builder()
            // What reaches the SDK has been sampled.
            .with_sampler(Sampler::AlwaysOn)
            .with_id_generator(RandomIds)
            .with_resource(Resource::clone(&service.resource))
            .with_span_processor(Processor { service, ends })
            .build();
        Self { sdk: provider.tracer("staffa"), sample_ratio }
    }

    fn samples(&self, parent: Option<TraceContext>) -> bool {
        match parent {
            Some(parent) => parent.sampled,
            None => self.sample_ratio >= 1.0 || random::fraction() < self.sample_ratio,
        }
    }
}

impl staffa_context::Tracer for Tracer {
    fn start(&self, start: SpanStart) -> (TraceContext, Option<Box<dyn Recording>>) {
        if !self.samples(start.parent) {
            let trace_id = start.parent.map_or_else(random::trace_id, |parent| parent.trace_id);
            return (TraceContext { trace_id, span_id: random::span_id(), sampled: false }, None);
        }
        let begun = Begun::now();
        let mut parent = opentelemetry::Context::new();
        if let Some(trace) = start.parent {
            parent = parent.with_remote_span_context(span_context(trace, start.kind));
        }
        let builder =
            SpanBuilder::from_name(start.name).with_kind(kind(start.kind)).with_start_time(begun.wall);
        let span = self.sdk.build_with_context(builder, &parent);
        (trace_context(span.span_context()), Some(Box::new(Live { span, begun })))
    }
}

/// A span being recorded.
struct Live {
    span: opentelemetry_sdk::trace::Span,
    begun: Begun,
}

impl Recording for Live {
    fn set(&mut self, key: &'static str, value: SpanValue) {
        self.span.set_attribute(KeyValue::new(key, sdk_value(value)));
    }

    fn event(&mut self, name: &'static str) {
        let at = self.begun.wall_now();
        self.span.add_event_with_timestamp(name, at, Vec::new());
    }

    fn fail(&mut self, reason: &str) {
        self.span.set_status(Status::error(cut(reason).to_owned()));
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.span.end_with_timestamp(self.begun.wall_now());
    }
}

/// The start of a span on both clocks: the wall clock names it, the monotonic one measures it.
struct Begun {
    wall: SystemTime,
    monotonic: Instant,
}

impl Begun {
    #[expect(
        clippy::disallowed_methods,
        reason = "spans are in the exporter's time, also where a test pauses the context's"
    )]
    fn now() -> Self {
        Self { wall: SystemTime::now(), monotonic: Instant::now() }
    }

    fn wall_now(&self) -> SystemTime {
        self.wall + self.monotonic.elapsed()
    }
}

/// Hands the SDK's finished spans on, with their service.
struct Processor {
    service: Service,
    ends: Arc<dyn Ends>,
}

impl SpanProcessor for Processor {
    fn on_start(&self, _: &mut opentelemetry_sdk::trace::Span, _: &opentelemetry::Context) {}

    fn on_end(&self, data: SpanData) {
        self.ends.end(Arc::new(Ended { service: self.service.clone(), data }));
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

impl fmt::Debug for Processor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Processor").field("service", &self.service.name).finish_non_exhaustive()
    }
}

fn span_context(trace: TraceContext, child: SpanKind) -> SpanContext {
    // Only the answering side of a call has its parent in another process, or behind a carrier that plays one.
    let remote = matches!(child, SpanKind::Server | SpanKind::Consumer);
    let (trace_id, span_id) = (TraceId::from(trace.trace_id), SpanId::from(trace.span_id));
    SpanContext::new(trace_id, span_id, TraceFlags::SAMPLED, remote, TraceState::NONE)
}

fn trace_context(span: &SpanContext) -> TraceContext {
    TraceContext {
        trace_id: u128::from_be_bytes(span.trace_id().to_bytes()),
        span_id: u64::from_be_bytes(span.span_id().to_bytes()),
        sampled: true,
    }
}

fn kind(kind: SpanKind) -> opentelemetry::trace::SpanKind {
    match kind {
        SpanKind::Internal => opentelemetry::trace::SpanKind::Internal,
        SpanKind::Server => opentelemetry::trace::SpanKind::Server,
        SpanKind::Client => opentelemetry::trace::SpanKind::Client,
        SpanKind::Producer => opentelemetry::trace::SpanKind::Producer,
        SpanKind::Consumer => opentelemetry::trace::SpanKind::Consumer,
    }
}

fn sdk_value(value: SpanValue) -> Value {
    match value {
        SpanValue::Bool(value) => Value::Bool(value),
        SpanValue::Int(value) => Value::I64(value),
        SpanValue::Float(value) => Value::F64(value),
        SpanValue::Text(text) if text.len() > TEXT_LEN_MAX => {
            Value::String(StringValue::from(cut(&text).to_owned()))
        }
        SpanValue::Text(Cow::Borrowed(text)) => Value::String(StringValue::from(text)),
        SpanValue::Text(Cow::Owned(text)) => Value::String(StringValue::from(text)),
    }
}

fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(TEXT_LEN_MAX)]
}
