//! Takes a data file to the schemas of a binary: expands it, fills new indexes, and contracts it when asked to.

use std::path::Path;
use std::sync::Arc;

use rusqlite::Connection;
use staffa_context::Context;
use staffa_storage::{Error, Migrate, Phase, Result, Schema, Step};
use tokio::sync::oneshot;

use crate::backfill::Backfill;
use crate::call::Call;
use crate::error::told;
use crate::options::{Access, Options};
use crate::schema::{self, CREATE, Change, FORMAT, Known};
use crate::table::{Table, Tables, bare_name};
use crate::{connection, lock, worker};

/// What the file at `path` lacks for these schemas, and with `contract` what it has besides them; nothing is changed, and no
/// file made. A service may have the file meanwhile.
///
/// # Errors
///
/// [`staffa_storage::Error::Unusable`] for a file that is no store's, or whose kinds do not fit;
/// [`staffa_storage::Error::Unavailable`]; [`staffa_storage::Error::Ended`].
pub async fn plan(
    ctx: &Context,
    path: impl AsRef<Path>,
    options: &Options,
    schemas: &[Schema],
    contract: bool,
) -> Result<Vec<Step>> {
    let (path, options, schemas) = (path.as_ref().to_owned(), options.clone(), schemas.to_vec());
    on_a_thread(ctx, move |call| {
        Schema::check(&schemas)?;
        let mut connection = match path.exists() {
            true => connection::reader(&path, &options)?,
            false => Connection::open_in_memory().map_err(told)?,
        };
        worker::run(&mut connection, call, |connection| steps(connection, &schemas, contract))
    })
    .await
}

/// Does what [`plan`] tells, and waits until every index is whole; `observe` is told of each step once it is done. It has the
/// file for itself: a service that has it does the same when it starts, but for the contraction.
///
/// What is taken away by a contraction is gone for older binaries; one that comes back fills its indexes again.
///
/// # Errors
///
/// Those of [`crate::Sqlite::open`]. What was done until then stays, and is not done again.
pub async fn migrate(
    ctx: &Context,
    path: impl AsRef<Path>,
    options: &Options,
    schemas: &[Schema],
    contract: bool,
    observe: impl FnMut(&Step) + Send + 'static,
) -> Result<()> {
    let (path, schemas) = (path.as_ref().to_owned(), schemas.to_vec());
    let options = Options { access: Access::Own, migrate: Migrate::Apply, ..options.clone() };
    let mut observe = observe;
    on_a_thread(ctx, move |call| {
        Schema::check(&schemas)?;
        let _locked = lock::lock(&path, options.busy_wait, call)?;
        let mut connection = connection::writer(&path, &options)?;
        worker::run(&mut connection, call, |connection| {
            let tables = upgrade(connection, &schemas, &options, call, &mut observe)?;
            fill(connection, &tables, call, &mut observe)?;
            if contract {
                schemas.iter().try_for_each(|schema| contract_kind(connection, schema, &mut observe))?;
            }
            Ok(())
        })
    })
    .await
}

/// Runs work that blocks on a thread of its own; the end of the context, or of the future, stops its statement.
async fn on_a_thread<T: Send + 'static>(
    ctx: &Context,
    work: impl FnOnce(&Arc<Call>) -> Result<T> + Send + 'static,
) -> Result<T> {
    ctx.check()?;
    let call = Call::new(ctx.clone());
    let asked = Arc::clone(&call);
    let (reply, answer) = oneshot::channel();
    worker::start("sqlite-migration", move || {
        // A caller that left does not listen.
        let _ = reply.send(work(&asked));
    })?;
    call.answer(answer).await
}

/// Every step that is missing.
fn steps(connection: &Connection, schemas: &[Schema], contract: bool) -> Result<Vec<Step>> {
    let empty = schema::check_format(connection)?.is_none();
    let mut steps = Vec::new();
    if empty {
        steps.push(Change::expand(CREATE.into()).step);
    }
    for schema in schemas {
        let known = if empty { Known::nothing() } else { Known::read(connection, schema.kind)? };
        let table = known.table(schema, false);
        check_foreign(connection, &known, &table)?;
        steps.extend(known.expansion(&table)?.into_iter().map(|change| change.step));
        steps.extend(backfill_step(&table));
        if contract {
            let changes = known.contraction(schema).into_iter().flat_map(|(_, changes)| changes);
            steps.extend(changes.map(|change| change.step));
        }
    }
    steps.sort_by_key(|step| step.phase);
    Ok(steps)
}

/// A table that somebody else made is left alone.
fn check_foreign(connection: &Connection, known: &Known, table: &Table) -> Result<()> {
    if known.record.is_none() && schema::exists(connection, &bare_name(table.kind))? {
        return Err(Error::Unusable(format!(
            "the data file has a table {} that is not this store's: choose another file",
            table.name,
        )));
    }
    Ok(())
}

