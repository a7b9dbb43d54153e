//! A pause for those who write, and everything at rest, page by page.
//!
//! The pause is a row of `staffa_meta`, which every transaction that writes reads before it does: whoever set it, beside
//! the owner or in it, has waited for the transaction under way.

use std::sync::Arc;

use async_trait::async_trait;
use rusqlite::{Connection, params_from_iter};
use serde_json::{Value, json};
use staffa_context::{Context, Timestamp};
use staffa_storage::watch::Operation;
use staffa_storage::{Error, Event, Exported, Kept, Mark, Moving, Part, Record, Result, Row, Section, Seen};

use crate::call::Call;
use crate::commit::{Changes, Ran, Unit, Within, text};
use crate::error::told;
use crate::row::{Column, id_to_store, json as json_of, seen, stored_id};
use crate::sqlite::Sqlite;
use crate::table::Table;
use crate::{kept, outbox};

/// The columns of an event, and whether it was sent.
const EVENTS: &str = "SELECT id, name, kind, entity, version, n, at, trace, payload, place, sent_at IS NOT NULL \
                      FROM staffa_outbox WHERE place > ?1 ORDER BY place LIMIT ?2";
const KEPT: &str = "SELECT scope, key, digest, answer, at FROM staffa_kept WHERE (scope, key) > (?1, ?2) \
                    ORDER BY scope, key LIMIT ?3";

/// Whether the store is frozen.
pub(crate) fn is_frozen(connection: &Connection) -> rusqlite::Result<bool> {
    connection.prepare_cached("SELECT 1 FROM staffa_meta WHERE key = 'frozen'")?.exists([])
}

/// Pauses or resumes all writing, inside a transaction.
pub(crate) fn freeze(connection: &Connection, frozen: bool) -> Result<()> {
    let sql = match frozen {
        true => "INSERT INTO staffa_meta VALUES ('frozen', 'true') ON CONFLICT (key) DO NOTHING",
        false => "DELETE FROM staffa_meta WHERE key = 'frozen'",
    };
    connection.execute(sql, []).map(|_| ()).map_err(told)
}

/// Records of one section, with their texts made.
pub(crate) enum Import {
    Rows(Changes),
    Events(Vec<(Event, String, bool)>),
    Kept(Vec<(Kept, String)>),
}

impl Import {
    fn of_events(records: Vec<Record>) -> Result<Self> {
        let event = |record| match record {
            Record::Event { event, sent } => {
                let payload = text(&event.payload)?;
                Ok((event, payload, sent))
            }
            _ => Err(misplaced()),
        };
        records.into_iter().map(event).collect::<Result<_>>().map(Self::Events)
    }

    fn of_kept(records: Vec<Record>) -> Result<Self> {
        let kept = |record| match record {
            Record::Kept(kept) => {
                let answer = text(&kept.answer)?;
                Ok((kept, answer))
            }
            _ => Err(misplaced()),
        };
        records.into_iter().map(kept).collect::<Result<_>>().map(Self::Kept)
    }

    /// Writes them inside the writer's transaction; what is there already is replaced.
    pub(crate) fn run(&self, connection: &Connection, call: &Call, within: Within) -> Result<Ran> {
        match self {
            Self::Rows(changes) => return changes.run(connection, call, within),
            Self::Events(events) => events.iter().try_for_each(|(event, payload, sent)| {
                call.check()?;
                outbox::replace(connection, event, payload, *sent)
            })?,
            Self::Kept(records) => records.iter().try_for_each(|(record, answer)| {
                call.check()?;
                kept::replace(connection, record, answer)
            })?,
        }
        Ok(Ran::Done(0))
    }
}

pub(crate) fn misplaced() -> Error {
    Error::Unusable("a record is in the wrong section".into())
}

#[async_trait]
impl Moving for Sqlite {
    async fn freeze(&self, ctx: &Context, frozen: bool) -> Result<()> {
        self.unit(ctx, Operation::Freeze, "", Unit::Freeze(frozen)).await.map(|_| ())
    }

    async fn is_frozen(&self, ctx: &Context) -> Result<bool> {
        self.run(ctx, Operation::Freeze, "", |connection, _| is_frozen(connection).map_err(told)).await
    }

