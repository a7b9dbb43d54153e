//! What is missing, told or done: for people and their commands.

use staffa_context::Context;
use staffa_storage::{Error, Phase, Result, Schema, Step};

use crate::build::{self, Builder, Observe};
use crate::error::told;
use crate::options::Options;
use crate::session::Session;
use crate::table::{Table, quoted};
use crate::{backfill, connection, schema};

/// What is missing for these schemas on the server of `url`, and with `contract` what only older binaries need. It reads
/// and changes nothing.
///
/// # Errors
///
/// Those of [`crate::Postgres::open`].
pub async fn plan(
    ctx: &Context,
    url: &str,
    options: &Options,
    schemas: &[Schema],
    contract: bool,
) -> Result<Vec<Step>> {
    ctx.check()?;
    Schema::check(schemas)?;
    ctx.run(missing(ctx, url, options, schemas, contract)).await?
}

async fn missing(
    ctx: &Context,
    url: &str,
    options: &Options,
    schemas: &[Schema],
    contract: bool,
) -> Result<Vec<Step>> {
    let pool = connection::reach(ctx, url, options).await?;
    let session = pool.session(ctx).await?;
    let present = schema::inspect(&session, &options.schema).await?;
    let plan = schema::plan(&present, &options.schema, schemas)?;
    let space = quoted(&options.schema);
    let mut steps = plan.steps(&space, contract);
    let backfills = stale_steps(&session, &present, &plan, &space, schemas).await?;
    let at = steps.iter().position(|step| step.phase == Phase::Contract).unwrap_or(steps.len());
    steps.splice(at..at, backfills);
    Ok(steps)
}

/// Takes the store on the server of `url` to these schemas, until every index is whole, and with `contract` takes away what
/// only older binaries need. `observe` is told of each step once it is done. It may be stopped and called again.
///
/// # Errors
///
/// Those of [`crate::Postgres::open`].
pub async fn migrate(
    ctx: &Context,
    url: &str,
    options: &Options,
    schemas: &[Schema],
    contract: bool,
    mut observe: impl FnMut(&Step) + Send,
) -> Result<()> {
    ctx.check()?;
    Schema::check(schemas)?;
    ctx.run(migrate_all(ctx, url, options, schemas, contract, &mut observe)).await?
}

async fn migrate_all(
    ctx: &Context,
    url: &str,
    options: &Options,
    schemas: &[Schema],
    contract: bool,
    observe: Observe<'_>,
) -> Result<()> {
    let pool = connection::reach(ctx, url, options).await?;
    let session = pool.session(ctx).await?;
    let plan = build::expand(ctx, &session, &options.schema, schemas, observe).await?;
    let tables = plan.tables(&quoted(&options.schema), schemas)?;
    let builder = Builder { pool: &pool, schema: &options.schema, schemas, tables: &tables };
    builder.run(ctx, observe).await?;
    if contract {
        let present = schema::inspect(&session, &options.schema).await?;
        for statement in schema::plan(&present, &options.schema, schemas)?.contract {
            session.simple(&statement).await.map_err(|error| told(&error))?;
            observe(&Step { phase: Phase::Contract, statement });
        }
    }
    drop(session);
    pool.close(ctx).await
}

/// A step for each kind whose rows have to be keyed.
async fn stale_steps(
    session: &Session,
    present: &schema::Present,
    plan: &schema::Plan,
    space: &str,
    schemas: &[Schema],
) -> Result<Vec<Step>> {
    let mut steps = Vec::new();
    for schema in schemas.iter().filter(|schema| present.has(schema.kind)) {
        let lines = plan.lines.get(schema.kind).cloned().unwrap_or_default();
        let table = Table::new(space, schema, &lines)?;
        let rows = backfill::count(session, &table, usize::MAX).await?;
        if rows > 0 {
            let statement = format!("-- key {rows} rows: UPDATE {} … WHERE {}", table.name, table.is_stale());
            steps.push(Step { phase: Phase::Backfill, statement });
        }
    }
    Ok(steps)
}

/// The plan of a store that lacks nothing; rows that a read can key may be there.
pub(crate) async fn checked(session: &Session, name: &str, schemas: &[Schema]) -> Result<schema::Plan> {
    let present = schema::inspect(session, name).await?;
    let plan = schema::plan(&present, name, schemas)?;
    let mut missing: Vec<String> =
        plan.steps(&quoted(name), false).into_iter().map(|step| step.statement).collect();
    if missing.is_empty() {
        for schema in schemas {
            let lines = plan.lines.get(schema.kind).cloned().unwrap_or_default();
            let table = Table::new(&quoted(name), schema, &lines)?;
            let rows = backfill::count(session, &table, backfill::FEW + 1).await?;
            if rows > backfill::FEW {
                missing.push(format!("the keys of more than {} rows of {}", backfill::FEW, schema.kind));
            }
        }
    }
    if missing.is_empty() {
        return Ok(plan);
    }
    Err(Error::Unusable(format!(
        "the schema {name} is not what this binary needs, and it is told to change nothing; missing: {}",
        missing.join("; "),
    )))
}
