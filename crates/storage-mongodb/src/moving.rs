//! A pause for those who write, and everything at rest, page by page.

use async_trait::async_trait;
use bson::raw::{RawBsonRef, RawDocument, RawDocumentBuf, cstr};
use bson::{Bson, Document, Timestamp as Place, doc, rawdoc};
use serde_json::Value;
use staffa_context::Context;
use staffa_storage::watch::Operation;
use staffa_storage::{Error, Event, Exported, Kept, Mark, Moving, Part, Record, Result, Section};

use crate::call::Call;
use crate::commit::{self, refuse_doubles};
use crate::mongodb::MongoDb;
use crate::row::{self, Stored, field};
use crate::shared::Shared;
use crate::table::Table;
use crate::transaction::{self, Stop, Transaction, Work, raw};
use crate::{freezing, kept, outbox};

/// How often a portion is tried: for longer than it takes to end what a killed copy left.
const ATTEMPTS_MAX: u32 = 400;

#[async_trait]
impl Moving for MongoDb {
    /// Shuts all gates: each waits for the unit that is passing it.
    async fn freeze(&self, ctx: &Context, frozen: bool) -> Result<()> {
        self.run(ctx, Operation::Freeze, "", |store, call| async move {
            freezing::freeze(&store, &call, frozen).await
        })
        .await
    }

    async fn is_frozen(&self, ctx: &Context) -> Result<bool> {
        self.run(
            ctx,
            Operation::Freeze,
            "",
            |store, call| async move { freezing::is_frozen(&store, &call).await },
        )
        .await
    }

    async fn export(
        &self,
        ctx: &Context,
        section: Section,
        after: Option<&Mark>,
        limit: usize,
    ) -> Result<Exported> {
        let after = after.cloned();
        if let Section::Rows(kind) = section {
            self.table(kind)?;
        }
        self.run(ctx, Operation::Export, "", |store, call| async move {
            match section {
                _ if limit == 0 => Ok(Exported { records: Vec::new(), next: after }),
                Section::Rows(kind) => {
                    let table = store.tables.of(kind)?;
                    let living = doc! { "version": { "$gt": 0_i64 } };
                    by_id(&store, &call, &table.name, living, after, limit, |found| record(table, found))
                        .await
                }
                Section::Events => events(&store, &call, after, limit).await,
                Section::Kept => {
                    let read = |found: &RawDocument| kept::read(found).map(Record::Kept);
                    by_id(&store, &call, kept::COLLECTION, doc! {}, after, limit, read).await
                }
            }
        })
        .await
    }

    async fn import(&self, ctx: &Context, section: Section, records: Vec<Record>) -> Result<()> {
        let import = Import::of(self, section, records)?;
        self.run(ctx, Operation::Import, "", |store, call| async move {
            transaction::run(&store, &call, &import).await
        })
        .await
    }
}

/// A page in the order of ids, whose mark is the last id.
async fn by_id(
    store: &Shared,
    call: &Call,
    collection: &str,
    mut filter: Document,
    after: Option<Mark>,
    limit: usize,
    read: impl Fn(&RawDocument) -> Result<Record>,
) -> Result<Exported> {
    if let Some(mark) = after {
        filter.insert("_id", doc! { "$gt": marked(&mark)? });
    }
    let found = store.find(call, collection, filter, doc! { "_id": 1 }, limit).await?;
    let records = found.iter().map(|document| read(document)).collect::<Result<Vec<_>>>()?;
    let last = found.last().filter(|_| found.len() == limit);
    let next = match last {
        Some(last) => Some(mark(field(last, "_id")?)?),
        None => None,
    };
    Ok(Exported { records, next })
}

/// An id as extended JSON.
fn mark(id: RawBsonRef<'_>) -> Result<Mark> {
    let id = Bson::try_from(id).map_err(|error| Error::Unusable(error.to_string()))?;
    Ok(Mark(id.into_canonical_extjson().to_string()))
}

fn marked(mark: &Mark) -> Result<Bson> {
    let value: Value = serde_json::from_str(&mark.0).map_err(|_| foreign())?;
    Bson::try_from(value).map_err(|_| foreign())
}

fn foreign() -> Error {
    Error::Unusable("the mark is not one of this store's".into())
}

fn record(table: &Table, document: &RawDocument) -> Result<Record> {
    let stored = Stored::of(document, table)?;
    let (id, version) = (stored.id.clone(), stored.version);
    match stored.row()? {
        // What was deleted has no document, and no shape.
        None => Ok(Record::Row { id, version, shape: 1, document: None }),
        Some(row) => Ok(Record::Row { id, version, shape: row.shape, document: Some(row.document.value()?) }),
    }
}

