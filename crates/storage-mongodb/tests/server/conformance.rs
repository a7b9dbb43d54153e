use staffa_context::Context;
use staffa_storage::conformance;
use staffa_storage_mongodb::conformance::Databases;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_suite_passes() {
    let filter = std::env::var("STAFFA_TEST_CASES").unwrap_or_default();
    let open = Databases::new(crate::url());
    let mut failed = Vec::new();
    let summary = conformance::run_all(&Context::background(), &open, &filter, |report| {
        if !matches!(report.verdict, conformance::Verdict::Passed) {
            failed.push(report.to_string());
        }
    })
    .await;
    assert!(summary.is_passed(), "{summary}\n{}", failed.join("\n"));
}
