use std::fmt;
use std::future::Future;
use std::time::Duration;

use staffa_context::{BoxFuture, Context};

use super::{Ability, Open};

/// One rule of a port's contract and what shows it, on a subject of type `T`: places to open stores at, or what a port
/// of one's own needs ([`super::own`]).
pub struct Case<T: ?Sized = dyn Open> {
    /// Its group and name: `unique::a_none_part_is_not_checked`.
    pub name: &'static str,
    /// The rule as text.
    pub rule: &'static str,
    /// What a store must be able to do for the case to make sense.
    pub needs: &'static [Ability],
    pub(super) run: Run<T>,
}

/// What shows a rule.
pub type Run<T> = for<'a> fn(&'a Context, &'a T) -> BoxFuture<'a, Outcome>;

/// What a case ends with.
pub type Outcome<T = ()> = std::result::Result<T, Broken>;

/// The rule does not hold: what was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken(pub String);

impl<T> Case<T> {
    /// A case of a port of one's own.
    pub const fn new(name: &'static str, rule: &'static str, run: Run<T>) -> Self {
        Self { name, rule, needs: &[], run }
    }

    /// Runs the case on this subject, at most a minute.
    pub async fn run(&self, ctx: &Context, subject: &T) -> Report {
        let ctx = &ctx.with_timeout(LIMIT);
        self.report(within(ctx, (self.run)(ctx, subject)).await)
    }
}

impl Case {
    /// Runs the case on stores of its own, at most a minute, and longer by what the rounds take ([`Open::rounds`]).
    pub async fn run(&self, ctx: &Context, open: &(dyn Open + 'static)) -> Report {
        match self.needs.iter().find(|ability| !open.can(**ability)) {
            Some(ability) => self.told(Verdict::Skipped(*ability)),
            None => self.report((self.run)(ctx, open).await),
        }
    }
}

impl<T: ?Sized> Case<T> {
    pub(super) fn report(&self, outcome: Outcome) -> Report {
        self.told(match outcome {
            Ok(()) => Verdict::Passed,
            Err(Broken(words)) => Verdict::Failed(words),
        })
    }

    fn told(&self, verdict: Verdict) -> Report {
        Report { name: self.name, rule: self.rule, verdict }
    }
}

impl<T: ?Sized> fmt::Debug for Case<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Case").field("name", &self.name).field("rule", &self.rule).finish_non_exhaustive()
    }
}

/// How long a case may take without rounds.
pub(super) const LIMIT: Duration = Duration::from_secs(60);

/// What a case ends with, for which the context's end is a failure.
pub(super) async fn within(ctx: &Context, case: impl Future<Output = Outcome>) -> Outcome {
    ctx.run(case).await.unwrap_or_else(|cause| Err(Broken(format!("it did not end: {cause}"))))
}

/// What became of a case. It is displayed as one line, and one more of what was seen when it failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The case's name.
    pub name: &'static str,
    /// Its rule.
    pub rule: &'static str,
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

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, rule, verdict } = self;
        match verdict {
            Verdict::Passed => write!(f, "pass {name}: {rule}"),
            Verdict::Failed(words) => write!(f, "FAIL {name}: {rule}\n     {words}"),
            Verdict::Skipped(ability) => write!(f, "skip {name}: {rule} (needs {ability:?})"),
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

    pub(super) fn count(&mut self, report: &Report) {
        match report.verdict {
            Verdict::Passed => self.passed += 1,
            Verdict::Skipped(_) => self.skipped += 1,
            Verdict::Failed(_) => self.failed.push(report.name),
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed, {} skipped", self.passed, self.failed.len(), self.skipped)
    }
}

/// A row of a group's table.
macro_rules! case {
    ($group:ident::$run:ident, $rule:literal $(, needs $ability:ident)*) => {
        $crate::conformance::Case {
            name: concat!(stringify!($group), "::", stringify!($run)),
            rule: $rule,
            needs: &[$($crate::conformance::Ability::$ability),*],
            run: |ctx, open| {
                Box::pin($crate::conformance::test::on_stores(ctx, open, |test| Box::pin($run(test))))
            },
        }
    };
}
pub(super) use case;
