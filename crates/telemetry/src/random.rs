//! Trace and span ids, made without a lock or a system call.
use std::cell::Cell;
use std::hash::{BuildHasher, RandomState};

use opentelemetry::{SpanId, TraceId};
use opentelemetry_sdk::trace::IdGenerator;

/// Ids from a generator that each thread seeds with the standard library's own randomness. Not for secrets.
#[derive(Debug)]
pub(crate) struct RandomIds;

impl IdGenerator for RandomIds {
    fn new_trace_id(&self) -> TraceId {
        TraceId::from(trace_id())
    }

    fn new_span_id(&self) -> SpanId {
        SpanId::from(span_id())
    }
}

pub(crate) fn trace_id() -> u128 {
    // The lowest bit keeps it from being zero, which W3C Trace Context forbids.
    (u128::from(random()) << 64) | u128::from(random()) | 1
}

pub(crate) fn span_id() -> u64 {
    random() | 1
}

/// A number from 0 to just under 1.
pub(crate) fn fraction() -> f64 {
    // 53 bits are what an `f64` holds exactly.
    (random() >> 11) as f64 / (1_u64 << 53) as f64
}

/// The next number of this thread's xoroshiro128++, by David Blackman and Sebastiano Vigna.
fn random() -> u64 {
    STATE.with(|state| {
        let (s0, mut s1) = state.get();
        let result = s0.wrapping_add(s1).rotate_left(17).wrapping_add(s0);
        s1 ^= s0;
        state.set((s0.rotate_left(49) ^ s1 ^ (s1 << 21), s1.rotate_left(28)));
        result
    })
}

thread_local! {
    static STATE: Cell<(u64, u64)> = {
        let keys = RandomState::new();
        // The generator must not begin with two zeros.
        Cell::new((keys.hash_one(0_u8), keys.hash_one(1_u8) | 1))
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_not_zero_and_differ() {
        let ids: std::collections::HashSet<u64> = (0..10_000).map(|_| span_id()).collect();
        assert_eq!(ids.len(), 10_000);
        assert!(!ids.contains(&0));
        assert_ne!(trace_id(), trace_id());
    }

    #[test]
    fn fractions_are_spread_evenly() {
        let low = (0..100_000).filter(|_| fraction() < 0.25).count();
        assert!((24_000..26_000).contains(&low), "{low}");
    }
}
