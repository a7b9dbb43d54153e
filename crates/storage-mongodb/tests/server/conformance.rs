use std::io::Write;

use staffa_context::Context;
use staffa_storage::conformance::{self, Verdict};
use staffa_storage_mongodb::conformance::Databases;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_rule_of_the_port_holds() {
    let filter = std::env::var("STAFFA_TEST_CASES").unwrap_or_default();
    let mut failures = String::new();
    let summary =
        conformance::run_all(&Context::background(), &Databases::new(crate::url()), &filter, |report| {
            // It takes minutes: who waits wants to see where it is.
            let _ = writeln!(std::io::stderr(), "{report}");
            if matches!(report.verdict, Verdict::Failed(_)) {
                failures += &format!("{report}\n");
            }
        })
        .await;
    assert!(summary.is_passed(), "{summary}\n{failures}");
}
