//! The reports of each store that needs no server, by the suite of the shop's own port.
use shop_core::Orders;
use shop_core::reporting::conformance::{CASES, Subject};
use staffa::Context;
use staffa::settings::Storage;
use staffa::storage::conformance::own;

/// Runs the suite; each case gets a store at the URL that `place` makes.
async fn passes(place: impl Fn() -> String) {
    let open = async |ctx: &Context| {
        let opened =
            staffa::open_store(ctx, &place(), "orders", &Storage::default(), Orders::schemas()).await;
        let adapter = opened.unwrap();
        let store = adapter.store();
        let reporting = shop::reporting::over(&store, &adapter).unwrap();
        Ok(Subject { store, reporting })
    };
    let mut failures = Vec::new();
    let ctx = Context::background();
    let summary = own::run_all(&ctx, CASES, "", open, |report| {
        failures.extend(Some(report.to_string()).filter(|told| told.starts_with("FAIL")));
    });
    let summary = summary.await;
    assert!(summary.is_passed(), "{summary}\n{}", failures.join("\n"));
    assert_eq!(summary.passed, CASES.len());
}

#[tokio::test]
async fn in_memory() {
    passes(|| "memory:".to_owned()).await;
}

#[cfg(feature = "sqlite")]
#[tokio::test]
async fn on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let count = std::cell::Cell::new(0);
    passes(|| {
        count.set(count.get() + 1);
        format!("sqlite:{}", folder.path().join(count.get().to_string()).display())
    })
    .await;
}