    async fn export(
        &self,
        ctx: &Context,
        section: Section,
        after: Option<&Mark>,
        limit: usize,
    ) -> Result<Exported> {
        let after = after.map(|mark| serde_json::from_str::<Value>(&mark.0)).transpose();
        let after = after.map_err(|_| foreign_mark())?;
        match section {
            Section::Rows(kind) => {
                let table = Arc::clone(self.tables.of(kind)?);
                let after = after.map(|id| stored_id(table.id, &id).ok_or_else(foreign_mark)).transpose()?;
                self.run(ctx, Operation::Export, kind, move |connection, _| {
                    rows(connection, &table, after.as_ref(), limit)
                })
                .await
            }
            Section::Events => {
                let after = after.map_or(Some(0), |place| place.as_i64()).ok_or_else(foreign_mark)?;
                self.run(ctx, Operation::Export, "", move |connection, _| events(connection, after, limit))
                    .await
            }
            Section::Kept => {
                let after = after.map(serde_json::from_value::<(String, String)>).transpose();
                let (scope, key) = after.map_err(|_| foreign_mark())?.unwrap_or_default();
                self.run(ctx, Operation::Export, "", move |connection, _| {
                    kept_records(connection, &scope, &key, limit)
                })
                .await
            }
        }
    }

    async fn import(&self, ctx: &Context, section: Section, records: Vec<Record>) -> Result<()> {
        let (about, import) = match section {
            Section::Rows(kind) => (kind, Import::Rows(Changes::of_rows(self.tables.of(kind)?, records)?)),
            Section::Events => ("", Import::of_events(records)?),
            Section::Kept => ("", Import::of_kept(records)?),
        };
        self.unit(ctx, Operation::Import, about, Unit::Import(import)).await.map(|_| ())
    }
}

fn foreign_mark() -> Error {
    Error::Unusable("the mark is not one of this store's".into())
}

/// A page; there may be more after a full one, which begins at the mark of its last record.
fn page(records: Vec<Record>, limit: usize, last: Option<Value>) -> Exported {
    let next = last.filter(|_| records.len() >= limit).map(|mark| Mark(mark.to_string()));
    Exported { records, next }
}

/// Entities and the traces of those that were deleted, by id.
fn rows(connection: &Connection, table: &Table, after: Option<&Part>, limit: usize) -> Result<Exported> {
    let from = if after.is_some() { "WHERE id > ?1" } else { "" };
    let sql =
        format!("SELECT id, version, shape, document FROM {} {from} ORDER BY id LIMIT {limit}", table.name);
    let mut statement = connection.prepare_cached(&sql).map_err(told)?;
    let mut rows = statement.query(params_from_iter(after.map(Column))).map_err(told)?;
    let (mut records, mut last) = (Vec::new(), None);
    while let Some(row) = rows.next().map_err(told)? {
        let (id, found) = seen(row, table)?;
        last = Some(id_to_store(&id));
        records.push(match found {
            Seen::Row(Row { version, shape, document, .. }) => {
                Record::Row { id, version, shape, document: Some(document.value()?) }
            }
            Seen::Absent { last } => Record::Row { id, version: last, shape: 1, document: None },
        });
    }
    Ok(page(records, limit, last))
}

/// Events in the order of their commits.
fn events(connection: &Connection, after: i64, limit: usize) -> Result<Exported> {
    let mut statement = connection.prepare_cached(EVENTS).map_err(told)?;
    let mut rows = statement.query((after, limit_of(limit))).map_err(told)?;
    let (mut records, mut last) = (Vec::new(), None);
    while let Some(row) = rows.next().map_err(told)? {
        let read = || Ok((outbox::event(row)?, row.get::<_, i64>(9)?, row.get(10)?));
        let (event, place, sent) = read().map_err(told)?;
        last = Some(json!(place));
        records.push(Record::Event { event, sent });
    }
    Ok(page(records, limit, last))
}

/// Kept records by scope and key, which are never empty.
fn kept_records(connection: &Connection, scope: &str, key: &str, limit: usize) -> Result<Exported> {
    let mut statement = connection.prepare_cached(KEPT).map_err(told)?;
    let mut rows = statement.query((scope, key, limit_of(limit))).map_err(told)?;
    let (mut records, mut last) = (Vec::new(), None);
    while let Some(row) = rows.next().map_err(told)? {
        let read = || {
            Ok(Kept {
                scope: row.get(0)?,
                key: row.get(1)?,
                digest: row.get(2)?,
                answer: json_of(row, 3)?,
                at: Timestamp::from_micros(row.get(4)?),
            })
        };
        let kept = read().map_err(told)?;
        last = Some(json!([kept.scope, kept.key]));
        records.push(Record::Kept(kept));
    }
    Ok(page(records, limit, last))
}

fn limit_of(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
