//! The MongoDB adapter of the storage port: a store in one database of a replica set, whose documents are native.
//!
//! A unit is a transaction, and each kind a collection. An operation runs in a task of its own, since the driver's futures must
//! not be dropped half-way; its caller waits for it within its [`Context`](staffa_context::Context). When that ends, or the
//! caller's future is dropped, the server is told to stop; a commit that has begun is finished. Collections and indexes are made
//! when a store is opened, beside those who write. Any number of processes may have a database open.
//!
//! ```no_run
//! # use serde::{Deserialize, Serialize};
//! # use staffa_context::Context;
//! # use staffa_storage::{Entity, Result, Schema, Store};
//! # use staffa_storage_mongodb::driver::bson::doc;
//! use staffa_storage_mongodb::{MongoDb, Options};
//! # #[derive(Clone, Serialize, Deserialize)]
//! # struct Note { id: i64, text: String }
//! # impl Entity for Note {
//! #     type Id = i64;
//! #     const KIND: &'static str = "note";
//! #     fn id(&self) -> &i64 { &self.id }
//! # }
//!
//! # async fn example(ctx: &Context) -> Result<()> {
//! let url = "mongodb://localhost:27017/notes";
//! let mongodb = MongoDb::open(ctx, url, Options::default(), vec![Schema::of::<Note>()]).await?;
//! let store: std::sync::Arc<dyn Store> = mongodb.clone();
//! let mut unit = store.unit();
//! unit.insert(Note { id: 1, text: "buy milk".into() });
//! unit.commit(ctx).await?;
//!
//! // A port of one's own aggregates on the same connections, within the same contexts.
//! let milk = vec![doc! { "$match": { "document.text": { "$regex": "milk" } } }, doc! { "$count": "notes" }];
//! let counted = mongodb.read(ctx, |session| Box::pin(session.aggregate("note", milk))).await?;
//! # drop(counted);
//! store.close(ctx).await
//! # }
//! ```
//!
//! # What a server must be
//!
//! MongoDB 4.4 or newer, as a replica set or behind `mongos`: a standalone server has no transactions, and is refused with what
//! turns it into a replica set of one. The role `readWrite` on the database is enough. Reads and writes are of the primary, with
//! the concern `majority`, whatever else the URL says.
//!
//! # What is in the database
//!
//! | collection | what |
//! |---|---|
//! | one per kind | `_id`, `version`, `shape`, `document` (the entity), `keys` (the parts of its keys: `index`, or `index_1`, `index_2`, …), `ties` (null, or the id where a unique key has a none part), `indexes` (the index set that wrote them). A deleted entity leaves `version` and `deleted`; an id that a unit looked for in vain, version 0 |
//! | `staffa_outbox` | events, with `place` in the order of their commits, `partition`, and `sent`; and 64 gates, with small numbers for ids, by which a store is frozen |
//! | `staffa_kept` | kept answers and the inbox |
//! | `staffa_meta` | the format, whether the store is frozen, the kinds with the index sets that their rows may have, and the processes that write, with the sessions of their transactions |
//!
//! Whole numbers are `Int64`, other ones `Double`; UUIDs binary of subtype 4; times `Int64` microseconds since
//! 1970-01-01T00:00:00Z. The name of a field that begins with `$`, which servers before 5.0 refuse, has a `_` before it.
//!
//! # What changes, and when
//!
//! | what | when |
//! |---|---|
//! | a new kind or index | at the opening ([`staffa_storage::Migrate::Apply`]), or by [`migrate`]; [`plan`] tells the statements. MongoDB builds an index beside those who write |
//! | the keys of rows that lack them | after that, in batches of 200 rows, by a task of the store. It goes on where it ended, whoever goes on |
//! | what no binary asks for any more | stays, until [`migrate`] is told to contract |
//!
//! A read by an index that some index set lacks works out the keys of at most 1,000 rows that an older build left; where there are
//! more, it is unavailable until they are fewer. An older build that starts after a newer one waits for 1.5 s, for the newer one's
//! readers to know of it. A new unique index refuses what is written from then on by those who know it; two older rows with
//! one key make [`MongoDb::open`] fail. Where an older build writes such a row later, reads by the index are unavailable, and so is
//! the store to `ping` once one was tried, until one of the two is changed. A new shape alone changes no key: an index whose key is made
//! otherwise has another name.
//!
//! A freezing or a thaw that was killed half-way is gone on with by saying it again. Gates that a thaw left shut hold nobody back:
//! who meets one opens it.
//!
//! # Limits
//!
//! A unit that others are in the way of is run 16 times, then it is a conflict. Two units that guard the same entity are in each
//! other's way, since a guard is a write. What the transactions of a killed process have written stays locked until they are
//! ended: the next store that is opened, or that is held up by it, does so within 5 s, if both have the same user of the server's. Where
//! nobody is left to do so, the server does after a minute (`transactionLifetimeLimitSeconds`). Until then, who writes the same is told
//! of a conflict. Operations at once, waits and times are in [`Options`].
//!
//! # Features
//!
//! - `conformance`: stores for the port's suite, a database for each place.

mod backfill;
mod builder;
mod call;
mod commit;
#[cfg(feature = "conformance")]
pub mod conformance;
mod connection;
mod error;
mod freezing;
mod kept;
mod many;
mod migration;
mod mongodb;
mod moving;
mod options;
mod outbox;
mod presence;
mod registry;
mod row;
mod scan;
mod schema;
mod session;
mod settle;
mod shared;
mod snapshot;
mod table;
mod transaction;
mod value;
mod watch;

pub use crate::migration::{migrate, plan};
pub use crate::mongodb::MongoDb;
pub use crate::options::Options;
pub use crate::session::Session;
pub use crate::watch::OPERATION_SECONDS;
pub use ::mongodb as driver;
