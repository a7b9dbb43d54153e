//! The page's own spans, kept for the panel "behind this click".
use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use shop_contract::Passage;
use staffa_context::{
    Clock, Ids, Instant, RandomIds, Recording, SpanKind, SpanStart, SpanValue, SystemClock, Timestamp,
    TraceContext, Tracer,
};

/// How many finished spans are kept.
const KEPT_MAX: usize = 100;

/// Records every span of the page, and keeps the last 100. An operation without a parent starts a trace, which its
/// requests carry to the server.
#[derive(Clone, Debug)]
pub struct Recorder {
    /// One point in both times, so that the page's spans are told by its monotonic clock alone.
    origin: (Instant, Timestamp),
    kept: Arc<Mutex<VecDeque<(u128, Passage)>>>,
}

impl Default for Recorder {
    fn default() -> Self {
        Self { origin: (SystemClock.now(), SystemClock.wall()), kept: Arc::default() }
    }
}

impl Recorder {
    /// The finished spans of a trace, in the order in which they ended.
    pub fn trace(&self, trace: u128) -> Vec<Passage> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().filter(|(of, _)| *of == trace).map(|(_, passage)| passage.clone()).collect()
    }

    fn keep(&self, trace: u128, passage: Passage) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() == KEPT_MAX {
            kept.pop_front();
        }
        kept.push_back((trace, passage));
    }

    fn micros(&self, now: Instant) -> i64 {
        let (instant, wall) = self.origin;
        wall.plus(now.saturating_duration_since(instant)).as_micros()
    }
}

impl Tracer for Recorder {
    fn start(&self, start: SpanStart) -> (TraceContext, Option<Box<dyn Recording>>) {
        let trace_id = start.parent.map_or_else(new_trace, |parent| parent.trace_id);
        let span_id = RandomIds.random().max(1);
        let now = SystemClock.now();
        let passage = Passage {
            span: hex(span_id),
            parent: start.parent.map(|parent| hex(parent.span_id)),
            service: "page".to_owned(),
            name: named(start.kind, start.name),
            start_micros: self.micros(now),
            micros: 0,
            budget_micros: None,
            failure: None,
            notes: Vec::new(),
        };
        let open = Open { recorder: self.clone(), trace: trace_id, started: now, passage: Some(passage) };
        (TraceContext { trace_id, span_id, sampled: true }, Some(Box::new(open)))
    }
}

fn new_trace() -> u128 {
    (u128::from(RandomIds.random()) << 64 | u128::from(RandomIds.random())).max(1)
}

fn named(kind: SpanKind, name: Cow<'static, str>) -> String {
    if kind == SpanKind::Client { ["fetch ", &name].concat() } else { name.into_owned() }
}

/// A span id as the contract spells it.
fn hex(span: u64) -> String {
    format!("{span:016x}")
}

/// A trace id as the contract spells it.
pub fn trace_hex(trace: u128) -> String {
    format!("{trace:032x}")
}

struct Open {
    recorder: Recorder,
    trace: u128,
    started: Instant,
    /// `None` once it has ended.
    passage: Option<Passage>,
}

impl Recording for Open {
    fn set(&mut self, key: &'static str, value: SpanValue) {
        let Some(passage) = &mut self.passage else { return };
        match value {
            SpanValue::Int(micros) if key == "budget_us" => {
                passage.budget_micros = u64::try_from(micros).ok();
            }
            SpanValue::Int(value) => passage.notes.push((key.to_owned(), value.to_string())),
            SpanValue::Text(value) => passage.notes.push((key.to_owned(), value.into_owned())),
            SpanValue::Bool(value) => passage.notes.push((key.to_owned(), value.to_string())),
            // The page notes no fractions.
            SpanValue::Float(_) => {}
        }
    }

    fn event(&mut self, name: &'static str) {
        if let Some(passage) = &mut self.passage {
            passage.notes.push((name.to_owned(), String::new()));
        }
    }

    fn fail(&mut self, reason: &str) {
        if let Some(passage) = &mut self.passage {
            passage.failure = Some(reason.to_owned());
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let Some(mut passage) = self.passage.take() else { return };
        let took = SystemClock.now().saturating_duration_since(self.started);
        passage.micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.recorder.keep(self.trace, passage);
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

    use std::sync::Arc;
    use std::time::Duration;

    use staffa_context::{Context, Instruments, SpanKind};

    use super::{KEPT_MAX, Recorder};

    fn root(recorder: &Recorder) -> Context {
        Context::root(Instruments { tracer: Some(Arc::new(recorder.clone())), ..Instruments::default() })
    }

    #[test]
    fn a_click_is_a_trace_of_its_own_with_its_requests_inside() {
        let recorder = Recorder::default();
        let root = root(&recorder).with_timeout(Duration::from_secs(5));
        let click = root.span("browse");
        let mut call = click.span_of(SpanKind::Client, "GET /products");
        call.fail("cancelled");
        drop(call);
        let trace = click.trace().unwrap();
        drop(click);
        drop(root.span("another"));

        let spans = recorder.trace(trace.trace_id);
        let names: Vec<&str> = spans.iter().map(|span| span.name.as_str()).collect();
        assert_eq!(names, ["fetch GET /products", "browse"]);
        assert_eq!(spans[0].parent.as_ref(), Some(&spans[1].span));
        assert_eq!((&spans[1].parent, spans[0].failure.as_deref()), (&None, Some("cancelled")));
        assert!(spans[1].budget_micros.unwrap() > 4_000_000);
        assert!(trace.sampled);
    }

    #[test]
    fn only_the_last_spans_are_kept() {
        let recorder = Recorder::default();
        let click = root(&recorder).span("many");
        (0..KEPT_MAX + 5).for_each(|_| drop(click.span("one")));
        assert_eq!(recorder.trace(click.trace().unwrap().trace_id).len(), KEPT_MAX);
    }
}
