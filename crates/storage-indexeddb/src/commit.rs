//! One unit of the port as one transaction: all checks, then all writes, then what only the writes show.

use std::sync::Arc;

use staffa_context::json;
use staffa_storage::{Commit, Error, Event, Expect, Kept, Part, Result};
use wasm_bindgen::JsValue;
#[cfg(feature = "indexes")]
use web_sys::IdbObjectStore;
use web_sys::{IdbRequest, IdbTransactionMode};

use crate::call::Call;
use crate::connection::Database;
use crate::row::{Put, is_trace, shape, whole};
use crate::schema::{KEPT, OUTBOX};
use crate::table::{Table, Tables};
use crate::transaction::{Transaction, answer, asked, result};
#[cfg(feature = "indexes")]
use crate::{backfill, scan};
use crate::{kept, key, outbox};

/// A commit of the port with its documents and keys as text.
pub(crate) struct Changes {
    checks: Vec<Check>,
    writes: Vec<(Arc<Table>, Put)>,
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

impl Changes {
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
            let check = Check { table: Arc::clone(&table), id, expect, written: true };
            // Both come in this order already, and mostly one after the other.
            let place = checks.partition_point(|other: &Check| other.place() < check.place());
            checks.insert(place, check);
            let (document, keys) = match write.put {
                Some((document, keys)) => (Some(json(&document)), fitting(&table, keys)?),
                None => (None, Vec::new()),
            };
            writes.push((table, Put { id: write.id, version: write.version, document, keys }));
        }
        let events = commit.events.into_iter().map(|event| {
            let payload = json(&event.payload);
            (event, payload)
        });
        let kept = commit.kept.map(|kept| {
            let answer = json(&kept.answer);
            (kept, answer)
        });
        Ok(Self { checks, writes, events: events.collect(), kept })
    }

    /// The kind that it concerns, the first one of several.
    pub(crate) fn about(&self) -> &'static str {
        self.writes.first().map_or("", |(table, _)| table.kind)
    }

    /// Runs the whole; nothing happened unless it gives `Ok`.
    pub(crate) async fn run(&self, database: &Database, call: &Call) -> Result<()> {
        let stores = self.stores();
        if stores.is_empty() {
            return database.check();
        }
        let tx = database.transaction(&stores, IdbTransactionMode::Readwrite)?;
        match self.fill(&tx).await {
            Ok(()) => tx.commit(call).await,
            Err(error) => Err(tx.why(error)),
        }
    }

    fn stores(&self) -> Vec<&str> {
        let kinds = self.checks.chunk_by(|a, b| a.table.kind == b.table.kind);
        let kinds = kinds.filter_map(|checks| checks.first()).map(|check| check.table.name.as_str());
        let own = [(!self.events.is_empty(), OUTBOX), (self.kept.is_some(), KEPT)];
        kinds.chain(own.into_iter().filter(|(is_used, _)| *is_used).map(|(_, name)| name)).collect()
    }

    async fn fill(&self, tx: &Transaction) -> Result<()> {
        self.check(tx).await?;
        for (table, put) in &self.writes {
            asked(tx.store(&table.name)?.put(&put.record(table)))?;
        }
        #[cfg(feature = "indexes")]
        for writes in self.writes.chunk_by(|(a, _), (b, _)| a.kind == b.kind) {
            refuse_doubles(tx, writes).await?;
        }
        for (event, payload) in &self.events {
            outbox::put(&tx.store(OUTBOX)?, event, payload)?;
        }
        if let Some((kept, answer)) = &self.kept {
            kept::keep(&tx.store(KEPT)?, kept, answer)?;
        }
        Ok(())
    }

    /// Asks for everything at once, and looks at it in the port's order.
    async fn check(&self, tx: &Transaction) -> Result<()> {
        let mut asks = Vec::with_capacity(self.checks.len() + 1);
        if let Some((kept, _)) = &self.kept {
            asks.push(kept::ask(&tx.store(KEPT)?, &kept.scope, &kept.key)?);
        }
        for check in &self.checks {
            asks.push(check.ask(tx)?);
        }
        let Some(last) = asks.last() else { return Ok(()) };
        answer(last).await?;
        let mut answers = asks.iter().map(result);
        if self.kept.is_some() && !answers.next().transpose()?.unwrap_or_default().is_undefined() {
            return Err(Error::Kept);
        }
        self.checks.iter().zip(answers).try_for_each(|(check, answer)| check.holds(&answer?))
    }
}

fn fitting(table: &Table, keys: Vec<Vec<Part>>) -> Result<Vec<Vec<Part>>> {
    let fit = keys.len() == table.indexes.len()
        && keys.iter().zip(&table.indexes).all(|(key, index)| key.len() == index.parts.len());
    fit.then_some(keys)
        .ok_or_else(|| Error::Unusable(["a write of ", table.kind, " does not fit its indexes"].concat()))
}

impl Check {
    fn place(&self) -> (&str, &Part) {
        (self.table.kind, &self.id)
    }

    fn ask(&self, tx: &Transaction) -> Result<IdbRequest> {
        asked(tx.store(&self.table.name)?.get(&JsValue::from_str(&key::id(&self.id))))
    }

    fn holds(&self, record: &JsValue) -> Result<()> {
        let kind = || self.table.kind.to_owned();
        let seen = if record.is_undefined() { 0 } else { whole(record, "version")? };
        let there = !record.is_undefined() && !is_trace(record);
        let holds = match self.expect {
            Expect::New if seen > 0 => return Err(Error::Duplicate { kind: kind(), index: "id".into() }),
            Expect::New => true,
            Expect::Absent { last } => !there && seen == last,
            Expect::Version(expected) => there && seen == expected,
        };
        if !holds {
            return Err(Error::Conflict { kind: kind(), id: self.id.to_string() });
        }
        if there && self.written && shape(record)? > self.table.shape {
            return Err(Error::NewerShape { kind: kind(), id: self.id.to_string(), shape: shape(record)? });
        }
        Ok(())
    }
}

/// Refuses a unique key that two entities of a kind have once all writes are done.
#[cfg(feature = "indexes")]
async fn refuse_doubles(tx: &Transaction, writes: &[(Arc<Table>, Put)]) -> Result<()> {
    let Some((table, _)) = writes.first() else { return Ok(()) };
    if !table.indexes.iter().any(|index| index.unique) {
        return Ok(());
    }
    let store = tx.store(&table.name)?;
    // What an older binary wrote meanwhile may lack the key.
    backfill::run(&store, table, false).await?;
    let asks = ask_doubles(&store, table, writes)?;
    let Some((_, last)) = asks.last() else { return Ok(()) };
    answer(last).await?;
    for (index, ask) in &asks {
        if js_sys::Array::from(&result(ask)?).length() > 1 {
            return Err(Error::Duplicate { kind: table.kind.into(), index: (*index).into() });
        }
    }
    Ok(())
}

/// Asks who has the keys of these writes, index by index.
#[cfg(feature = "indexes")]
fn ask_doubles<'a>(
    store: &IdbObjectStore,
    table: &'a Table,
    writes: &[(Arc<Table>, Put)],
) -> Result<Vec<(&'a str, IdbRequest)>> {
    let mut asks = Vec::new();
    for (place, index) in table.indexes.iter().enumerate().filter(|(_, index)| index.unique) {
        let keys = writes.iter().filter_map(|(_, put)| put.keys.get(place));
        for key in keys.filter(|key| !key.contains(&Part::None)) {
            asks.push((index.name, scan::ask_double(store, index.name, &key::parts(key))?));
        }
    }
    Ok(asks)
}
