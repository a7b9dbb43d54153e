//! The outbox: events that were committed with the state, until they are sent and swept. Kept records have their table
//! made here, too.

use staffa_context::Timestamp;
use staffa_storage::{Backlog, Event, Result, Unsent};
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use crate::row::{Json, Param, get, value};
use crate::session::Sql;

/// The statements of the outbox.
pub(crate) struct Outbox {
    pub(crate) put: Sql,
    pub(crate) put_many: Sql,
    pub(crate) unsent: Sql,
    pub(crate) unsent_free: Sql,
    pub(crate) backlog: Sql,
    pub(crate) mark_sent: Sql,
    pub(crate) sweep: Sql,
    /// Reads events after a place, those that were sent too, each with its place and whether it was sent.
    pub(crate) export: Sql,
    /// Writes an event as another store had it: its columns, and when it was sent.
    pub(crate) import: Sql,
}

const COLUMNS: &str = "id, name, kind, entity, version, n, at, trace, payload, partition";

const TYPES: [Type; 10] = [
    Type::UUID,
    Type::TEXT,
    Type::TEXT,
    Type::TEXT,
    Type::INT8,
    Type::INT8,
    Type::INT8,
    Type::TEXT,
    Type::JSONB,
    Type::INT4,
];

const LISTS: [Type; 10] = [
    Type::UUID_ARRAY,
    Type::TEXT_ARRAY,
    Type::TEXT_ARRAY,
    Type::TEXT_ARRAY,
    Type::INT8_ARRAY,
    Type::INT8_ARRAY,
    Type::INT8_ARRAY,
    Type::TEXT_ARRAY,
    Type::JSONB_ARRAY,
    Type::INT4_ARRAY,
];

/// The statements that make the tables.
pub(crate) fn create(space: &str) -> Vec<String> {
    vec![
        format!(
            "CREATE TABLE {space}.staffa_outbox (place bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, id uuid NOT NULL UNIQUE, \
             name text NOT NULL, kind text NOT NULL, entity text COLLATE \"C\" NOT NULL, version bigint NOT NULL, n bigint NOT NULL, \
             at bigint NOT NULL, trace text, payload jsonb NOT NULL, partition integer NOT NULL, sent_at bigint)"
        ),
        format!(
            "CREATE INDEX \"staffa_outbox.unsent\" ON {space}.staffa_outbox (place) WHERE sent_at IS NULL"
        ),
        format!(
            "CREATE INDEX \"staffa_outbox.sent\" ON {space}.staffa_outbox (at) WHERE sent_at IS NOT NULL"
        ),
        format!(
            "CREATE TABLE {space}.staffa_kept (scope text COLLATE \"C\" NOT NULL, key text COLLATE \"C\" NOT NULL, \
             digest bytea NOT NULL, answer jsonb NOT NULL, at bigint NOT NULL, PRIMARY KEY (scope, key))"
        ),
        format!("CREATE INDEX \"staffa_kept.at\" ON {space}.staffa_kept (at)"),
    ]
}

impl Outbox {
    pub(crate) fn new(space: &str) -> Self {
        let table = format!("{space}.staffa_outbox");
        let places: Vec<String> = (1..=TYPES.len()).map(|place| format!("${place}")).collect();
        let places = places.join(", ");
        let unsent = |free: &str| {
            format!(
                "SELECT {COLUMNS}, place FROM {table} AS event WHERE sent_at IS NULL AND partition = ANY($1){free} ORDER BY place LIMIT $2"
            )
        };
        let free = " AND NOT EXISTS (SELECT 1 FROM unnest($3, $4) AS held (kind, entity) \
                    WHERE held.kind = event.kind AND held.entity = event.entity)";
        Self {
            put: Sql::new(format!("INSERT INTO {table} ({COLUMNS}) VALUES ({places})"), TYPES),
            put_many: Sql::new(
                format!("INSERT INTO {table} ({COLUMNS}) SELECT * FROM unnest({places})"),
                LISTS,
            ),
            unsent: Sql::new(unsent(""), [Type::INT4_ARRAY, Type::INT8]),
            unsent_free: Sql::new(
                unsent(free),
                [Type::INT4_ARRAY, Type::INT8, Type::TEXT_ARRAY, Type::TEXT_ARRAY],
            ),
            backlog: Sql::new(
                format!(
                    "SELECT count(*), min(at) FROM (SELECT at FROM {table} WHERE sent_at IS NULL ORDER BY place LIMIT $1) AS counted"
                ),
                [Type::INT8],
            ),
            mark_sent: Sql::new(
                format!("UPDATE {table} SET sent_at = $2 WHERE id = ANY($1) AND sent_at IS NULL"),
                [Type::UUID_ARRAY, Type::INT8],
            ),
            export: Sql::new(
                format!(
                    "SELECT {COLUMNS}, place, sent_at IS NOT NULL FROM {table} WHERE place > $1 ORDER BY place LIMIT $2"
                ),
                [Type::INT8, Type::INT8],
            ),
            import: Sql::new(
                format!(
                    "INSERT INTO {table} ({COLUMNS}, sent_at) VALUES ({places}, ${}) ON CONFLICT (id) DO UPDATE SET \
                     name = excluded.name, kind = excluded.kind, entity = excluded.entity, version = excluded.version, \
                     n = excluded.n, at = excluded.at, trace = excluded.trace, payload = excluded.payload, \
                     partition = excluded.partition, sent_at = excluded.sent_at",
                    TYPES.len() + 1,
                ),
                TYPES.into_iter().chain([Type::INT8]),
            ),
            sweep: Sql::new(
                format!(
                    "DELETE FROM {table} WHERE place IN (SELECT place FROM {table} \
                     WHERE sent_at IS NOT NULL AND at < $1 ORDER BY at LIMIT $2)"
                ),
                [Type::INT8, Type::INT8],
            ),
        }
    }

