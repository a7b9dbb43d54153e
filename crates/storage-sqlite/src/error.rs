//! What SQLite's errors mean to a caller.

use std::path::Path;

use rusqlite::ErrorCode;
use rusqlite::ffi;
use staffa_context::Cause;
use staffa_storage::Error;

/// The port's error for one of SQLite's, of an operation that left nothing behind.
pub(crate) fn told(error: rusqlite::Error) -> Error {
    match error.sqlite_error_code() {
        Some(ErrorCode::OperationInterrupted) => Error::Ended(Cause::cancelled("the statement was stopped")),
        Some(ErrorCode::DiskFull) => {
            Error::Unavailable("the disk or the store's limit is full: free or allow more space".into())
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            Error::Unavailable("another process holds the data file for the moment".into())
        }
        Some(ErrorCode::ReadOnly) => Error::Unusable("the data file or its folder is not writable".into()),
        Some(ErrorCode::SystemIoFailure | ErrorCode::CannotOpen) => {
            Error::Unavailable(format!("the disk gave an error: {error}"))
        }
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
            Error::Unusable(format!("the data file is damaged, or not SQLite's: {error}"))
        }
        _ => Error::Unusable(error.to_string()),
    }
}

/// The port's error for a commit that failed: an error of the disk leaves its outcome open.
pub(crate) fn told_by_commit(error: rusqlite::Error) -> Error {
    match error.sqlite_error_code() {
        Some(ErrorCode::SystemIoFailure) => {
            Error::Unknown(format!("the disk gave an error while it committed: {error}"))
        }
        _ => told(error),
    }
}

/// The port's error for a data file that cannot be opened, in words that say what to do.
pub(crate) fn told_of_file(path: &Path, error: rusqlite::Error) -> Error {
    let path = path.display();
    match &error {
        rusqlite::Error::SqliteFailure(ffi::Error { code: ErrorCode::NotADatabase, .. }, _) => {
            Error::Unusable(format!("{path} is not an SQLite database: choose another file"))
        }
        rusqlite::Error::SqliteFailure(ffi::Error { code: ErrorCode::CannotOpen, .. }, _) => {
            Error::Unusable(format!("{path} cannot be opened: it or its folder must exist and be writable"))
        }
        rusqlite::Error::SqliteFailure(ffi::Error { code: ErrorCode::ReadOnly, .. }, _) => Error::Unusable(
            format!("{path} is not writable: change its permissions, or choose another folder"),
        ),
        _ => told(error),
    }
}
