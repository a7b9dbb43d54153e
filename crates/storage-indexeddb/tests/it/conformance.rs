//! The suite of the port, a test for each of its groups, so that each has its time.

use std::sync::Arc;

use async_trait::async_trait;
use staffa_context::Context;
use staffa_storage::conformance::{self, Ability, Open, Verdict};
use staffa_storage::{Result, Schema, Store};
use staffa_storage_indexeddb::{Durability, IndexedDb, Options};
use wasm_bindgen_test::{console_log, wasm_bindgen_test};

/// The databases of the page's origin.
struct Origin;

fn options() -> Options {
    // The suite stops no machine, so it need not wait for the disk.
    Options { durability: Durability::Relaxed, ..Options::default() }
}

#[async_trait]
impl Open for Origin {
    async fn open(&self, ctx: &Context, place: &str, schemas: Vec<Schema>) -> Result<Arc<dyn Store>> {
        Ok(IndexedDb::open(ctx, place, options(), schemas).await?)
    }

    async fn remove(&self, ctx: &Context, place: &str) {
        IndexedDb::remove(ctx, place, &options()).await.unwrap();
    }

    /// Several tabs share a store; a tab with a new index closes those of the older page.
    fn can(&self, ability: Ability) -> bool {
        matches!(ability, Ability::Reopen | Ability::Share)
    }
}

/// Runs the cases of these groups; what fails is told at the end.
async fn hold(is_asked: impl Fn(&str) -> bool) {
    let ctx = Context::background();
    let mut failures = String::new();
    for case in conformance::cases() {
        let group = case.name.split("::").next().unwrap();
        if !is_asked(group) {
            continue;
        }
        let report = case.run(&ctx, &Origin).await;
        console_log!("{report}");
        match report.verdict {
            Verdict::Failed(_) => failures += &format!("{report}\n"),
            Verdict::Passed
            | Verdict::Skipped(Ability::Roll | Ability::Move | Ability::Faults | Ability::Slow) => {}
            Verdict::Skipped(_) => failures += &format!("{report}\n"),
        }
    }
    assert!(failures.is_empty(), "{failures}");
}

macro_rules! groups {
    ($($group:ident)*) => {
        $(#[wasm_bindgen_test]
        async fn $group() {
            hold(|group| group == stringify!($group)).await;
        })*

        /// What has no test of its own yet.
        #[wasm_bindgen_test]
        async fn every_other_group() {
            hold(|group| ![$(stringify!($group)),*].contains(&group)).await;
        }
    };
}

groups! { values order unique paging units kept outbox sweep shape ending concurrent partitions round_trips share }
