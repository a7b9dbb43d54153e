//! What an operation tells of itself: a span and a duration.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use staffa_context::{Context, Instant, Metric, MetricKind, Series, Span, SpanKind};
use staffa_storage::{Error, Result};

/// How long operations took, their wait for a thread included.
pub const OPERATION_SECONDS: Metric = Metric {
    name: "store_operation_seconds",
    help: "Time from asking the store to its answer, the wait for a connection included.",
    kind: MetricKind::Histogram,
};

/// The value of `system` in spans and series.
pub(crate) const SYSTEM: &str = "mongodb";

/// What is asked of a store: the value of `operation` in spans and series.
#[derive(Clone, Copy)]
pub(crate) enum Operation {
    Get,
    Scan,
    Commit,
    Kept,
    Unsent,
    MarkSent,
    Sweep,
    Ping,
    Freeze,
    Export,
    Import,
    Read,
    Write,
}

impl Operation {
    const ALL: [Self; 13] = [
        Self::Get,
        Self::Scan,
        Self::Commit,
        Self::Kept,
        Self::Unsent,
        Self::MarkSent,
        Self::Sweep,
        Self::Ping,
        Self::Freeze,
        Self::Export,
        Self::Import,
        Self::Read,
        Self::Write,
    ];

    fn label(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Scan => "scan",
            Self::Commit => "commit",
            Self::Kept => "kept",
            Self::Unsent => "unsent",
            Self::MarkSent => "mark_sent",
            Self::Sweep => "sweep",
            Self::Ping => "ping",
            Self::Freeze => "freeze",
            Self::Export => "export",
            Self::Import => "import",
            Self::Read => "read",
            Self::Write => "write",
        }
    }
}

/// The series and the spans' names of a store, looked up once.
pub(crate) struct Meters {
    series: [Series; Operation::ALL.len()],
    names: Names,
}

impl Meters {
    pub(crate) fn new(ctx: &Context, kinds: impl Iterator<Item = &'static str>) -> Self {
        let series = Operation::ALL.map(|operation| {
            ctx.series(&OPERATION_SECONDS, &[("system", SYSTEM), ("operation", operation.label())])
        });
        Self { series, names: Names::new(kinds) }
    }

    /// Starts to watch an operation; `about` is the kind that it concerns, the first one of several.
    pub(crate) fn watch(&self, ctx: &Context, operation: Operation, about: &'static str) -> Watch {
        let mut span = ctx.span_of(SpanKind::Client, self.names.of(operation, about));
        if span.is_recording() {
            span.set("db.system", SYSTEM);
            if !about.is_empty() {
                span.set("kind", about);
            }
        }
        let asked = span.clock().now();
        Watch { span, seconds: self.series[operation as usize].clone(), asked, begun: None, ended: false }
    }
}

/// The spans' names of every operation on every kind, and on none: made once, since each operation has a span.
struct Names(BTreeMap<&'static str, [&'static str; Operation::ALL.len()]>);

impl Names {
    fn new(kinds: impl Iterator<Item = &'static str>) -> Self {
        let of = |about: &'static str| Operation::ALL.map(|operation| name(operation, about));
        Self(kinds.chain([""]).map(|about| (about, of(about))).collect())
    }

    fn of(&self, operation: Operation, about: &'static str) -> &'static str {
        self.0.get(about).map_or(SYSTEM, |names| names[operation as usize])
    }
}

/// A name for the rest of the process: there are as many as it has operations and kinds, however many stores.
fn name(operation: Operation, about: &'static str) -> &'static str {
    static KNOWN: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    let name = format!("{SYSTEM} {} {about}", operation.label());
    let name = name.trim_end();
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = known.get(name) {
        return known;
    }
    let name: &'static str = name.to_owned().leak();
    known.insert(name);
    name
}

/// An operation under way. It travels to the task with the work, and is told when it was dropped instead.
pub(crate) struct Watch {
    span: Span,
    seconds: Series,
    asked: Instant,
    begun: Option<Instant>,
    ended: bool,
}

impl Watch {
    /// The context of the operation: inside its span.
    pub(crate) fn context(&self) -> &Context {
        &self.span
    }

    /// Its task has a place.
    pub(crate) fn begin(&mut self) {
        self.begun = Some(self.span.clock().now());
    }

    /// The work is over; to be called before the caller is answered.
    pub(crate) fn end<T>(mut self, result: &Result<T>) {
        let now = self.span.clock().now();
        self.seconds.observe((now - self.asked).as_secs_f64(), self.span.trace());
        self.ended = true;
        if !self.span.is_recording() {
            return;
        }
        let begun = self.begun.unwrap_or(now);
        self.span.set("queue_us", micros(begun - self.asked));
        self.span.set("run_us", micros(now - begun));
        match result {
            Ok(_) => {}
            Err(Error::Ended(cause)) => {
                self.span.set("ended", cause.label());
                self.span.fail(format!("stopped in the store: {cause}"));
            }
            Err(error) => self.span.fail(error),
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if !self.ended && self.span.is_recording() {
            let label = self.span.cause().map_or("dropped", |cause| cause.label());
            self.span.set("ended", label);
        }
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}
