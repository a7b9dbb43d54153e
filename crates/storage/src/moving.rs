use async_trait::async_trait;
use serde_json::Value;
use staffa_context::Context;

use crate::{Event, Kept, Part, Result, Store};

/// What an adapter gives besides, for a store to be moved to another one: a pause for those who write, and everything at
/// rest, page by page.
///
/// A store is opened for it beside the service that owns it, which may go on.
///
/// # The contract
///
/// - A pause MUST be at rest in the store, and every transaction that writes MUST read it before it writes: at no other time
///   is it known to hold. Who sets it MUST wait, within its context, for those that read it before; if it cannot,
///   [`crate::Error::Ended`] or [`crate::Error::Unavailable`] MAY leave the store paused or not, and the caller says it again.
/// - A pause holds back writing through a port of one's own, too, as far as it goes through the adapter.
/// - What keeps the store in shape MAY go on (a backfill of keys), as long as no record of an export changes by it.
/// - What comes out of an export goes into any other adapter's import as it is, and comes out of it as the same: values,
///   versions, shapes, microseconds, and the order of one entity's events.
#[async_trait]
pub trait Moving: Store {
    /// Pauses or resumes all writing to the store, by every process, until it is said otherwise; both may be said twice.
    ///
    /// When it has paused, no unit is under way any more, and none begins: [`Store::commit`], [`Store::mark_sent`] and
    /// [`Store::sweep`] are [`crate::Error::Frozen`]. [`Moving::import`] and reads go on. A pause outlives all processes.
    async fn freeze(&self, ctx: &Context, frozen: bool) -> Result<()>;

    /// Whether it is paused. Cancel-safe.
    async fn is_frozen(&self, ctx: &Context) -> Result<bool>;

    /// The next records of a section, at most `limit`, in an order of the adapter's that does not change while the store is
    /// frozen. Cancel-safe.
    ///
    /// Rows come with those that were deleted, and events in the order of [`Store::unsent`].
    async fn export(
        &self,
        ctx: &Context,
        section: Section,
        after: Option<&Mark>,
        limit: usize,
    ) -> Result<Exported>;

    /// Writes records of one section as they are, all or none of a call. One that is there already (the id of a row or an
    /// event, the scope and key of a kept record) is replaced, so that a call may be repeated; an event keeps its place. The keys of rows
    /// are made anew, and unique ones are checked: [`crate::Error::Duplicate`]. A row of a newer shape than the binary's is
    /// [`crate::Error::NewerShape`], and one of another section [`crate::Error::Unusable`].
    ///
    /// Its outcome may be [`crate::Error::Unknown`], as a commit's: repeat it.
    async fn import(&self, ctx: &Context, section: Section, records: Vec<Record>) -> Result<()>;
}

/// One sort of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    /// The entities of a kind that the store was opened with.
    Rows(&'static str),
    /// The outbox, with what was sent and not swept yet.
    Events,
    /// Kept answers and inbox records.
    Kept,
}

/// Where an export goes on: an adapter's own text, good for the store that gave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark(pub String);

/// A page of an export.
#[derive(Clone, Debug, PartialEq)]
pub struct Exported {
    /// The records.
    pub records: Vec<Record>,
    /// Where the next page begins; `None` when there is nothing after these.
    pub next: Option<Mark>,
}

/// What is at rest, one by one.
#[derive(Clone, Debug, PartialEq)]
pub enum Record {
    /// An entity, or the trace of one that was deleted.
    Row {
        /// Its id.
        id: Part,
        /// Its version, or that of its deletion.
        version: i64,
        /// The shape of its document; 1 once it was deleted.
        shape: u32,
        /// The document; `None` once it was deleted.
        document: Option<Value>,
    },
    /// An event.
    Event {
        /// The event.
        event: Event,
        /// Whether it was noted as sent.
        sent: bool,
    },
    /// A kept answer or an inbox record.
    Kept(Kept),
}
