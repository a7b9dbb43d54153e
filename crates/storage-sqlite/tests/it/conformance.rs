use std::sync::Arc;

use async_trait::async_trait;
use staffa_context::Context;
use staffa_storage::conformance::{self, Ability, Open, Verdict};
use staffa_storage::{Moving, Result, Schema, Store};
use staffa_storage_sqlite::{Access, Options, Sqlite, Synchronous};

use crate::folder::Folder;

#[async_trait]
impl Open for Folder {
    async fn open(&self, ctx: &Context, place: &str, schemas: Vec<Schema>) -> Result<Arc<dyn Store>> {
        // The suite stops no machine, so it need not wait for the disk.
        let options = Options { synchronous: Synchronous::Normal, ..Options::default() };
        Ok(Sqlite::open(ctx, self.path().join(place), options, schemas).await?)
    }

    /// One owner has the file at a time, and no server is in between: nothing else is left out.
    fn can(&self, ability: Ability) -> bool {
        matches!(ability, Ability::Reopen | Ability::Move)
    }

    async fn moving(&self, ctx: &Context, place: &str, schemas: Vec<Schema>) -> Result<Arc<dyn Moving>> {
        let options = Options { access: Access::Beside, ..Options::default() };
        Ok(Sqlite::open(ctx, self.path().join(place), options, schemas).await?)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_rule_of_the_port_holds() {
    let folder = Folder::new();
    let mut failures = String::new();
    let summary = conformance::run_all(&Context::background(), &folder, "", |report| {
        if matches!(report.verdict, Verdict::Failed(_)) {
            failures += &format!("{report}\n");
        }
    })
    .await;
    assert!(summary.is_passed(), "{summary}\n{failures}");
}
