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
/// - **Reads** see what was committed before they began. They MAY see what is committed while they run.
/// - **Trust.** The port checks values, keys, limits and cursors, and gives writes and guards in the order of
///   (kind, id), each once. An adapter need not check them again. A kind that it was not opened with is
///   [`crate::Error::Unusable`].
/// - **Pauses.** While the store is frozen (`Moving::freeze`), what writes is [`crate::Error::Frozen`] and did nothing; reads go
///   on.
/// - **Shapes.** A row MUST keep the shape that its writer knew. A write over a newer one MUST be
///   [`crate::Error::NewerShape`]. An index that is new MUST NOT serve reads before all rows are in it, those
///   that an older binary wrote meanwhile included: until then a read by it is [`crate::Error::Unavailable`].
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// The entity of this kind and id, or how it is absent. Cancel-safe.
    async fn get(&self, ctx: &Context, kind: &'static str, id: &Part) -> Result<Seen>;

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
    /// gives how many went. It MUST NOT remove an unsent event.
    async fn sweep(&self, ctx: &Context, before: Timestamp, limit: usize) -> Result<usize>;

    /// Whether the store can serve now: what readiness asks.
    async fn ping(&self, ctx: &Context) -> Result<()>;

    /// Waits for what was accepted and closes. Later calls are [`crate::Error::Unavailable`]; closing again does
    /// nothing.
    async fn close(&self, ctx: &Context) -> Result<()>;
}
