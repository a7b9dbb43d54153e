//! Timing by batches. A batch is short, so that a busy machine disturbs few of them; the median ignores those.
#![expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]

use std::time::{Duration, Instant};

/// The time of one step in nanoseconds: the median of `batches`, each of `steps` steps.
pub(crate) fn steps(batches: usize, steps: u32, mut step: impl FnMut()) -> f64 {
    let samples = (0..batches).map(|_| {
        let start = Instant::now();
        (0..steps).for_each(|_| step());
        nanos(start.elapsed()) / f64::from(steps)
    });
    median(samples.collect())
}

/// The time of `work` in nanoseconds, without its preparation and what it returns being dropped: a median too.
pub(crate) fn prepared<P, T>(
    batches: usize,
    mut prepare: impl FnMut() -> P,
    mut work: impl FnMut(P) -> T,
) -> f64 {
    let samples = (0..batches).map(|_| {
        let prepared = prepare();
        let start = Instant::now();
        let left = work(prepared);
        let elapsed = start.elapsed();
        drop(left);
        nanos(elapsed)
    });
    median(samples.collect())
}

/// The middle value; not a number when there is none.
pub(crate) fn median(mut samples: Vec<f64>) -> f64 {
    samples.sort_by(f64::total_cmp);
    samples.get(samples.len() / 2).copied().unwrap_or(f64::NAN)
}

fn nanos(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e9
}
