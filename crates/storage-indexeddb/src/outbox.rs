//! The outbox: events that were committed with the state, until they are sent and swept.

use js_sys::{Array, Object, Reflect};
use staffa_context::Timestamp;
use staffa_storage::{Backlog, Event, Partitions, Result};
use uuid::Uuid;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{IdbObjectStore, IdbTransactionMode};

use crate::call::Call;
use crate::connection::Database;
use crate::kept::{read_time, time};
use crate::row::{damaged, get, object, set, text, whole};
use crate::scan::{index, walk};
use crate::schema::OUTBOX;
use crate::transaction::{answer, asked, result};

/// What an unsent event has in the index of those: it lies there by its place alone.
const UNSENT: u32 = 1;

/// What a relay reads.
pub(crate) struct Asked {
    pub(crate) partitions: Partitions,
    pub(crate) held: Vec<(String, String)>,
    pub(crate) limit: usize,
}

/// Puts an event in, whose payload comes as text. Places grow with the commits, which write the outbox one after
/// the other.
pub(crate) fn put(store: &IdbObjectStore, event: &Event, payload: &str) -> Result<()> {
    let record = object();
    set(&record, "id", event.id.hyphenated().to_string());
    set(&record, "name", &event.name);
    set(&record, "kind", &event.kind);
    set(&record, "entity", &event.entity);
    set(&record, "version", event.version);
    set(&record, "n", event.n);
    set(&record, "at", time(event.at));
    if let Some(trace) = &event.trace {
        set(&record, "trace", trace);
    }
    set(&record, "payload", payload);
    set(&record, "unsent", UNSENT);
    asked(store.put(&record)).map(drop)
}

/// Unsent events of some partitions, oldest commit first, without those of the held entities.
pub(crate) async fn unsent(database: &Database, by: Asked) -> Result<Vec<Event>> {
    let tx = database.transaction(&[OUTBOX], IdbTransactionMode::Readonly)?;
    let unsent = index(&tx.store(OUTBOX)?, "unsent")?;
    let mut events = Vec::new();
    if by.limit > 0 {
        walk(&asked(unsent.open_cursor())?, |record| {
            let event = event(record)?;
            let about = (event.kind.clone(), event.entity.clone());
            if by.partitions.contains(event.partition()) && !by.held.contains(&about) {
                events.push(event);
            }
            Ok(events.len() < by.limit)
        })
        .await?;
    }
    tx.leave();
    Ok(events)
}

/// How much is unsent, counted up to a limit.
pub(crate) async fn backlog(database: &Database, limit: usize) -> Result<Backlog> {
    let tx = database.transaction(&[OUTBOX], IdbTransactionMode::Readonly)?;
    let unsent = index(&tx.store(OUTBOX)?, "unsent")?;
    // To IndexedDB, 0 would be no limit.
    let most = u32::try_from(limit).unwrap_or(u32::MAX).max(1);
    let records = answer(&asked(unsent.get_all_with_key_and_limit(&UNSENT.into(), most))?).await?;
    tx.leave();
    let records = Array::from(&records);
    let times = records.iter().map(|record| read_time(&record, "at"));
    let times = times.collect::<Result<Vec<Timestamp>>>()?;
    Ok(Backlog { events: times.len().min(limit), oldest: times.into_iter().min() })
}

/// Notes that events were sent.
pub(crate) async fn mark_sent(database: &Database, call: &Call, events: &[Uuid]) -> Result<()> {
    let tx = database.transaction(&[OUTBOX], IdbTransactionMode::Readwrite)?;
    let store = tx.store(OUTBOX)?;
    let by_id = index(&store, "id")?;
    let ask = |id: &Uuid| asked(by_id.get(&JsValue::from_str(&id.hyphenated().to_string())));
    let asks = events.iter().map(ask).collect::<Result<Vec<_>>>()?;
    let Some(last) = asks.last() else { return Ok(()) };
    answer(last).await?;
    for ask in &asks {
        let record = result(ask)?;
        if record.is_undefined() || get(&record, "unsent").is_undefined() {
            continue;
        }
        // A plain object gives up any property.
        let _ = Reflect::delete_property::<Object>(record.unchecked_ref(), &JsValue::from_str("unsent"));
        set(&record, "sent", get(&record, "at"));
        asked(store.put(&record))?;
    }
    tx.commit(call).await
}

fn event(record: &JsValue) -> Result<Event> {
    let payload = text(record, "payload")?;
    Ok(Event {
        id: Uuid::try_parse(&text(record, "id")?).map_err(|_| damaged("id"))?,
        name: text(record, "name")?,
        kind: text(record, "kind")?,
        entity: text(record, "entity")?,
        version: whole(record, "version")?,
        // What was written is a `u32`.
        n: get(record, "n").as_f64().ok_or_else(|| damaged("n"))? as u32,
        at: read_time(record, "at")?,
        trace: get(record, "trace").as_string(),
        payload: staffa_context::parse(payload.as_bytes()).map_err(|_| damaged("payload"))?,
    })
}