/// Where an export of events is: those that were sent come first, each part in the order of places.
#[derive(Clone, Copy, Debug, PartialEq)]
struct At {
    sent: bool,
    place: Place,
    /// How many events of this place came already: a server may give a place twice.
    passed: u64,
}

impl At {
    const START: Self = Self { sent: true, place: Place { time: 0, increment: 0 }, passed: 0 };

    fn of(mark: &Mark) -> Option<Self> {
        let mut parts = mark.0.split('.');
        let sent = match parts.next()? {
            "sent" => true,
            "unsent" => false,
            _ => return None,
        };
        let place = Place { time: parts.next()?.parse().ok()?, increment: parts.next()?.parse().ok()? };
        let passed = parts.next()?.parse().ok()?;
        parts.next().is_none().then_some(Self { sent, place, passed })
    }

    fn mark(self) -> Mark {
        let part = if self.sent { "sent" } else { "unsent" };
        Mark(format!("{part}.{}.{}.{}", self.place.time, self.place.increment, self.passed))
    }

    /// The same after an event of this place.
    fn after(self, place: Place) -> Self {
        let passed = if place == self.place { self.passed + 1 } else { 1 };
        Self { place, passed, ..self }
    }
}

async fn events(store: &Shared, call: &Call, after: Option<Mark>, limit: usize) -> Result<Exported> {
    let mut at = after.map_or(Some(At::START), |mark| At::of(&mark)).ok_or_else(foreign)?;
    let mut records = Vec::new();
    loop {
        let filter = doc! { "sent": at.sent, "place": { "$gte": at.place } };
        let some = store.find_after(
            call,
            outbox::COLLECTION,
            filter,
            outbox::order(),
            at.passed,
            limit - records.len(),
        );
        for document in some.await? {
            let RawBsonRef::Timestamp(place) = field(&document, "place")? else {
                return Err(row::missing("place"));
            };
            records.push(Record::Event { event: outbox::event(&document)?, sent: at.sent });
            at = at.after(place);
        }
        if records.len() == limit {
            return Ok(Exported { records, next: Some(at.mark()) });
        }
        if !at.sent {
            return Ok(Exported { records, next: None });
        }
        at = At { sent: false, ..At::START };
    }
}

/// Records to be written as they are.
enum Import {
    Rows { table: std::sync::Arc<Table>, rows: Vec<Row> },
    Events(Vec<(Event, bool)>),
    Kept(Vec<Kept>),
}

/// A row as it will be stored, with its keys.
struct Row {
    id: Part,
    stored: RawDocumentBuf,
    keys: Option<Vec<Vec<Part>>>,
}

impl Import {
    fn of(store: &MongoDb, section: Section, records: Vec<Record>) -> Result<Self> {
        let misplaced = |record: &Record| Error::Unusable(format!("a record of another section: {record:?}"));
        match section {
            Section::Rows(kind) => {
                let table = store.table(kind)?;
                let rows = records.into_iter().map(|record| match record {
                    Record::Row { id, version, shape, document } => {
                        Row::of(&table, id, version, shape, document)
                    }
                    other => Err(misplaced(&other)),
                });
                let rows = rows.collect::<Result<_>>()?;
                Ok(Self::Rows { table, rows })
            }
            Section::Events => {
                let events = records.into_iter().map(|record| match record {
                    Record::Event { event, sent } => Ok((event, sent)),
                    other => Err(misplaced(&other)),
                });
                Ok(Self::Events(events.collect::<Result<_>>()?))
            }
            Section::Kept => {
                let kept = records.into_iter().map(|record| match record {
                    Record::Kept(kept) => Ok(kept),
                    other => Err(misplaced(&other)),
                });
                Ok(Self::Kept(kept.collect::<Result<_>>()?))
            }
        }
    }
}

impl Row {
    fn of(table: &Table, id: Part, version: i64, shape: u32, document: Option<Value>) -> Result<Self> {
        let Some(document) = document else {
            return Ok(Self { stored: raw(&commit::gone(&id, version))?, id, keys: None });
        };
        let keys = table.keys(shape, document.clone())?;
        let stored = commit::entity(table, &id, version, shape, &document, &keys)?;
        Ok(Self { id, stored, keys: Some(keys) })
    }

    fn statement(&self) -> Result<RawDocumentBuf> {
        let mut statement = rawdoc! { "q": raw(&doc! { "_id": row::bson(&self.id) })?, "upsert": true };
        statement.append(cstr!("u"), self.stored.clone());
        Ok(statement)
    }
}

