//! What PostgreSQL's errors mean to a caller.

use std::error::Error as _;

use staffa_context::Cause;
use staffa_storage::Error;
use tokio_postgres::error::SqlState;

/// The state that `staffa_enter` raises while the store is frozen.
pub(crate) const FROZEN: &str = "SF001";
/// The state that `staffa_expect` raises when something is not as the unit expects it.
pub(crate) const UNEXPECTED: &str = "SF002";

/// The port's error for one of PostgreSQL's, of an operation that left nothing behind.
pub(crate) fn told(error: &tokio_postgres::Error) -> Error {
    let Some(refused) = error.as_db_error() else { return told_of_line(error) };
    let words = refused.message();
    match refused.code().code() {
        FROZEN => Error::Frozen,
        "57014" => Error::Ended(Cause::cancelled("the statement was stopped")),
        "25006" => Error::Unavailable(format!("the server takes no writes for the moment: {words}")),
        "53100" => Error::Unavailable("the server's disk is full: free or add space".into()),
        "53300" => Error::Unavailable(format!("the server has no connection left: {words}")),
        "57P01" | "57P02" | "57P03" | "57P05" => Error::Unavailable(format!("the server is away: {words}")),
        code if code.starts_with("08") || code.starts_with("53") || code.starts_with("58") => {
            Error::Unavailable(words.into())
        }
        "55P03" => Error::Unavailable(format!("somebody else holds a lock for too long: {words}")),
        "40001" | "40P01" => Error::Unavailable(format!("another transaction was in the way: {words}")),
        code => Error::Unusable(format!("{words} ({code})")),
    }
}

fn told_of_line(error: &tokio_postgres::Error) -> Error {
    let words = with_source(error);
    if error.is_closed() || error.source().is_some_and(|source| source.is::<std::io::Error>()) {
        return Error::Unavailable(format!("the connection to the server was lost: {words}"));
    }
    Error::Unusable(words)
}

/// The port's error when a server cannot be reached or refuses the connection, in words that say what to do.
pub(crate) fn told_of_connecting(error: &tokio_postgres::Error) -> Error {
    let Some(refused) = error.as_db_error() else {
        let words = with_source(error);
        if may_pass(error) {
            return Error::Unavailable(format!("the server cannot be reached: {words}"));
        }
        return Error::Unusable(format!("the server cannot be used: {words}: look at the store's URL"));
    };
    let words = refused.message();
    match refused.code().code() {
        "28P01" | "28000" => {
            Error::Unusable(format!("the server refuses the user or password of the store's URL: {words}"))
        }
        "3D000" => Error::Unusable(format!("{words}: create it, or name another in the store's URL")),
        "42501" => Error::Unusable(format!("{words}: grant it to the user of the store's URL")),
        _ => told(error),
    }
}

/// Whether an error of connecting may be gone in a moment: a server that starts, or is away.
pub(crate) fn may_pass(error: &tokio_postgres::Error) -> bool {
    match error.code() {
        Some(code) => matches!(code.code(), "57P01" | "57P02" | "57P03" | "53300" | "08006"),
        None => {
            let source = error.source().and_then(|source| source.downcast_ref::<std::io::Error>());
            error.is_closed() || source.is_some_and(|source| passing(source.kind()))
        }
    }
}

fn passing(kind: std::io::ErrorKind) -> bool {
    !matches!(kind, std::io::ErrorKind::InvalidData | std::io::ErrorKind::InvalidInput)
}

fn with_source(error: &tokio_postgres::Error) -> String {
    let mut words = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        let more = inner.to_string();
        if !words.contains(&more) {
            words = format!("{words}: {more}");
        }
        source = inner.source();
    }
    words
}

/// Whether the server found the transaction in another's way: nothing happened, and it may be run again.
pub(crate) fn is_in_the_way(error: &tokio_postgres::Error) -> bool {
    matches!(error.code(), Some(code) if *code == SqlState::T_R_SERIALIZATION_FAILURE || *code == SqlState::T_R_DEADLOCK_DETECTED)
}

/// Whether something was not as the unit expected it, or a key was taken: nothing happened.
pub(crate) fn is_refusal(error: &tokio_postgres::Error) -> bool {
    matches!(error.code(), Some(code) if *code == SqlState::UNIQUE_VIOLATION || code.code() == UNEXPECTED)
}

/// Whether somebody asked the server to stop the statement. It has one state for this and for a timeout, and only the words
/// tell them apart; from a server that says them in another language it is not known.
pub(crate) fn is_stopped_by_request(error: &tokio_postgres::Error) -> bool {
    error.code() == Some(&SqlState::QUERY_CANCELED)
        && error.as_db_error().is_some_and(|refused| refused.message().contains("user request"))
}
