//! A unit that looks at everything before it writes: what one that was refused runs as, to find out why, or to
//! go through once nothing is in its way any more.

use std::collections::BTreeSet;

use staffa_storage::{Error, Expect, Part, Result};
use tokio_postgres::Row;

use crate::call::Call;
use crate::commit::{Changes, Check, Common, Put, told_of_commit};
use crate::error::{is_in_the_way, told};
use crate::kept;
use crate::row::{Param, get, list, shape};
use crate::session::{Ready, Session, Sql, Step, Told, together};
use crate::table::Table;

/// How often a unit is run again that the server found in another's way.
const ATTEMPTS_MAX: usize = 5;

/// What ended a run.
enum Ended {
    /// The server found another transaction in the way.
    InTheWay,
    Failed(Error),
}

impl From<Error> for Ended {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl From<tokio_postgres::Error> for Ended {
    fn from(error: tokio_postgres::Error) -> Self {
        if is_in_the_way(&error) { Self::InTheWay } else { Self::Failed(told(&error)) }
    }
}

/// Runs the unit, and gives the first reason against it in the port's order.
pub(crate) async fn careful(
    session: &Session,
    changes: &Changes,
    common: &Common,
    call: &Call,
) -> Result<()> {
    for _ in 0..ATTEMPTS_MAX {
        match run(session, changes, common, call).await {
            Ok(()) => return Ok(()),
            Err(ended) => {
                session.rollback().await;
                match ended {
                    Ended::InTheWay => call.check()?,
                    Ended::Failed(error) => return Err(error),
                }
            }
        }
    }
    Err(changes.conflict())
}

async fn run(session: &Session, changes: &Changes, common: &Common, call: &Call) -> Result<(), Ended> {
    call.check()?;
    session.begin(&common.begin(call)).await?;
    if let Some(kept) = &changes.kept {
        let ready = session.ready(&common.kept.claim).await?;
        if session.execute(&ready, &kept::params(kept)).await? == 0 {
            return Err(Error::Kept.into());
        }
    }
    call.check()?;
    look(session, changes).await?;
    call.check()?;
    check_keys(session, changes).await?;
    call.check()?;
    write(session, changes, common).await?;
    call.hold()?;
    match session.commit().await {
        Ok(()) => Ok(()),
        Err(error) if is_in_the_way(&error) => {
            call.unhold();
            Err(Ended::InTheWay)
        }
        Err(error) => Err(told_of_commit(&error).into()),
    }
}

/// Locks all rows in the order of (kind, id), takes the ids that are to be free, and compares.
async fn look(session: &Session, changes: &Changes) -> Result<(), Ended> {
    let mut asked = Vec::with_capacity(changes.checks.len());
    for check in &changes.checks {
        asked.push((session.ready(check.sql()).await?, [Param::from(&check.id)]));
    }
    let mut steps: Vec<Step<'_, Told<Seen>>> = Vec::with_capacity(asked.len());
    for ((ready, id), check) in asked.iter().zip(&changes.checks) {
        steps.push(Box::pin(check.look(session, ready, id)));
    }
    for (seen, check) in together(steps).await.into_iter().zip(&changes.checks) {
        check.compare(seen?)?;
    }
    Ok(())
}

/// What a look at one id gave.
enum Seen {
    /// The id was free, and is taken now.
    Claimed,
    /// It was not.
    Taken,
    /// The row that is there.
    Rows(Vec<Row>),
}

impl Check {
    fn expects_free(&self) -> bool {
        matches!(self.expect, Expect::New | Expect::Absent { last: 0 })
    }

    fn sql(&self) -> &Sql {
        match (self.expects_free(), self.write) {
            (true, _) => &self.table.careful.claim,
            (false, Some(_)) => &self.table.careful.lock,
            (false, None) => &self.table.careful.share,
        }
    }

    async fn look(&self, session: &Session, ready: &Ready<'_>, id: &[Param]) -> Told<Seen> {
        if !self.expects_free() {
            return session.rows(ready, id).await.map(Seen::Rows);
        }
        Ok(if session.execute(ready, id).await? == 0 { Seen::Taken } else { Seen::Claimed })
    }

