//! One unit of the port inside the writer's transaction.

use std::collections::HashSet;
use std::sync::Arc;

use rusqlite::Connection;
use serde_json::Value;
use staffa_context::Timestamp;
use staffa_storage::{Commit, Error, Event, Expect, Kept, Part, Record, Result};
use uuid::Uuid;

use crate::backfill::other_with_key;
use crate::call::Call;
use crate::error::told;
use crate::moving::{self, Import, misplaced};
use crate::row::Column;
use crate::schema::{self, is_taken};
use crate::table::{Table, Tables};
use crate::{kept, outbox};

/// What the writer commits together with others. It can be run again, since a group may have to.
pub(crate) enum Unit {
    /// A unit of the port.
    Changes(Changes),
    /// Notes that events were sent.
    Sent(Vec<Uuid>, Timestamp),
    /// Removes what is older, a number of each at most.
    Sweep(Timestamp, usize),
    /// Pauses or resumes what changes the store.
    Freeze(bool),
    /// Records of another store.
    Import(Import),
    /// Nothing: shows that the writer works.
    Nothing,
}

/// A commit of the port with its documents as text.
pub(crate) struct Changes {
    checks: Vec<Check>,
    writes: Vec<Put>,
    events: Vec<(Event, String)>,
    kept: Option<(Kept, String)>,
}

/// What must hold of one entity.
struct Check {
    table: Arc<Table>,
    id: Part,
    expect: Expect,
    written: bool,
}

/// What one entity becomes.
struct Put {
    table: Arc<Table>,
    id: Part,
    version: i64,
    shape: u32,
    document: Option<String>,
    keys: Vec<Vec<Part>>,
}

/// Where a unit runs, which is where it may go back to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Within {
    /// A transaction of its own, which it cannot go back in.
    Transaction,
    /// A savepoint, `unit`.
    Savepoint,
}

/// What became of a unit that did not fail.
pub(crate) enum Ran {
    /// It is done; how many rows went, of a sweep.
    Done(usize),
    /// A unique key was in the way, perhaps of what this very unit writes: it has to be run again, within a savepoint.
    InTheWay,
}

impl Unit {
    /// Runs inside the writer's transaction.
    pub(crate) fn run(&self, connection: &Connection, call: &Call, within: Within) -> Result<Ran> {
        match self {
            Self::Changes(changes) => return changes.run(connection, call, within),
            Self::Import(import) => return import.run(connection, call, within),
            Self::Sent(events, at) => outbox::mark_sent(connection, events, *at)?,
            Self::Sweep(before, limit) => {
                let events = outbox::sweep(connection, *before, *limit)?;
                return Ok(Ran::Done(events + kept::sweep(connection, *before, *limit)?));
            }
            Self::Freeze(frozen) => moving::freeze(connection, *frozen)?,
            Self::Nothing => {}
        }
        Ok(Ran::Done(0))
    }

    /// What it makes of the store's pause, if it does.
    pub(crate) fn freezes(&self) -> Option<bool> {
        match self {
            Self::Freeze(frozen) => Some(*frozen),
            _ => None,
        }
    }

    /// Whether it waits for its turn while the store is frozen.
    pub(crate) fn is_paused(&self) -> bool {
        matches!(self, Self::Changes(_) | Self::Sent(..) | Self::Sweep(..))
    }

    /// About how much it writes.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Changes(changes) | Self::Import(Import::Rows(changes)) => changes.bytes(),
            _ => 0,
        }
    }
}

