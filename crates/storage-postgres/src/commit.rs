//! A unit of the port as one transaction.
//!
//! It is first tried in one round trip: all statements are sent together, the commit included, and each makes sure of what it
//! expects, so that anything unexpected ends the transaction. Then nothing happened, and `careful` finds out what it was.

use std::fmt::Write as _;
use std::sync::Arc;

use staffa_storage::{Commit, Error, Event, Expect, Kept, Part, Result};

use crate::call::Call;
use crate::error::{is_in_the_way, is_refusal, told};
use crate::kept::{self, Records};
use crate::outbox::Outbox;
use crate::row::{Json, Param, list};
use crate::session::{Ready, Session, Sql, Step, Told, together};
use crate::table::{Table, Tables};

/// Bytes of documents that one statement inserts, about.
const INSERT_BYTES: usize = 4 << 20;

/// The statements that units share.
pub(crate) struct Common {
    /// Begins a unit: refused while the store is frozen.
    pub(crate) enter: String,
    pub(crate) outbox: Outbox,
    pub(crate) kept: Records,
}

impl Common {
    pub(crate) fn new(space: &str) -> Self {
        Self {
            enter: format!("SELECT {space}.staffa_enter()"),
            outbox: Outbox::new(space),
            kept: Records::new(space),
        }
    }

    /// The text at the beginning of a unit. The server stops a statement by itself when the budget is over, a moment after the
    /// caller, who cancels it and knows why.
    pub(crate) fn begin(&self, call: &Call) -> String {
        let mut text = String::new();
        if let Some(left) = call.context().remaining() {
            let millis = (left.as_millis() + 20).min(2_000_000_000);
            let _written = write!(text, "SET LOCAL statement_timeout = {millis}; ");
        }
        text + &self.enter
    }
}

/// A commit of the port with its documents as text.
pub(crate) struct Changes {
    pub(crate) checks: Vec<Check>,
    pub(crate) writes: Vec<Put>,
    pub(crate) events: Vec<Event>,
    pub(crate) kept: Option<Kept>,
}

/// What must hold of one entity; `write` is its place among the writes.
pub(crate) struct Check {
    pub(crate) table: Arc<Table>,
    pub(crate) id: Part,
    pub(crate) expect: Expect,
    pub(crate) write: Option<usize>,
}

/// What one entity becomes.
pub(crate) struct Put {
    pub(crate) table: Arc<Table>,
    pub(crate) id: Part,
    pub(crate) expect: Expect,
    pub(crate) version: i64,
    pub(crate) document: Option<Json>,
    pub(crate) keys: Vec<Vec<Part>>,
}

impl Changes {
    /// Makes the texts, so that no transaction waits for them.
    pub(crate) fn of(commit: Commit, tables: &Tables) -> Result<Self> {
        let mut checks = Vec::with_capacity(commit.guards.len() + commit.writes.len());
        for guard in commit.guards {
            let table = Arc::clone(tables.of(guard.kind)?);
            checks.push(Check { table, id: guard.id, expect: guard.expect, write: None });
        }
        let mut writes = Vec::with_capacity(commit.writes.len());
        for (place, write) in commit.writes.into_iter().enumerate() {
            let table = Arc::clone(tables.of(write.kind)?);
            let (id, expect) = (write.id, write.expect);
            checks.push(Check { table: Arc::clone(&table), id: id.clone(), expect, write: Some(place) });
            let (document, keys) = match write.put {
                Some((document, keys)) => (Some(Json::of(&document)), fitting(&table, keys)?),
                None => (None, table.no_keys()),
            };
            writes.push(Put { table, id, expect, version: write.version, document, keys });
        }
        checks.sort_by(|a, b| (a.table.kind(), &a.id).cmp(&(b.table.kind(), &b.id)));
        Ok(Self { checks, writes, events: commit.events, kept: commit.kept })
    }

