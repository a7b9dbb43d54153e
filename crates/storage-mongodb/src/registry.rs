//! Which index sets the rows of a kind may have been written with.
//!
//! Every binary that opens a store enters the index set that it writes into the record of the kind, in `staffa_meta`. Invariants:
//! 1. No row has an index set that is not entered: a set is entered before its first row is written.
//! 2. A reader's view of the entered sets is at most [`VIEW_MAX`] old when a read by index ends. Who enters a set that lacks what
//!    another one has waits for longer than that before it writes. Until then the set is marked as pending, and who finds it so
//!    waits, too, whatever became of the one that entered it.
//! 3. So an index that all sets of a view have is whole, and a read by it needs no look at the rows.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bson::{Bson, Document, doc};
use staffa_context::Instant;
use staffa_storage::{Error, Result};
use tokio::sync::Notify;

use crate::call::Call;
use crate::error::told;
use crate::schema::{META, kind_key};
use crate::shared::Shared;
use crate::table::{Index, IndexSet, Table};

/// How old a view may be.
pub(crate) const VIEW_MAX: Duration = Duration::from_secs(1);
/// How long who enters a set that lacks something waits.
const ENTER_WAIT: Duration = Duration::from_millis(1_500);
/// The mark of a set that nobody has waited for yet.
const PENDING: &str = "pending";

/// The views of a process.
#[derive(Default)]
pub(crate) struct Registry {
    views: Mutex<HashMap<&'static str, View>>,
    /// Told by a read that met many rows which are not in its index.
    pub(crate) stale: Notify,
}

/// The sets of a kind by their digests, as they were entered at a time.
#[derive(Clone)]
pub(crate) struct View {
    seen: Instant,
    pub(crate) sets: BTreeMap<String, IndexSet>,
    /// Those that some reader may not know of yet.
    pending: BTreeSet<String>,
}

impl View {
    /// Whether rows may be written with this set.
    pub(crate) fn is_entered(&self, digest: &str) -> bool {
        self.sets.contains_key(digest) && !self.pending.contains(digest)
    }

    /// The digests of the sets whose rows have their keys in this index, and whether that is all of them.
    pub(crate) fn with(&self, index: &Index) -> (Vec<&str>, bool) {
        let having = self.sets.iter().filter(|(_, set)| set.has(&index.sign));
        let having: Vec<&str> = having.map(|(digest, _)| digest.as_str()).collect();
        let all = having.len() == self.sets.len();
        (having, all)
    }

    /// The digests of the sets whose rows have their keys in all indexes of this binary.
    pub(crate) fn whole(&self, table: &Table) -> Vec<&str> {
        let whole = |set: &IndexSet| table.indexes.iter().all(|index| set.has(&index.sign));
        self.sets.iter().filter(|(_, set)| whole(set)).map(|(digest, _)| digest.as_str()).collect()
    }

    pub(crate) fn is_fresh(&self, call: &Call) -> bool {
        call.context().clock().now().saturating_duration_since(self.seen) <= VIEW_MAX
    }
}

impl Registry {
    /// A view that is fresh now.
    pub(crate) async fn view(&self, store: &Shared, call: &Call, table: &Table) -> Result<View> {
        let known = self.views.lock().unwrap_or_else(PoisonError::into_inner).get(table.kind).cloned();
        match known.filter(|view| view.is_fresh(call)) {
            Some(view) => Ok(view),
            None => self.look(store, call, table).await,
        }
    }

    /// A view of now.
    pub(crate) async fn look(&self, store: &Shared, call: &Call, table: &Table) -> Result<View> {
        let seen = call.context().clock().now();
        let record = store.find_one(call, META, doc! { "_id": kind_key(table.kind) }).await?;
        let record = record.map(|record| Document::try_from(record.as_ref())).transpose();
        let record = record.map_err(|error| Error::Unusable(format!("{META} is damaged: {error}")))?;
        let entries = record.as_ref().and_then(|record| record.get_document("sets").ok());
        let view = View {
            seen,
            sets: entries.map(sets).unwrap_or_default(),
            pending: entries.map(pending).unwrap_or_default(),
        };
        self.views.lock().unwrap_or_else(PoisonError::into_inner).insert(table.kind, view.clone());
        Ok(view)
    }

    /// Enters a set, and waits until no view lacks it if it matters to them.
    pub(crate) async fn enter(
        &self,
        store: &Shared,
        call: &Call,
        table: &Table,
        set: &IndexSet,
    ) -> Result<()> {
        let digest = set.digest();
        let before = self.look(store, call, table).await?;
        if before.is_entered(&digest) {
            return Ok(());
        }
        let field = format!("sets.{digest}");
        let mut waits = before.sets.contains_key(&digest);
        if !waits {
            let mut pending = entry(set);
            pending.insert(PENDING, true);
            note(store, table, doc! { "$set": { &field: pending } }).await?;
            // Looked at after it was entered: of two that enter at once, one sees the other.
            let view = self.look(store, call, table).await?;
            let lacks = |other: &IndexSet| other.indexes.iter().any(|sign| !set.has(sign));
            waits = view.sets.values().any(lacks);
        }
        if waits {
            call.context().sleep(ENTER_WAIT).await?;
        }
        note(store, table, doc! { "$unset": { format!("{field}.{PENDING}"): "" } }).await?;
        self.look(store, call, table).await.map(drop)
    }
}

/// Changes the record of a kind.
async fn note(store: &Shared, table: &Table, change: Document) -> Result<()> {
    let records = store.database.collection::<Document>(META);
    records.update_one(doc! { "_id": kind_key(table.kind) }, change).await.map(drop).map_err(told)
}

fn pending(record: &Document) -> BTreeSet<String> {
    let is_pending = |entry: &Bson| entry.as_document().is_some_and(|entry| entry.contains_key(PENDING));
    record.iter().filter(|(_, entry)| is_pending(entry)).map(|(digest, _)| digest.clone()).collect()
}

/// A set as its record has it.
pub(crate) fn entry(set: &IndexSet) -> Document {
    let signs: Vec<Bson> = set.indexes.iter().cloned().map(Bson::String).collect();
    doc! { "indexes": signs }
}

fn sets(record: &Document) -> BTreeMap<String, IndexSet> {
    let read = |entry: &Bson| {
        let entry = entry.as_document()?;
        let signs = entry.get_array("indexes").ok()?.iter().filter_map(Bson::as_str).map(str::to_owned);
        Some(IndexSet { indexes: signs.collect() })
    };
    record.iter().filter_map(|(digest, entry)| Some((digest.clone(), read(entry)?))).collect()
}
