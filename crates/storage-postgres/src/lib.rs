//! The PostgreSQL adapter of the storage port: a store in a schema of its own, which a person can read with `psql`.
//!
//! Operations take a connection of a pool, waited for within their [`Context`](staffa_context::Context). A read is one statement; a unit is
//! one round trip, whose statements make sure of what they expect, unless something is in its way. A statement is cancelled on the server
//! when its context ends or its future is dropped. Each kind is a table with its documents as `jsonb` and the parts of its keys as
//! columns; several processes, older and newer ones too, may have the store open at once. PostgreSQL 14 or newer.
//!
//! ```no_run
//! # use serde::{Deserialize, Serialize};
//! # use staffa_context::Context;
//! # use staffa_storage::{Entity, Result, Schema, Store};
//! use staffa_storage_postgres::{Options, Postgres};
//! # #[derive(Clone, Serialize, Deserialize)]
//! # struct Note { id: i64, text: String }
//! # impl Entity for Note {
//! #     type Id = i64;
//! #     const KIND: &'static str = "note";
//! #     fn id(&self) -> &i64 { &self.id }
//! # }
//!
//! # async fn example(ctx: &Context) -> Result<()> {
//! let options = Options { schema: "notes".into(), ..Options::default() };
//! let url = "postgres://staffa:secret@localhost/shop?sslmode=verify-full";
//! let postgres = Postgres::open(ctx, url, options, vec![Schema::of::<Note>()]).await?;
//! let store: std::sync::Arc<dyn Store> = postgres.clone();
//! let mut unit = store.unit();
//! unit.insert(Note { id: 1, text: "buy milk".into() });
//! unit.commit(ctx).await?;
//!
//! // A port of one's own uses SQL on the same connections, within the same contexts.
//! let sql = "SELECT count(*) FROM notes.note WHERE document ->> 'text' LIKE '%milk%'";
//! let count = postgres.read(ctx, move |client| {
//!     Box::pin(async move { client.query_one(sql, &[]).await?.try_get::<_, i64>(0) })
//! });
//! assert_eq!(count.await?, 1);
//! store.close(ctx).await
//! # }
//! ```
//!
//! # What is in the schema
//!
//! | table | what |
//! |---|---|
//! | one per kind | `id`, `version`, `shape`, `indexes`, `document` (NULL when deleted), and a column for each key part: `index`, or `index_1`, `index_2`, … |
//! | `staffa_outbox` | events, by `place`; `sent_at` is NULL until they are sent |
//! | `staffa_kept` | kept answers and the inbox |
//! | `staffa_meta` | the format, the kinds with the types of their ids, and whether the store is frozen |
//! | `staffa_indexes` | which bit of a row's `indexes` says that it has a key for which index |
//!
//! Times are microseconds since 1970-01-01T00:00:00Z (`to_timestamp(at / 1e6)`), since the port's times begin before PostgreSQL's own. Text
//! has the collation `C`. A float beyond 10^15 stands in a document with all its digits, as `jsonb` does not know exponents. The functions
//! `staffa_enter` and `staffa_expect` begin a unit and end one that meets something unexpected.
//!
//! # While the schema changes
//!
//! A row says which indexes its writer knew. What an older binary writes is stale for a newer one's index: a read by that index finds it in the
//! same statement, gives up to 1,000 such rows their keys, and reads again; with more it is unavailable, and they are keyed in the
//! background in batches of 500. An index that both know serves meanwhile, and while others are made: what an older binary lacks of a newer
//! index costs its reads a round trip more, until those rows are keyed. Indexes are made by `CREATE INDEX CONCURRENTLY`, by one process at a
//! time, without the timeouts that its role has (but behind a pooler, where settings are nobody's); what a killed one left over is
//! made again. Nothing is taken away but by [`migrate`] with `contract`. A kind may have had 63 indexes in all.
//!
//! # Limits
//!
//! - [`Options::connections_max`] connections a process; who finds none free waits for one until its context ends, and at most
//!   [`Options::place_wait`].
//! - A cancelled statement has 5 s to end before its connection is closed; a commit whose context ends waits 250 ms for its outcome.
//! - A connection has 10 s to be made.
//!
//! # Behind a pooler
//!
//! PgBouncer in transaction mode is recognised, and no statement is prepared then; a port of one's own had better use `query_typed` and its like. Nothing else is kept in a session either: there are
//! no settings but a transaction's own, and no locks of sessions. Connections are not shared between operations: one that is cancelled must
//! not take others with it.
//!
//! # Features
//!
//! - `conformance`: opens stores for the port's suite.

mod backfill;
mod build;
mod call;
mod careful;
mod commit;
#[cfg(feature = "conformance")]
pub mod conformance;
mod connection;
mod error;
mod kept;
mod migration;
mod moving;
mod options;
mod outbox;
mod pool;
mod pooler;
mod postgres;
mod row;
mod scan;
mod schema;
mod session;
mod settle;
mod table;
mod tls;
mod url;
mod watch;

pub use migration::{migrate, plan};
pub use options::Options;
pub use postgres::Postgres;
pub use tokio_postgres;
pub use watch::{OPERATION_SECONDS, QUEUE_LENGTH};
