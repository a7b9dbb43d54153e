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

mod ending;
mod kept;
mod open;
mod order;
mod outbox;
mod paging;
mod shape;
mod sweep;
mod test;
mod things;
mod unique;
mod units;
mod values;

use std::fmt;
use std::time::Duration;

use staffa_context::{BoxFuture, Context};

pub use open::{Ability, Memories, Open};
pub use test::{Broken, Outcome, Test};

/// How long a case may take.
const CASE_TIMEOUT: Duration = Duration::from_secs(60);

/// One rule of the contract and what shows it.
pub struct Case {
    /// Its group and name: `unique::a_none_part_is_not_checked`.
    pub name: &'static str,
    /// The rule as text.
    pub rule: &'static str,
    /// What a store must be able to do for the case to make sense.
    pub needs: &'static [Ability],
    run: for<'a> fn(&'a Test<'a>) -> BoxFuture<'a, Outcome>,
}

impl Case {
    /// Runs the case on stores of its own, at most a minute.
    pub async fn run(&self, ctx: &Context, open: &dyn Open) -> Report<'_> {
        let verdict = match self.needs.iter().find(|ability| !open.can(**ability)) {
            Some(ability) => Verdict::Skipped(*ability),
            None => self.verdict(ctx, open).await,
        };
        Report { case: self, verdict }
    }

    async fn verdict(&self, ctx: &Context, open: &dyn Open) -> Verdict {
        let timed = ctx.with_timeout(CASE_TIMEOUT);
        let test = Test::new(&timed, open);
        let outcome = timed.run((self.run)(&test)).await;
        test.clean(ctx).await;
        match outcome {
            Ok(Ok(())) => Verdict::Passed,
            Ok(Err(Broken(words))) => Verdict::Failed(words),
            Err(cause) => Verdict::Failed(format!("it did not end: {cause}")),
        }
    }
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Case").field("name", &self.name).field("rule", &self.rule).finish_non_exhaustive()
    }
}

/// What became of a case. It is displayed as one line.
#[derive(Debug)]
pub struct Report<'a> {
    /// The case.
    pub case: &'a Case,
    /// What became of it.
    pub verdict: Verdict,
}

/// What became of a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The rule holds.
    Passed,
    /// It does not: what was seen.
    Failed(String),
    /// The store does not claim this ability.
    Skipped(Ability),
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Case { name, rule, .. } = self.case;
        match &self.verdict {
            Verdict::Passed => write!(f, "pass {name}: {rule}"),
            Verdict::Failed(words) => write!(f, "FAIL {name}: {rule}\n     {words}"),
            Verdict::Skipped(ability) => write!(f, "skip {name}: needs {ability:?}"),
        }
    }
}

/// How many cases ended how.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// How many passed.
    pub passed: usize,
    /// How many were skipped.
    pub skipped: usize,
    /// The names of those that failed.
    pub failed: Vec<&'static str>,
}

impl Summary {
    /// Whether some case ran and none failed.
    pub fn is_passed(&self) -> bool {
        self.passed > 0 && self.failed.is_empty()
    }

    fn count(&mut self, report: &Report<'_>) {
        match report.verdict {
            Verdict::Passed => self.passed += 1,
            Verdict::Skipped(_) => self.skipped += 1,
            Verdict::Failed(_) => self.failed.push(report.case.name),
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed, {} skipped", self.passed, self.failed.len(), self.skipped)
    }
}

/// All cases, group by group.
pub fn cases() -> impl Iterator<Item = &'static Case> {
    let groups = [
        values::CASES,
        order::CASES,
        unique::CASES,
        paging::CASES,
        units::CASES,
        kept::CASES,
        outbox::CASES,
        sweep::CASES,
        shape::CASES,
        ending::CASES,
    ];
    groups.into_iter().flatten()
}

/// Runs the cases whose name contains `filter`, one after the other, and tells `observe` of each.
pub async fn run_all(
    ctx: &Context,
    open: &dyn Open,
    filter: &str,
    mut observe: impl FnMut(&Report<'_>),
) -> Summary {
    let mut summary = Summary::default();
    for case in cases().filter(|case| case.name.contains(filter)) {
        let report = case.run(ctx, open).await;
        observe(&report);
        summary.count(&report);
    }
    summary
}

/// A row of a group's table.
macro_rules! case {
    ($group:ident::$run:ident, $rule:literal $(, needs $ability:ident)*) => {
        $crate::conformance::Case {
            name: concat!(stringify!($group), "::", stringify!($run)),
            rule: $rule,
            needs: &[$($crate::conformance::Ability::$ability),*],
            run: |test| Box::pin($run(test)),
        }
    };
}
use case;