impl Work for Import {
    type Output = ();

    async fn run(&self, tx: &mut Transaction<'_>, again: bool) -> Result<(), Stop> {
        match self {
            Self::Rows { table, rows } => {
                if again {
                    let ids: Vec<Bson> = rows.iter().map(|row| row::bson(&row.id)).collect();
                    let leave = doc! { "$unset": { "keys": "", "ties": "" } };
                    let vacate = doc! { "q": { "_id": { "$in": ids } }, "u": leave, "multi": true };
                    tx.write("update", &table.name, "updates", vec![raw(&vacate)?]).await?;
                }
                let statements = rows.iter().map(Row::statement).collect::<Result<_>>()?;
                tx.update(&table.name, statements).await
            }
            Self::Events(events) => import_events(tx, events).await,
            Self::Kept(kept) => {
                let statements = kept.iter().map(|kept| {
                    let named = raw(&kept::named(&kept.scope, &kept.key))?;
                    Ok(rawdoc! { "q": named, "u": kept::document(kept)?, "upsert": true })
                });
                tx.update(kept::COLLECTION, statements.collect::<Result<_>>()?).await
            }
        }
    }

    async fn look(&self, tx: &mut Transaction<'_>) -> Result<(), Stop> {
        let Self::Rows { table, rows } = self else { return Ok(()) };
        let written: Vec<Bson> = rows.iter().map(|row| row::bson(&row.id)).collect();
        let keys: Vec<&Vec<Vec<Part>>> = rows.iter().filter_map(|row| row.keys.as_ref()).collect();
        refuse_doubles(tx, table, &written, &keys).await
    }

    /// Nobody else writes to a store that is copied to, but for what a copy that was killed left locked.
    fn attempts_max(&self) -> u32 {
        ATTEMPTS_MAX
    }

    fn outrun(&self) -> Error {
        Error::Unavailable("other writers were always faster: freeze the store first".into())
    }
}

/// Those that are there already keep their places.
async fn import_events(tx: &mut Transaction<'_>, events: &[(Event, bool)]) -> Result<(), Stop> {
    let ids: Vec<Bson> = events.iter().map(|(event, _)| row::uuid(event.id)).collect();
    let there = tx.find(outbox::COLLECTION, doc! { "_id": { "$in": ids } }, doc! { "_id": 1 }, 0).await?;
    let there = there.iter().map(|found| outbox::id(found)).collect::<Result<Vec<_>>>()?;
    let statements = events.iter().map(|(event, sent)| {
        let named = raw(&doc! { "_id": row::uuid(event.id) })?;
        let mut fields = outbox::document(event, *sent)?;
        if !there.contains(&event.id) {
            fields.append(cstr!("turn"), tx.turn());
        }
        let mut change = rawdoc! { "$set": fields };
        if !there.contains(&event.id) {
            change.append(cstr!("$currentDate"), rawdoc! { "place": { "$type": "timestamp" } });
        }
        Ok(rawdoc! { "q": named, "u": change, "upsert": true })
    });
    tx.update(outbox::COLLECTION, statements.collect::<Result<_>>()?).await
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

    use super::*;

    #[test]
    fn a_mark_of_events_is_read_again() {
        let at = At { sent: false, place: Place { time: 1_800_000_000, increment: 7 }, passed: 3 };
        assert_eq!(At::of(&at.mark()), Some(at));
        for foreign in ["", "1", "sent", "sent.1.2", "sent.1.2.3.4", "later.1.2.3", "sent.-1.2.3"] {
            assert_eq!(At::of(&Mark(foreign.into())), None, "{foreign}");
        }
    }

    #[test]
    fn a_mark_counts_the_events_of_its_place() {
        let place = |increment| Place { time: 5, increment };
        let at = At::START.after(place(1)).after(place(1)).after(place(2));
        assert_eq!(at, At { sent: true, place: place(2), passed: 1 });
        assert_eq!(at.after(place(2)).passed, 2);
    }

    #[test]
    fn a_mark_of_ids_keeps_their_type() {
        let text = |text: &str| Bson::String(text.into());
        for id in [Bson::Int64(i64::MAX), text("5"), text(r#"["s","a"]"#), row::uuid(uuid::Uuid::max())] {
            let raw = bson::raw::RawBson::try_from(id.clone()).unwrap();
            assert_eq!(marked(&mark(raw.as_raw_bson_ref()).unwrap()), Ok(id));
        }
        assert!(marked(&Mark("{".into())).is_err());
    }
}
