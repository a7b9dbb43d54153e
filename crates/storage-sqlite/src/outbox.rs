//! The outbox: events that were committed with the state, until they are sent and swept.

use std::collections::HashSet;

use rusqlite::Connection;
use staffa_context::Timestamp;
use staffa_storage::{Backlog, Event, Result, Unsent, partition};
use uuid::Uuid;

use crate::error::told;
use crate::row::{json, uuid};

/// Puts an event in, whose payload comes as text. Places grow with the commits, since there is one writer.
pub(crate) fn put(connection: &Connection, event: &Event, payload: &str) -> Result<()> {
    let sql = "INSERT INTO staffa_outbox (id, name, kind, entity, version, n, at, trace, payload, sent_at) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
    insert(connection, sql, event, payload, false)
}

/// Puts an event in as another store had it, in the place of one that is there.
pub(crate) fn replace(connection: &Connection, event: &Event, payload: &str, sent: bool) -> Result<()> {
    let sql = "INSERT INTO staffa_outbox (id, name, kind, entity, version, n, at, trace, payload, sent_at) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT (id) DO UPDATE SET \
               name = excluded.name, kind = excluded.kind, entity = excluded.entity, version = excluded.version, \
               n = excluded.n, at = excluded.at, trace = excluded.trace, payload = excluded.payload, \
               sent_at = excluded.sent_at";
    insert(connection, sql, event, payload, sent)
}

fn insert(connection: &Connection, sql: &str, event: &Event, payload: &str, sent: bool) -> Result<()> {
    let mut statement = connection.prepare_cached(sql).map_err(told)?;
    let values = rusqlite::params![
        event.id.hyphenated().to_string(),
        event.name,
        event.kind,
        event.entity,
        event.version,
        event.n,
        event.at.as_micros(),
        event.trace,
        payload,
        sent.then(|| event.at.as_micros()),
    ];
    statement.execute(values).map(|_| ()).map_err(told)
}

/// Unsent events of some partitions, oldest commit first, without those of the held entities.
pub(crate) fn unsent(connection: &Connection, unsent: Unsent<'_>) -> Result<Vec<Event>> {
    let held: HashSet<(&str, &str)> =
        unsent.held.iter().map(|(kind, id)| (kind.as_str(), id.as_str())).collect();
    let sql = "SELECT id, name, kind, entity, version, n, at, trace, payload \
               FROM staffa_outbox INDEXED BY \"staffa_outbox.unsent\" WHERE sent_at IS NULL ORDER BY place";
    let mut statement = connection.prepare_cached(sql).map_err(told)?;
    let mut rows = statement.query([]).map_err(told)?;
    let mut events = Vec::new();
    while events.len() < unsent.limit {
        let Some(row) = rows.next().map_err(told)? else { break };
        let about = row.get_ref(2).and_then(|kind| Ok((kind.as_str()?, row.get_ref(3)?.as_str()?)));
        let (kind, entity) = about.map_err(told)?;
        if unsent.partitions.contains(partition(kind, entity)) && !held.contains(&(kind, entity)) {
            events.push(event(row).map_err(told)?);
        }
    }
    Ok(events)
}

/// How much is unsent, counted up to a limit.
pub(crate) fn backlog(connection: &Connection, limit: usize) -> Result<Backlog> {
    let sql = "SELECT count(*), min(at) FROM (SELECT at FROM staffa_outbox INDEXED BY \"staffa_outbox.unsent\" \
               WHERE sent_at IS NULL ORDER BY place LIMIT ?1)";
    let mut statement = connection.prepare_cached(sql).map_err(told)?;
    let read = |row: &rusqlite::Row<'_>| {
        let (events, oldest): (u32, Option<i64>) = (row.get(0)?, row.get(1)?);
        Ok(Backlog { events: events.try_into().unwrap_or(limit), oldest: oldest.map(Timestamp::from_micros) })
    };
    statement.query_row([i64::try_from(limit).unwrap_or(i64::MAX)], read).map_err(told)
}

pub(crate) fn event(row: &rusqlite::Row<'_>) -> rusqlite::Result<Event> {
    Ok(Event {
        id: uuid(row, 0)?,
        name: row.get(1)?,
        kind: row.get(2)?,
        entity: row.get(3)?,
        version: row.get(4)?,
        n: row.get(5)?,
        at: Timestamp::from_micros(row.get(6)?),
        trace: row.get(7)?,
        payload: json(row, 8)?,
    })
}

/// Notes when events were sent.
pub(crate) fn mark_sent(connection: &Connection, events: &[Uuid], at: Timestamp) -> Result<()> {
    let sql = "UPDATE staffa_outbox SET sent_at = ?2 WHERE id = ?1 AND sent_at IS NULL";
    let mut statement = connection.prepare_cached(sql).map_err(told)?;
    for event in events {
        statement.execute((event.hyphenated().to_string(), at.as_micros())).map_err(told)?;
    }
    Ok(())
}

/// Removes sent events from before a time, `limit` at most; gives how many went.
pub(crate) fn sweep(connection: &Connection, before: Timestamp, limit: usize) -> Result<usize> {
    let sql = "DELETE FROM staffa_outbox WHERE place IN (SELECT place FROM staffa_outbox \
               WHERE sent_at IS NOT NULL AND at < ?1 ORDER BY at LIMIT ?2)";
    let mut statement = connection.prepare_cached(sql).map_err(told)?;
    statement.execute((before.as_micros(), i64::try_from(limit).unwrap_or(i64::MAX))).map_err(told)
}
