//! The suite that every adapter passes: the port's contract as plain async functions, one or more for each rule.
//!
//! An adapter's own test opens stores for it and asks for no failure:
//!
//! ```
//! use staffa_context::Context;
//! use staffa_storage::conformance::{self, Memories};
//!
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
//! # runtime.block_on(async {
//! let ctx = Context::background();
//! let summary = conformance::run_all(&ctx, &Memories::default(), "unique", |report| println!("{report}")).await;
//! assert!(summary.is_passed(), "{summary}");
//! # });
//! ```
//!
//! A case makes its stores by itself, works without a runtime of its own, and runs in a browser too. Cases do not
//! share stores, so they may run in any order.

mod away;
mod cancel;
mod case;
mod concurrent;
mod ending;
mod faults;
mod kept;
mod many;
mod model;
mod moving;
mod noted;
mod open;
mod order;
mod outbox;
pub mod own;
mod paging;
mod partitions;
mod placed;
mod roll;
mod round_trips;
mod shape;
mod share;
mod stale;
mod sweep;
mod tasks;
mod test;
mod things;
mod unique;
mod units;
mod values;

use staffa_context::Context;

pub use case::{Broken, Case, Outcome, Report, Run, Summary, Verdict};
pub use faults::{Faults, Slow};
pub use open::{Ability, Memories, Open};
pub use test::{Test, holds, same};
pub use things::schemas;

use case::case;

/// All cases, group by group.
pub fn cases() -> impl Iterator<Item = &'static Case> {
    let groups = [
        values::CASES,
        round_trips::CASES,
        order::CASES,
        unique::CASES,
        paging::CASES,
        units::CASES,
        many::CASES,
        concurrent::CASES,
        kept::CASES,
        outbox::CASES,
        partitions::CASES,
        sweep::CASES,
        shape::CASES,
        share::CASES,
        roll::CASES,
        stale::CASES,
        moving::CASES,
        model::CASES,
        ending::CASES,
        cancel::CASES,
        noted::CASES,
        away::CASES,
    ];
    groups.into_iter().flatten()
}

/// Runs the cases whose name contains `filter`, one after the other, and tells `observe` of each.
pub async fn run_all(
    ctx: &Context,
    open: &(dyn Open + 'static),
    filter: &str,
    mut observe: impl FnMut(&Report),
) -> Summary {
    let mut summary = Summary::default();
    for case in cases().filter(|case| case.name.contains(filter)) {
        let report = case.run(ctx, open).await;
        observe(&report);
        summary.count(&report);
    }
    summary
}
