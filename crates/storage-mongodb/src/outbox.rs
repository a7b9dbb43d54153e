//! The outbox: events that were committed with the state, until they are sent and swept; and the gates, by which a store is
//! frozen.
//!
//! A gate is a document of this collection with a small number for its id. Each unit writes one, and finds it open: so a
//! freezer, who writes them all, waits for each unit that is under way, and whoever comes later finds them shut. They are in this
//! collection for the unit to need no other statement when it has events.

use bson::raw::{RawBsonRef, RawDocument, RawDocumentBuf, cstr};
use bson::{Bson, Document, doc, rawdoc};
use staffa_context::Timestamp;
use staffa_storage::{Backlog, Error, Event, Partitions, Result, Unsent};
use uuid::Uuid;

use crate::call::Call;
use crate::kept::date;
use crate::row::{self, field, int, missing, text};
use crate::shared::Shared;
use crate::transaction::{Stop, Transaction, raw};
use crate::value;

pub(crate) const COLLECTION: &str = "staffa_outbox";
/// How many gates there are. Units of one process take different ones, and those of two rarely meet.
pub(crate) const GATES: i32 = 64;

/// The statement of a unit that passes a gate.
pub(crate) fn pass(slot: i32) -> Result<RawDocumentBuf> {
    raw(&doc! { "q": { "_id": slot, "frozen": false }, "u": { "$inc": { "units": 1_i64 } } })
}

/// Looks whether a gate is shut.
pub(crate) async fn refuse_frozen(tx: &mut Transaction<'_>, slot: i32) -> Result<(), Stop> {
    let gate = tx.find(COLLECTION, doc! { "_id": slot }, doc! { "frozen": 1 }, 1).await?;
    match gate.first().map(|gate| gate.get_bool("frozen")) {
        Some(Ok(true)) => Err(Error::Frozen.into()),
        Some(Ok(false)) => Ok(()),
        _ => Err(Error::Unusable(format!(
            "the collection {COLLECTION} lacks its gate {slot}: open the store again"
        ))
        .into()),
    }
}

/// The statement that puts an event in. Its place is the server's logical time, which an entity's later commit is always above.
pub(crate) fn put(event: &Event, turn: i64) -> Result<RawDocumentBuf> {
    let mut fields = document(event, false)?;
    fields.append(cstr!("turn"), turn);
    Ok(rawdoc! {
        "q": raw(&doc! { "_id": row::uuid(event.id) })?,
        "u": {
            "$setOnInsert": fields,
            "$currentDate": { "place": { "$type": "timestamp" } },
        },
        "upsert": true,
    })
}

/// The fields of an event but for its id and place.
pub(crate) fn document(event: &Event, sent: bool) -> Result<RawDocumentBuf> {
    let mut fields = raw(&doc! {
        "name": &event.name,
        "kind": &event.kind,
        "entity": &event.entity,
        "version": event.version,
        "n": i64::from(event.n),
        "at": event.at.as_micros(),
        "at_date": date(event.at),
        "trace": event.trace.clone(),
        "partition": i32::from(event.partition()),
        "sent": sent,
    })?;
    fields.append(cstr!("payload"), value::bson(&event.payload)?);
    Ok(fields)
}

/// The indexes of the collection. The gates are in them, too, as what has no `sent`: few, and a read of what is unsent or sent
/// needs no thought of what a partial index holds.
pub(crate) fn indexes() -> [Document; 2] {
    [
        doc! {
            "name": "order",
            "key": { "sent": 1, "place": 1, "turn": 1, "version": 1, "n": 1, "_id": 1, "partition": 1 },
        },
        doc! {
            "name": "age",
            "key": { "sent": 1, "at": 1 },
        },
    ]
}

/// Unsent events of some partitions without those of the held entities.
pub(crate) fn unsent(unsent: &Unsent<'_>) -> Document {
    let partitions: Vec<Bson> =
        unsent.partitions.iter().map(|partition| Bson::Int32(partition.into())).collect();
    let mut filter = doc! { "sent": false };
    if unsent.partitions != Partitions::ALL {
        filter.insert("partition", doc! { "$in": partitions });
    }
    if !unsent.held.is_empty() {
        let held =
            unsent.held.iter().map(|(kind, entity)| Bson::Document(doc! { "kind": kind, "entity": entity }));
        filter.insert("$nor", held.collect::<Vec<Bson>>());
    }
    filter
}

/// How much is unsent, counted up to a limit.
pub(crate) async fn backlog(store: &Shared, call: &Call, limit: usize) -> Result<Backlog> {
    let unsent = doc! { "sent": false };
    let oldest = store.find(call, COLLECTION, unsent.clone(), doc! { "at": 1 }, 1).await?;
    let oldest = oldest.first().map(|event| int(event, "at").map(Timestamp::from_micros)).transpose()?;
    if oldest.is_none() || limit == 0 {
        return Ok(Backlog { events: 0, oldest });
    }
    let events = store.count(call, COLLECTION, unsent, limit).await?;
    Ok(Backlog { events, oldest })
}

/// Oldest commit first, and those of an entity in their order, by the turns of their writers where a server
/// that is not MongoDB gives a place twice.
pub(crate) fn order() -> Document {
    doc! { "place": 1, "turn": 1, "version": 1, "n": 1, "_id": 1 }
}

pub(crate) fn id(document: &RawDocument) -> Result<Uuid> {
    let RawBsonRef::Binary(id) = field(document, "_id")? else { return Err(missing("_id")) };
    Uuid::from_slice(id.bytes).map_err(|_| missing("_id"))
}

pub(crate) fn event(document: &RawDocument) -> Result<Event> {
    let trace = match field(document, "trace")? {
        RawBsonRef::String(trace) => Some(trace.to_owned()),
        _ => None,
    };
    Ok(Event {
        id: id(document)?,
        name: text(document, "name")?.to_owned(),
        kind: text(document, "kind")?.to_owned(),
        entity: text(document, "entity")?.to_owned(),
        version: int(document, "version")?,
        n: u32::try_from(int(document, "n")?).map_err(|_| missing("n"))?,
        at: Timestamp::from_micros(int(document, "at")?),
        trace,
        payload: value::json(field(document, "payload")?)?,
    })
}
