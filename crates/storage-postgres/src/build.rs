//! Brings a store to the schemas of this binary, in the background once opening has waited long enough.
//!
//! Invariants:
//! 1. One process at a time makes indexes and keys rows, by a lock that no killed process can keep; the others wait and look.
//! 2. Nothing of it blocks those who write, but for the moment in which a column is added.
//! 3. It may be stopped anywhere, and goes on at the next opening: what is missing is read from what is there.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use staffa_context::Context;
use staffa_storage::{Error, Phase, Result, Schema, Step};
use tokio_postgres::SimpleQueryMessage;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;

use crate::backfill;
use crate::call::{Call, Work};
use crate::error::told;
use crate::pool::Pool;
use crate::row::Param;
use crate::schema::{Make, Plan, inspect, lock_key, plan};
use crate::session::{Session, Sql};
use crate::table::{Table, Tables, quoted};

/// How long to wait before looking again at what another process builds.
const LOOK_PAUSE: Duration = Duration::from_millis(100);
/// How long a change of a table waits for those who use it, who wait behind it meanwhile.
const LOCK_WAIT: Duration = Duration::from_secs(1);
/// How often such a change is tried.
const ATTEMPTS_MAX: usize = 30;
/// Rows after whose keying the index over stale rows is made anew: it is full of what is gone.
const REINDEX_FROM: usize = 10_000;

/// What is told of each step once it is done.
pub(crate) type Observe<'a> = &'a mut (dyn FnMut(&Step) + Send);

/// Whether the indexes of a kind are whole.
#[derive(Default)]
pub(crate) struct Progress {
    whole: AtomicBool,
    failed: Mutex<Option<Error>>,
}

impl Progress {
    pub(crate) fn is_whole(&self) -> bool {
        self.whole.load(Ordering::Acquire)
    }

    pub(crate) fn failed(&self) -> Option<Error> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, outcome: Result<()>) {
        self.whole.store(outcome.is_ok(), Ordering::Release);
        *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = outcome.err();
    }
}

/// What the schemas ask for and what is missing for it; makes what can be made at once.
pub(crate) async fn expand(
    ctx: &Context,
    session: &Session,
    schema: &str,
    schemas: &[Schema],
    observe: Observe<'_>,
) -> Result<Plan> {
    let mut attempts = 0;
    loop {
        let missing = plan(&inspect(session, schema).await?, schema, schemas)?;
        if missing.expand.is_empty() {
            return Ok(missing);
        }
        attempts += 1;
        match expand_once(session, schema, schemas).await {
            Err(Error::Unavailable(_)) if attempts < ATTEMPTS_MAX => ctx.sleep(LOOK_PAUSE).await?,
            Err(error) => return Err(error),
            Ok(made) => {
                let steps = made.into_iter().map(|statement| Step { phase: Phase::Expand, statement });
                steps.for_each(|step| observe(&step));
            }
        }
    }
}

/// Makes tables and columns in one transaction, one process at a time; gives the statements.
async fn expand_once(session: &Session, schema: &str, schemas: &[Schema]) -> Result<Vec<String>> {
    let key = lock_key("expand", schema);
    let begin = format!(
        "SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0; SELECT pg_advisory_xact_lock({key}); \
         SET LOCAL lock_timeout = {}",
        LOCK_WAIT.as_millis(),
    );
    let made = async {
        session.begin(&begin).await.map_err(|error| told(&error))?;
        // Another process may have been here while this one waited.
        let missing = plan(&inspect(session, schema).await?, schema, schemas)?;
        for statement in &missing.expand {
            session.simple(statement).await.map_err(|error| told_of_change(&error, statement))?;
        }
        session.commit().await.map_err(|error| told(&error))?;
        Ok(missing.expand)
    };
    let made = made.await;
    if made.is_err() {
        session.rollback().await;
    }
    made
}

fn told_of_change(error: &tokio_postgres::Error, statement: &str) -> Error {
    match told(error) {
        Error::Unusable(words) => Error::Unusable(format!("{words}, in: {statement}")),
        other => other,
    }
}