fn backfill_step(table: &Table) -> Option<Step> {
    if table.stale.is_empty() {
        return None;
    }
    let keys: Vec<String> = table
        .indexes
        .iter()
        .flat_map(|index| &index.columns)
        .map(|column| format!("{column} = <the key's part>"))
        .collect();
    let sets: Vec<String> = table.stale.iter().map(|set| format!("'{set}'")).collect();
    let statement = format!(
        "UPDATE {} SET {}, index_set = '{}' WHERE index_set IN ({}) AND document IS NOT NULL",
        table.name,
        keys.join(", "),
        table.set,
        sets.join(", "),
    );
    Some(Step { phase: Phase::Backfill, statement })
}

/// Expands the file, and notes that this binary owns it; the tables know which of their rows lack keys. It may be stopped
/// anywhere, and goes on at the next opening.
pub(crate) fn upgrade(
    connection: &Connection,
    schemas: &[Schema],
    options: &Options,
    call: &Call,
    observe: &mut dyn FnMut(&Step),
) -> Result<Tables> {
    let tx = schema::begin(connection)?;
    let format = schema::check_format(&tx)?;
    if format.is_none() {
        apply(&tx, vec![Change::expand(CREATE.into())], options.migrate, observe)?;
    }
    if format != Some(FORMAT) {
        schema::put(&tx, "format", &FORMAT)?;
    }
    tx.commit().map_err(told)?;
    let mut tables = Tables::default();
    for schema in schemas {
        call.check()?;
        let tx = schema::begin(connection)?;
        let table = own(&tx, schema, options.migrate, observe)?;
        tx.commit().map_err(told)?;
        tables.put(table);
    }
    Ok(tables)
}

fn own(tx: &Connection, schema: &Schema, migrate: Migrate, observe: &mut dyn FnMut(&Step)) -> Result<Table> {
    let known = Known::read(tx, schema.kind)?;
    let table = known.table(schema, false);
    check_foreign(tx, &known, &table)?;
    let changes = known.expansion(&table)?;
    if !changes.is_empty() {
        apply(tx, changes, migrate, observe)?;
        known.put_indexes(tx, &table)?;
    }
    let record = known.owned(&table, schema.index_lines());
    if known.record.as_ref() != Some(&record) {
        schema::put(tx, &schema::kind_key(schema.kind), &record)?;
    }
    Ok(table)
}

fn apply(
    tx: &Connection,
    changes: Vec<Change>,
    migrate: Migrate,
    observe: &mut dyn FnMut(&Step),
) -> Result<()> {
    if migrate == Migrate::Check {
        let missing: Vec<String> = changes.into_iter().map(|change| change.step.statement).collect();
        return Err(Error::Unusable(format!(
            "the data file lacks what this binary asks for, and may not be changed by it: {}",
            missing.join("; "),
        )));
    }
    for change in changes {
        change.apply(tx)?;
        observe(&change.step);
    }
    Ok(())
}

/// Fills all indexes.
fn fill(connection: &Connection, tables: &Tables, call: &Call, observe: &mut dyn FnMut(&Step)) -> Result<()> {
    let mut backfill = Backfill::of(tables);
    while let Some(table) = backfill.next() {
        while !backfill.step(connection)? {
            call.check()?;
        }
        backfill_step(&table).iter().for_each(&mut *observe);
    }
    Ok(())
}

/// Takes away, one by one, the indexes that the schema does not have.
fn contract_kind(connection: &Connection, schema: &Schema, observe: &mut dyn FnMut(&Step)) -> Result<()> {
    let tx = schema::begin(connection)?;
    let known = Known::read(&tx, schema.kind)?;
    let contraction = known.contraction(schema);
    let Some(mut record) = known.record.clone().filter(|_| !contraction.is_empty()) else { return Ok(()) };
    for (name, changes) in contraction {
        apply(&tx, changes, Migrate::Apply, observe)?;
        let key = schema::index_key(schema.kind, &name);
        tx.execute("DELETE FROM staffa_meta WHERE key = ?1", [key]).map_err(told)?;
        let stays = |line: &&str| line.split(' ').next() != Some(&name);
        for lines in record.sets.values_mut() {
            *lines = lines.lines().filter(stays).collect::<Vec<_>>().join("\n");
        }
    }
    record.contracted += 1;
    schema::put(&tx, &schema::kind_key(schema.kind), &record)?;
    tx.commit().map_err(told)
}

/// The tables of a file that another process may own: those kinds that the owner has under the same indexes.
pub(crate) fn beside(connection: &Connection, schemas: &[Schema]) -> Result<Tables> {
    if schema::check_format(connection)? != Some(FORMAT) {
        return Err(Error::Unusable(
            "the data file has no store of this format in it yet: start its service once".into(),
        ));
    }
    let mut tables = Tables::default();
    for schema in schemas {
        let known = Known::read(connection, schema.kind)?;
        let table = known.table(schema, true);
        if known.record.as_ref().is_some_and(|record| record.set == table.set) {
            tables.put(table);
        }
    }
    Ok(tables)
}
