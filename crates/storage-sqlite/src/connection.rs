//! A connection to the data file, set up as the store needs it.

use std::path::Path;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use staffa_storage::{Error, Migrate, Result};

use crate::error::{told, told_of_file};
use crate::options::{Access, Options, Synchronous};

/// Statements that a connection keeps prepared: those of some forty kinds.
const STATEMENTS_MAX: usize = 256;

/// What the write-ahead log shrinks to after a burst.
const LOG_BYTES_MAX: i64 = 64 << 20;

/// The connection of the writer. It makes the file if there is none, for an owner that may.
pub(crate) fn writer(path: &Path, options: &Options) -> Result<Connection> {
    let flags = match (options.access, options.migrate) {
        (Access::Own, Migrate::Apply) => OpenFlags::SQLITE_OPEN_CREATE,
        _ => OpenFlags::empty(),
    };
    let connection = open(path, flags, options)
        .and_then(|connection| settle_log(&connection, options).map(|()| connection))
        .map_err(|error| told_of_file(path, error))?;
    if connection.is_readonly("main").map_err(told)? {
        return Err(Error::Unusable(format!(
            "{} is not writable: change its permissions, or choose another folder",
            path.display(),
        )));
    }
    Ok(connection)
}

/// A connection that only reads.
pub(crate) fn reader(path: &Path, options: &Options) -> Result<Connection> {
    open(path, OpenFlags::empty(), options)
        .and_then(|connection| connection.pragma_update(None, "query_only", true).map(|()| connection))
        .map_err(|error| told_of_file(path, error))
}

fn open(path: &Path, flags: OpenFlags, options: &Options) -> rusqlite::Result<Connection> {
    let flags = flags | OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    connection.busy_timeout(options.busy_wait)?;
    // A negative size is in KiB.
    connection.pragma_update(None, "cache_size", -((options.cache_bytes >> 10).max(1) as i64))?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.pragma_update(None, "trusted_schema", false)?;
    // Without it SQLite compiles a read by a partial index anew for each key, which takes as long as the read.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(connection)
}

fn settle_log(connection: &Connection, options: &Options) -> rusqlite::Result<()> {
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    connection.pragma_update_and_check(None, "journal_size_limit", LOG_BYTES_MAX, |_| Ok(()))?;
    let full = options.synchronous == Synchronous::Full;
    connection.pragma_update(None, "synchronous", if full { "FULL" } else { "NORMAL" })?;
    // Where the system's own sync leaves data in the disk's cache (macOS).
    connection.pragma_update(None, "fullfsync", full)?;
    if let Some(bytes) = options.file_bytes_max {
        let page: u32 = connection.pragma_query_value(None, "page_size", |row| row.get(0))?;
        let pages = i64::try_from((bytes / u64::from(page.max(1))).max(1)).unwrap_or(i64::MAX);
        connection.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))?;
    }
    Ok(())
}
