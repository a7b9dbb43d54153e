//! Reads that take their time: a port of the shop's own, with an adapter for each store.
use std::time::Duration;

use async_trait::async_trait;
use shop_core::catalog::SlowReads;
use staffa::context::Span;
use staffa::{Context, Failure};

/// One statement that keeps SQLite busy for some seconds: it counts without an end in sight, and the adapter's
/// progress handler stops it when the context ends.
#[cfg(feature = "sqlite")]
pub(crate) struct SlowSqlite(pub(crate) std::sync::Arc<staffa::sqlite::Sqlite>);

/// How far it counts: 4 to 10 seconds on the machines that it was tried on.
#[cfg(feature = "sqlite")]
const COUNT: &str = "WITH RECURSIVE counting(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counting WHERE n < 40000000) \
                     SELECT max(n) FROM counting";

#[cfg(feature = "sqlite")]
#[async_trait]
impl SlowReads for SlowSqlite {
    async fn read_slowly(&self, ctx: &Context) -> Result<(), Failure> {
        let mut span = ctx.span("slow statement");
        let read = self.0.read(&span, |connection| connection.query_row(COUNT, [], |_| Ok(()))).await;
        read.map_err(|error| failed(&mut span, error.into()))
    }
}

/// One statement that sleeps on PostgreSQL's server, which wakes and ends it when the context ends.
#[cfg(feature = "postgres")]
pub(crate) struct SlowPostgres(pub(crate) std::sync::Arc<staffa::postgres::Postgres>);

#[cfg(feature = "postgres")]
#[async_trait]
impl SlowReads for SlowPostgres {
    async fn read_slowly(&self, ctx: &Context) -> Result<(), Failure> {
        let mut span = ctx.span("slow statement");
        let sleep = self.0.read(&span, |client| Box::pin(client.batch_execute("SELECT pg_sleep(8)")));
        sleep.await.map_err(|error| failed(&mut span, error.into()))
    }
}

/// No statement: the in-memory store has none, and MongoDB has none for it that every server can run and end. It waits.
pub(crate) struct Waiting;

#[async_trait]
impl SlowReads for Waiting {
    async fn read_slowly(&self, ctx: &Context) -> Result<(), Failure> {
        let mut span = ctx.span("slow read");
        let slept = span.sleep(Duration::from_secs(5)).await;
        slept.map_err(|cause| failed(&mut span, cause.into()))
    }
}

/// Notes in the span why it stopped.
fn failed(span: &mut Span, failure: Failure) -> Failure {
    span.fail(&failure);
    failure
}
