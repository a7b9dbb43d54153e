//! The suite of a port of one's own: its rules as cases, run over every adapter that one has written for it.
//!
//! ```
//! use staffa_context::Context;
//! use staffa_storage::conformance::{Case, Outcome, own, same};
//!
//! /// A port in the core's own words.
//! #[async_trait::async_trait]
//! trait Revenue: Send + Sync {
//!     async fn of(&self, ctx: &Context, country: &str) -> staffa_storage::Result<i64>;
//! }
//!
//! const CASES: &[Case<Box<dyn Revenue>>] = &[Case::new(
//!     "revenue::of_nothing_is_zero",
//!     "a country without an order has no revenue",
//!     |ctx, revenue| Box::pin(of_nothing_is_zero(ctx, &**revenue)),
//! )];
//!
//! async fn of_nothing_is_zero(ctx: &Context, revenue: &dyn Revenue) -> Outcome {
//!     same("the revenue", revenue.of(ctx, "Eire").await?, 0)
//! }
//!
//! # struct Empty;
//! # #[async_trait::async_trait]
//! # impl Revenue for Empty {
//! #     async fn of(&self, _: &Context, _: &str) -> staffa_storage::Result<i64> { Ok(0) }
//! # }
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
//! # runtime.block_on(async {
//! let ctx = Context::background();
//! // One adapter: each case gets a fresh one.
//! let open = async |_: &Context| Ok(Box::new(Empty) as Box<dyn Revenue>);
//! let summary = own::run_all(&ctx, CASES, "", open, |report| println!("{report}")).await;
//! assert!(summary.is_passed(), "{summary}");
//! # });
//! ```

use staffa_context::Context;

use super::{Case, Outcome, Report, Summary};

/// Runs the cases whose name contains `filter`, one after the other, each on what `open` gives for it, and tells
/// `observe` of each. What cannot be opened is a failed case.
pub async fn run_all<T>(
    ctx: &Context,
    cases: &[Case<T>],
    filter: &str,
    open: impl AsyncFn(&Context) -> Outcome<T>,
    mut observe: impl FnMut(&Report),
) -> Summary {
    let mut summary = Summary::default();
    for case in cases.iter().filter(|case| case.name.contains(filter)) {
        let report = match open(ctx).await {
            Ok(subject) => case.run(ctx, &subject).await,
            Err(broken) => case.report(Err(broken)),
        };
        observe(&report);
        summary.count(&report);
    }
    summary
}
