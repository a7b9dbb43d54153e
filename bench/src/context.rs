//! What every request pays for its contexts, beside Go's `context`.
use std::collections::BTreeMap;
use std::hint::black_box;
use std::pin::pin;
use std::task::Waker;
use std::time::Duration;

use staffa_context::{Cause, Context};

use crate::rival::{Figures, Rival};
use crate::sample;
use crate::table::{self, Row};

/// A shape, how it is measured, and what it should stay under in nanoseconds.
type Shape = (&'static str, fn() -> f64, Option<f64>);

const SHAPES: &[Shape] = &[
    ("derive with timeout, drop", derive_with_timeout, Some(100.0)),
    ("derive with timeout, wait, drop", derive_and_wait, None),
    ("derive with cancel, drop", derive_with_cancel, None),
    ("check", check, None),
    ("clone, drop", clone, None),
    ("value, 4 up", value, None),
    ("cancel 1,000 children", cancel_children, Some(40_000.0)),
];

const ROUNDS: usize = 7;
const BATCHES: usize = 100;
const STEPS: u32 = 1_000;

/// Measures every shape in rounds, ours and Go's in turn, and prints the medians.
pub(crate) fn run() {
    let go = Rival::go("context");
    let mut ours: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    let mut theirs: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for _ in 0..ROUNDS {
        for (shape, measure, _) in SHAPES {
            ours.entry(shape).or_default().push(measure());
        }
        let figures = go.as_ref().map_or_else(Figures::new, Rival::run);
        for (shape, nanos) in figures {
            theirs.entry(shape).or_default().push(nanos);
        }
    }
    let rows: Vec<Row> = SHAPES
        .iter()
        .map(|(shape, _, aim)| Row {
            shape,
            ours: ours.remove(shape).map_or(f64::NAN, sample::median),
            rival: theirs.remove(*shape).map(sample::median),
            aim: *aim,
        })
        .collect();
    table::print("Go", &rows);
}

/// A context as a request has it: it can be cancelled, and has a deadline.
fn request() -> Context {
    let (ctx, _cancel) = Context::background().with_timeout(Duration::from_secs(3_600)).with_cancel();
    ctx
}

fn derive_with_timeout() -> f64 {
    let request = request();
    sample::steps(BATCHES, STEPS, || drop(black_box(request.with_timeout(Duration::from_secs(60)))))
}

/// A wait that starts and is dropped: what a call pays whose answer comes before the deadline.
fn derive_and_wait() -> f64 {
    let request = request();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let runtime = runtime.expect("a runtime without sockets asks nothing of the system");
    let _entered = runtime.enter();
    let mut cx = std::task::Context::from_waker(Waker::noop());
    sample::steps(BATCHES, STEPS, || {
        let ctx = request.with_timeout(Duration::from_secs(60));
        assert!(pin!(ctx.done()).poll(&mut cx).is_pending());
    })
}

fn derive_with_cancel() -> f64 {
    let request = request();
    sample::steps(BATCHES, STEPS, || drop(black_box(request.with_cancel())))
}

fn check() -> f64 {
    let request = request();
    sample::steps(BATCHES, STEPS, || drop(black_box(black_box(&request).check())))
}

fn clone() -> f64 {
    let request = request();
    sample::steps(BATCHES, STEPS, || drop(black_box(request.clone())))
}

fn value() -> f64 {
    let request = request().with_value(1_u64).with_value(2_u32).with_value(3_u16).with_value(4_u8);
    sample::steps(BATCHES, STEPS, || {
        black_box(black_box(&request).value::<u64>());
    })
}

fn cancel_children() -> f64 {
    let prepare = || {
        let (parent, cancel) = Context::background().with_cancel();
        let children: Vec<Context> = (0..1_000).map(|_| parent.with_cancel().0).collect();
        (cancel, children)
    };
    sample::prepared(BATCHES, prepare, |(cancel, children)| {
        cancel.cancel(Cause::ClientGone);
        (cancel, children)
    })
}
