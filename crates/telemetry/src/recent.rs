use std::cmp::Reverse;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

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
        let trace_id = u128::from_be_bytes(span.data.span_context.trace_id().to_bytes());
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(spans) = kept.traces.get_mut(&trace_id) {
            // The first span of a trace ends last: when the place is short it takes the last one.
            spans.truncate(self.spans_max - 1);
            spans.push(Arc::clone(span));
            return;
        }
        if kept.order.len() == self.traces_max
            && let Some(oldest) = kept.order.pop_front()
        {
            kept.traces.remove(&oldest);
        }
        kept.order.push_back(trace_id);
        kept.traces.insert(trace_id, vec![Arc::clone(span)]);
    }

    pub(crate) fn of(&self, trace_id: u128) -> Vec<FinishedSpan> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let mut spans = kept.traces.get(&trace_id).cloned().unwrap_or_default();
        drop(kept);
        // Of spans with the same start, the one that ended last holds the others.
        spans.sort_by_key(|span| (span.data.start_time, Reverse(span.data.end_time)));
        spans.iter().map(|span| FinishedSpan::from(&**span)).collect()
    }
}
