use async_trait::async_trait;
use serde_json::Value;
use staffa_context::{Context, Timestamp};
use uuid::Uuid;

use crate::{Commit, Event, Found, Kept, Part, Result, Scan};

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
    pub document: Value,
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
/// Every adapter MUST behave alike: the conformance suite is the contract, each of its cases one rule. An
/// operation whose future is dropped or whose context ends MUST leave nothing behind: no open transaction, no
/// statement running on, no connection in an unknown state; and a commit is whole or not at all. A commit whose
/// outcome was not seen is [`crate::Error::Unknown`].
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// The entity of this kind and id.
    async fn get(&self, ctx: &Context, kind: &'static str, id: &Part) -> Result<Seen>;

    /// One page of a read by index.
    async fn scan(&self, ctx: &Context, scan: Scan) -> Result<Vec<Found>>;

    /// Commits all or nothing. Checks come in this order: the kept key, then guards and writes in the order of
    /// (kind, id), then unique keys.
    async fn commit(&self, ctx: &Context, commit: Commit) -> Result<()>;

    /// The answer or inbox record kept under this key.
    async fn kept(&self, ctx: &Context, scope: &str, key: &str) -> Result<Option<Kept>>;

    /// Unsent events, oldest commit first, those of one entity in the order of (version, n). Events of the `held`
    /// entities (kind, id) are passed over. Reads what is unsent, never from a high-water mark.
    async fn unsent(&self, ctx: &Context, held: &[(String, String)], limit: usize) -> Result<Vec<Event>>;

    /// Notes that these events were sent, once their delivery is certain.
    async fn mark_sent(&self, ctx: &Context, events: &[Uuid]) -> Result<()>;

    /// Removes kept records and sent events from before this time, at most `limit` of each; gives how many went.
    async fn sweep(&self, ctx: &Context, before: Timestamp, limit: usize) -> Result<usize>;

    /// Whether the store can serve now: what readiness asks.
    async fn ping(&self, ctx: &Context) -> Result<()>;

    /// Waits for what was accepted and closes. Later calls are [`crate::Error::Unavailable`].
    async fn close(&self, ctx: &Context) -> Result<()>;
}
