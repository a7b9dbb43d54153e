use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use opentelemetry::Value;
use opentelemetry::trace::{SpanId, Status};
use opentelemetry_sdk::trace::SpanData;
use serde::ser::{Serialize, SerializeStruct, Serializer};
use staffa_context::{SpanKind, SpanValue, Timestamp};

use crate::redact::{REDACTED, is_secret};

/// A span that ended.
///
/// Serialized, its ids are text in hexadecimal as in `traceparent`, its times numbers of microseconds
/// (`duration_us`, an event's `after_us`), and its kind one lower-case word.
#[derive(Clone, Debug, PartialEq)]
pub struct FinishedSpan {
    /// The operation.
    pub name: String,
    /// The service that it ran in.
    pub service: String,
    /// The side of a call that it describes.
    pub kind: SpanKind,
    /// Its trace.
    pub trace_id: u128,
    /// Its own id.
    pub span_id: u64,
    /// The span that it is a part of; `None` began the trace.
    pub parent_id: Option<u64>,
    /// When it began.
    pub start: Timestamp,
    /// How long it took, by the monotonic clock.
    pub duration: Duration,
    /// What was set on it, the last value of each; secrets are redacted.
    pub attributes: BTreeMap<String, SpanValue>,
    /// What happened in it, and how long after its start.
    pub events: Vec<(Duration, String)>,
    /// Why it failed; `None` when it did not.
    pub failed: Option<String>,
}

/// A span as the SDK hands it over, with its service: shared by the ring of recent traces and the exporter.
#[derive(Clone, Debug)]
pub(crate) struct Ended {
    pub(crate) service: crate::tracer::Service,
    pub(crate) data: SpanData,
}

impl From<&Ended> for FinishedSpan {
    fn from(ended: &Ended) -> Self {
        let Ended { service, data } = ended;
        let since_start = |at: SystemTime| at.duration_since(data.start_time).unwrap_or_default();
        Self {
            name: data.name.to_string(),
            service: service.name.to_string(),
            kind: kind(&data.span_kind),
            trace_id: u128::from_be_bytes(data.span_context.trace_id().to_bytes()),
            span_id: u64::from_be_bytes(data.span_context.span_id().to_bytes()),
            parent_id: Some(data.parent_span_id)
                .filter(|id| *id != SpanId::INVALID)
                .map(|id| u64::from_be_bytes(id.to_bytes())),
            start: timestamp(data.start_time),
            duration: since_start(data.end_time),
            attributes: attributes(data),
            events: data
                .events
                .iter()
                .map(|event| (since_start(event.timestamp), event.name.to_string()))
                .collect(),
            failed: match &data.status {
                Status::Error { description } => Some(description.to_string()),
                Status::Ok | Status::Unset => None,
            },
        }
    }
}

impl Serialize for FinishedSpan {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let attributes: BTreeMap<&str, serde_json::Value> =
            self.attributes.iter().map(|(key, value)| (key.as_str(), json(value))).collect();
        let events: Vec<_> = self
            .events
            .iter()
            .map(|(after, name)| serde_json::json!({ "after_us": micros(*after), "name": name }))
            .collect();
        let mut span = serializer.serialize_struct("FinishedSpan", 11)?;
        span.serialize_field("name", &self.name)?;
        span.serialize_field("service", &self.service)?;
        span.serialize_field("kind", kind_name(self.kind))?;
        span.serialize_field("trace_id", &format!("{:032x}", self.trace_id))?;
        span.serialize_field("span_id", &format!("{:016x}", self.span_id))?;
        span.serialize_field("parent_id", &self.parent_id.map(|id| format!("{id:016x}")))?;
        span.serialize_field("start", &self.start)?;
        span.serialize_field("duration_us", &micros(self.duration))?;
        span.serialize_field("attributes", &attributes)?;
        span.serialize_field("events", &events)?;
        span.serialize_field("failed", &self.failed)?;
        span.end()
    }
}

fn attributes(data: &SpanData) -> BTreeMap<String, SpanValue> {
    data.attributes
        .iter()
        .map(|attribute| {
            let key = attribute.key.as_str();
            let value = if is_secret(key) { REDACTED.into() } else { span_value(&attribute.value) };
            (key.to_owned(), value)
        })
        .collect()
}

fn span_value(value: &Value) -> SpanValue {
    match value {
        Value::Bool(value) => (*value).into(),
        Value::I64(value) => (*value).into(),
        Value::F64(value) => (*value).into(),
        other => other.to_string().into(),
    }
}

fn json(value: &SpanValue) -> serde_json::Value {
    match value {
        SpanValue::Bool(value) => (*value).into(),
        SpanValue::Int(value) => (*value).into(),
        SpanValue::Float(value) => (*value).into(),
        SpanValue::Text(value) => value.as_ref().into(),
    }
}

fn kind(kind: &opentelemetry::trace::SpanKind) -> SpanKind {
    match kind {
        opentelemetry::trace::SpanKind::Internal => SpanKind::Internal,
        opentelemetry::trace::SpanKind::Server => SpanKind::Server,
        opentelemetry::trace::SpanKind::Client => SpanKind::Client,
        opentelemetry::trace::SpanKind::Producer => SpanKind::Producer,
        opentelemetry::trace::SpanKind::Consumer => SpanKind::Consumer,
    }
}

fn kind_name(kind: SpanKind) -> &'static str {
    match kind {
        SpanKind::Internal => "internal",
        SpanKind::Server => "server",
        SpanKind::Client => "client",
        SpanKind::Producer => "producer",
        SpanKind::Consumer => "consumer",
    }
}

fn timestamp(at: SystemTime) -> Timestamp {
    Timestamp::default().plus(at.duration_since(UNIX_EPOCH).unwrap_or_default())
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
