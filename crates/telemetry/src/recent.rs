use std::cmp::Reverse;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::FinishedSpan;
use crate::span::Ended;

/// The spans of the latest traces. Bounded: a new trace takes the place of the one that was seen first.
#[derive(Debug)]
pub(crate) struct Recent {
    traces_max: usize,
    spans_max: usize,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    traces: HashMap<u128, Vec<Arc<Ended>>>,
    order: VecDeque<u128>,
}

impl Recent {
    pub(crate) fn new(traces_max: usize, spans_max: usize) -> Self {
        Self { traces_max, spans_max, kept: Mutex::default() }
    }

    pub(crate) fn push(&self, span: &Arc<Ended>) {
        if self.traces_max == 0 || self.spans_max == 0 {
            return;
        }
        // What gives way is dropped with the lock free: there is much of it.
        let gone = self.lock().push(span, self.traces_max, self.spans_max);
        drop(gone);
    }

    pub(crate) fn of(&self, trace_id: u128) -> Vec<FinishedSpan> {
        let mut spans = self.lock().traces.get(&trace_id).cloned().unwrap_or_default();
        // Of spans with the same start, the one that ended last holds the others.
        spans.sort_by_key(|span| (span.data.start_time, Reverse(span.data.end_time)));
        spans.iter().map(|span| FinishedSpan::from(&**span)).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    /// Takes a span in, and gives the spans whose places it or its trace took.
    fn push(&mut self, span: &Arc<Ended>, traces_max: usize, spans_max: usize) -> Vec<Arc<Ended>> {
        let trace_id = u128::from_be_bytes(span.data.span_context.trace_id().to_bytes());
        if let Some(spans) = self.traces.get_mut(&trace_id) {
            // The first span of a trace ends last: when the place is short it takes the last one.
            let gone = spans.split_off(spans.len().min(spans_max - 1));
            spans.push(Arc::clone(span));
            return gone;
        }
        let oldest = if self.order.len() == traces_max { self.order.pop_front() } else { None };
        let gone = oldest.and_then(|oldest| self.traces.remove(&oldest));
        self.order.push_back(trace_id);
        self.traces.insert(trace_id, vec![Arc::clone(span)]);
        gone.unwrap_or_default()
    }
}
