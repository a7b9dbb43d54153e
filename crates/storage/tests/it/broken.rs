//! The suite tells a broken adapter from a whole one: each fault fails the case that names it.

mod fault;
mod faulty;
mod many;
mod moved;
mod remote;
mod rolling;
mod spoil;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use staffa_context::Context;
use staffa_storage::conformance::{self, Ability, Memories, Open, Verdict};
use staffa_storage::{Moving, Result, Schema, Store};

use fault::{FAULTS, Fault};
use faulty::{Faulty, Place};

#[tokio::test]
async fn memory_passes_every_case() {
    let ctx = Context::background();
    let mut told = String::new();
    let summary = conformance::run_all(&ctx, &Memories::default(), "", |report| match report.verdict {
        Verdict::Passed => {}
        // It has no server, and its handles share what they know of indexes.
        Verdict::Skipped(Ability::Roll | Ability::Slow | Ability::Faults) => {}
        _ => told.push_str(&format!("{report}\n")),
    })
    .await;
    assert!(summary.is_passed() && told.is_empty(), "{told}{summary}");
}

#[tokio::test]
async fn each_broken_adapter_fails_the_case_that_names_its_fault() {
    let ctx = Context::background();
    let mut unseen = Vec::new();
    for (fault, name) in FAULTS {
        let broken = Broken::with(*fault);
        let case = conformance::cases().find(|case| case.name == *name).unwrap();
        let verdict = case.run(&ctx, &broken).await.verdict;
        if !matches!(verdict, Verdict::Failed(_)) {
            unseen.push(format!("{fault:?} in {name}: {verdict:?}"));
        }
    }
    assert!(unseen.is_empty(), "not caught: {unseen:#?}");
}

#[tokio::test]
async fn the_wrapper_without_a_fault_passes_every_case() {
    let ctx = Context::background();
    let whole = Broken::with(Fault::None);
    let summary = conformance::run_all(&ctx, &whole, "", |_| ()).await;
    assert!(summary.is_passed(), "{summary}: {:?}", summary.failed);
}

#[test]
fn every_case_of_the_later_groups_is_failed_by_some_broken_adapter() {
    let later = [
        "round_trips",
        "many",
        "partitions",
        "concurrent",
        "share",
        "roll",
        "moving",
        "model",
        "cancel",
        "noted",
        "away",
    ];
    let store = FAULTS.iter().map(|(_, name)| *name);
    let builds = rolling::FAULTS.iter().map(|(_, name)| *name);
    let servers = remote::FAULTS.iter().map(|(_, name)| *name);
    let failed: Vec<&str> = store.chain(builds).chain(servers).collect();
    for case in conformance::cases() {
        let group = case.name.split("::").next().unwrap_or_default();
        assert!(!later.contains(&group) || failed.contains(&case.name), "{} is never failed", case.name);
    }
}

#[test]
fn every_case_has_a_name_of_its_own_and_a_rule() {
    let mut names: Vec<&str> = conformance::cases().map(|case| case.name).collect();
    assert!(conformance::cases().all(|case| !case.rule.is_empty()));
    names.sort_unstable();
    let len = names.len();
    names.dedup();
    assert_eq!(names.len(), len);
}

/// Opens stores in memory with a fault.
struct Broken {
    fault: Fault,
    memories: Memories,
    places: Mutex<BTreeMap<String, Arc<Place>>>,
}

impl Broken {
    fn with(fault: Fault) -> Self {
        Self { fault, memories: Memories::default(), places: Mutex::default() }
    }

    async fn faulty(&self, ctx: &Context, place: &str, mut schemas: Vec<Schema>) -> Result<Arc<Faulty>> {
        let unchecked = [Fault::IgnoresUnique, Fault::ChecksUniqueInAnEarlierTurn];
        if unchecked.contains(&self.fault) {
            let indexes = schemas.iter_mut().flat_map(|schema| &mut schema.indexes);
            indexes.for_each(|index| index.unique = false);
        }
        if self.fault == Fault::OverwritesNewer {
            schemas.iter_mut().for_each(|schema| schema.shape = 2);
        }
        if self.fault == Fault::KeepsOldIndexes {
            // What a store does that fills a new index from now on only.
            schemas.iter_mut().for_each(|schema| schema.keys = |_, _| Ok(vec![vec![]; 6]));
        }
        if self.fault == Fault::ForgetsEverything {
            self.memories.remove(ctx, place).await;
        }
        let shared = Arc::clone(self.places.lock().unwrap().entry(place.to_owned()).or_default());
        let inner = self.memories.moving(ctx, place, schemas).await?;
        Ok(Arc::new(Faulty::new(self.fault, inner, shared)))
    }
}

#[async_trait]
impl Open for Broken {
    async fn open(&self, ctx: &Context, place: &str, schemas: Vec<Schema>) -> Result<Arc<dyn Store>> {
        let faulty = self.faulty(ctx, place, schemas).await?;
        if self.fault == Fault::ForgetsThePause {
            faulty.inner.freeze(ctx, false).await?;
        }
        Ok(faulty)
    }

    fn can(&self, ability: Ability) -> bool {
        self.memories.can(ability)
    }

    async fn moving(&self, ctx: &Context, place: &str, schemas: Vec<Schema>) -> Result<Arc<dyn Moving>> {
        Ok(self.faulty(ctx, place, schemas).await?)
    }
}
