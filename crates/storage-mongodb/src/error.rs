//! What the driver's errors mean to a caller.

use mongodb::error::{Error as Driver, ErrorKind, TRANSIENT_TRANSACTION_ERROR, WriteFailure};
use staffa_context::Cause;
use staffa_storage::Error;

pub(crate) const DUPLICATE_KEY: i32 = 11_000;
pub(crate) const WRITE_CONFLICT: i32 = 112;
const INTERRUPTED: i32 = 11_601;
pub(crate) const TIME_EXPIRED: i32 = 50;
const UNAUTHORIZED: i32 = 13;
const AUTHENTICATION_FAILED: i32 = 18;
const NAMESPACE_EXISTS: i32 = 48;
const NAMESPACE_NOT_FOUND: i32 = 26;
const DISK_FULL: i32 = 14_031;
/// The cursor of a session that somebody else killed.
const KILLED: [i32; 2] = [43, 237];
/// The node steps down, starts, shuts down, or is no primary.
const NOT_PRIMARY: [i32; 8] = [10_107, 13_435, 13_436, 10_058, 189, 91, 11_600, 11_602];
/// A lock or a snapshot could not be had for the moment.
const BUSY: [i32; 4] = [WRITE_CONFLICT, 24, 246, 251];

/// The port's error for one of the driver's, of an operation that left nothing behind.
pub(crate) fn told(error: Driver) -> Error {
    if let Some(cause) = error.get_custom::<Cause>() {
        return Error::Ended(cause.clone());
    }
    match &*error.kind {
        ErrorKind::InvalidArgument { message, .. } => Error::Unusable(message.clone()),
        ErrorKind::Authentication { message, .. } => {
            Error::Unusable(format!("the server refuses the user or the password of the URL: {message}"))
        }
        ErrorKind::ServerSelection { message, .. } => Error::Unavailable(format!(
            "no server that can serve was reached; is it running, and is its address right? {message}"
        )),
        ErrorKind::Io(_) | ErrorKind::ConnectionPoolCleared { .. } | ErrorKind::DnsResolve { .. } => {
            Error::Unavailable(format!("the connection to the server is gone: {}", error.kind))
        }
        ErrorKind::Write(WriteFailure::WriteConcernError(concern)) => unsure(concern.code, &concern.message),
        ErrorKind::Shutdown => Error::Unavailable("the store is closed".into()),
        ErrorKind::IncompatibleServer { message, .. } => {
            Error::Unusable(format!("the server does not fit: version 4.4 or newer is needed: {message}"))
        }
        _ => code(&error).map_or_else(|| Error::Unusable(error.kind.to_string()), |code| coded(code, &error)),
    }
}

fn coded(code: i32, error: &Driver) -> Error {
    let words = message(error);
    match code {
        INTERRUPTED => Error::Ended(Cause::cancelled("the operation was stopped")),
        TIME_EXPIRED => Error::Ended(Cause::DeadlineExceeded),
        AUTHENTICATION_FAILED => {
            Error::Unusable(format!("the server refuses the user or the password of the URL: {words}"))
        }
        UNAUTHORIZED => Error::Unusable(format!(
            "the user of the URL may not do this; the role readWrite on the database is enough: {words}"
        )),
        DISK_FULL => Error::Unavailable(format!("the server's disk is full: {words}")),
        code if NOT_PRIMARY.contains(&code) => {
            Error::Unavailable(format!("the server is not the primary for the moment: {words}"))
        }
        code if KILLED.contains(&code) => Error::Unavailable(format!("the server ended the read: {words}")),
        code if BUSY.contains(&code) => {
            Error::Unavailable(format!("others hold what is needed for the moment: {words}"))
        }
        _ => Error::Unusable(format!("the server gave the error {code}: {words}")),
    }
}

/// The error of a write that the server did and of which it does not know that a majority of the replica set has it.
pub(crate) fn unsure(code: i32, words: &str) -> Error {
    match code {
        INTERRUPTED => Error::Ended(Cause::cancelled("the operation was stopped")),
        TIME_EXPIRED => Error::Ended(Cause::DeadlineExceeded),
        _ => {
            Error::Unavailable(format!("no majority of the replica set has the write yet ({code}): {words}"))
        }
    }
}

/// Whether a write was done, and may be lost with its server.
pub(crate) fn is_unsure(error: &Driver) -> bool {
    matches!(&*error.kind, ErrorKind::Write(WriteFailure::WriteConcernError(_)))
}

/// The code of an error that the server gave.
pub(crate) fn code(error: &Driver) -> Option<i32> {
    match &*error.kind {
        ErrorKind::Command(command) => Some(command.code),
        ErrorKind::Write(WriteFailure::WriteError(write)) => Some(write.code),
        ErrorKind::Write(WriteFailure::WriteConcernError(concern)) => Some(concern.code),
        ErrorKind::InsertMany(many) => {
            many.write_errors.as_ref().and_then(|errors| errors.first()).map(|write| write.code)
        }
        _ => None,
    }
}

fn message(error: &Driver) -> String {
    match &*error.kind {
        ErrorKind::Command(command) => command.message.clone(),
        ErrorKind::Write(WriteFailure::WriteError(write)) => write.message.clone(),
        ErrorKind::Write(WriteFailure::WriteConcernError(concern)) => concern.message.clone(),
        other => other.to_string(),
    }
}

/// Whether a transaction that failed so did nothing, and may succeed when it is run again at once.
pub(crate) fn is_transient(error: &Driver) -> bool {
    error.contains_label(TRANSIENT_TRANSACTION_ERROR)
        && !matches!(&*error.kind, ErrorKind::ServerSelection { .. })
}

/// Whether the server may not have been told, or its answer not heard.
pub(crate) fn is_cut(error: &Driver) -> bool {
    matches!(
        &*error.kind,
        ErrorKind::Io(_) | ErrorKind::ConnectionPoolCleared { .. } | ErrorKind::ServerSelection { .. }
    )
}

/// Whether the client was shut down.
pub(crate) fn is_closed(error: &Driver) -> bool {
    matches!(&*error.kind, ErrorKind::Shutdown)
}

/// Whether a write outside of a transaction was held up by a transaction for as long as it may take.
pub(crate) fn waits(error: &Driver) -> bool {
    code(error).is_some_and(|code| code == TIME_EXPIRED || BUSY.contains(&code))
}

/// Whether the collection that was to be made is there already: another process was first.
pub(crate) fn is_there(error: &Driver) -> bool {
    code(error) == Some(NAMESPACE_EXISTS)
}

/// Whether the collection that was asked of is not there.
pub(crate) fn is_not_there(error: &Driver) -> bool {
    code(error) == Some(NAMESPACE_NOT_FOUND)
}

/// Whether the server ended an operation since its time was over.
#[cfg(feature = "conformance")]
pub(crate) fn is_expired(error: &Driver) -> bool {
    code(error) == Some(TIME_EXPIRED)
}
