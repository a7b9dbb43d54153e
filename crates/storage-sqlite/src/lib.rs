//! The SQLite adapter of the storage port: a store in one file, which a person can read with `sqlite3`.
//!
//! One thread writes and some read; operations wait for them within their [`Context`](staffa_context::Context).
//! Units that wait together share a commit and its wait for the disk, each in a savepoint of its own. A statement
//! stops when its context ends or its future is dropped. Each kind is a table with its documents as JSON and the
//! parts of its keys as columns; tables and indexes are made when the store is opened, and new indexes are filled while it
//! serves. One process owns the file at a time; short commands work beside it ([`Access::Beside`]).
//!
//! ```
//! # use serde::{Deserialize, Serialize};
//! # use staffa_context::Context;
//! # use staffa_storage::{Entity, Result, Schema, Store};
//! use staffa_storage_sqlite::{Options, Sqlite};
//! # #[derive(Clone, Serialize, Deserialize)]
//! # struct Note { id: i64, text: String }
//! # impl Entity for Note {
//! #     type Id = i64;
//! #     const KIND: &'static str = "note";
//! #     fn id(&self) -> &i64 { &self.id }
//! # }
//!
//! # async fn example(ctx: &Context, file: &std::path::Path) -> Result<()> {
//! let sqlite = Sqlite::open(ctx, file, Options::default(), vec![Schema::of::<Note>()]).await?;
//! let store: std::sync::Arc<dyn Store> = sqlite.clone();
//! let mut unit = store.unit();
//! unit.insert(Note { id: 1, text: "buy milk".into() });
//! unit.commit(ctx).await?;
//!
//! // A port of one's own uses SQL on the same threads, within the same contexts.
//! let sql = "SELECT count(*) FROM note WHERE document LIKE '%milk%'";
//! let count = sqlite.read(ctx, move |connection| connection.query_row(sql, [], |row| row.get::<_, i64>(0)));
//! assert_eq!(count.await?, 1);
//! store.close(ctx).await
//! # }
//! # let file = std::env::temp_dir().join(format!("staffa-notes-{}.db", std::process::id()));
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
//! # runtime.block_on(example(&Context::background(), &file)).unwrap();
//! # for end in ["", ".lock"] {
//! #     std::fs::remove_file(format!("{}{end}", file.display())).unwrap();
//! # }
//! ```
//!
//! # What is in the file
//!
//! | table | what |
//! |---|---|
//! | one per kind | `id`, `version`, `shape`, `index_set`, `document` (JSON; NULL when deleted), and a column for each key part: `index`, or `index_1`, `index_2`, … |
//! | `staffa_outbox` | events, in the order of their commits; `sent_at` is NULL until they are sent |
//! | `staffa_kept` | kept answers and the inbox |
//! | `staffa_meta` | the file's format; the kinds, and what their index sets stand for; the indexes; `frozen` while it is |
//!
//! Times are microseconds since 1970-01-01T00:00:00Z; UUIDs are lower-case text. Beside the file are its write-ahead
//! log (`-wal`, `-shm`, gone after a clean stop) and `.lock`, which keeps other owners out. Whoever writes to the file with
//! another tool writes the key columns as the document says, and raises the version; unique keys have a unique index,
//! which no tool gets past.
//!
//! # Schemas that change
//!
//! | what | when |
//! |---|---|
//! | a new kind, index or uniqueness | at the opening ([`staffa_storage::Migrate::Apply`]), or by [`migrate`]; [`plan`] tells the statements |
//! | the keys of rows that lack them | after that, in batches of 500 rows between the writes; reads by the new index are unavailable until it is whole |
//! | what no binary asks for any more | stays, until [`migrate`] is told to contract |
//!
//! A statement that adds an index reads the table once while the store is opened: about a second for a million rows of
//! 400 bytes, and half of that again for the guard of a unique one.

mod backfill;
mod call;
mod commit;
mod connection;
mod error;
mod kept;
mod lock;
mod migration;
mod moving;
mod options;
mod outbox;
mod queue;
mod reader;
mod row;
mod scan;
mod schema;
mod sqlite;
mod table;
mod watch;
mod worker;
mod writer;

pub use migration::{migrate, plan};
pub use options::{Access, Options, Synchronous};
pub use rusqlite;
pub use sqlite::Sqlite;
pub use watch::{OPERATION_SECONDS, QUEUE_LENGTH};
