use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;
use std::ops::Deref;

use crate::Context;

/// The place of an operation in a trace, as W3C Trace Context names it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceContext {
    /// Never zero.
    pub trace_id: u128,
    /// Never zero.
    pub span_id: u64,
    /// Whether the trace is recorded.
    pub sampled: bool,
}

impl TraceContext {
    /// The `traceparent` header that carries it.
    pub fn traceparent(&self) -> String {
        format!("00-{:032x}-{:016x}-{:02x}", self.trace_id, self.span_id, u8::from(self.sampled))
    }

    /// Reads a `traceparent` header; `None` when it is not valid, as the standard asks.
    pub fn from_traceparent(header: &str) -> Option<Self> {
        let mut parts = header.split('-');
        let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let lower_hex = |text: &str, len: usize| {
            text.len() == len && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        };
        let known = lower_hex(version, 2) && version != "ff" && (version != "00" || parts.next().is_none());
        if !(known && lower_hex(trace, 32) && lower_hex(span, 16) && lower_hex(flags, 2)) {
            return None;
        }
        let trace_id = u128::from_str_radix(trace, 16).ok().filter(|id| *id != 0)?;
        let span_id = u64::from_str_radix(span, 16).ok().filter(|id| *id != 0)?;
        let flags = u8::from_str_radix(flags, 16).ok()?;
        Some(Self { trace_id, span_id, sampled: flags & 1 == 1 })
    }

    /// The trace of the future that this thread is polling inside [`Context::run`] or a task of a group.
    ///
    /// It is for log records of code that has no context; operations take their context as an argument.
    pub fn current() -> Option<Self> {
        CURRENT.get().trace
    }

    /// The [`Instruments::service`](crate::Instruments::service) of that future; empty when it has no name.
    pub fn current_service() -> &'static str {
        CURRENT.get().service
    }

    /// Runs `work` with the trace and service of `ctx` as this thread's current ones.
    pub(crate) fn enter<T>(ctx: &Context, work: impl FnOnce() -> T) -> T {
        struct Restore(Current);
        impl Drop for Restore {
            fn drop(&mut self) {
                CURRENT.set(self.0);
            }
        }
        let current = Current { trace: ctx.trace(), service: ctx.instruments().service };
        let _restore = Restore(CURRENT.replace(current));
        work()
    }
}

/// What a log record tells of the future that is polled.
#[derive(Clone, Copy)]
struct Current {
    trace: Option<TraceContext>,
    service: &'static str,
}

thread_local! {
    static CURRENT: Cell<Current> = const { Cell::new(Current { trace: None, service: "" }) };
}

impl fmt::Debug for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.traceparent())
    }
}

/// The side of a call that a span describes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SpanKind {
    /// Work inside the process.
    #[default]
    Internal,
    /// The answering side of a call.
    Server,
    /// The asking side of a call.
    Client,
    /// The sending side of an event.
    Producer,
    /// The receiving side of an event.
    Consumer,
}

/// The value of a span's attribute.
#[derive(Clone, Debug, PartialEq)]
pub enum SpanValue {
    /// True or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A finite number.
    Float(f64),
    /// Text.
    Text(Cow<'static, str>),
}

macro_rules! span_value_from {
    ($($from:ty => $variant:ident),*) => {
        $(impl From<$from> for SpanValue {
            fn from(value: $from) -> Self {
                Self::$variant(value.into())
            }
        })*
    };
}
span_value_from!(bool => Bool, i64 => Int, u32 => Int, i32 => Int, f64 => Float, &'static str => Text, String => Text);

/// How a span begins.
#[derive(Clone, Debug)]
pub struct SpanStart {
    /// The operation, from a bounded set of names.
    pub name: Cow<'static, str>,
    /// The side of a call that it describes.
    pub kind: SpanKind,
    /// Its parent, of this process or another; `None` starts a trace.
    pub parent: Option<TraceContext>,
}

/// Records spans.
pub trait Tracer: Send + Sync + 'static {
    /// Starts a span: its place in the trace, and what records it when it is sampled.
    fn start(&self, start: SpanStart) -> (TraceContext, Option<Box<dyn Recording>>);
}

/// One span being recorded. Dropping it ends the span.
pub trait Recording: Send + Sync + 'static {
    /// Sets an attribute.
    fn set(&mut self, key: &'static str, value: SpanValue);
    /// Notes that something happened now.
    fn event(&mut self, name: &'static str);
    /// Marks the span as failed, with the reason.
    fn fail(&mut self, reason: &str);
}

/// A context whose operation is timed from its start until this is dropped.
///
/// It is used as the [`Context`] that it holds. Its clones and children keep the trace, not the time.
pub struct Span {
    context: Context,
    recording: Option<Box<dyn Recording>>,
}

impl Span {
    pub(crate) fn new(context: Context, recording: Option<Box<dyn Recording>>) -> Self {
        Self { context, recording }
    }

    /// Whether anybody listens: skip costly attributes when not.
    pub fn is_recording(&self) -> bool {
        self.recording.is_some()
    }

    /// Sets an attribute.
    pub fn set(&mut self, key: &'static str, value: impl Into<SpanValue>) {
        if let Some(recording) = &mut self.recording {
            recording.set(key, value.into());
        }
    }

    /// Notes that something happened now.
    pub fn event(&mut self, name: &'static str) {
        if let Some(recording) = &mut self.recording {
            recording.event(name);
        }
    }

    /// Marks the operation as failed, with the reason.
    pub fn fail(&mut self, reason: impl fmt::Display) {
        if let Some(recording) = &mut self.recording {
            recording.fail(&reason.to_string());
        }
    }
}

impl Deref for Span {
    type Target = Context;

    fn deref(&self) -> &Context {
        &self.context
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Span")
            .field("context", &self.context)
            .field("recording", &self.is_recording())
            .finish()
    }
}
