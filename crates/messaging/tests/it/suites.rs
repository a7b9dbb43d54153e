use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use staffa_context::Context;
use staffa_messaging::conformance::{InProcesses, Report, buses, relays};
use staffa_storage::conformance::{Memories, Open};
use staffa_storage::{Result, Schema, Store};
use staffa_storage_sqlite::{Options, Sqlite};

/// SQLite files in a folder.
struct Files(PathBuf);

#[async_trait]
impl Open for Files {
    async fn open(&self, ctx: &Context, place: &str, schemas: Vec<Schema>) -> Result<Arc<dyn Store>> {
        let path = self.0.join(format!("{place}.sqlite"));
        Ok(Sqlite::open(ctx, &path, Options::default(), schemas).await?)
    }
}

#[expect(clippy::print_stdout, reason = "it is shown when a case fails")]
fn tell(report: &Report) {
    println!("{report}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_bus_of_a_process_passes_the_suite() {
    let summary = buses::run_all(&Context::background(), Arc::new(InProcesses), "", tell).await;
    assert!(summary.is_passed(), "{summary}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn relays_keep_their_promises_in_memory() {
    let summary = relays::run_all(&Context::background(), Arc::new(Memories::default()), "", tell).await;
    assert!(summary.is_passed(), "{summary}");
    assert_eq!(summary.skipped, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn relays_keep_their_promises_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let files = Arc::new(Files(folder.path().to_owned()));
    let summary = relays::run_all(&Context::background(), files, "", tell).await;
    assert!(summary.is_passed(), "{summary}");
}
