//! What the store is asked for and what it answers, as they cross between callers and the page's task.

use std::future::Future;
use std::pin::Pin;
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

/// One operation. There is one sort of task for all of them, since a page loads each sort anew; what each does is behind
/// a pointer, so that a page has those only that it uses.
pub(crate) struct Operation {
    /// Its name.
    pub(crate) name: &'static str,
    /// The kind that it is about, the first one of several.
    pub(crate) about: &'static str,
    work: Box<dyn Work>,
}

/// What an operation does in the page's task.
type Working<'a> = Pin<Box<dyn Future<Output = Result<Answer>> + 'a>>;

trait Work: Send {
    fn run<'a>(self: Box<Self>, database: &'a Database, call: &'a Call) -> Working<'a>;
}

impl<F> Work for F
where
    F: AsyncFnOnce(&Database, &Call) -> Result<Answer> + Send + 'static,
{
    fn run<'a>(self: Box<Self>, database: &'a Database, call: &'a Call) -> Working<'a> {
        Box::pin(async move { self(database, call).await })
    }
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
    pub(crate) async fn run(self, database: &Database, call: &Call) -> Result<Answer> {
        self.work.run(database, call).await
    }

    fn new<F>(name: &'static str, about: &'static str, work: F) -> Self
    where
        F: AsyncFnOnce(&Database, &Call) -> Result<Answer> + Send + 'static,
    {
        Self { name, about, work: Box::new(work) }
    }

    pub(crate) fn get(table: Arc<Table>, id: Part) -> Self {
        Self::new("get", table.kind, async move |database: &Database, _: &Call| {
            find(database, &table, &id).await.map(Answer::Seen)
        })
    }

    pub(crate) fn scan(table: Arc<Table>, scan: Scan) -> Self {
        Self::new("scan", table.kind, async move |database: &Database, call: &Call| {
            scan::page(database, call, &table, &scan).await.map(Answer::Found)
        })
    }

    pub(crate) fn commit(changes: Changes) -> Self {
        Self::new("commit", changes.about(), async move |database: &Database, call: &Call| {
            changes.run(database, call).await.map(done)
        })
    }

    pub(crate) fn kept(scope: String, key: String) -> Self {
        Self::new("kept", "", async move |database: &Database, _: &Call| {
            kept::find(database, scope, key).await.map(Answer::Kept)
        })
    }

    pub(crate) fn unsent(by: outbox::Asked) -> Self {
        Self::new("unsent", "", async move |database: &Database, _: &Call| {
            outbox::unsent(database, by).await.map(Answer::Events)
        })
    }

    pub(crate) fn backlog(limit: usize) -> Self {
        Self::new("unsent", "", async move |database: &Database, _: &Call| {
            outbox::backlog(database, limit).await.map(Answer::Backlog)
        })
    }

    pub(crate) fn mark_sent(events: Vec<Uuid>) -> Self {
        Self::new("mark_sent", "", async move |database: &Database, call: &Call| {
            outbox::mark_sent(database, call, &events).await.map(done)
        })
    }

    pub(crate) fn sweep(before: Timestamp, limit: usize) -> Self {
        Self::new("sweep", "", async move |database: &Database, call: &Call| {
            sweep(database, call, before, limit).await.map(Answer::Count)
        })
    }

    pub(crate) fn ping() -> Self {
        Self::new("ping", "", async move |database: &Database, _: &Call| {
            schema::check_format(database).await.map(done)
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
