use std::sync::Arc;
use std::time::Duration;

use staffa_context::{Cause, Context, Metric, MetricKind};
use staffa_storage::{Error, Store};

const SWEPT: Metric = Metric {
    name: "store_records_swept",
    help: "Sent events, inbox records and kept answers that were removed after their lifetime.",
    kind: MetricKind::Counter,
};

/// How long it waits before it sweeps first. After a long stop, events that were consumed and not noted as sent are
/// handed over again: their inbox records must still be there.
const FIRST: Duration = Duration::from_secs(60);
/// How often it sweeps then, and how many records of each sort a batch removes.
const EVERY: Duration = Duration::from_secs(3_600);
const BATCH: usize = 1_000;

/// Removes what was kept for longer than `keep`, in bounded batches, after a minute and then every hour, until the
/// context ends.
pub(crate) async fn sweep(ctx: &Context, store: &Arc<dyn Store>, keep: Duration) -> Cause {
    let mut wait = FIRST;
    loop {
        if let Err(cause) = ctx.sleep(wait).await {
            return cause;
        }
        wait = EVERY;
        if let Err(error) = sweep_once(ctx, store, keep).await
            && ctx.cause().is_none()
        {
            tracing::warn!(%error, "old records could not be swept; trying again in an hour");
        }
    }
}

async fn sweep_once(ctx: &Context, store: &Arc<dyn Store>, keep: Duration) -> Result<(), Error> {
    let before = ctx.wall().minus(keep);
    let counted = ctx.series(&SWEPT, &[]);
    loop {
        let swept = store.sweep(ctx, before, BATCH).await?;
        counted.add(i64::try_from(swept).unwrap_or(i64::MAX));
        if swept == 0 {
            return Ok(());
        }
        ctx.check()?;
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

    use std::sync::atomic::{AtomicI64, Ordering};

    use serde_json::Value;
    use staffa_context::{Cancel, Instruments, ManualClock, Meter, Record, Series, TraceContext};
    use staffa_storage::memory::Memory;
    use staffa_storage::{Commit, Kept};

    use super::*;

    async fn keep(ctx: &Context, store: &Arc<dyn Store>, key: &str) {
        let (scope, key) = ("POST /orders".to_owned(), key.to_owned());
        let kept = Kept { scope, key, digest: [0; 32], answer: Value::Null, at: ctx.wall() };
        store.commit(ctx, Commit { kept: Some(kept), ..Commit::default() }).await.unwrap();
    }

    async fn is_kept(ctx: &Context, store: &Arc<dyn Store>, key: &str) -> bool {
        store.kept(ctx, "POST /orders", key).await.unwrap().is_some()
    }

    /// Counts everything that is recorded.
    #[derive(Clone, Default)]
    struct Count(Arc<AtomicI64>);

    impl Meter for Count {
        fn series(&self, metric: &Metric, _labels: &[(&'static str, &str)]) -> Series {
            assert_eq!(metric.name, "store_records_swept");
            Series::new(Arc::new(self.clone()))
        }
    }

    impl Record for Count {
        fn add(&self, delta: i64) {
            self.0.fetch_add(delta, Ordering::Relaxed);
        }

        fn set(&self, _value: i64) {}

        fn observe(&self, _value: f64, _trace: Option<TraceContext>) {}
    }

    fn paused() -> (ManualClock, Context, Cancel) {
        metered(None)
    }

    fn metered(meter: Option<Arc<dyn Meter>>) -> (ManualClock, Context, Cancel) {
        let clock = ManualClock::default();
        let instruments = Instruments { clock: Arc::new(clock.clone()), meter, ..Instruments::default() };
        let (ctx, cancel) = Context::root(instruments).with_cancel();
        (clock, ctx, cancel)
    }

    #[tokio::test]
    async fn nothing_goes_before_what_a_stop_cut_off_had_its_time() {
        let (clock, ctx, cancel) = paused();
        let store: Arc<dyn Store> = Memory::open(Vec::new()).unwrap();
        keep(&ctx, &store, "old").await;
        clock.advance(2 * EVERY);
        let sweeping = sweep(&ctx, &store, EVERY);
        let test = async {
            for _ in 0..59 {
                clock.advance(Duration::from_secs(1));
                tokio::task::yield_now().await;
                assert!(is_kept(&ctx, &store, "old").await);
            }
            clock.advance(Duration::from_secs(1));
            while is_kept(&ctx, &store, "old").await {
                tokio::task::yield_now().await;
            }
            cancel.cancel(Cause::ShuttingDown);
        };
        assert_eq!(tokio::join!(sweeping, test).0, Cause::ShuttingDown);
    }

    #[tokio::test]
    async fn what_is_older_than_its_time_goes_every_hour_in_batches_and_is_counted() {
        let count = Count::default();
        let (clock, ctx, cancel) = metered(Some(Arc::new(count.clone())));
        let store: Arc<dyn Store> = Memory::open(Vec::new()).unwrap();
        for n in 0..=BATCH {
            keep(&ctx, &store, &format!("old {n}")).await;
        }
        let (week, day) = (Duration::from_secs(7 * 86_400), Duration::from_secs(86_400));
        clock.advance(day);
        keep(&ctx, &store, "young").await;

        let sweeping = sweep(&ctx, &store, week);
        let test = async {
            clock.advance(week - EVERY);
            tokio::task::yield_now().await;
            clock.advance(EVERY);
            while is_kept(&ctx.shielded(), &store, &format!("old {BATCH}")).await {
                tokio::task::yield_now().await;
            }
            assert!(is_kept(&ctx, &store, "young").await);
            cancel.cancel(Cause::ShuttingDown);
        };
        assert_eq!(tokio::join!(sweeping, test).0, Cause::ShuttingDown);
        assert_eq!(count.0.load(Ordering::Relaxed), i64::try_from(BATCH).unwrap() + 1);
    }
}
