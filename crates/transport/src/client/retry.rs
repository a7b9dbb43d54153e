//! When a call is tried again.
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use staffa_context::{Context, Failure, Kind};

use super::attempt::Refusal;
use super::{CallLimits, Client};
use crate::Method;
use crate::endpoint::Shape;

/// What one retry costs, in calls: retries are at most a tenth of the calls, plus what was saved.
const CALLS_PER_RETRY: i64 = 10;
/// Retries that can be saved up.
const RETRIES_SAVED_MAX: i64 = 10;

/// The retry budget of a client: when everything fails, retries add a tenth to the load and no more.
#[derive(Debug)]
pub(super) struct Budget(AtomicI64);

impl Default for Budget {
    fn default() -> Self {
        Self(AtomicI64::new(RETRIES_SAVED_MAX * CALLS_PER_RETRY))
    }
}

impl Budget {
    fn deposit(&self) {
        self.update(|saved| (saved < RETRIES_SAVED_MAX * CALLS_PER_RETRY).then_some(saved + 1));
    }

    fn withdraw(&self) -> bool {
        self.update(|saved| (saved >= CALLS_PER_RETRY).then_some(saved - CALLS_PER_RETRY))
    }

    fn update(&self, change: impl Fn(i64) -> Option<i64>) -> bool {
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, change).is_ok()
    }
}

impl Client {
    /// Tries a call until it succeeds, must not be tried again, or no retry fits into its deadline.
    pub(super) async fn retrying<T, Fut>(
        &self,
        ctx: &Context,
        shape: &Shape,
        attempt: impl Fn() -> Fut,
    ) -> Result<T, Failure>
    where
        Fut: Future<Output = Result<T, Refusal>>,
    {
        self.budget.deposit();
        let mut tried = 0;
        loop {
            let refusal = match attempt().await {
                Ok(done) => return Ok(done),
                Err(refusal) => refusal,
            };
            tried += 1;
            let pause = pause(ctx, &self.limits, tried).max(refusal.retry_after);
            let again = tried < self.limits.attempts
                && may_retry(shape, refusal.failure.kind)
                && ctx.remaining().is_none_or(|remaining| pause < remaining)
                && self.budget.withdraw();
            if !again || ctx.sleep(pause).await.is_err() {
                return Err(refusal.failure);
            }
        }
    }
}

/// Whether a call that failed so may be sent again: it is idempotent, and the failure may pass.
fn may_retry(shape: &Shape, kind: Kind) -> bool {
    match kind {
        Kind::UnknownOutcome => shape.keyed,
        kind => kind.is_temporary() && (shape.keyed || shape.method == Method::Get),
    }
}

/// The pause after this many tries: doubling, bounded, and a random half of it taken away.
pub(super) fn pause(ctx: &Context, limits: &CallLimits, tried: u32) -> Duration {
    let doubled = limits.backoff.saturating_mul(1 << tried.saturating_sub(1).min(16));
    let pause = doubled.min(limits.backoff_max);
    // 1/1024ths are fine enough for jitter.
    let part = u32::try_from(ctx.instruments().ids.random() % 1_024).unwrap_or(0);
    pause / 2 + (pause / 2 / 1_024) * part
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use staffa_context::{Context, Failure, Kind};

    use super::{Budget, may_retry, pause};
    use crate::{CallLimits, Endpoint};

    #[test]
    fn retries_are_a_tenth_of_the_calls() {
        let budget = Budget::default();
        let retries = |calls: usize| {
            (0..calls).filter(|_| {
                budget.deposit();
                budget.withdraw()
            })
        };
        assert!(retries(100).count() <= 20, "ten saved and ten earned");
        assert_eq!(retries(1_000).count(), 100);
    }

    #[test]
    fn pauses_double_with_jitter_up_to_their_bound() {
        let (ctx, limits) = (Context::background(), CallLimits::default());
        for (tried, most) in [(1, 50), (2, 100), (3, 200), (30, 2_000)] {
            let got = pause(&ctx, &limits, tried);
            let most = Duration::from_millis(most);
            assert!(most / 2 <= got && got <= most, "{got:?} after {tried}");
        }
    }

    #[test]
    fn only_what_is_idempotent_and_temporary_is_retried() {
        let get = Endpoint::<(), (), Failure>::get("/").shape();
        let post = Endpoint::<(), (), Failure>::post("/").shape();
        let keyed = Endpoint::<(), (), Failure>::post("/").idempotency_key().shape();
        let check = |kind, expect: [bool; 3]| {
            assert_eq!([&get, &post, &keyed].map(|shape| may_retry(shape, kind)), expect, "{kind}");
        };
        check(Kind::Unavailable, [true, false, true]);
        check(Kind::Exhausted, [true, false, true]);
        check(Kind::UnknownOutcome, [false, false, true]);
        check(Kind::DeadlineExceeded, [false; 3]);
        check(Kind::Conflict, [false; 3]);
        check(Kind::Internal, [false; 3]);
    }
}