    /// Whether one round trip can do it: its statements tell neither an id that was never taken from one that is free
    /// again, nor keys that are swapped from keys that are taken.
    fn is_plain(&self) -> bool {
        let simple = |check: &Check| match check.expect {
            Expect::New | Expect::Absent { last: 0 } => check.write.is_some(),
            Expect::Absent { .. } => false,
            Expect::Version(_) => true,
        };
        let swapping = |writes: &[Put]| {
            let changed = writes.iter().filter(|put| matches!(put.expect, Expect::Version(_))).count();
            let unique =
                writes.iter().any(|put| put.table.indexes.iter().any(|index| index.unique.is_some()));
            changed > 0 && writes.len() > 1 && unique
        };
        self.checks.iter().all(simple)
            && !self.writes.chunk_by(|a, b| a.table.kind() == b.table.kind()).any(swapping)
    }

    /// What a conflict that the server finds is about.
    pub(crate) fn conflict(&self) -> Error {
        match self.checks.first() {
            Some(check) => check.conflict(),
            None => Error::Unavailable("another transaction was in the way".into()),
        }
    }
}

impl Check {
    pub(crate) fn conflict(&self) -> Error {
        Error::Conflict { kind: self.table.kind().into(), id: self.id.to_string() }
    }

    pub(crate) fn duplicate(&self) -> Error {
        Error::Duplicate { kind: self.table.kind().into(), index: "id".into() }
    }
}

impl Put {
    /// The parameters of the row: id, version, document, keys.
    pub(crate) fn params(&self) -> Vec<Param> {
        let document = self.document.clone().into();
        let fixed = [Param::from(&self.id), Param::Int(self.version), document];
        fixed.into_iter().chain(self.keys.iter().flatten().map(Param::from)).collect()
    }

    fn is_new(&self) -> bool {
        !matches!(self.expect, Expect::Version(_))
    }

    fn bytes(&self) -> usize {
        self.document.as_ref().map_or(0, |document| document.0.len())
    }
}

fn fitting(table: &Table, keys: Vec<Vec<Part>>) -> Result<Vec<Vec<Part>>> {
    let fit = keys.len() == table.indexes.len()
        && keys.iter().zip(&table.indexes).all(|(key, index)| key.len() == index.columns.len());
    fit.then_some(keys)
        .ok_or_else(|| Error::Unusable(format!("a write of {} does not fit its indexes", table.kind())))
}

/// What became of a unit in one round trip.
pub(crate) enum Tried {
    Done,
    /// Nothing happened: something was not as expected, or in the way.
    Refused,
}

/// Tries the unit in one round trip, if it is one that can be.
pub(crate) async fn quick(
    session: &Session,
    changes: &Changes,
    common: &Common,
    call: &Call,
) -> Result<Tried> {
    if !changes.is_plain() {
        return Ok(Tried::Refused);
    }
    let batch = Batch::of(session, changes, common).await.map_err(|error| told(&error))?;
    let begin = common.begin(call);
    call.hold()?;
    match batch.run(session, &begin).await {
        Ok(()) => Ok(Tried::Done),
        Err(_) if session.is_torn() => Err(torn()),
        Err(error) if is_refusal(&error) || is_in_the_way(&error) => {
            call.unhold();
            Ok(Tried::Refused)
        }
        Err(error) => Err(told_of_commit(&error)),
    }
}

/// The port's error for a commit whose statement failed: without a word of the server its outcome is open.
pub(crate) fn told_of_commit(error: &tokio_postgres::Error) -> Error {
    match error.as_db_error() {
        // The server ends all sessions with this word, perhaps after the commit.
        Some(_) if error.code().is_some_and(|code| !code.code().starts_with("57P")) => told(error),
        _ => Error::Unknown(told(error).to_string()),
    }
}

/// The port's error when statements ran without the transaction that they were sent in.
pub(crate) fn torn() -> Error {
    Error::Unknown("the server was made to stop the beginning of the transaction, and went on without".into())
}

/// Statements that are ready, with their parameters.
struct Batch<'a>(Vec<(Arc<Ready<'a>>, Vec<Param>)>);

