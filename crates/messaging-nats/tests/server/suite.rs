use std::sync::Arc;

use async_trait::async_trait;
use staffa_context::{Context, Failure};
use staffa_messaging::Bus;
use staffa_messaging::conformance::{OpenBus, Report, buses};

use crate::{open, quick};

/// Buses at the server.
struct AtServer;

#[async_trait]
impl OpenBus for AtServer {
    async fn open(&self, ctx: &Context, place: &str) -> Result<Arc<dyn Bus>, Failure> {
        Ok(open(ctx, place, quick()).await?)
    }

    async fn remove(&self, ctx: &Context, place: &str) {
        if let Ok(bus) = open(ctx, place, quick()).await {
            let _ = bus.remove(ctx).await;
        }
    }

    fn is_shared(&self) -> bool {
        true
    }
}

#[expect(clippy::print_stdout, reason = "it is shown when a case fails")]
fn tell(report: &Report) {
    println!("{report}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_bus_over_nats_passes_the_suite() {
    let filter = std::env::var("STAFFA_TEST_CASE").unwrap_or_default();
    let summary = buses::run_all(&Context::background(), Arc::new(AtServer), &filter, tell).await;
    assert!(summary.is_passed(), "{summary}");
    assert_eq!(summary.skipped, 0);
}
