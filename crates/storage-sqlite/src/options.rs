use std::time::Duration;

use staffa_storage::Migrate;

/// How a store works. The defaults are safe, and suit a service on a machine with a few cores.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Whose the file is. Default: [`Access::Own`].
    pub access: Access,
    /// What to do when the file lacks what the schemas ask for. Default: [`Migrate::Apply`].
    pub migrate: Migrate,
    /// How long the opening waits for new indexes to be filled; after that they are filled beside the work, and reads by them
    /// are unavailable until they are whole. Default: 5 s.
    pub build_wait: Duration,
    /// What a commit waits for. Default: [`Synchronous::Full`].
    pub synchronous: Synchronous,
    /// Threads that read, each with a connection of its own; at least 1. Default: 4.
    pub readers: usize,
    /// Reads that wait for a thread at most; a further one waits for a place. Default: 1,024.
    pub read_queue_max: usize,
    /// Writes that wait for the writer at most; a further one waits for a place. Default: 1,024.
    pub write_queue_max: usize,
    /// How long a read or write waits for a place at most, and never beyond its deadline; then it is
    /// [`staffa_storage::Error::Unavailable`]. Default: 5 s.
    pub place_wait: Duration,
    /// Units that share one commit at most; at least 1. Default: 128.
    pub group_units_max: usize,
    /// Bytes of documents, events and answers that share one commit, about; a larger unit commits alone. Default: 8 MiB.
    pub group_bytes_max: usize,
    /// How long to wait for another process: for its lock when the store is opened, and for a person's tool that
    /// holds the file for the moment. Default: 2 s.
    pub busy_wait: Duration,
    /// Bytes of pages that each connection keeps in memory. Default: 8 MiB.
    pub cache_bytes: usize,
    /// Bytes that the data file may grow to; beyond them a commit is refused as with a full disk.
    /// Default: no limit but the disk's.
    pub file_bytes_max: Option<u64>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            access: Access::default(),
            migrate: Migrate::default(),
            build_wait: Duration::from_secs(5),
            synchronous: Synchronous::Full,
            readers: 4,
            read_queue_max: 1_024,
            write_queue_max: 1_024,
            place_wait: Duration::from_secs(5),
            group_units_max: 128,
            group_bytes_max: 8 << 20,
            busy_wait: Duration::from_secs(2),
            cache_bytes: 8 << 20,
            file_bytes_max: None,
        }
    }
}

/// Whose the file is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Access {
    /// This process's: no other one may own it at the same time.
    #[default]
    Own,
    /// Another one's, or nobody's: for a short command, which works through SQLite's own locks, changes no schema and
    /// makes no file. It sees the kinds that the owner has under the same indexes; others are [`staffa_storage::Error::Unusable`]
    /// when they are used.
    Beside,
}

/// What a commit waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Synchronous {
    /// The disk: a commit that was answered survives a power cut.
    #[default]
    Full,
    /// The operating system: it survives a crash of the process; a power cut may undo the last commits, whole ones.
    Normal,
}
