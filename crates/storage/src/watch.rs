//! What an adapter's operation tells of itself: a span, and a duration.
//!
//! Each has a span `sqlite commit order` with `db.system`, `kind`, `queue_us` (until the work was taken up) and `run_us`, and
//! with `ended` when it was stopped; and a place in the histogram of its system and operation.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use staffa_context::{Context, Instant, Metric, Series, Span, SpanKind};

use crate::{Error, Result};

/// What is asked of a store: the value of `operation` in spans and series.
#[derive(Clone, Copy, Debug)]
pub enum Operation {
    /// [`crate::Store::get`].
    Get,
    /// [`crate::Store::get_many`].
    GetMany,
    /// [`crate::Store::scan`].
    Scan,
    /// [`crate::Store::commit`].
    Commit,
    /// [`crate::Store::kept`].
    Kept,
    /// [`crate::Store::unsent`] and [`crate::Store::backlog`].
    Unsent,
    /// [`crate::Store::mark_sent`].
    MarkSent,
    /// [`crate::Store::sweep`].
    Sweep,
    /// [`crate::Store::ping`].
    Ping,
    /// [`crate::Moving::freeze`].
    Freeze,
    /// [`crate::Moving::export`].
    Export,
    /// [`crate::Moving::import`].
    Import,
    /// A read of a port of one's own.
    Read,
    /// A write of a port of one's own.
    Write,
}

impl Operation {
    const ALL: [Self; 14] = [
        Self::Get,
        Self::GetMany,
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
            Self::GetMany => "get_many",
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
#[derive(Debug)]
pub struct Meters {
    system: &'static str,
    series: [Series; Operation::ALL.len()],
    names: Names,
}

impl Meters {
    /// For a store of this `system` (`sqlite`, `postgres`) with these kinds; `seconds` is the histogram of durations.
    pub fn new(
        ctx: &Context,
        system: &'static str,
        seconds: &Metric,
        kinds: impl Iterator<Item = &'static str>,
    ) -> Self {
        let series = Operation::ALL
            .map(|operation| ctx.series(seconds, &[("system", system), ("operation", operation.label())]));
        Self { system, series, names: Names::new(system, kinds) }
    }

    /// Starts to watch an operation; `about` is the kind that it concerns, the first one of several.
    pub fn watch(&self, ctx: &Context, operation: Operation, about: &'static str) -> Watch {
        let mut span = ctx.span_of(SpanKind::Client, self.name(operation, about));
        if span.is_recording() {
            span.set("db.system", self.system);
            if !about.is_empty() {
                span.set("kind", about);
            }
        }
        let asked = span.clock().now();
        Watch { span, seconds: self.series[operation as usize].clone(), asked, begun: None, ended: false }
    }

    fn name(&self, operation: Operation, about: &'static str) -> &'static str {
        self.names.0.get(about).map_or(self.system, |names| names[operation as usize])
    }
}

/// The spans' names of every operation on every kind, and on none: made once, since each operation has a span.
#[derive(Debug)]
struct Names(BTreeMap<&'static str, [&'static str; Operation::ALL.len()]>);

impl Names {
    fn new(system: &str, kinds: impl Iterator<Item = &'static str>) -> Self {
        let of = |about: &'static str| Operation::ALL.map(|operation| name(system, operation, about));
        Self(kinds.chain([""]).map(|about| (about, of(about))).collect())
    }
}

/// A name for the rest of the process: there are as many as it has operations and kinds, however many stores.
fn name(system: &str, operation: Operation, about: &str) -> &'static str {
    static KNOWN: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    let name = format!("{system} {} {about}", operation.label());
    let name = name.trim_end();
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = known.get(name) {
        return known;
    }
    let name: &'static str = name.to_owned().leak();
    known.insert(name);
    name
}

/// An operation under way. It travels with the work, and is told when it was dropped instead.
#[derive(Debug)]
pub struct Watch {
    span: Span,
    seconds: Series,
    asked: Instant,
    begun: Option<Instant>,
    ended: bool,
}

impl Watch {
    /// The context of the operation: inside its span.
    pub fn context(&self) -> &Context {
        &self.span
    }

    /// Whoever works took it up: its wait is over.
    pub fn begin(&mut self) {
        self.begun = Some(self.span.clock().now());
    }

    /// The same, with this many units in one commit.
    pub fn begin_with(&mut self, units: usize) {
        self.begin();
        self.span.set("units", i64::try_from(units).unwrap_or(i64::MAX));
    }

    /// The work is over; to be called before the caller is answered.
    pub fn end<T>(mut self, result: &Result<T>) {
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
