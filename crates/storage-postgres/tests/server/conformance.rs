//! The port's suite.

use staffa_context::Context;
use staffa_storage::conformance;
use staffa_storage_postgres::conformance::Databases;

use crate::server::url;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_suite_passes() {
    let filter = std::env::var("CASES").unwrap_or_default();
    let databases = Databases::new(url());
    let ctx = Context::background();
    let summary = conformance::run_all(&ctx, &databases, &filter, |report| {
        println!("{report}");
    });
    let summary = summary.await;
    assert!(summary.is_passed(), "{summary}: {:?}", summary.failed);
}
