//! What the store is asked for and what it answers, as they cross between callers and the page's task.

use std::sync::Arc;

use staffa_context::Timestamp;
use staffa_storage::{Backlog, Event, Found, Kept, Part, Result, Scan, Seen};
use uuid::Uuid;
use wasm_bindgen::JsValue;
use web_sys::IdbTransactionMode;

use crate::call::Call;
use crate::commit::Changes;
use crate::connection::Database;
use crate::row::{entity, is_trace, whole};
use crate::schema::{KEPT, OUTBOX};
use crate::table::Table;
use crate::transaction::{answer, asked};
use crate::{kept, key, outbox, scan, schema};

/// One operation. There is one sort of task for all of them, since a page loads each sort anew.
pub(crate) enum Operation {
    Get(Arc<Table>, Part),
    Scan(Arc<Table>, Scan),
    Commit(Changes),
    Kept(String, String),
    Unsent(outbox::Asked),
    Backlog(usize),
    MarkSent(Vec<Uuid>),
    Sweep(Timestamp, usize),
    Ping,
}

/// What became of one: each gives its own.
pub(crate) enum Answer {
    Seen(Seen),
    Found(Vec<Found>),
    Kept(Option<Kept>),
    Events(Vec<Event>),
    Backlog(Backlog),
    Count(usize),
    Done,
}

impl Operation {
    /// Its name, and the kind that it is about, the first one of several.
    pub(crate) fn name(&self) -> (&'static str, &'static str) {
        match self {
            Self::Get(table, _) => ("get", table.kind),
            Self::Scan(table, _) => ("scan", table.kind),
            Self::Commit(changes) => ("commit", changes.about()),
            Self::Kept(..) => ("kept", ""),
            Self::Unsent(_) | Self::Backlog(_) => ("unsent", ""),
            Self::MarkSent(_) => ("mark_sent", ""),
            Self::Sweep(..) => ("sweep", ""),
            Self::Ping => ("ping", ""),
        }
    }

    pub(crate) async fn run(self, database: &Database, call: &Call) -> Result<Answer> {
        Ok(match self {
            Self::Get(table, id) => Answer::Seen(find(database, &table, &id).await?),
            Self::Scan(table, scan) => Answer::Found(scan::page(database, call, &table, &scan).await?),
            Self::Kept(scope, key) => Answer::Kept(kept::find(database, scope, key).await?),
            Self::Unsent(by) => Answer::Events(outbox::unsent(database, by).await?),
            Self::Backlog(limit) => Answer::Backlog(outbox::backlog(database, limit).await?),
            Self::Sweep(before, limit) => Answer::Count(sweep(database, call, before, limit).await?),
            Self::Commit(changes) => done(changes.run(database, call).await?),
            Self::MarkSent(events) => done(outbox::mark_sent(database, call, &events).await?),
            Self::Ping => done(schema::check_format(database).await?),
        })
    }
}

fn done((): ()) -> Answer {
    Answer::Done
}

async fn find(database: &Database, table: &Table, id: &Part) -> Result<Seen> {
    let tx = database.transaction(&[&table.name], IdbTransactionMode::Readonly)?;
    let record = answer(&asked(tx.store(&table.name)?.get(&JsValue::from_str(&key::id(id))))?).await?;
    tx.leave();
    if record.is_undefined() {
        return Ok(Seen::Absent { last: 0 });
    }
    if is_trace(&record) {
        return Ok(Seen::Absent { last: whole(&record, "version")? });
    }
    Ok(Seen::Row(entity(&record, table)?))
}

async fn sweep(database: &Database, call: &Call, before: Timestamp, limit: usize) -> Result<usize> {
    let tx = database.transaction(&[OUTBOX, KEPT], IdbTransactionMode::Readwrite)?;
    let events = kept::sweep(&tx.store(OUTBOX)?, "sent", before, limit).await?;
    let records = kept::sweep(&tx.store(KEPT)?, "at", before, limit).await?;
    tx.commit(call).await?;
    Ok(events + records)
}
