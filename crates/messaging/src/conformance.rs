//! The rules of messaging as plain async functions: a suite that every [`crate::Bus`] passes ([`buses`]), and what
//! outbox, relay and inbox promise together on any store ([`relays`]).
//!
//! ```
//! use std::sync::Arc;
//! use staffa_context::Context;
//! use staffa_messaging::conformance::{InProcesses, buses};
//!
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
//! # runtime.block_on(async {
//! let ctx = Context::background();
//! let summary = buses::run_all(&ctx, Arc::new(InProcesses), "trace", |report| println!("{report}")).await;
//! assert!(summary.is_passed(), "{summary}");
//! # });
//! ```

pub mod buses;
mod late;
mod listener;
mod publishing;
pub mod relays;
mod tally;

pub use buses::{InProcesses, OpenBus};
pub use staffa_storage::conformance::{Report, Summary, Verdict};

use std::fmt::Debug;
use std::time::Duration;

use staffa_context::{Context, Failure};
use staffa_storage::conformance::{Ability, Broken, Case, Outcome};

/// Asks again and again until it holds, for as long as the context lasts.
async fn until<F>(ctx: &Context, words: &str, mut holds: impl FnMut() -> F) -> Outcome
where
    F: Future<Output = Outcome<bool>> + Send,
{
    loop {
        if holds().await? {
            return Ok(());
        }
        if let Err(cause) = ctx.sleep(Duration::from_millis(5)).await {
            return Err(Broken(format!("{words}: not until {cause}")));
        }
    }
}

/// Tells of cases that make no sense where nothing is shared.
fn skip<T>(cases: &[Case<T>], filter: &str, mut observe: impl FnMut(&Report)) -> Summary {
    let mut summary = Summary::default();
    for case in cases.iter().filter(|case| case.name.contains(filter)) {
        let verdict = Verdict::Skipped(Ability::Share);
        observe(&Report { name: case.name, rule: case.rule, verdict });
        summary.skipped += 1;
    }
    summary
}

fn add(summary: &mut Summary, more: Summary) {
    summary.passed += more.passed;
    summary.skipped += more.skipped;
    summary.failed.extend(more.failed);
}

fn broken(failure: &Failure) -> Broken {
    Broken(format!("unexpected failure {failure:?}"))
}

/// Fails unless both are the same, in few words.
fn same<T: PartialEq + Debug>(words: &str, got: T, want: T) -> Outcome {
    staffa_storage::conformance::same(words, got, want)
}
