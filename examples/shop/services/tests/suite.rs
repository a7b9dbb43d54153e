//! The suite of the shop's reports, over one store's adapter.
use shop_core::Orders;
use shop_core::reporting::conformance::{CASES, Subject};
use staffa::Context;
use staffa::settings::Storage;
use staffa::storage::conformance::own;

/// Runs every case on a store of its own at this URL, and closes it.
pub(crate) async fn passes(url: &str) {
    let open = async |ctx: &Context| {
        let service = format!("reports_{}", &ctx.uuid().simple().to_string()[20..]);
        let opened = staffa::open_store(ctx, url, &service, &Storage::default(), Orders::schemas()).await;
        let adapter = opened.unwrap();
        let store = adapter.store();
        let reporting = shop::reporting::over(&service, &store, &adapter).unwrap();
        Ok(Subject { store, reporting })
    };
    let ctx = Context::background();
    let mut failures = Vec::new();
    let summary = own::run_all(&ctx, CASES, "", open, |report| {
        failures.extend(Some(report.to_string()).filter(|told| told.starts_with("FAIL")));
    });
    let summary = summary.await;
    assert!(summary.is_passed(), "{summary}\n{}", failures.join("\n"));
    assert_eq!(summary.passed, CASES.len());
}