    fn compare(&self, seen: Seen) -> Result<()> {
        let rows = match seen {
            Seen::Claimed => return Ok(()),
            Seen::Taken if self.expect == Expect::New => return Err(self.duplicate()),
            Seen::Taken => return Err(self.conflict()),
            Seen::Rows(rows) => rows,
        };
        let Some(row) = rows.first() else { return Err(self.conflict()) };
        let (version, shape, there): (i64, u32, bool) = (get(row, 0)?, shape(row, 1)?, get(row, 2)?);
        let holds = match self.expect {
            Expect::Version(expected) => there && version == expected,
            Expect::Absent { last } => !there && version == last,
            Expect::New => false,
        };
        if !holds {
            return Err(self.conflict());
        }
        if there && self.write.is_some() && shape > self.table.schema.shape {
            let (kind, id) = (self.table.kind().into(), self.id.to_string());
            return Err(Error::NewerShape { kind, id, shape });
        }
        Ok(())
    }
}

/// Refuses a unique key that two entities of a kind have once all writes are done.
async fn check_keys(session: &Session, changes: &Changes) -> Result<(), Ended> {
    for writes in changes.writes.chunk_by(|a, b| a.table.kind() == b.table.kind()) {
        let Some(table) = writes.first().map(|put| &*put.table) else { continue };
        for (place, index) in table.indexes.iter().enumerate().filter(|(_, index)| index.unique.is_some()) {
            let duplicate =
                || Error::Duplicate { kind: table.kind().into(), index: index.schema.name.into() };
            let mut keys = BTreeSet::new();
            let written = writes.iter().filter(|put| put.document.is_some());
            for key in written.map(|put| &put.keys[place]).filter(|key| !key.contains(&Part::None)) {
                if !keys.insert(key) {
                    return Err(duplicate().into());
                }
            }
            if is_taken(session, table, writes, &index.clash, keys).await? {
                return Err(duplicate().into());
            }
        }
    }
    Ok(())
}

async fn is_taken(
    session: &Session,
    table: &Table,
    writes: &[Put],
    clash: &Sql,
    keys: BTreeSet<&Vec<Part>>,
) -> Told<bool> {
    let ready = session.ready(clash).await?;
    let own = list(table.schema.id, writes.iter().map(|put| &put.id));
    let asked: Vec<Vec<Param>> =
        keys.into_iter().map(|key| key.iter().map(Param::from).chain([own.clone()]).collect()).collect();
    let mut steps: Vec<Step<'_, Told<Vec<Row>>>> = Vec::with_capacity(asked.len());
    for params in &asked {
        steps.push(Box::pin(session.rows(&ready, params)));
    }
    for rows in together(steps).await {
        if !rows?.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Writes what was found in order, and gives back the ids that were only looked at.
async fn write(session: &Session, changes: &Changes, common: &Common) -> Result<(), Ended> {
    let mut batch: Vec<(Ready<'_>, Vec<Param>)> = Vec::new();
    for put in &changes.writes {
        // Two entities may swap a key: the database looks at each statement, so all let go of theirs first.
        let sql = &put.table.careful.unkey;
        batch.push((session.ready(sql).await?, vec![Param::from(&put.id)]));
    }
    for put in &changes.writes {
        let careful = &put.table.careful;
        let mut params = put.params();
        let sql = if put.document.is_some() { &careful.put } else { &careful.remove };
        params.truncate(sql.types.len());
        batch.push((session.ready(sql).await?, params));
    }
    for check in changes.checks.iter().filter(|check| check.write.is_none() && check.expects_free()) {
        let sql = &check.table.careful.unclaim;
        batch.push((session.ready(sql).await?, vec![Param::from(&check.id)]));
    }
    if !changes.events.is_empty() {
        let (sql, params) = common.outbox.put(&changes.events);
        batch.push((session.ready(sql).await?, params));
    }
    let mut steps: Vec<Step<'_, Told<u64>>> = Vec::with_capacity(batch.len());
    for (ready, params) in &batch {
        steps.push(Box::pin(session.execute(ready, params)));
    }
    for done in together(steps).await {
        done.map_err(|error| told_of_key(&error, changes))?;
    }
    Ok(())
}

/// A key that somebody took between the look and the write.
fn told_of_key(error: &tokio_postgres::Error, changes: &Changes) -> Ended {
    let name = error.as_db_error().and_then(|refused| refused.constraint());
    let index = name.and_then(|name| {
        let mut tables = changes.writes.iter().map(|put| &put.table);
        tables.find_map(|table| table.index_named(name).map(|index| (table.kind(), index.schema.name)))
    });
    match index {
        Some((kind, index)) => Error::Duplicate { kind: kind.into(), index: index.into() }.into(),
        None if error.code() == Some(&tokio_postgres::error::SqlState::UNIQUE_VIOLATION) => {
            told_of_foreign_key(name.unwrap_or_default(), changes).into()
        }
        None if is_in_the_way(error) => Ended::InTheWay,
        None => Ended::Failed(told(error)),
    }
}

/// A key of an index that only a newer binary knows: `kind.bit.index.unique`.
fn told_of_foreign_key(name: &str, changes: &Changes) -> Error {
    let kind = changes.writes.first().map_or("", |put| put.table.kind());
    let index = name.splitn(3, '.').nth(2).unwrap_or(name).trim_end_matches(".unique");
    Error::Duplicate { kind: kind.into(), index: index.into() }
}
