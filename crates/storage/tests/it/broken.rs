//! The suite tells a broken adapter from a whole one: each fault fails the case that names it.

mod faulty;

use std::sync::Arc;

use async_trait::async_trait;
use staffa_context::Context;
use staffa_storage::conformance::{self, Ability, Memories, Open, Verdict};
use staffa_storage::{Result, Schema, Store};

use faulty::Faulty;

/// What a broken adapter does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    IgnoresGuards,
    LastWriteWins,
    ChecksInAnEarlierTurn,
    InsertsOverTheDeleted,
    ForgetsTheDeleted,
    CommitsWriteByWrite,
    CommitsInTwoTurns,
    LeavesItsSessionOpen,
    LeavesItsReaderOpen,
    CancelsTheNext,
    ForgetsEverything,
    IgnoresUnique,
    ChecksNoneParts,
    OrdersByCase,
    OrdersByUtf16,
    PutsNoneLast,
    KeepsIdsAscending,
    TakesWildcards,
    RepeatsTheLast,
    SkipsAtTies,
    CutsTimes,
    RoundsNumbers,
    LosesAnEvent,
    ReadsFromAHighWaterMark,
    IgnoresHeld,
    HoldsById,
    MarksEverything,
    KeepsBeforeTheRest,
    KeepsAfterTheRest,
    IgnoresKept,
    ChecksKeptLast,
    DropsTheDigest,
    JoinsScopeAndKey,
    SweepsEverything,
    SweepsWithoutLimit,
    IgnoresTheContext,
    SaysEndedOfADoneCommit,
    StaysOpen,
    ForgetsTheShape,
    OverwritesNewer,
    KeepsOldIndexes,
}

const FAULTS: &[(Fault, &str)] = &[
    (Fault::IgnoresGuards, "units::what_was_read_is_guarded"),
    (Fault::LastWriteWins, "units::a_stale_write_is_a_conflict"),
    (Fault::ChecksInAnEarlierTurn, "units::retry_ends_in_success"),
    (Fault::InsertsOverTheDeleted, "units::a_blind_insert_over_anything_is_a_duplicate"),
    (Fault::ForgetsTheDeleted, "units::versions_never_repeat"),
    (Fault::CommitsWriteByWrite, "units::all_or_nothing"),
    (Fault::CommitsInTwoTurns, "ending::a_commit_dropped_anywhere_is_whole_or_nothing"),
    (Fault::LeavesItsSessionOpen, "ending::a_commit_dropped_anywhere_is_whole_or_nothing"),
    (Fault::LeavesItsReaderOpen, "ending::a_read_dropped_anywhere_leaves_nothing"),
    (Fault::CancelsTheNext, "ending::a_late_cancel_does_not_hit_the_next"),
    (Fault::ForgetsEverything, "shape::a_store_opened_again_holds_what_it_held"),
    (Fault::IgnoresUnique, "unique::a_second_entity_with_the_key_is_refused"),
    (Fault::ChecksNoneParts, "unique::a_key_with_a_none_part_is_not_checked"),
    (Fault::OrdersByCase, "order::text_goes_by_its_utf8_bytes"),
    (Fault::OrdersByUtf16, "order::text_goes_by_its_utf8_bytes"),
    (Fault::PutsNoneLast, "order::none_comes_first"),
    (Fault::KeepsIdsAscending, "order::the_id_breaks_ties"),
    (Fault::TakesWildcards, "order::a_prefix_is_taken_byte_for_byte"),
    (Fault::RepeatsTheLast, "paging::pages_give_everything_once"),
    (Fault::SkipsAtTies, "paging::pages_give_everything_once"),
    (Fault::CutsTimes, "values::times_keep_their_microseconds"),
    (Fault::RoundsNumbers, "values::whole_numbers_keep_every_digit"),
    (Fault::LosesAnEvent, "outbox::events_of_an_entity_keep_their_order"),
    (Fault::ReadsFromAHighWaterMark, "outbox::a_late_commit_is_not_skipped"),
    (Fault::IgnoresHeld, "outbox::a_held_entity_holds_back_itself_only"),
    (Fault::HoldsById, "outbox::a_held_entity_holds_back_itself_only"),
    (Fault::MarksEverything, "outbox::sent_events_are_gone"),
    (Fault::KeepsBeforeTheRest, "kept::a_refused_unit_keeps_no_answer"),
    (Fault::KeepsAfterTheRest, "ending::a_commit_dropped_anywhere_is_whole_or_nothing"),
    (Fault::IgnoresKept, "kept::an_event_takes_effect_once"),
    (Fault::ChecksKeptLast, "kept::a_repeat_does_nothing"),
    (Fault::DropsTheDigest, "kept::another_request_with_the_key_is_told_apart"),
    (Fault::JoinsScopeAndKey, "kept::a_key_belongs_to_its_scope"),
    (Fault::SweepsEverything, "sweep::old_records_go_and_young_ones_stay"),
    (Fault::SweepsWithoutLimit, "sweep::a_sweep_is_bounded"),
    (Fault::IgnoresTheContext, "ending::an_ended_context_does_nothing"),
    (Fault::SaysEndedOfADoneCommit, "ending::a_commit_cancelled_anywhere_tells_what_happened"),
    (Fault::StaysOpen, "ending::a_closed_store_is_unavailable"),
    (Fault::ForgetsTheShape, "shape::an_older_document_is_lifted"),
    (Fault::OverwritesNewer, "shape::a_newer_document_is_not_overwritten"),
    (Fault::KeepsOldIndexes, "shape::a_new_index_serves_what_was_there"),
];

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
    for (fault, name) in FAULTS {
        let broken = Broken { fault: *fault, memories: Memories::default() };
        let case = conformance::cases().find(|case| case.name == *name).unwrap();
        let verdict = case.run(&ctx, &broken).await.verdict;
        assert!(matches!(verdict, Verdict::Failed(_)), "{fault:?} passes {name}");
    }
}

#[tokio::test]
async fn the_wrapper_without_a_fault_passes_every_case() {
    let ctx = Context::background();
    let whole = Broken { fault: Fault::None, memories: Memories::default() };
    let summary = conformance::run_all(&ctx, &whole, "", |_| ()).await;
    assert!(summary.is_passed(), "{summary}: {:?}", summary.failed);
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
}

#[async_trait]
impl Open for Broken {
    async fn open(&self, ctx: &Context, place: &str, mut schemas: Vec<Schema>) -> Result<Arc<dyn Store>> {
        if self.fault == Fault::IgnoresUnique {
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
        let inner = self.memories.open(ctx, place, schemas).await?;
        Ok(Arc::new(Faulty::new(self.fault, inner)))
    }
}