impl Changes {
    /// Makes the texts, so that the writer does not have to.
    pub(crate) fn of(commit: Commit, tables: &Tables) -> Result<Self> {
        let mut checks = Vec::with_capacity(commit.guards.len() + commit.writes.len());
        for guard in commit.guards {
            let table = Arc::clone(tables.of(guard.kind)?);
            checks.push(Check { table, id: guard.id, expect: guard.expect, written: false });
        }
        let mut writes = Vec::with_capacity(commit.writes.len());
        for write in commit.writes {
            let table = Arc::clone(tables.of(write.kind)?);
            let (id, expect) = (write.id.clone(), write.expect);
            checks.push(Check { table: Arc::clone(&table), id, expect, written: true });
            writes.push(Put::of(table, write.id, write.version, write.put)?);
        }
        checks.sort_by(|a, b| (a.table.kind, &a.id).cmp(&(b.table.kind, &b.id)));
        let mut events = Vec::with_capacity(commit.events.len());
        for event in commit.events {
            let payload = text(&event.payload)?;
            events.push((event, payload));
        }
        let kept = match commit.kept {
            Some(kept) => {
                let answer = text(&kept.answer)?;
                Some((kept, answer))
            }
            None => None,
        };
        Ok(Self { checks, writes, events, kept })
    }

    /// Rows of another store, written as they are.
    pub(crate) fn of_rows(table: &Arc<Table>, records: Vec<Record>) -> Result<Self> {
        let mut writes = Vec::with_capacity(records.len());
        for record in records {
            let Record::Row { id, version, shape, document } = record else { return Err(misplaced()) };
            let put = match document {
                Some(document) => Some((document.clone(), (table.keys)(shape, document)?)),
                None => None,
            };
            writes.push(Put { shape, ..Put::of(Arc::clone(table), id, version, put)? });
        }
        Ok(Self { checks: Vec::new(), writes, events: Vec::new(), kept: None })
    }

    fn bytes(&self) -> usize {
        let documents = self.writes.iter().filter_map(|put| put.document.as_ref());
        let events = self.events.iter().map(|(_, payload)| payload);
        let answer = self.kept.iter().map(|(_, answer)| answer);
        documents.chain(events).chain(answer).map(String::len).sum()
    }

    /// SQLite looks at unique keys at each statement, the port when all is written: on the rare occasion that a key is
    /// in the way, the keys of all that is written are taken out of it, and what is then taken is another's.
    pub(crate) fn run(&self, connection: &Connection, call: &Call, within: Within) -> Result<Ran> {
        for vacate in [false, true] {
            if self.attempt(connection, call, vacate)? {
                return Ok(Ran::Done(0));
            }
            if within == Within::Transaction {
                return Ok(Ran::InTheWay);
            }
            connection.execute_batch("ROLLBACK TO unit").map_err(told)?;
        }
        Err(self.taken(connection)?)
    }

    /// Does all; `false` when a unique key was in the way.
    fn attempt(&self, connection: &Connection, call: &Call, vacate: bool) -> Result<bool> {
        if let Some((kept, answer)) = &self.kept {
            kept::keep(connection, kept, answer)?;
        }
        for check in &self.checks {
            call.check()?;
            check.run(connection)?;
        }
        for put in self.writes.iter().filter(|put| put.table.beside) {
            schema::check_owner(connection, &put.table)?;
        }
        if vacate {
            self.writes.iter().try_for_each(|put| put.vacate(connection)).map_err(told)?;
        }
        for write in &self.writes {
            call.check()?;
            match write.run(connection) {
                Err(error) if is_taken(&error) => return Ok(false),
                result => result.map_err(told)?,
            }
        }
        for (event, payload) in &self.events {
            outbox::put(connection, event, payload)?;
        }
        Ok(true)
    }

    /// Which unique key would be there twice: the first one in the order of kinds and indexes.
    fn taken(&self, connection: &Connection) -> Result<Error> {
        for writes in self.writes.chunk_by(|a, b| a.table.kind == b.table.kind) {
            let table = &*writes[0].table;
            let written = |id: &Part| writes.iter().any(|put| put.id == *id);
            for (place, index) in table.indexes.iter().enumerate().filter(|(_, index)| index.schema.unique) {
                let mut own = HashSet::new();
                for key in writes.iter().map(|put| &put.keys[place]).filter(|key| !key.contains(&Part::None))
                {
                    let twice = !own.insert(key);
                    if twice || other_with_key(connection, table, index, key, written)?.is_some() {
                        let (kind, index) = (table.kind.into(), index.schema.name.into());
                        return Ok(Error::Duplicate { kind, index });
                    }
                }
            }
        }
        Ok(Error::Unusable("SQLite refused a key that no entity has".into()))
    }
}

