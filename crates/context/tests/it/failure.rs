use serde_json::json;
use staffa_context::{Cause, Fail, Failure, GroupError, Kind};

#[test]
fn a_failure_shows_the_client_its_words_and_the_log_the_rest() {
    let failure = Failure::new(Kind::Conflict, "read it again")
        .with_details(json!({ "version": 3 }))
        .with_log("version 2 was written by another");
    assert_eq!(failure.to_string(), "version 2 was written by another");
    let copy = Failure::of(&failure);
    assert_eq!(
        (copy.kind, copy.words.as_ref(), &copy.details),
        (Kind::Conflict, "read it again", &json!({ "version": 3 }))
    );
}

#[test]
fn every_cause_says_what_a_caller_can_do() {
    for (cause, kind, label) in [
        (Cause::DeadlineExceeded, Kind::DeadlineExceeded, "deadline_exceeded"),
        (Cause::ClientGone, Kind::Cancelled, "client_gone"),
        (Cause::ShuttingDown, Kind::Unavailable, "shutting_down"),
        (Cause::SiblingFailed, Kind::Cancelled, "sibling_failed"),
        (Cause::cancelled("enough"), Kind::Cancelled, "cancelled"),
    ] {
        assert_eq!((cause.kind(), cause.label()), (kind, label));
        assert_eq!(Failure::from(cause.clone()).kind, kind);
        assert_eq!(GroupError::<Failure>::Ended(cause).kind(), kind);
    }
}

#[test]
fn a_kind_is_written_as_its_label() {
    for kind in [Kind::Invalid, Kind::NotFound, Kind::UnknownOutcome, Kind::DeadlineExceeded] {
        assert_eq!(serde_json::to_value(kind).unwrap(), json!(kind.label()));
    }
}

#[test]
fn a_groups_error_is_the_tasks_for_a_caller_but_a_panic_is_ours() {
    let failed = GroupError::Failed { task: "reserve", error: Failure::new(Kind::Stale, "take the new one") };
    assert_eq!((failed.kind(), failed.words().as_ref()), (Kind::Stale, "take the new one"));
    assert_eq!(failed.to_string(), r#"task "reserve": take the new one"#);
    let panicked = GroupError::<Failure>::Panicked { task: "reserve", message: "index out of bounds".into() };
    assert_eq!(panicked.kind(), Kind::Internal);
    assert!(!panicked.words().contains("index"));
}