    /// The statement that puts these events in, in their order, with its parameters.
    pub(crate) fn put(&self, events: &[Event]) -> (&Sql, Vec<Param>) {
        match events {
            [event] => (&self.put, one(event)),
            events => (&self.put_many, many(events)),
        }
    }

    /// The statement of a relay's read, with its parameters.
    pub(crate) fn unsent(&self, unsent: &Unsent<'_>) -> (&Sql, Vec<Param>) {
        let partitions = Param::Smalls(unsent.partitions.iter().map(i32::from).collect());
        let mut params = vec![partitions, Param::Int(limit(unsent.limit))];
        if unsent.held.is_empty() {
            return (&self.unsent, params);
        }
        let (kinds, entities) = unsent.held.iter().cloned().map(|(kind, id)| (Some(kind), Some(id))).unzip();
        params.extend([Param::Texts(kinds), Param::Texts(entities)]);
        (&self.unsent_free, params)
    }
}

/// The parameters of an event's columns.
pub(crate) fn one(event: &Event) -> Vec<Param> {
    vec![
        Param::Uuid(event.id),
        Param::Text(event.name.clone()),
        Param::Text(event.kind.clone()),
        Param::Text(event.entity.clone()),
        Param::Int(event.version),
        Param::Int(i64::from(event.n)),
        Param::Int(event.at.as_micros()),
        event.trace.clone().map_or(Param::Null, Param::Text),
        Param::Json(Json::of(&event.payload)),
        Param::Small(i32::from(event.partition())),
    ]
}

fn many(events: &[Event]) -> Vec<Param> {
    let texts = |of: fn(&Event) -> String| Param::Texts(events.iter().map(|event| Some(of(event))).collect());
    let ints = |of: fn(&Event) -> i64| Param::Ints(events.iter().map(|event| Some(of(event))).collect());
    vec![
        Param::Uuids(events.iter().map(|event| Some(event.id)).collect()),
        texts(|event| event.name.clone()),
        texts(|event| event.kind.clone()),
        texts(|event| event.entity.clone()),
        ints(|event| event.version),
        ints(|event| i64::from(event.n)),
        ints(|event| event.at.as_micros()),
        Param::Texts(events.iter().map(|event| event.trace.clone()).collect()),
        Param::Jsons(events.iter().map(|event| Some(Json::of(&event.payload))).collect()),
        Param::Smalls(events.iter().map(|event| i32::from(event.partition())).collect()),
    ]
}

/// The event in a row that begins with its columns.
pub(crate) fn event(row: &Row) -> Result<Event> {
    Ok(Event {
        id: get(row, 0)?,
        name: get(row, 1)?,
        kind: get(row, 2)?,
        entity: get(row, 3)?,
        version: get(row, 4)?,
        n: u32::try_from(get::<i64>(row, 5)?).unwrap_or(u32::MAX),
        at: Timestamp::from_micros(get(row, 6)?),
        trace: get(row, 7)?,
        payload: value(row, 8)?,
    })
}

pub(crate) fn backlog(row: &Row) -> Result<Backlog> {
    let (events, oldest): (i64, Option<i64>) = (get(row, 0)?, get(row, 1)?);
    Ok(Backlog { events: usize::try_from(events).unwrap_or(0), oldest: oldest.map(Timestamp::from_micros) })
}

/// A limit as SQL takes it.
pub(crate) fn limit(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