/// The JSON of a value, in half the time that its `Display` takes.
pub(crate) fn text(value: &Value) -> Result<String> {
    serde_json::to_string(value).map_err(|error| Error::Unusable(error.to_string()))
}

fn fitting(table: &Table, keys: Vec<Vec<Part>>) -> Result<Vec<Vec<Part>>> {
    let fit = keys.len() == table.indexes.len()
        && keys.iter().zip(&table.indexes).all(|(key, index)| key.len() == index.columns.len());
    fit.then_some(keys)
        .ok_or_else(|| Error::Unusable(format!("a write of {} does not fit its indexes", table.kind)))
}

fn no_keys(table: &Table) -> Vec<Vec<Part>> {
    table.indexes.iter().map(|index| vec![Part::None; index.columns.len()]).collect()
}

impl Check {
    fn run(&self, connection: &Connection) -> Result<()> {
        let mut statement = connection.prepare_cached(&self.table.seen_sql).map_err(told)?;
        let mut rows = statement.query([Column(&self.id)]).map_err(told)?;
        let seen = rows.next().and_then(|row| {
            row.map(|row| Ok((row.get::<_, i64>(0)?, row.get::<_, u32>(1)?, row.get::<_, bool>(2)?)))
                .transpose()
        });
        let seen = seen.map_err(told)?;
        let holds = match (self.expect, seen) {
            (Expect::New, None) => true,
            (Expect::New, Some(_)) => return Err(self.duplicate()),
            (Expect::Absent { last }, None) => last == 0,
            (Expect::Absent { last }, Some((version, _, there))) => !there && version == last,
            (Expect::Version(expected), Some((version, _, there))) => there && version == expected,
            (Expect::Version(_), None) => false,
        };
        let (kind, id) = (self.table.kind.to_owned(), self.id.to_string());
        match seen {
            _ if !holds => Err(Error::Conflict { kind, id }),
            Some((_, shape, true)) if self.written && shape > self.table.shape => {
                Err(Error::NewerShape { kind, id, shape })
            }
            _ => Ok(()),
        }
    }

    fn duplicate(&self) -> Error {
        Error::Duplicate { kind: self.table.kind.into(), index: "id".into() }
    }
}

impl Put {
    fn of(table: Arc<Table>, id: Part, version: i64, put: Option<(Value, Vec<Vec<Part>>)>) -> Result<Self> {
        let (document, keys) = match put {
            Some((document, keys)) => (Some(text(&document)?), fitting(&table, keys)?),
            None => (None, no_keys(&table)),
        };
        Ok(Self { shape: table.shape, table, id, version, document, keys })
    }

    fn run(&self, connection: &Connection) -> rusqlite::Result<()> {
        let mut statement = connection.prepare_cached(&self.table.put_sql)?;
        statement.raw_bind_parameter(1, Column(&self.id))?;
        statement.raw_bind_parameter(2, self.version)?;
        statement.raw_bind_parameter(3, self.shape)?;
        statement.raw_bind_parameter(4, &self.table.set)?;
        statement.raw_bind_parameter(5, self.document.as_deref())?;
        for (part, place) in self.keys.iter().flatten().zip(6..) {
            statement.raw_bind_parameter(place, Column(part))?;
        }
        statement.raw_execute().map(|_| ())
    }

    /// Takes its unique keys from the entity that it replaces.
    fn vacate(&self, connection: &Connection) -> rusqlite::Result<()> {
        if self.table.vacate_sql.is_empty() {
            return Ok(());
        }
        connection.prepare_cached(&self.table.vacate_sql)?.execute([Column(&self.id)]).map(|_| ())
    }
}