/// Builds what is missing until every index of these tables is whole.
pub(crate) struct Builder<'a> {
    pub(crate) pool: &'a Pool,
    pub(crate) schema: &'a str,
    pub(crate) schemas: &'a [Schema],
    pub(crate) tables: &'a Tables,
}

impl Builder<'_> {
    /// Until all are whole or one cannot be. Each kind's progress says which.
    pub(crate) async fn run(&self, ctx: &Context, observe: Observe<'_>) -> Result<()> {
        loop {
            let missing = self.missing(ctx).await?;
            if self.note_whole(ctx, &missing).await? {
                return Ok(());
            }
            let Some(lock) = self.lock(ctx).await? else {
                ctx.sleep(LOOK_PAUSE).await?;
                continue;
            };
            let built = self.build(ctx, observe).await;
            lock.rollback().await;
            built?;
        }
    }

    async fn missing(&self, ctx: &Context) -> Result<Plan> {
        let session = self.pool.session(ctx).await?;
        plan(&inspect(&session, self.schema).await?, self.schema, self.schemas)
    }

    /// Notes which kinds lack neither an index nor keys; whether that is all of them.
    async fn note_whole(&self, ctx: &Context, missing: &Plan) -> Result<bool> {
        let session = self.pool.session(ctx).await?;
        let mut all = true;
        for table in self.tables.all() {
            let makes = missing.makes.iter().any(|make| make.kind == table.kind());
            // Rows are counted once there is the index that finds them.
            if makes || backfill::count(&session, table, 1).await? > 0 {
                all = false;
            } else {
                table.progress.set(Ok(()));
            }
        }
        Ok(all)
    }

    /// A session whose transaction holds the lock of those who build; `None` when another process has it.
    ///
    /// It is asked for and not waited for: one that waits has a snapshot, for which `CREATE INDEX CONCURRENTLY` would wait.
    async fn lock(&self, ctx: &Context) -> Result<Option<Session>> {
        let session = self.pool.session(ctx).await?;
        let begin = without("true", &["idle_in_transaction_session_timeout", "transaction_timeout"]);
        session.begin(&begin).await.map_err(|error| told(&error))?;
        // As text: a statement that was bound keeps its snapshot until the next one.
        let ask = format!("SELECT pg_try_advisory_xact_lock({})", lock_key("build", self.schema));
        let told_of = session.watched(session.client().simple_query(&ask)).await;
        let got = told_of
            .map_err(|error| told(&error))?
            .iter()
            .any(|message| matches!(message, SimpleQueryMessage::Row(row) if row.get(0) == Some("t")));
        if got {
            return Ok(Some(session));
        }
        session.rollback().await;
        Ok(None)
    }

    /// What one process at a time does, kind by kind.
    async fn build(&self, ctx: &Context, observe: Observe<'_>) -> Result<()> {
        let missing = self.missing(ctx).await?;
        for table in self.tables.all() {
            let makes: Vec<&Make> = missing.makes.iter().filter(|make| make.kind == table.kind()).collect();
            if let Err(error) = self.build_kind(ctx, table, &makes, observe).await {
                let passing = matches!(error, Error::Ended(_) | Error::Unavailable(_));
                if !passing {
                    tracing::error!(kind = table.kind(), %error, "the indexes cannot be made whole");
                    table.progress.set(Err(error.clone()));
                }
                return Err(error);
            }
        }
        Ok(())
    }

    /// The index over stale rows first, by which they are found; then their keys; then the other indexes.
    async fn build_kind(
        &self,
        ctx: &Context,
        table: &Table,
        makes: &[&Make],
        observe: Observe<'_>,
    ) -> Result<()> {
        let (of_stale, others): (Vec<&Make>, Vec<&Make>) =
            makes.iter().partition(|make| make.index.is_none());
        for make in of_stale {
            self.make(ctx, make, observe).await?;
        }
        let keyed = self.fill(ctx, table, observe).await?;
        for make in others {
            self.make(ctx, make, observe).await?;
        }
        if keyed >= REINDEX_FROM {
            let name = quoted(&crate::table::stale_name(table.kind(), table.mask));
            let statement = format!("REINDEX INDEX CONCURRENTLY {}.{name}", quoted(self.schema));
            self.simple(ctx, statement, observe).await?;
        }
        Ok(())
    }

    /// Keys all stale rows; gives how many there were.
    async fn fill(&self, ctx: &Context, table: &Table, observe: Observe<'_>) -> Result<usize> {
        let mut keyed = 0;
        loop {
            ctx.check()?;
            let session = self.pool.session(ctx).await?;
            let count = backfill::batch(&session, table).await?;
            if count == 0 {
                return Ok(keyed);
            }
            keyed += count;
            let statement = format!("-- {}: {keyed} rows keyed", table.kind());
            observe(&Step { phase: Phase::Backfill, statement });
        }
    }

    /// Makes one index beside those who write. One that was left over is taken away first, unless it is being made right now by
    /// a server process whose client was killed.
    async fn make(&self, ctx: &Context, make: &Make, observe: Observe<'_>) -> Result<()> {
        if make.left_over {
            if self.is_being_made(ctx, &make.name).await? {
                ctx.sleep(LOOK_PAUSE).await?;
                return Ok(());
            }
            self.simple(ctx, make.drop(&quoted(self.schema)), observe).await?;
        }
        let made = self.simple(ctx, make.statement.clone(), observe).await;
        if let Err(Error::Duplicate { .. }) = made {
            self.simple(ctx, make.drop(&quoted(self.schema)), observe).await?;
            let index = make.index.unwrap_or_default().into();
            return Err(Error::Duplicate { kind: make.kind.into(), index });
        }
        made
    }

    async fn is_being_made(&self, ctx: &Context, name: &str) -> Result<bool> {
        let session = self.pool.session(ctx).await?;
        let sql = Sql::new(
            "SELECT 1 FROM pg_stat_progress_create_index p JOIN pg_class c ON c.oid = p.index_relid \
             JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2",
            [Type::TEXT, Type::TEXT],
        );
        let rows = session.query(&sql, &[Param::from(self.schema), Param::from(name)]).await;
        Ok(!rows.map_err(|error| told(&error))?.is_empty())
    }

    /// A statement that may take long: the server stops it when the context ends or this is dropped, and for no other reason.
    async fn simple(&self, ctx: &Context, statement: String, observe: Observe<'_>) -> Result<()> {
        let session = self.pool.session(ctx).await?;
        let (call, stop, direct) = (Call::new(ctx.clone()), session.stop(), self.pool.is_direct());
        let step = Step { phase: Phase::Expand, statement: statement.clone() };
        let work = Work::new(
            call,
            stop,
            Box::pin(async move {
                if direct {
                    // Such a statement runs outside of a transaction, so the settings are the session's, which ends with it.
                    session.spend();
                    let patient =
                        without("false", &["statement_timeout", "lock_timeout", "transaction_timeout"]);
                    session.simple(&patient).await.map_err(|error| told(&error))?;
                }
                session.simple(&statement).await.map_err(|error| told_of_making(&error, &statement))
            }),
        );
        work.answer().await?;
        observe(&step);
        Ok(())
    }
}

/// The text that switches these timeouts off, of those that the server knows: until the transaction ends, or the session.
fn without(local: &str, timeouts: &[&str]) -> String {
    let names = timeouts.join("', '");
    format!("SELECT set_config(name, '0', {local}) FROM pg_settings WHERE name IN ('{names}')")
}

fn told_of_making(error: &tokio_postgres::Error, statement: &str) -> Error {
    match error.code() {
        Some(code) if *code == SqlState::UNIQUE_VIOLATION => {
            Error::Duplicate { kind: String::new(), index: String::new() }
        }
        Some(code) if *code == SqlState::T_R_DEADLOCK_DETECTED => {
            Error::Unavailable("units were in the way of an index".into())
        }
        _ => told_of_change(error, statement),
    }
}