impl<'a> Batch<'a> {
    /// Existing rows are locked in the order of (kind, id), so that units wait for each other in one direction.
    async fn of(session: &Session, changes: &'a Changes, common: &'a Common) -> Told<Self> {
        let mut batch = Self(Vec::with_capacity(changes.checks.len() + 2));
        if let Some(kept) = &changes.kept {
            batch.push(session, &common.kept.put, kept::params(kept)).await?;
        }
        for check in &changes.checks {
            let Expect::Version(expected) = check.expect else { continue };
            let (sql, params) = changes.statement(check, expected);
            batch.push(session, sql, params).await?;
        }
        for writes in changes.writes.chunk_by(|a, b| a.table.kind() == b.table.kind()) {
            batch.push_new(session, writes).await?;
        }
        if !changes.events.is_empty() {
            let (sql, params) = common.outbox.put(&changes.events);
            batch.push(session, sql, params).await?;
        }
        Ok(batch)
    }

    async fn push(&mut self, session: &Session, sql: &'a Sql, params: Vec<Param>) -> Told<()> {
        let ready = Arc::new(session.ready(sql).await?);
        self.0.push((ready, params));
        Ok(())
    }

    /// The new rows of one kind, many in one statement.
    async fn push_new(&mut self, session: &Session, writes: &'a [Put]) -> Told<()> {
        let new: Vec<&Put> = writes.iter().filter(|put| put.is_new()).collect();
        let Some(first) = new.first() else { return Ok(()) };
        if new.len() == 1 {
            return self.push(session, &first.table.insert, first.params()).await;
        }
        let mut from = 0;
        while from < new.len() {
            let mut bytes = 0;
            let some = new[from..]
                .iter()
                .take_while(|put| {
                    let fits = bytes < INSERT_BYTES;
                    bytes += put.bytes();
                    fits
                })
                .count();
            self.push(session, &first.table.insert_many, rows(&new[from..from + some])).await?;
            from += some;
        }
        Ok(())
    }

    /// Sends everything between the beginning and the commit, and waits for all answers.
    async fn run(&self, session: &Session, begin: &str) -> Told<()> {
        let mut steps: Vec<Step<'_, Told<()>>> = Vec::with_capacity(self.0.len() + 2);
        steps.push(Box::pin(session.begin(begin)));
        for (ready, params) in &self.0 {
            steps.push(Box::pin(async move { session.execute(ready, params).await.map(drop) }));
        }
        steps.push(Box::pin(session.commit()));
        // The first error is the reason of those that follow.
        together(steps).await.into_iter().collect()
    }
}

impl Changes {
    /// What makes sure of an existing row, and writes it if it is written.
    fn statement<'a>(&'a self, check: &'a Check, expected: i64) -> (&'a Sql, Vec<Param>) {
        let (table, id) = (&check.table, Param::from(&check.id));
        match check.write.and_then(|place| self.writes.get(place)) {
            None => (&table.guard, vec![id, Param::Int(expected)]),
            Some(put) if put.document.is_none() => {
                (&table.delete, vec![id, Param::Int(put.version), Param::Int(expected)])
            }
            Some(put) => {
                let mut params = put.params();
                params.push(Param::Int(expected));
                (&table.update, params)
            }
        }
    }
}

/// The parameters of several new rows of a kind, column by column.
fn rows(puts: &[&Put]) -> Vec<Param> {
    let Some(table) = puts.first().map(|put| &put.table) else { return Vec::new() };
    let mut params = vec![
        list(table.schema.id, puts.iter().map(|put| &put.id)),
        Param::Ints(puts.iter().map(|put| Some(put.version)).collect()),
        Param::Jsons(puts.iter().map(|put| put.document.clone()).collect()),
    ];
    for (place, index) in table.indexes.iter().enumerate() {
        for (column, part) in index.schema.parts.iter().enumerate() {
            params.push(list(*part, puts.iter().map(|put| &put.keys[place][column])));
        }
    }
    params
}
