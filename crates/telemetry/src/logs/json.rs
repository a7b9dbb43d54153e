use serde::Serialize;
use serde_json::{Map, Value};
use staffa_context::Timestamp;

use super::LogRecord;

/// The object that a record is written as, in this order.
#[derive(Serialize)]
struct Line<'a> {
    timestamp: Timestamp,
    level: &'a str,
    target: &'a str,
    service: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    span_id: Option<String>,
    message: &'a str,
    fields: &'a Map<String, Value>,
}

/// The record as one line of JSON.
pub(crate) fn json(record: &LogRecord) -> String {
    let line = Line {
        timestamp: record.time,
        level: record.level.as_str(),
        target: &record.target,
        service: &record.service,
        trace_id: record.trace.map(|trace| format!("{:032x}", trace.trace_id)),
        span_id: record.trace.map(|trace| format!("{:016x}", trace.span_id)),
        message: &record.message,
        fields: &record.fields,
    };
    // Text, numbers and a map of JSON values always have a JSON form.
    let mut text = serde_json::to_string(&line).unwrap_or_default();
    text.push('\n');
    text
}
