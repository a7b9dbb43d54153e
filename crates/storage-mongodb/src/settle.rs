//! What relays and sweepers do: events are noted as sent, and what is old is removed.

use bson::{Bson, Document, doc};
use staffa_context::Timestamp;
use staffa_storage::{Error, Result};
use uuid::Uuid;

use crate::transaction::{Stop, Transaction, Work, raw};
use crate::{kept, outbox, row};

/// Notes that events were sent.
pub(crate) struct Sent {
    pub(crate) events: Vec<Uuid>,
    pub(crate) at: Timestamp,
    pub(crate) slot: i32,
}

impl Work for Sent {
    type Output = ();

    async fn run(&self, tx: &mut Transaction<'_>, _again: bool) -> Result<(), Stop> {
        tx.update(outbox::COLLECTION, vec![outbox::pass(self.slot)?]).await?;
        if self.events.is_empty() {
            return Ok(());
        }
        let ids: Vec<Bson> = self.events.iter().copied().map(row::uuid).collect();
        let sent = doc! { "$set": { "sent": true, "sent_at": kept::date(self.at) } };
        let update = doc! { "q": { "_id": { "$in": ids }, "sent": false }, "u": sent, "multi": true };
        tx.write("update", outbox::COLLECTION, "updates", vec![raw(&update)?]).await.map(drop)
    }

    async fn look(&self, tx: &mut Transaction<'_>) -> Result<(), Stop> {
        outbox::refuse_frozen(tx, self.slot).await
    }

    fn outrun(&self) -> Error {
        outrun()
    }
}

/// Removes what is from before a time.
pub(crate) struct Sweep {
    pub(crate) before: Timestamp,
    pub(crate) limit: usize,
    pub(crate) slot: i32,
}

impl Work for Sweep {
    type Output = usize;

    async fn run(&self, tx: &mut Transaction<'_>, _again: bool) -> Result<usize, Stop> {
        tx.update(outbox::COLLECTION, vec![outbox::pass(self.slot)?]).await?;
        let old = doc! { "$lt": self.before.as_micros() };
        let events = self.remove(tx, outbox::COLLECTION, doc! { "sent": true, "at": old.clone() }).await?;
        Ok(events + self.remove(tx, kept::COLLECTION, doc! { "at": old }).await?)
    }

    async fn look(&self, tx: &mut Transaction<'_>) -> Result<(), Stop> {
        outbox::refuse_frozen(tx, self.slot).await
    }

    fn outrun(&self) -> Error {
        outrun()
    }
}

impl Sweep {
    async fn remove(&self, tx: &mut Transaction<'_>, collection: &str, old: Document) -> Result<usize, Stop> {
        let limit = i64::try_from(self.limit).unwrap_or(i64::MAX);
        if limit == 0 {
            return Ok(0);
        }
        let found = tx.oldest(collection, old, limit).await?;
        let ids = found
            .iter()
            .map(|document| document.get("_id").ok().flatten().and_then(|id| Bson::try_from(id).ok()));
        let ids: Vec<Bson> = ids.flatten().collect();
        if ids.is_empty() {
            return Ok(0);
        }
        let delete = doc! { "q": { "_id": { "$in": ids } }, "limit": 0 };
        tx.write("delete", collection, "deletes", vec![raw(&delete)?]).await
    }
}

fn outrun() -> Error {
    Error::Unavailable("other units were always faster: try again".into())
}
