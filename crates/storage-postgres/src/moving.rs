//! The store on its way to another one: paused, read page by page, written as it was.

use std::str::FromStr;
use std::sync::Arc;

use async_trait::async_trait;
use staffa_context::{Context, Timestamp};
use staffa_storage::watch::Operation;
use staffa_storage::{Error, Event, Exported, Kept, Mark, Moving, Part, PartType, Record, Result, Section};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::call::Call;
use crate::commit::{told_of_commit, torn};
use crate::error::told;
use crate::kept;
use crate::outbox;
use crate::postgres::{Inner, Postgres};
use crate::row::{Json, Param, get, part, shape, value};
use crate::schema::lock_key;
use crate::session::{Session, Sql, Step, Told, together};
use crate::table::{Table, quoted};

#[async_trait]
impl Moving for Postgres {
    /// Waits for the units that are under way, and those that come meanwhile wait behind it.
    async fn freeze(&self, ctx: &Context, frozen: bool) -> Result<()> {
        let (name, meta) = (self.inner.options.schema.clone(), self.inner.meta());
        self.run(ctx, Operation::Freeze, "", |session, call| {
            Box::pin(async move {
                let change = if frozen {
                    format!("INSERT INTO {meta} VALUES ('frozen', 'true') ON CONFLICT (key) DO NOTHING")
                } else {
                    format!("DELETE FROM {meta} WHERE key = 'frozen'")
                };
                let key = lock_key("freeze", &name);
                let done = session.begin(&format!("SELECT pg_advisory_xact_lock({key}); {change}")).await;
                finish(&session, &call, done, None).await
            })
        })
        .await
    }

    async fn is_frozen(&self, ctx: &Context) -> Result<bool> {
        let sql = Sql::new(format!("SELECT 1 FROM {} WHERE key = 'frozen'", self.inner.meta()), []);
        self.run(ctx, Operation::Read, "", |session, _| {
            Box::pin(async move {
                let rows = session.query(&sql, &[]).await.map_err(|error| told(&error))?;
                Ok(!rows.is_empty())
            })
        })
        .await
    }

    async fn export(
        &self,
        ctx: &Context,
        section: Section,
        after: Option<&Mark>,
        limit: usize,
    ) -> Result<Exported> {
        let inner = Arc::clone(&self.inner);
        let after = after.cloned();
        self.run(ctx, Operation::Export, kind(section), |session, _| {
            Box::pin(async move {
                match section {
                    Section::Rows(kind) => {
                        rows(&session, inner.tables.of(kind)?, after.as_ref(), limit).await
                    }
                    Section::Events => events(&session, &inner, after.as_ref(), limit).await,
                    Section::Kept => kept(&session, &inner, after.as_ref(), limit).await,
                }
            })
        })
        .await
    }

    async fn import(&self, ctx: &Context, section: Section, records: Vec<Record>) -> Result<()> {
        let inner = Arc::clone(&self.inner);
        let table = match section {
            Section::Rows(kind) => Some(Arc::clone(inner.tables.of(kind)?)),
            Section::Events | Section::Kept => None,
        };
        let written = written(section, table.as_deref(), records)?;
        self.run(ctx, Operation::Import, kind(section), |session, call| {
            Box::pin(async move {
                let statements = match (section, table.as_deref()) {
                    (Section::Rows(_), Some(table)) => {
                        let ids = written.iter().map(|params| params[..1].to_vec()).collect();
                        vec![(&table.careful.unkey, ids), (&table.import, written)]
                    }
                    (Section::Events, _) => vec![(&inner.common.outbox.import, written)],
                    _ => vec![(&inner.common.kept.import, written)],
                };
                write(&session, &call, table.as_deref(), &statements).await
            })
        })
        .await
    }
}

impl Inner {
    fn meta(&self) -> String {
        format!("{}.staffa_meta", quoted(&self.options.schema))
    }
}

/// Commits what went well.
async fn finish(session: &Session, call: &Call, done: Told<()>, table: Option<&Table>) -> Result<()> {
    if let Err(error) = done {
        session.rollback().await;
        if session.is_torn() {
            return Err(torn());
        }
        let name = error.as_db_error().and_then(|refused| refused.constraint());
        return Err(match table.and_then(|table| Some((table, table.index_named(name?)?))) {
            Some((table, index)) => {
                Error::Duplicate { kind: table.kind().into(), index: index.schema.name.into() }
            }
            None => told(&error),
        });
    }
    if let Err(error) = call.hold() {
        session.rollback().await;
        return Err(error);
    }
    session.commit().await.map_err(|error| told_of_commit(&error))
}

/// Writes all of these in one transaction.
async fn write(
    session: &Session,
    call: &Call,
    table: Option<&Table>,
    statements: &[(&Sql, Vec<Vec<Param>>)],
) -> Result<()> {
    let mut ready = Vec::with_capacity(statements.len());
    for (sql, _) in statements {
        ready.push(session.ready(sql).await.map_err(|error| told(&error))?);
    }
    // A cancellation that is on its way must not meet the beginning.
    call.check()?;
    let mut steps: Vec<Step<'_, Told<()>>> = vec![Box::pin(session.begin(""))];
    for (ready, (_, rows)) in ready.iter().zip(statements) {
        for params in rows {
            steps.push(Box::pin(async move { session.execute(ready, params).await.map(drop) }));
        }
    }
    finish(session, call, together(steps).await.into_iter().collect(), table).await
}

fn kind(section: Section) -> &'static str {
    if let Section::Rows(kind) = section { kind } else { "" }
}

