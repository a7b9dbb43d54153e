#![expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::contestant::Contestant;
use super::pgx::Pgx;
use super::{GROUP, ITEMS};
use crate::sample;

/// How long a batch takes, about.
const BATCH: Duration = Duration::from_millis(60);

/// A shape, and what we aim at.
const SHAPES: [(&str, f64); 4] = [
    ("one by id", 0.95),
    ("page of 50", 0.95),
    ("unit of 1 and an event", 0.85),
    ("unit of 20 and an event", 0.85),
];

/// What was measured, by shape.
#[derive(Debug, Default)]
pub(crate) struct Pairs(BTreeMap<&'static str, Measured>);

/// Nanoseconds of a step in each pair of batches.
#[derive(Debug, Default)]
struct Measured {
    ours: Vec<f64>,
    by_hand: Vec<f64>,
    pgx: Vec<f64>,
}

impl Pairs {
    /// Measures in pairs of batches, in which both take turns at being first.
    pub(crate) async fn measure(
        ours: &Arc<dyn Contestant>,
        by_hand: &Arc<dyn Contestant>,
        pgx: Option<&Pgx>,
        pairs: usize,
    ) -> anyhow::Result<Self> {
        let mut steps = BTreeMap::new();
        for (shape, _) in SHAPES {
            batch(&**by_hand, shape, 3, 0).await?;
            steps.insert(shape, fitting(batch(&**ours, shape, 20, 0).await? / 20.0));
        }
        let mut measured = Self::default();
        for pair in 0..pairs {
            let figures = pgx.map(|pgx| pgx.run(&steps)).unwrap_or_default();
            for (shape, _) in SHAPES {
                let (steps, from) = (steps[shape], pair * 7919);
                let entry = measured.0.entry(shape).or_default();
                for turn in 0..2 {
                    let is_ours = (pair + turn) % 2 == 0;
                    let contestant = if is_ours { ours } else { by_hand };
                    let nanos = batch(&**contestant, shape, steps, from).await? / f64::from(steps);
                    if is_ours { &mut entry.ours } else { &mut entry.by_hand }.push(nanos);
                }
                entry.pgx.extend(figures.get(shape));
            }
        }
        Ok(measured)
    }

    pub(crate) fn print(&self, store: &str) {
        println!(
            "{:<26}{:>12}{:>12}{:>8}{:>8}{:>12}{:>8}",
            store, "staffa µs", "by hand µs", "ratio", "aim", "pgx µs", "ratio"
        );
        for (shape, aim) in SHAPES {
            let Some(Measured { ours, by_hand, pgx }) = self.0.get(shape) else { continue };
            let micros = |nanos: &[f64]| sample::median(nanos.to_vec()) / 1e3;
            let ratio = |theirs: &[f64]| {
                sample::median(theirs.iter().zip(ours).map(|(theirs, ours)| theirs / ours).collect())
            };
            let (theirs, pgx_ratio) = match pgx.is_empty() {
                true => ("–".to_owned(), "–".to_owned()),
                false => (format!("{:.1}", micros(pgx)), format!("{:.2}", ratio(pgx))),
            };
            println!(
                "{shape:<26}{:>12.1}{:>12.1}{:>8.2}{aim:>8.2}{theirs:>12}{pgx_ratio:>8}",
                micros(ours),
                micros(by_hand),
                ratio(by_hand)
            );
        }
    }
}

/// How many steps of so many nanoseconds a batch has.
fn fitting(nanos: f64) -> u32 {
    let steps = BATCH.as_secs_f64() * 1e9 / nanos.max(1.0);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is clamped")]
    let steps = steps.clamp(4.0, 5_000.0) as u32;
    steps
}

/// The nanoseconds of a batch.
async fn batch(contestant: &dyn Contestant, shape: &str, steps: u32, from: usize) -> anyhow::Result<f64> {
    let from = i64::try_from(from)?;
    let start = Instant::now();
    for step in 0..i64::from(steps) {
        // A stride that meets every item once before it meets one twice.
        let id = (from + step * 37) % ITEMS;
        match shape {
            "one by id" => contestant.read(id).await?,
            "page of 50" => contestant.page(id % (ITEMS / GROUP)).await?,
            "unit of 1 and an event" => contestant.change(id..id + 1).await?,
            _ => {
                let first = id.min(ITEMS - 20);
                contestant.change(first..first + 20).await?;
            }
        }
    }
    Ok(start.elapsed().as_secs_f64() * 1e9)
}
