//! Makes the keys of rows that were written by a binary without an index of this one.

use staffa_storage::{Error, Part, Result};

use crate::error::told;
use crate::row::{Param, document, get, part, shape};
use crate::session::{Session, Sql, Step, Told, together};
use crate::table::Table;

/// Rows whose keys are made in one transaction.
const BATCH: usize = 500;
/// Stale rows that a read keys by itself.
pub(crate) const FEW: usize = 1_000;
/// Stale rows that are counted at most.
const COUNT_MAX: usize = 1_000_000;

/// A stale row with the keys that it gets.
struct Keyed {
    id: Part,
    version: i64,
    indexes: i64,
    keys: Vec<Vec<Part>>,
}

/// How many rows are stale, counted up to a limit.
pub(crate) async fn count(session: &Session, table: &Table, limit: usize) -> Result<usize> {
    let (name, stale, limit) = (&table.name, table.is_stale(), limit.min(COUNT_MAX));
    let text = format!(
        "SELECT count(*) FROM (SELECT 1 FROM {name} WHERE {stale} ORDER BY indexes LIMIT {limit}) AS counted"
    );
    let rows = session.query(&Sql::new(text, []), &[]).await.map_err(|error| told(&error))?;
    let count: i64 = rows.first().map_or(Ok(0), |row| get(row, 0))?;
    Ok(usize::try_from(count).unwrap_or(0))
}

/// Keys the next stale rows; gives how many there were. Those that somebody wrote meanwhile are left as they are.
///
/// The shape of a row stays as it was: its document is not written.
pub(crate) async fn batch(session: &Session, table: &Table) -> Result<usize> {
    let mut rows = stale_rows(session, table).await?;
    // Units lock rows in this order, too.
    rows.sort_by(|a, b| a.id.cmp(&b.id));
    let count = rows.len();
    if count > 0
        && let Err(error) = write(session, table, rows).await
    {
        session.rollback().await;
        return Err(told_of_key(table, &error));
    }
    Ok(count)
}

async fn stale_rows(session: &Session, table: &Table) -> Result<Vec<Keyed>> {
    let text = format!(
        "SELECT id, version, shape, document, indexes FROM {} WHERE {} ORDER BY indexes LIMIT {BATCH}",
        table.name,
        table.is_stale(),
    );
    let rows = session.query(&Sql::new(text, []), &[]).await.map_err(|error| told(&error))?;
    let mut keyed = Vec::with_capacity(rows.len());
    for row in &rows {
        let (id, shape) = (part(row, 0, table.schema.id)?, shape(row, 2)?);
        if shape > table.schema.shape {
            return Err(Error::NewerShape { kind: table.kind().into(), id: id.to_string(), shape });
        }
        let keys = (table.schema.keys)(shape, document(row, 3)?.value()?)?;
        keyed.push(Keyed { id, version: get(row, 1)?, indexes: get(row, 4)?, keys });
    }
    Ok(keyed)
}

async fn write(session: &Session, table: &Table, rows: Vec<Keyed>) -> Told<()> {
    let ready = session.ready(&table.rekey).await?;
    let params: Vec<Vec<Param>> = rows.into_iter().map(Keyed::params).collect();
    let mut steps: Vec<Step<'_, Told<()>>> = vec![Box::pin(session.begin(""))];
    for params in &params {
        steps.push(Box::pin(async { session.execute(&ready, params).await.map(drop) }));
    }
    steps.push(Box::pin(session.commit()));
    together(steps).await.into_iter().collect()
}

impl Keyed {
    fn params(self) -> Vec<Param> {
        let fixed = [Param::from(&self.id), Param::Int(self.version), Param::Int(self.indexes)];
        fixed.into_iter().chain(self.keys.iter().flatten().map(Param::from)).collect()
    }
}

/// A key that another row has already: an older binary wrote both, which does not know that it must not.
fn told_of_key(table: &Table, error: &tokio_postgres::Error) -> Error {
    let name = error.as_db_error().and_then(|refused| refused.constraint());
    match name.and_then(|name| table.index_named(name)) {
        Some(index) => Error::Duplicate { kind: table.kind().into(), index: index.schema.name.into() },
        None if crate::error::is_in_the_way(error) => {
            Error::Unavailable("units are in the way of keying rows: try again".into())
        }
        None => told(error),
    }
}