async fn rows(session: &Session, table: &Table, after: Option<&Mark>, limit: usize) -> Result<Exported> {
    let mut params = vec![Param::Int(outbox::limit(limit))];
    let [all, later] = &table.export;
    let sql = match after {
        None => all,
        Some(mark) => {
            params.push(Param::from(&marked(mark, table.schema.id)?));
            later
        }
    };
    let rows = session.query(sql, &params).await.map_err(|error| told(&error))?;
    let mut last = None;
    let mut records = Vec::with_capacity(rows.len());
    for row in &rows {
        let id = part(row, 0, table.schema.id)?;
        last = Some(Mark(mark(&id)));
        records.push(record(row, id)?);
    }
    Ok(page(records, last, limit))
}

fn record(row: &Row, id: Part) -> Result<Record> {
    let document = match get::<Option<Json>>(row, 3)? {
        None => None,
        Some(_) => Some(value(row, 3)?),
    };
    // Of what is deleted only the version is left, on every store.
    let shape = if document.is_some() { shape(row, 2)? } else { 1 };
    Ok(Record::Row { id, version: get(row, 1)?, shape, document })
}

async fn events(session: &Session, inner: &Inner, after: Option<&Mark>, limit: usize) -> Result<Exported> {
    let after: i64 = after.map_or(Ok(0), |mark| mark.0.parse().map_err(|_| foreign()))?;
    let params = [Param::Int(after), Param::Int(outbox::limit(limit))];
    let rows = session.query(&inner.common.outbox.export, &params).await.map_err(|error| told(&error))?;
    let mut last = None;
    let mut records = Vec::with_capacity(rows.len());
    for row in &rows {
        last = Some(Mark(get::<i64>(row, 10)?.to_string()));
        records.push(Record::Event { event: outbox::event(row)?, sent: get(row, 11)? });
    }
    Ok(page(records, last, limit))
}

async fn kept(session: &Session, inner: &Inner, after: Option<&Mark>, limit: usize) -> Result<Exported> {
    let (scope, key): (String, String) = match after {
        None => Default::default(),
        Some(mark) => serde_json::from_str(&mark.0).map_err(|_| foreign())?,
    };
    let params = [Param::Text(scope), Param::Text(key), Param::Int(outbox::limit(limit))];
    let rows = session.query(&inner.common.kept.export, &params).await.map_err(|error| told(&error))?;
    let records: Vec<Kept> = rows.iter().map(kept::record).collect::<Result<_>>()?;
    let last = records.last().map(|kept| Mark(serde_json::json!([kept.scope, kept.key]).to_string()));
    Ok(page(records.into_iter().map(Record::Kept).collect(), last, limit))
}

fn page(records: Vec<Record>, last: Option<Mark>, limit: usize) -> Exported {
    let next = if records.len() < limit { None } else { last };
    Exported { records, next }
}

/// An id as a mark.
fn mark(id: &Part) -> String {
    match id {
        Part::Time(time) => time.as_micros().to_string(),
        other => other.to_string(),
    }
}

/// The id of a mark.
fn marked(mark: &Mark, id: PartType) -> Result<Part> {
    fn read<T: FromStr>(mark: &Mark, part: impl FnOnce(T) -> Part) -> Result<Part> {
        mark.0.parse().map(part).map_err(|_| foreign())
    }
    match id {
        PartType::Bool => read(mark, Part::Bool),
        PartType::Int => read(mark, Part::Int),
        PartType::Text => Ok(Part::Text(mark.0.clone())),
        PartType::Uuid => read::<Uuid>(mark, Part::Uuid),
        PartType::Time => read(mark, |micros| Part::Time(Timestamp::from_micros(micros))),
    }
}

fn foreign() -> Error {
    Error::Unusable("the mark is not one of this store's".into())
}

/// The parameters that write these records, which are of one section.
fn written(section: Section, table: Option<&Table>, records: Vec<Record>) -> Result<Vec<Vec<Param>>> {
    let mut written = Vec::with_capacity(records.len());
    for record in records {
        written.push(match (record, section, table) {
            (Record::Row { id, version, shape, document }, Section::Rows(_), Some(table)) => {
                row(table, &id, version, shape, document.as_ref())?
            }
            (Record::Event { event, sent }, Section::Events, _) => event_params(&event, sent),
            (Record::Kept(kept), Section::Kept, _) => kept::params(&kept),
            (other, ..) => {
                return Err(Error::Unusable(format!("a record of another section: {other:?}")));
            }
        });
    }
    Ok(written)
}

fn row(
    table: &Table,
    id: &Part,
    version: i64,
    shape: u32,
    document: Option<&serde_json::Value>,
) -> Result<Vec<Param>> {
    let (keys, mask) = match document {
        Some(document) => ((table.schema.keys)(shape, document.clone())?, table.mask),
        None => (table.no_keys(), 0),
    };
    let shape = i32::try_from(shape).map_err(|_| Error::Unusable(format!("a shape of {shape}")))?;
    let mut params = vec![Param::from(id), Param::Int(version), document.map(Json::of).into()];
    params.extend(keys.iter().flatten().map(Param::from));
    params.extend([Param::Small(shape), Param::Int(mask)]);
    Ok(params)
}

fn event_params(event: &Event, sent: bool) -> Vec<Param> {
    let mut params = outbox::one(event);
    // When it was sent is not known elsewhere; it is swept by when it was emitted.
    params.push(if sent { Param::Int(event.at.as_micros()) } else { Param::Null });
    params
}
