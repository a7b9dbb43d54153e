//! Log records: what they hold, and the layer that makes them of `tracing` events.
use std::fmt;
use std::sync::Arc;

use serde_json::{Map, Value};
use staffa_context::{Clock, SystemClock, Timestamp, TraceContext};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use crate::redact::{REDACTED, is_secret};

mod human;
mod json;
pub(crate) mod stderr;

pub(crate) use human::human;
pub(crate) use json::json;

/// How long the text of a field or a message is at most, in bytes. The rest is cut off.
const TEXT_LEN_MAX: usize = 16 * 1_024;

/// One log record.
#[derive(Clone, Debug, PartialEq)]
pub struct LogRecord {
    /// When it was made.
    pub time: Timestamp,
    /// How much it matters.
    pub level: Level,
    /// The part of the code that made it: its module, unless it says otherwise.
    pub target: String,
    /// The service whose work was being done, or else the process's.
    pub service: String,
    /// The place in a trace of the future that was being polled.
    pub trace: Option<TraceContext>,
    /// What it says.
    pub message: String,
    /// Its fields; secrets are redacted.
    pub fields: Map<String, Value>,
}

impl LogRecord {
    fn of(event: &Event<'_>, service: &str) -> Self {
        let metadata = event.metadata();
        let mut record = Self {
            time: SystemClock.wall(),
            level: *metadata.level(),
            target: metadata.target().to_owned(),
            service: Some(TraceContext::current_service())
                .filter(|current| !current.is_empty())
                .unwrap_or(service)
                .to_owned(),
            trace: TraceContext::current(),
            message: String::new(),
            fields: Map::new(),
        };
        event.record(&mut record);
        record
    }

    fn put(&mut self, field: &Field, value: impl Into<Value>) {
        let value = if is_secret(field.name()) { REDACTED.into() } else { value.into() };
        self.fields.insert(field.name().to_owned(), value);
    }

    fn text(&mut self, field: &Field, text: &str) {
        let text = &text[..text.floor_char_boundary(TEXT_LEN_MAX)];
        if field.name() == "message" {
            text.clone_into(&mut self.message);
        } else {
            self.put(field, text);
        }
    }
}

impl Visit for LogRecord {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.text(field, &format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.text(field, value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.text(field, &chain(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value);
    }
}

/// An error and what caused it.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(error.source(), |error| error.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

/// Takes log records. It is called where the event happens, so it must not block.
pub(crate) trait Records: Send + Sync + 'static {
    fn record(&self, record: LogRecord);
}

/// Makes a record of each event.
pub(crate) struct LogLayer {
    pub(crate) service: Arc<str>,
    pub(crate) records: Arc<dyn Records>,
}

impl<S: Subscriber> Layer<S> for LogLayer {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        self.records.record(LogRecord::of(event, &self.service));
    }
}
