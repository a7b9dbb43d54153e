use async_trait::async_trait;
use staffa_context::{Context, Timestamp};
use uuid::Uuid;

use crate::{Backlog, Commit, Document, Event, Found, Kept, Part, Result, Scan, Unsent};

/// A stored entity, as the adapter sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Its id.
    pub id: Part,
    /// Its version, 1 or greater.
    pub version: i64,
    /// The shape of its document.
    pub shape: u32,
    /// The document, as it was written.
    pub document: Document,
}

/// What a read by id saw.
#[derive(Clone, Debug, PartialEq)]
pub enum Seen {
    /// The entity.
    Row(Row),
    /// None now. `last` is the version of the latest entity that had the id and was deleted; 0: there never was one.
    Absent {
        /// The last version that was deleted.
        last: i64,
    },
}

/// What an adapter gives the port. Users hold it as `Arc<dyn Store>`, and reach it through units and repositories.
///
/// # The contract
///
/// Every adapter MUST behave alike: the conformance suite is the contract, each of its cases one rule. It MUST pass
/// [`crate::Schema::check`] when it opens, and MUST lay at rest what people can open with the database's own tools.
///
/// - **Ending.** An operation whose context has ended before it began MUST give [`crate::Error::Ended`] and do nothing.
///   One whose context ends, or whose future is dropped, at any await point MUST leave nothing behind: no open
///   transaction, no statement running on, no connection in an unknown state. It MUST NOT hit a later operation.
/// - **Outcome.** A commit is whole or not at all, whatever happens. [`crate::Error::Ended`], like every other error, MUST
///   mean that nothing happened and nothing will. A commit whose outcome was not seen is [`crate::Error::Unknown`],
///   never "ended". A commit whose future was dropped MAY happen.
/// - **Reads** see what was committed before they began. They MAY see what is committed while they run; one of many ids MUST be
///   of one moment.
/// - **Trust.** The port checks values, keys, limits and cursors, gives writes and guards in the order of
///   (kind, id), each once, and of many ids each once. An adapter need not check them again. A kind that it was not opened with is
///   [`crate::Error::Unusable`].
/// - **Pauses.** While the store is frozen (`Moving::freeze`), what writes is [`crate::Error::Frozen`] and did nothing; reads go
///   on.
/// - **Shapes.** A row MUST keep the shape that its writer knew. A write over a newer one MUST be
///   [`crate::Error::NewerShape`]. An index that is new MUST NOT serve reads before all rows are in it, those
///   that an older binary wrote meanwhile included: until then a read by it is [`crate::Error::Unavailable`].
///
/// # How to write an adapter
///
/// **A row** is its id, version, shape, document, a typed column or field for each key part, and its index set
/// ([`crate::Schema::index_set`]). One that is deleted keeps its id and version, and nothing else. Text compares by its bytes.
///
/// **A commit** is one transaction. Make the texts and values outside of it. Then, in this order:
/// 1. refuse while the store is frozen ([`crate::Error::Frozen`]);
/// 2. keep the record ([`crate::Error::Kept`] when scope and key are there);
/// 3. read what guards and writes expect, in the order of (kind, id) over both, and lock it against others: a guard that
///    is only read lets write skew through. An insertion that finds a row or a trace of one is [`crate::Error::Duplicate`] of `id` if it is
///    [`crate::Expect::New`], else a mismatch is [`crate::Error::Conflict`]; a write that would hold, over a newer shape, is
///    [`crate::Error::NewerShape`]. The first that fails is the answer;
/// 4. write. Two entities may swap a unique key in one unit, so a guard of the database that looks at each statement
///    needs the old keys out of the way first. Taken keys are [`crate::Error::Duplicate`] of the first index, in the order of
///    kinds and of [`crate::Schema::indexes`];
/// 5. put the events into the outbox.
///
/// A conflict that the database itself finds (serialisation, deadlock) is [`crate::Error::Conflict`] of any row of the unit,
/// and `retry` runs it again.
///
/// **Unknown** is for the commit alone: once the word that commits is on its way, and until its answer is seen, the end of a
/// context, a lost connection or an error of the server is [`crate::Error::Unknown`]. Before, it is
/// [`crate::Error::Ended`] or [`crate::Error::Unavailable`], and nothing will happen: make sure of it (take back, or cut the connection).
/// A read is never unknown.
///
/// **Stale rows.** A binary writes the columns of the indexes that it knows, sets those of other indexes to null, and says so
/// by its index set. Lay down, once, which lines a set stands for ([`crate::Schema::index_lines`]). A row is stale for an index whose line is
/// not among those of its set. A newer binary's rows are thus not stale for an older one, which is the point: both
/// serve. A read by an index first makes sure, in the same snapshot, that no stale row is there; keys of stale rows are made by
/// [`crate::Schema::keys`] in bounded batches, under the version that was read. The shape stays as it was: the document was not
/// written. An index is created before the backfill begins, or without blocking writers.
///
/// **Pieces** that adapters share: the segments of a page for what compares nothing with NULL ([`crate::segment`]), spans and
/// series ([`crate::watch`]), and whether an operation is still wanted ([`crate::Claim`]).
///
/// **Limits.** A statement ends with the context: give the server the budget that is left, and cancel besides. What waits
/// for a place (a pool, a queue) waits within the context, and is [`crate::Error::Ended`] with it; no longer than a limit of the
/// adapter's own, which is [`crate::Error::Unavailable`].
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// The entity of this kind and id, or how it is absent. Cancel-safe.
    async fn get(&self, ctx: &Context, kind: &'static str, id: &Part) -> Result<Seen>;

    /// The same for several ids of a kind: what is at each, in their order. Cancel-safe.
    ///
    /// The port gives each id once, 1 to [`crate::IDS_MAX`] of them. It SHOULD take one round trip.
    async fn get_many(&self, ctx: &Context, kind: &'static str, ids: &[Part]) -> Result<Vec<Seen>>;

    /// One page of a read by index, in the order of [`Part`], then of the id. Cancel-safe.
    ///
    /// It MUST give the `limit` first rows that the scan covers, or all if there are fewer, each once.
    async fn scan(&self, ctx: &Context, scan: Scan) -> Result<Vec<Found>>;

    /// Commits all or nothing.
    ///
    /// Checks MUST come in this order: the kept key ([`crate::Error::Kept`]), then guards and writes together in the
    /// order of (kind, id) ([`crate::Expect`] says which error), then unique keys as they are after all writes
    /// ([`crate::Error::Duplicate`]). Between the checks and the writes nobody else MAY write. A deletion MUST keep
    /// the write's version, for the next insertion to be above it.
    async fn commit(&self, ctx: &Context, commit: Commit) -> Result<()>;

    /// The answer or inbox record kept under this key. Cancel-safe.
    async fn kept(&self, ctx: &Context, scope: &str, key: &str) -> Result<Option<Kept>>;

    /// Unsent events of some partitions, oldest commit first where the store knows that order, and always those of one
    /// entity in the order of (version, n). Cancel-safe.
    ///
    /// Events of held entities are passed over, and do not count to the limit. It MUST read what is unsent, never from a
    /// high-water mark: an event that commits late has an older time and id than those before it.
    async fn unsent(&self, ctx: &Context, unsent: Unsent<'_>) -> Result<Vec<Event>>;

    /// How much is unsent, counted up to `limit` events. Cancel-safe.
    async fn backlog(&self, ctx: &Context, limit: usize) -> Result<Backlog>;

    /// Notes that these events were sent, once their delivery is certain. Unknown ones, and those noted before, are
    /// passed over.
    async fn mark_sent(&self, ctx: &Context, events: &[Uuid]) -> Result<()>;

    /// Removes kept records and sent events whose `at` is before this time, at most `limit` of each, oldest first;
    /// gives how many went. It MUST NOT remove an unsent event. (They live for 7 days, unless a service says otherwise.)
    async fn sweep(&self, ctx: &Context, before: Timestamp, limit: usize) -> Result<usize>;

    /// Whether the store can serve now: what readiness asks. [`crate::Error::Unavailable`] also while an index is not whole.
    /// A frozen store can. Cancel-safe.
    async fn ping(&self, ctx: &Context) -> Result<()>;

    /// Waits for what was accepted, within the context, and closes. Later calls are [`crate::Error::Unavailable`]; closing again does
    /// nothing.
    async fn close(&self, ctx: &Context) -> Result<()>;
}
